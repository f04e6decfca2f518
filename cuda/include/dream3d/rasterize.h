// Rasterisation, the part that is the same on every back-end: clipping, snapping, coverage and depth (the weights
// of the vertices are in barycentrics.h).
//
// Coverage is decided in integers: vertices are snapped to 1/256 pixel and each edge is an exact linear
// function of the pixel, with the top-left rule on ties. An edge shared by two triangles has the same snapped
// ends in both, so a pixel centre on or near it belongs to exactly one of them. Depth and barycentrics come
// from the unsnapped clip-space positions in double precision (homogeneous rasterisation, Olano and Greer
// 1997), which needs no division by w and holds for triangles that cross the camera plane.
#pragma once

#include <cmath>

#include "dream3d/barycentrics.h"
#include "dream3d/common.h"

namespace dream3d {

constexpr int32_t kSubpixels = 256;  // fixed-point steps per pixel
constexpr int64_t kMaxImageSize = 32768;
constexpr double kGuardBand =
    64.0;  // |x/w|, |y/w| beyond this are clipped, so snapped coordinates fit 30 bits
constexpr double kMinW = 1e-20;
constexpr int kMaxClipVertices = 10;  // 3 + one per clip plane
constexpr int kNumClipPlanes = 7;

struct Int2 {
  int32_t x, y;
};

// Signed distance of a vertex to a clip plane, >= 0 inside. Order: w > 0, near, far, guard band.
D3D_HOST_DEVICE inline double clip_distance(const ClipVertex& v, int plane) {
  switch (plane) {
    case 0: return v.w - kMinW;
    case 1: return v.z + v.w;
    case 2: return v.w - v.z;
    case 3: return v.x + kGuardBand * v.w;
    case 4: return kGuardBand * v.w - v.x;
    case 5: return v.y + kGuardBand * v.w;
    default: return kGuardBand * v.w - v.y;
  }
}

// One bit per clip plane the vertex is outside of; all bits for a vertex that is not finite (a triangle with
// a bit common to its three vertices is invisible; the caller drops triangles with a non-finite vertex).
D3D_HOST_DEVICE inline uint32_t outcode(const ClipVertex& v) {
  uint32_t code = 0;
  for (int plane = 0; plane < kNumClipPlanes; ++plane) {
    if (!(clip_distance(v, plane) >= 0.0)) code |= 1u << plane;
  }
  return code;
}

D3D_HOST_DEVICE inline bool is_finite(const ClipVertex& v) {
  // x - x is 0 for finite x and NaN otherwise
  return (v.x - v.x) + (v.y - v.y) + (v.z - v.z) + (v.w - v.w) == 0.0;
}

// Where the edge from `inside` to `outside` meets the plane. Always called in that order, whatever the winding, so
// two triangles that share the edge get the same point. It is put on the plane exactly: interpolating a coordinate of
// 1e20 down to 64 would lose it to rounding.
D3D_HOST_DEVICE inline ClipVertex clip_edge(const ClipVertex& inside, const ClipVertex& outside, int plane) {
  const double d_inside = clip_distance(inside, plane);
  const double t = d_inside / (d_inside - clip_distance(outside, plane));
  ClipVertex v = {inside.x + t * (outside.x - inside.x), inside.y + t * (outside.y - inside.y),
                  inside.z + t * (outside.z - inside.z), inside.w + t * (outside.w - inside.w)};
  switch (plane) {
    case 0: v.w = kMinW; break;
    case 1: v.z = -v.w; break;
    case 2: v.z = v.w; break;
    case 3: v.x = -kGuardBand * v.w; break;
    case 4: v.x = kGuardBand * v.w; break;
    case 5: v.y = -kGuardBand * v.w; break;
    default: v.y = kGuardBand * v.w; break;
  }
  return v;
}

// Sutherland-Hodgman against the planes in `planes` (a union of outcodes). Returns the number of polygon
// vertices, 0 when nothing is left. polygon[0..2] holds the triangle on entry.
D3D_HOST_DEVICE inline int clip_polygon(ClipVertex polygon[kMaxClipVertices], uint32_t planes) {
  int count = 3;
  for (int plane = 0; plane < kNumClipPlanes && count > 0; ++plane) {
    if (!(planes >> plane & 1u)) continue;
    ClipVertex clipped[kMaxClipVertices];
    int kept = 0;
    for (int i = 0; i < count; ++i) {
      const ClipVertex& a = polygon[i];
      const ClipVertex& b = polygon[i + 1 < count ? i + 1 : 0];
      const bool a_inside = clip_distance(a, plane) >= 0.0;
      const bool b_inside = clip_distance(b, plane) >= 0.0;
      if (a_inside && kept < kMaxClipVertices) clipped[kept++] = a;
      if (a_inside != b_inside && kept < kMaxClipVertices) {
        clipped[kept++] = a_inside ? clip_edge(a, b, plane) : clip_edge(b, a, plane);
      }
    }
    count = kept >= 3 ? kept : 0;
    for (int i = 0; i < count; ++i) polygon[i] = clipped[i];
  }
  return count;
}

// Pixel coordinates in 1/256 pixel, y down. Needs w > 0 and the vertex inside the guard band.
D3D_HOST_DEVICE inline Int2 snap_vertex(const ClipVertex& v, double width, double height) {
  const double x = (v.x / v.w * 0.5 + 0.5) * width * kSubpixels;
  const double y = (0.5 - v.y / v.w * 0.5) * height * kSubpixels;
  const double limit = 536870912.0;  // 2^29: only rounding at the guard band can come near it
  return {static_cast<int32_t>(rint(clamp_to(x, -limit, limit))),
          static_cast<int32_t>(rint(clamp_to(y, -limit, limit)))};
}

// Twice the signed area of a snapped triangle; > 0 when it turns from +x towards +y (clockwise on screen).
D3D_HOST_DEVICE inline int64_t snapped_area(const Int2 v[3]) {
  return int64_t{v[1].x - v[0].x} * (v[2].y - v[0].y) - int64_t{v[1].y - v[0].y} * (v[2].x - v[0].x);
}

// Pixel (px, py) is on the inner side of an edge iff a * px + b * py + c >= 0.
struct EdgeEquation {
  int64_t a, b, c;
};

// The edge from p to q of a triangle with positive area, evaluated at pixel centres.
D3D_HOST_DEVICE inline EdgeEquation make_edge(const Int2& p, const Int2& q) {
  const int64_t dx = q.x - p.x;
  const int64_t dy = q.y - p.y;
  const int64_t half = kSubpixels / 2;
  const bool top_left = dy < 0 || (dy == 0 && dx > 0);  // these edges own the centres exactly on them
  const int64_t c = dx * (half - p.y) - dy * (half - p.x) - (top_left ? 0 : 1);
  // the function is a multiple of 256 plus c, so its sign survives dividing by 256 and rounding c down
  return {-dy, dx, c >> 8};
}

D3D_HOST_DEVICE inline bool edge_covers(const EdgeEquation& edge, int64_t px, int64_t py) {
  return edge.a * px + edge.b * py + edge.c >= 0;
}

// z/w of a triangle as a function of the pixel, clamped to the range of its visible part.
struct DepthPlane {
  double dx, dy, offset;
  double low, high;
};

D3D_HOST_DEVICE inline double depth_row(const DepthPlane& plane, int64_t py) {
  return plane.dy * (static_cast<double>(py) + 0.5) + plane.offset;
}

// V is double, or a vector of them for pixels of a row. Add 0 when it is a float: that turns -0 into +0, so that equal
// depths have equal bits.
template <class V>
D3D_HOST_DEVICE inline V depth_at(const DepthPlane& plane, double row, const V& px) {
  const V depth = plane.dx * (px + 0.5) + row;
  return clamp_to(depth, V{} + plane.low, V{} + plane.high);
}

// z/w = sum_i z_i e_i . (X, Y, 1) / determinant, rewritten in pixels. A triangle seen exactly edge-on
// (determinant 0) that snapping made visible gets its nearest depth.
D3D_HOST_DEVICE inline DepthPlane make_depth_plane(const BarycentricPlanes& planes, const ClipVertex v[3],
                                                   double low, double high, double width, double height) {
  const double inverse = 1.0 / planes.determinant;
  const Double3* e = planes.e;
  const double gx = (v[0].z * e[0].x + v[1].z * e[1].x + v[2].z * e[2].x) * inverse;
  const double gy = (v[0].z * e[0].y + v[1].z * e[1].y + v[2].z * e[2].y) * inverse;
  const double g1 = (v[0].z * e[0].z + v[1].z * e[1].z + v[2].z * e[2].z) * inverse;
  const double offset = g1 - gx + gy;
  if (!(offset - offset == 0.0)) return {0.0, 0.0, low, low, high};
  return {gx * (2.0 / width), gy * (-2.0 / height), offset, low, high};
}

// A snapped triangle with pixel centres in its bounding box: one per visible triangle, several where clipping left a
// polygon.
struct Piece {
  Int2 corners[3];         // of positive area
  int32_t x0, y0, x1, y1;  // pixels whose centres its bounding box holds, both ends included
  double low, high;        // z/w of what is visible of the triangle
  int32_t triangle;
};

// False when the piece covers no pixel centre of the image.
D3D_HOST_DEVICE inline bool place_piece(const Int2 corners[3], int32_t width, int32_t height, Piece& piece) {
  const int64_t area = snapped_area(corners);
  if (area == 0) return false;
  const Int2 p = corners[0];
  const Int2 q = corners[area > 0 ? 1 : 2];
  const Int2 r = corners[area > 0 ? 2 : 1];
  const int32_t half = kSubpixels / 2;
  // centre i lies at 256 i + 128: first centre >= low, last centre <= high
  piece.x0 = max_of((min_of(min_of(p.x, q.x), r.x) + half - 1) >> 8, 0);
  piece.y0 = max_of((min_of(min_of(p.y, q.y), r.y) + half - 1) >> 8, 0);
  piece.x1 = min_of((max_of(max_of(p.x, q.x), r.x) - half) >> 8, width - 1);
  piece.y1 = min_of((max_of(max_of(p.y, q.y), r.y) - half) >> 8, height - 1);
  piece.corners[0] = p, piece.corners[1] = q, piece.corners[2] = r;
  return piece.x0 <= piece.x1 && piece.y0 <= piece.y1;
}

D3D_HOST_DEVICE inline void make_edges(const Piece& piece, EdgeEquation edges[3]) {
  for (int i = 0; i < 3; ++i) edges[i] = make_edge(piece.corners[i], piece.corners[i < 2 ? i + 1 : 0]);
}

// What a vertex contributes to its triangles, computed once per vertex.
struct ProjectedVertex {
  Int2 snapped;      // valid when outcode is 0
  uint32_t outcode;  // kInvalidVertex where a coordinate is not finite
  double depth;      // z/w, valid when outcode is 0
};

constexpr uint32_t kInvalidVertex = 1u << kNumClipPlanes;

D3D_HOST_DEVICE inline ProjectedVertex project_vertex(const ClipVertex& vertex, double width, double height) {
  ProjectedVertex out = {{0, 0}, is_finite(vertex) ? outcode(vertex) : kInvalidVertex, 0.0};
  if (out.outcode == 0) {
    out.snapped = snap_vertex(vertex, width, height);
    out.depth = vertex.z / vertex.w;
  }
  return out;
}

// Calls emit(piece) for each visible piece of a triangle that crosses the clip planes in `planes`.
template <class Emit>
D3D_HOST_DEVICE inline void for_each_clipped_piece(const ClipVertex vertices[3], uint32_t planes,
                                                   Piece& piece, int32_t width, int32_t height,
                                                   const Emit& emit) {
  ClipVertex polygon[kMaxClipVertices] = {vertices[0], vertices[1], vertices[2]};
  const int count = clip_polygon(polygon, planes);
  if (count == 0) return;
  Int2 corners[kMaxClipVertices];
  piece.low = 1.0, piece.high = -1.0;
  for (int i = 0; i < count; ++i) {
    corners[i] = snap_vertex(polygon[i], width, height);
    const double depth = clamp_to(polygon[i].z / polygon[i].w, -1.0, 1.0);
    piece.low = min_of(piece.low, depth);
    piece.high = max_of(piece.high, depth);
  }
  for (int i = 1; i + 1 < count; ++i) {
    const Int2 fan[3] = {corners[0], corners[i], corners[i + 1]};
    if (place_piece(fan, width, height, piece)) emit(piece);
  }
}

// Calls emit(piece) for each visible piece of a triangle: none, one, or a fan where it was clipped.
template <class Emit>
D3D_HOST_DEVICE inline void for_each_piece(const ClipVertex vertices[3], const ProjectedVertex projected[3],
                                           int32_t triangle, int32_t width, int32_t height,
                                           const Emit& emit) {
  const ProjectedVertex &p = projected[0], &q = projected[1], &r = projected[2];
  const uint32_t planes = p.outcode | q.outcode | r.outcode;
  if ((p.outcode & q.outcode & r.outcode) != 0 || (planes & kInvalidVertex) != 0) return;
  Piece piece;
  piece.triangle = triangle;
  if (planes != 0) {
    for_each_clipped_piece(vertices, planes, piece, width, height, emit);
    return;
  }
  const Int2 corners[3] = {p.snapped, q.snapped, r.snapped};
  if (!place_piece(corners, width, height, piece)) return;
  piece.low = min_of(min_of(p.depth, q.depth), r.depth);
  piece.high = max_of(max_of(p.depth, q.depth), r.depth);
  emit(piece);
}

}  // namespace dream3d
