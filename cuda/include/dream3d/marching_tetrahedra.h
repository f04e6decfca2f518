// Marching tetrahedra: the triangles between the vertices inside (distance < 0) and outside (>= 0) of one
// tetrahedron (Doi & Koide 1991), wound counter-clockwise seen from outside.
//
// Only signs are read. Corners of triangles are named by the edge they are on, so that tetrahedra agree on what they
// share without knowing each other; where along its edge a corner lies is the caller's matter.
#pragma once

#include <cstdint>

#include "dream3d/api.h"
#include "dream3d/common.h"

namespace dream3d {

struct TetEdge {
  int inside, outside;  // which of the four vertices
};

// Number of triangles for the vertices inside, one bit each: two bits for each of the 16 cases.
D3D_HOST_DEVICE inline int32_t tet_num_triangles(uint32_t inside) {
  return static_cast<int32_t>(0x16696994u >> 2 * inside & 3u);
}

// Number of the lowest set bit of four.
D3D_HOST_DEVICE inline int tet_first(uint32_t bits) {
  return (bits & 1u) != 0 ? 0 : (bits & 2u) != 0 ? 1 : (bits & 4u) != 0 ? 2 : 3;
}

// A corner of the only triangle, which cuts off one vertex. Renaming vertex j to j ^ lone is a half turn: it keeps
// the tetrahedron right-handed and moves the lone vertex to 0, whose triangle on the edges to 1, 2, 3 faces away from
// it. When the lone vertex is the one outside, the triangle has to face it.
D3D_HOST_DEVICE inline TetEdge tet_triangle_corner(uint32_t inside, int corner) {
  const bool is_hole = (inside & (inside - 1u)) != 0;  // three are inside
  const int lone = tet_first(is_hole ? ~inside : inside);
  return is_hole ? TetEdge{lone ^ (3 - corner), lone} : TetEdge{lone, lone ^ (corner + 1)};
}

// A corner of the two triangles of a quad that parts two vertices i < j from k and l. Its ring is ik, il, jl, jk
// when (i, j, k, l) is an even permutation.
D3D_HOST_DEVICE inline TetEdge tet_quad_corner(uint32_t inside, int corner) {
  const uint32_t outside = ~inside & 15u;
  const int i = tet_first(inside), j = tet_first(inside & (inside - 1u));
  int k = tet_first(outside), l = tet_first(outside & (outside - 1u));
  if ((i ^ j) == 2) {
    const int other = k;
    k = l;
    l = other;
  }
  const int at = corner < 3 ? corner : (corner == 3 ? 0 : corner - 2);  // 0 1 2, 0 2 3
  return {at < 2 ? i : j, at == 0 || at == 3 ? k : l};
}

// Reads the signs of a tetrahedron, one bit per vertex inside. Returns its number of triangles, or D3D_TET_BAD_INDEX or
// D3D_TET_NOT_FINITE.
D3D_HOST_DEVICE inline int32_t tet_classify(const D3dMarchingTetrahedraParams& p, int64_t tet,
                                            uint32_t& inside) {
  inside = 0;
  float rest = 0.0f;  // x - x is zero but for infinity and NaN
  for (int i = 0; i < 4; ++i) {
    const int32_t vertex = p.tets[4 * tet + i];
    if (vertex < 0 || vertex >= p.num_vertices) return D3D_TET_BAD_INDEX;
    const float distance = p.sdf[vertex];
    rest += distance - distance;
    inside |= static_cast<uint32_t>(distance < 0.0f) << i;
  }
  return rest == 0.0f ? tet_num_triangles(inside) : static_cast<int32_t>(D3D_TET_NOT_FINITE);
}

// Writes the triangles of a tetrahedron, from `triangle` on.
D3D_HOST_DEVICE inline void tet_write(const D3dMarchingTetrahedraParams& p, int64_t tet, uint32_t inside,
                                      int32_t num_triangles, int64_t triangle) {
  for (int corner = 0; corner < 3 * num_triangles; ++corner) {
    const TetEdge edge =
        num_triangles == 1 ? tet_triangle_corner(inside, corner) : tet_quad_corner(inside, corner);
    const int64_t a = p.tets[4 * tet + edge.inside], b = p.tets[4 * tet + edge.outside];
    p.corner_edges[3 * triangle + corner] = min_of(a, b) * p.num_vertices + max_of(a, b);
  }
}

}  // namespace dream3d
