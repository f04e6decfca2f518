// CPU driver: project vertices, set up triangles, bin them to tiles (count, scan, write), then one thread
// owns a tile. Pieces stay in triangle order everywhere, so a strict depth test gives "nearest, then lowest
// id" for any thread count.
#include "dream3d/rasterize_tile.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "dream3d/parallel.h"
#include "dream3d/rasterize_limits.h"

namespace dream3d {
namespace {

constexpr int64_t kChunk = 2048;  // triangles or vertices per task

struct View {
  const float* positions;
  const int32_t* faces;
  int64_t num_vertices, num_triangles;
  int32_t height, width;
  int32_t* triangle_id;
  float* barycentrics;
  float* depth;

  ClipVertex vertex(int64_t index) const {
    const float* p = positions + 4 * index;
    return {p[0], p[1], p[2], p[3]};
  }
  void corners(int64_t triangle, ClipVertex out[3]) const {
    for (int i = 0; i < 3; ++i) out[i] = vertex(faces[3 * triangle + i]);
  }
};

void setup_triangle(const View& view, const ProjectedVertex* projected, int64_t triangle,
                    std::vector<Piece>& pieces) {
  const int32_t* face = view.faces + 3 * triangle;
  for (int i = 0; i < 3; ++i) {
    if (face[i] < 0 || face[i] >= view.num_vertices) return;
  }
  const ProjectedVertex corners[3] = {projected[face[0]], projected[face[1]], projected[face[2]]};
  ClipVertex vertices[3];
  view.corners(triangle, vertices);
  for_each_piece(vertices, corners, static_cast<int32_t>(triangle), view.width, view.height,
                 [&](const Piece& piece) { pieces.push_back(piece); });
}

// Conservative: false only if some edge has no inner pixel in the rectangle.
bool touches(const EdgeEquation edges[3], int32_t x0, int32_t y0, int32_t x1, int32_t y1) {
  for (int i = 0; i < 3; ++i) {
    if (!edge_covers(edges[i], edges[i].a > 0 ? x1 : x0, edges[i].b > 0 ? y1 : y0)) return false;
  }
  return true;
}

// Calls visit(tile) for the tiles a piece may cover pixels of.
template <class Visit>
void for_each_tile(const Piece& piece, int32_t tiles_x, const Visit& visit) {
  const int32_t tx0 = piece.x0 / kTile, tx1 = piece.x1 / kTile, ty0 = piece.y0 / kTile,
                ty1 = piece.y1 / kTile;
  const bool many = tx1 > tx0 && ty1 > ty0;
  EdgeEquation edges[3] = {};
  if (many) make_edges(piece, edges);
  for (int32_t ty = ty0; ty <= ty1; ++ty) {
    for (int32_t tx = tx0; tx <= tx1; ++tx) {
      const int32_t x = tx * kTile, y = ty * kTile;
      if (!many || touches(edges, x, y, x + kTile - 1, y + kTile - 1)) visit(int64_t{ty} * tiles_x + tx);
    }
  }
}

void write_row(const View& view, const Tile& tile, int32_t y) {
  TileRow row;
  read_row(tile, y, row);
  const int32_t width = tile.x1 - tile.x0;
  const int64_t at = int64_t{y} * view.width + tile.x0;
  const float* depth = tile.depth + tile.offset(tile.x0, y);
  std::copy_n(row.id, width, view.triangle_id + at);
  for (int32_t i = 0; i < width; ++i) {
    view.barycentrics[2 * (at + i)] = row.u[i];
    view.barycentrics[2 * (at + i) + 1] = row.v[i];
    view.depth[at + i] = std::min(depth[i], 1.0f);
  }
}

// Pieces per chunk of triangles, and for every tile the list of pieces that touch it, in triangle order.
struct Bins {
  std::vector<std::vector<Piece>> chunks;
  std::vector<int64_t> offsets;  // [num_tiles * num_chunks + 1], tile-major
  std::vector<const Piece*> entries;
};

Bins bin_triangles(const View& view, const ProjectedVertex* projected, int32_t tiles_x, int64_t num_tiles,
                   int n_threads) {
  Bins bins;
  const int64_t num_chunks = (view.num_triangles + kChunk - 1) / kChunk;
  bins.chunks.resize(num_chunks);
  bins.offsets.assign(num_tiles * num_chunks + 1, 0);
  parallel_for(num_chunks, n_threads, [&](int64_t chunk) {
    std::vector<Piece>& pieces = bins.chunks[chunk];
    const int64_t end = std::min((chunk + 1) * kChunk, view.num_triangles);
    pieces.reserve(end - chunk * kChunk);
    for (int64_t t = chunk * kChunk; t < end; ++t) setup_triangle(view, projected, t, pieces);
    for (const Piece& piece : pieces) {
      for_each_tile(piece, tiles_x, [&](int64_t tile) { ++bins.offsets[tile * num_chunks + chunk + 1]; });
    }
  });
  for (size_t i = 1; i < bins.offsets.size(); ++i) bins.offsets[i] += bins.offsets[i - 1];
  bins.entries.resize(bins.offsets.back());
  parallel_for(num_chunks, n_threads, [&](int64_t chunk) {
    std::vector<int64_t> next(num_tiles);
    for (int64_t tile = 0; tile < num_tiles; ++tile) next[tile] = bins.offsets[tile * num_chunks + chunk];
    for (const Piece& piece : bins.chunks[chunk]) {
      for_each_tile(piece, tiles_x, [&](int64_t tile) { bins.entries[next[tile]++] = &piece; });
    }
  });
  return bins;
}

void rasterize_view(const View& view, int n_threads) {
  const std::unique_ptr<ProjectedVertex[]> projected(new ProjectedVertex[view.num_vertices]);
  parallel_for_chunks(view.num_vertices, kChunk, n_threads, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      projected[i] = project_vertex(view.vertex(i), view.width, view.height);
  });
  const int32_t tiles_x = (view.width + kTile - 1) / kTile;
  const int64_t num_tiles = int64_t{tiles_x} * ((view.height + kTile - 1) / kTile);
  const Bins bins = bin_triangles(view, projected.get(), tiles_x, num_tiles, n_threads);
  const int64_t num_chunks = static_cast<int64_t>(bins.chunks.size());
  parallel_for(num_tiles, n_threads, [&](int64_t index) {
    Tile tile;
    tile.x0 = static_cast<int32_t>(index % tiles_x) * kTile;
    tile.y0 = static_cast<int32_t>(index / tiles_x) * kTile;
    tile.x1 = std::min(tile.x0 + kTile, view.width);
    tile.y1 = std::min(tile.y0 + kTile, view.height);
    tile.width = view.width, tile.height = view.height;
    clear(tile);
    const int64_t end = bins.offsets[(index + 1) * num_chunks];
    for (int64_t i = bins.offsets[index * num_chunks]; i < end; ++i) {
      ClipVertex vertices[3];
      view.corners(bins.entries[i]->triangle, vertices);
      draw_piece(*bins.entries[i], vertices, tile);
    }
    for (int32_t y = tile.y0; y < tile.y1; ++y) write_row(view, tile, y);
  });
}

void rasterize(const D3dRasterizeParams& params, int n_threads) {
  require_rasterize_limits(params);
  const int64_t pixels = params.height * params.width;
  auto run_view = [&](int64_t index, int threads) {
    const View view = {params.positions + 4 * index * params.num_vertices,
                       params.faces,
                       params.num_vertices,
                       params.num_triangles,
                       static_cast<int32_t>(params.height),
                       static_cast<int32_t>(params.width),
                       params.triangle_id + index * pixels,
                       params.barycentrics + 2 * index * pixels,
                       params.depth + index * pixels};
    rasterize_view(view, threads);
  };
  if (pixels == 0) return;
  // Whole views in parallel need no synchronisation inside; large meshes go one at a time to bound the
  // memory.
  if (params.num_views >= n_threads && params.num_triangles <= 65536) {
    parallel_for(params.num_views, n_threads, [&](int64_t index) { run_view(index, 1); });
  } else {
    for (int64_t index = 0; index < params.num_views; ++index) run_view(index, n_threads);
  }
}

}  // namespace
}  // namespace dream3d

extern "C" int32_t d3d_rasterize(const D3dRasterizeParams* params, size_t params_size,
                                 const D3dLaunch* launch) {
  return dream3d::guarded_call(
      params, params_size, [&](const D3dRasterizeParams& p) { dream3d::rasterize(p, launch->n_threads); });
}
