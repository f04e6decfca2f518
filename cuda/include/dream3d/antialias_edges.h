// Where a discontinuity of a rasterised picture crosses between the centres of two neighbouring pixels, and
// the derivative of that place with respect to the vertices.
//
// A pair of pixels that see different triangles is looked at along the line through both centres. From the
// triangle in front the line is followed through its neighbours, as seen on screen, until it leaves the
// surface at a silhouette: an edge of one face, or one whose other face folds back. (Only the first triangle
// is looked at by Laine et al. 2020, Modular Primitives for High-Performance Differentiable Rendering; near a
// silhouette triangles are slivers, and the edge is rarely the one of the triangle that a pixel happens to
// see.) Where both surfaces go on below the other pixel they pass through each other, and the place is where
// their depths are equal.
//
// All lengths are homogeneous: a vertex is (u, v, w) with u / w and v / w its distance in pixels from the
// centre of the pair's first pixel, u towards the second one. So nothing is divided by a small w.
#pragma once

#include <cmath>

#include "dream3d/api.h"
#include "dream3d/common.h"

namespace dream3d {

constexpr int kMaxWalk = 128;                   // triangles followed between two pixel centres
constexpr double kSnapTolerance = 1.0 / 128.0;  // pixels; rasterize covers by vertices snapped to 1/256 pixel
constexpr double kMinDepthSlope = 0.02;         // of two crossing surfaces against each other, relative
constexpr double kMinDepthStep = 1e-6;          // the same per pixel; float32 depth has steps of 6e-8

// The mesh of one view.
struct EdgeMesh {
  const float* positions;    // [V, 4]
  const int32_t* faces;      // [T, 3]
  const int32_t* neighbors;  // [T, 3]
  int64_t num_vertices, num_triangles;
};

// Where a pair looks from: centre of the first pixel, and the direction, 0 to the right, 1 downwards.
struct PairFrame {
  double half_width, half_height, x, y;
  int axis;
};

struct PairVertex {
  double u, v, w;
};

struct PairTriangle {
  int32_t index[3];
  PairVertex corner[3];
};

D3D_HOST_DEVICE inline PairFrame make_pair_frame(int64_t height, int64_t width, int64_t row, int64_t column,
                                                 int axis) {
  return {0.5 * static_cast<double>(width), 0.5 * static_cast<double>(height),
          static_cast<double>(column) + 0.5, static_cast<double>(row) + 0.5, axis};
}

D3D_HOST_DEVICE inline PairVertex to_pair(const PairFrame& frame, const float* p) {
  const double x = p[0], y = p[1], w = p[3];
  const double across_x = x * frame.half_width + w * (frame.half_width - frame.x);
  const double across_y = w * (frame.half_height - frame.y) - y * frame.half_height;
  return frame.axis == 0 ? PairVertex{across_x, across_y, w} : PairVertex{across_y, across_x, w};
}

// False where the triangle or a vertex does not exist, or a coordinate is not finite.
D3D_HOST_DEVICE inline bool load_triangle(const EdgeMesh& mesh, const PairFrame& frame, int64_t triangle,
                                          PairTriangle& out) {
  if (triangle < 0 || triangle >= mesh.num_triangles) return false;
  double zero_if_finite = 0.0;
  for (int i = 0; i < 3; ++i) {
    const int32_t vertex = mesh.faces[3 * triangle + i];
    if (vertex < 0 || vertex >= mesh.num_vertices) return false;
    const PairVertex p = to_pair(frame, mesh.positions + 4 * int64_t{vertex});
    zero_if_finite += (p.u - p.u) + (p.v - p.v) + (p.w - p.w);
    out.index[i] = vertex;
    out.corner[i] = p;
  }
  return zero_if_finite == 0.0;
}

// Do a and b lie on different sides of the line through the centres? A vertex on it counts as below.
D3D_HOST_DEVICE inline bool straddles(const PairVertex& a, const PairVertex& b) {
  return (a.v >= 0.0) != (b.v >= 0.0);
}

// Pixels from the first centre to where the edge meets the line. For w > 0 and an edge that straddles the
// line the denominator is a sum of two terms of one sign: never 0.
D3D_HOST_DEVICE inline double edge_crossing(const PairVertex& a, const PairVertex& b) {
  return (a.u * b.v - b.u * a.v) / (a.w * b.v - b.w * a.v);
}

// Derivatives of edge_crossing to both ends.
D3D_HOST_DEVICE inline void edge_crossing_vjp(const PairVertex& a, const PairVertex& b, double grad,
                                              PairVertex& grad_a, PairVertex& grad_b) {
  const double scale = grad / (a.w * b.v - b.w * a.v);
  const double s = edge_crossing(a, b);
  grad_a = {scale * b.v, scale * (s * b.w - b.u), -scale * s * b.v};
  grad_b = {-scale * a.v, scale * (a.u - s * a.w), scale * s * a.v};
}

// Adds a gradient in the pair's coordinates to that of the clip-space vertex.
template <class Add>
D3D_HOST_DEVICE inline void to_pair_vjp(const PairFrame& frame, const PairVertex& grad, double grad_z,
                                        int32_t vertex, const Add& add) {
  const double x = frame.axis == 0 ? grad.u : grad.v;
  const double y = frame.axis == 0 ? grad.v : grad.u;
  const double w = x * (frame.half_width - frame.x) + y * (frame.half_height - frame.y) + grad.w;
  add(vertex, static_cast<float>(x * frame.half_width), static_cast<float>(-y * frame.half_height),
      static_cast<float>(grad_z), static_cast<float>(w));
}

// Every edge belongs to the pairs of one direction: steep ones to horizontal pairs, flat ones to vertical
// pairs. It is decided by the vertices alone, so that all pairs agree.
D3D_HOST_DEVICE inline bool is_of_axis(const EdgeMesh& mesh, const PairFrame& frame, int32_t a, int32_t b) {
  const float* p = mesh.positions + 4 * int64_t{a};
  const float* q = mesh.positions + 4 * int64_t{b};
  const double dx = (double{p[3]} * q[0] - double{q[3]} * p[0]) * frame.half_width;
  const double dy = (double{p[3]} * q[1] - double{q[3]} * p[1]) * frame.half_height;
  const bool is_steep = fabs(dy) >= fabs(dx);
  return is_steep == (frame.axis == 0);
}

// Side of the edge on which a vertex, or what is visible of a triangle with it, lies.
D3D_HOST_DEVICE inline double side_of_edge(const PairVertex& a, const PairVertex& b, const PairVertex& p) {
  return (a.v * b.w - a.w * b.v) * p.u + (a.w * b.u - a.u * b.w) * p.v + (a.u * b.v - a.v * b.u) * p.w;
}

enum class WalkEnd { kUnknown, kSameSurface, kCoversOther, kSilhouette };

struct Walk {
  WalkEnd end;
  int32_t edge;     // half-edge 3 t + e, from corner e to corner e + 1
  double crossing;  // pixels from the first centre
};

// The edge through which the line leaves the triangle that a pixel sees, or -1.
D3D_HOST_DEVICE inline int first_exit(const PairTriangle& t, bool forward) {
  int exit = -1;
  double farthest = forward ? -kSnapTolerance : -1.0 - kSnapTolerance;
  for (int e = 0; e < 3; ++e) {
    const PairVertex &a = t.corner[e], &b = t.corner[(e + 1) % 3];
    if (!(a.w > 0.0 && b.w > 0.0) || !straddles(a, b)) continue;
    const double ahead = forward ? edge_crossing(a, b) : -edge_crossing(a, b);
    if (!(ahead >= farthest)) continue;
    exit = e;
    farthest = ahead;
  }
  return exit;
}

// Follows the line from the pixel that sees `triangle` to the one that sees `other`: forward from the first
// of the pair to the second, or back.
D3D_HOST_DEVICE inline Walk walk_surface(const EdgeMesh& mesh, const PairFrame& frame, int32_t triangle,
                                         int32_t other, bool forward) {
  const Walk unknown = {WalkEnd::kUnknown, -1, 0.0};
  PairTriangle here, next;
  if (!load_triangle(mesh, frame, triangle, here)) return unknown;
  int exit = first_exit(here, forward);
  for (int step = 0; step < kMaxWalk && exit >= 0; ++step) {
    const PairVertex &a = here.corner[exit], &b = here.corner[(exit + 1) % 3];
    if (!(a.w > 0.0 && b.w > 0.0) || !straddles(a, b)) return unknown;
    const double crossing = edge_crossing(a, b);
    if (forward ? crossing > 1.0 + kSnapTolerance : crossing < -kSnapTolerance) {
      return {WalkEnd::kCoversOther, -1, 0.0};
    }
    const int32_t edge = 3 * triangle + exit;
    const int32_t twin = mesh.neighbors[edge];
    const Walk silhouette = {WalkEnd::kSilhouette, edge, crossing};
    if (twin < 0) return silhouette;
    if (!load_triangle(mesh, frame, twin / 3, next)) return unknown;
    const int entry = twin % 3;
    const double own_side = side_of_edge(a, b, here.corner[(exit + 2) % 3]);
    const double next_side = side_of_edge(a, b, next.corner[(entry + 2) % 3]);
    if ((own_side > 0.0 && next_side > 0.0) || (own_side < 0.0 && next_side < 0.0)) return silhouette;
    triangle = twin / 3;
    if (triangle == other) return {WalkEnd::kSameSurface, -1, 0.0};
    here = next;
    exit = (entry + (straddles(here.corner[(entry + 1) % 3], here.corner[(entry + 2) % 3]) ? 1 : 2)) % 3;
  }
  return unknown;
}

// z/w of a triangle's plane around the first centre: at_center + along u + across v, with u and v in pixels.
struct PairDepth {
  double at_center, along, across;
  double weight[3][3];  // affine weight of corner i at (u, v): weight[i] . (u, v, 1)
};

D3D_HOST_DEVICE inline bool make_pair_depth(const EdgeMesh& mesh, const PairTriangle& t, PairDepth& out) {
  double u[3], v[3], depth[3];
  for (int i = 0; i < 3; ++i) {
    if (!(t.corner[i].w > 0.0)) return false;
    u[i] = t.corner[i].u / t.corner[i].w;
    v[i] = t.corner[i].v / t.corner[i].w;
    depth[i] = mesh.positions[4 * int64_t{t.index[i]} + 2] / t.corner[i].w;
  }
  const double area = (u[1] - u[0]) * (v[2] - v[0]) - (v[1] - v[0]) * (u[2] - u[0]);
  out.at_center = out.along = out.across = 0.0;
  for (int i = 0; i < 3; ++i) {
    const int j = (i + 1) % 3, k = (i + 2) % 3;
    double* weight = out.weight[i];
    weight[0] = (v[j] - v[k]) / area;
    weight[1] = (u[k] - u[j]) / area;
    weight[2] = (u[j] * v[k] - u[k] * v[j]) / area;
    out.along += weight[0] * depth[i];
    out.across += weight[1] * depth[i];
    out.at_center += weight[2] * depth[i];
  }
  return (out.at_center - out.at_center) + (out.along - out.along) + (out.across - out.across) == 0.0;
}

D3D_HOST_DEVICE inline bool share_a_vertex(const PairTriangle& a, const PairTriangle& b) {
  for (int i = 0; i < 9; ++i) {
    if (a.index[i / 3] == b.index[i % 3]) return true;
  }
  return false;
}

// Where two triangles that pass through each other have equal depth; false where they do not between the
// centres. Left out are neighbours, which meet at what they share, and surfaces that are nearly parallel,
// whose line moves without bound.
D3D_HOST_DEVICE inline bool find_intersection(const EdgeMesh& mesh, const PairFrame& frame, int32_t first,
                                              int32_t second, double& crossing) {
  PairTriangle a, b;
  PairDepth p, q;
  if (!load_triangle(mesh, frame, first, a) || !load_triangle(mesh, frame, second, b)) return false;
  if (share_a_vertex(a, b) || !make_pair_depth(mesh, a, p) || !make_pair_depth(mesh, b, q)) return false;
  const double along = p.along - q.along, across = p.across - q.across;
  const double slopes = fabs(p.along) + fabs(q.along) + fabs(p.across) + fabs(q.across);
  if (!(along > max_of(kMinDepthStep, kMinDepthSlope * slopes))) return false;
  if (frame.axis == 0 ? fabs(along) < fabs(across) : fabs(along) <= fabs(across)) return false;
  crossing = (q.at_center - p.at_center) / along;
  return crossing >= 0.0 && crossing <= 1.0;
}

// One triangle's part in the derivative of where it meets another: at that place its depth changes by
// weight_i (dz_i - along du_i - across dv_i) when corner i moves.
template <class Add>
D3D_HOST_DEVICE inline void pair_depth_vjp(const EdgeMesh& mesh, const PairFrame& frame,
                                           const PairTriangle& t, const PairDepth& depth, double crossing,
                                           double grad, const Add& add) {
  for (int i = 0; i < 3; ++i) {
    const double scale = grad * (depth.weight[i][0] * crossing + depth.weight[i][2]) / t.corner[i].w;
    const double u = t.corner[i].u / t.corner[i].w, v = t.corner[i].v / t.corner[i].w;
    const double z = mesh.positions[4 * int64_t{t.index[i]} + 2] / t.corner[i].w;
    const PairVertex grad_corner = {-scale * depth.along, -scale * depth.across,
                                    scale * (depth.along * u + depth.across * v - z)};
    to_pair_vjp(frame, grad_corner, scale, t.index[i], add);
  }
}

template <class Add>
D3D_HOST_DEVICE inline void find_intersection_vjp(const EdgeMesh& mesh, const PairFrame& frame, int32_t first,
                                                  int32_t second, double grad, const Add& add) {
  PairTriangle a, b;
  PairDepth p, q;
  if (!load_triangle(mesh, frame, first, a) || !load_triangle(mesh, frame, second, b)) return;
  if (!make_pair_depth(mesh, a, p) || !make_pair_depth(mesh, b, q)) return;
  const double along = p.along - q.along;
  const double crossing = (q.at_center - p.at_center) / along;
  pair_depth_vjp(mesh, frame, a, p, crossing, -grad / along, add);
  pair_depth_vjp(mesh, frame, b, q, crossing, grad / along, add);
}

}  // namespace dream3d
