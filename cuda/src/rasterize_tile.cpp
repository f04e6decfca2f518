#include "dream3d/rasterize_tile.h"

#include <algorithm>
#include <limits>

#include "dream3d/four_lanes.h"

namespace dream3d {
namespace {

static_assert(kTileStride >= kTile + kLanes, "a row needs room for what is written past its end");

// Pixel x of row y is on the inner side of an edge iff it lies beyond (b y + c + 1/2) / -a, to the right for a > 0,
// else to the left. That is never an integer, and off the next one by 1 / 2^31 or more; with all numbers below
// 2^52, doubles decide exactly. An edge along the rows gets a tiny slope: it lets all of a row pass, or nothing.
struct EdgeBound {
  double b, c, scale;
  double to_left, to_right;  // infinite where the edge is no bound on that side, else 0
};

inline EdgeBound make_bound(const EdgeEquation& edge) {
  const double infinity = std::numeric_limits<double>::infinity();
  const double slope = edge.a != 0 ? static_cast<double>(edge.a) : 0x1p-60;
  return {static_cast<double>(edge.b), static_cast<double>(edge.c) + 0.5, -1.0 / slope,
          slope > 0.0 ? 0.0 : -infinity, slope > 0.0 ? infinity : 0.0};
}

// The pixels [begin, end) of four rows.
struct Spans {
  Int4 begin, end;
};

// What the edges leave of [x_begin, x_end) in rows y, y + 1, ...
inline void find_spans(const EdgeBound bounds[3], double y, double x_begin, double x_end, Spans& out) {
  const double low = x_begin - 0.5, high = x_end - 0.5;
  Double4 left = Double4{} + low, right = Double4{} + high;
  for (int e = 0; e < 3; ++e) {
    const EdgeBound& edge = bounds[e];
    const Double4 x = (edge.b * (y + kLaneIndex) + edge.c) * edge.scale;
    left = max_of(left, x + edge.to_left);
    right = min_of(right, x + edge.to_right);
  }
  out.begin = to_int(min_of(left, Double4{} + high) + 1.0);  // no integers, so this rounds up
  out.end = to_int(max_of(right, Double4{} + low) + 1.0);
}

inline void fill_span(const DepthPlane& plane, double row, int32_t surface, int32_t begin, int32_t end,
                      float* depths, int32_t* surfaces) {
  for (int32_t x = begin; x < end; x += kLanes, depths += kLanes, surfaces += kLanes) {
    const Float4 depth = to_float(depth_at(plane, row, static_cast<double>(x) + kLaneIndex)) + 0.0f;
    const Float4 old = load_four<Float4>(depths);
    const Int4 nearer = (depth < old) & (x + kLaneNumber < end);
    store_four(depths, nearer ? depth : old);
    store_four(surfaces, nearer ? Int4{} + surface : load_four<Int4>(surfaces));
  }
}

// False where the piece covers no pixel of the tile; else it takes `surface`, its planes filled in.
D3D_MULTIVERSION D3D_FLATTEN
bool scan_piece(const Piece& piece, const ClipVertex vertices[3], int32_t surface, Tile& tile,
                BarycentricPlanes& planes) {
  EdgeEquation edges[3];
  make_edges(piece, edges);
  const EdgeBound bounds[3] = {make_bound(edges[0]), make_bound(edges[1]), make_bound(edges[2])};
  const int32_t x_begin = std::max(piece.x0, tile.x0), x_end = std::min(piece.x1 + 1, tile.x1);
  const int32_t y_begin = std::max(piece.y0, tile.y0), y_end = std::min(piece.y1 + 1, tile.y1);
  bool is_seen = false;
  DepthPlane plane = {};
  for (int32_t y = y_begin; y < y_end; y += kLanes) {
    Spans spans;
    find_spans(bounds, y, x_begin, x_end, spans);
    for (int32_t i = 0; i < std::min(kLanes, y_end - y); ++i) {
      const int32_t begin = spans.begin[i], end = spans.end[i];
      if (begin >= end) continue;
      if (!is_seen) {
        is_seen = true;
        planes = make_barycentric_planes(vertices);
        plane = make_depth_plane(planes, vertices, piece.low, piece.high, tile.width, tile.height);
      }
      const int32_t at = tile.offset(begin, y + i);
      fill_span(plane, depth_row(plane, y + i), surface, begin, end, tile.depth + at, tile.surface + at);
    }
  }
  return is_seen;
}

// Pixels [begin, end), counted from the tile's left, which show one surface.
inline void read_run(const Tile& tile, const Surface& surface, int32_t y, int32_t begin, int32_t end,
                     TileRow& out) {
  for (int32_t x = begin; x < end; x += kLanes) {
    Double4 u, v;
    barycentrics_at(surface.planes, static_cast<double>(tile.x0 + x) + kLaneIndex, y, tile.width,
                    tile.height, u, v);
    store_four(out.u + x, to_float(u));
    store_four(out.v + x, to_float(v));
    store_four(out.id + x, Int4{} + surface.triangle);
  }
}

}  // namespace

void clear(Tile& tile) {
  tile.surfaces.clear();
  std::fill_n(tile.depth, kTile * kTileStride, std::numeric_limits<float>::infinity());
  std::fill_n(tile.surface, kTile * kTileStride, -1);
}

void draw_piece(const Piece& piece, const ClipVertex vertices[3], Tile& tile) {
  const int32_t surface = static_cast<int32_t>(tile.surfaces.size());
  tile.surfaces.push_back({{}, piece.triangle});
  if (!scan_piece(piece, vertices, surface, tile, tile.surfaces.back().planes)) tile.surfaces.pop_back();
}

D3D_MULTIVERSION D3D_FLATTEN
void read_row(const Tile& tile, int32_t y, TileRow& out) {
  const int32_t* surfaces = tile.surface + tile.offset(tile.x0, y);
  const int32_t width = tile.x1 - tile.x0;
  for (int32_t begin = 0, end; begin < width; begin = end) {
    const int32_t surface = surfaces[begin];
    for (end = begin + 1; end < width && surfaces[end] == surface;) ++end;
    if (surface >= 0) {
      read_run(tile, tile.surfaces[surface], y, begin, end, out);
    } else {
      std::fill(out.id + begin, out.id + end, -1);
      std::fill(out.u + begin, out.u + end, 0.0f);
      std::fill(out.v + begin, out.v + end, 0.0f);
    }
  }
}

}  // namespace dream3d
