#include "dream3d/antialias.h"

#include <algorithm>
#include <vector>

#include "dream3d/antialias_limits.h"
#include "dream3d/antialias_smooth.h"
#include "dream3d/parallel.h"
#include "dream3d/status.h"

namespace dream3d {
namespace {

constexpr int64_t kChunk = 2048;  // pixels per task
constexpr int64_t kBlock = 32;    // pixels that are looked at together for anything between them

// Calls body(line, pixel) for the rows of all views, with the first pixel of each.
template <class Params, class Body>
void for_each_row(const Params& p, int n_threads, const Body& body) {
  if (p.width == 0) return;
  const int64_t rows = std::max<int64_t>(1, kChunk / p.width);
  parallel_for_chunks(p.num_views * p.height, rows, n_threads, [&](int64_t begin, int64_t end) {
    for (int64_t line = begin; line < end; ++line) body(line, line * p.width);
  });
}

// Writes what separates a pixel from its neighbour along an axis, which sees a different triangle.
void find_pair(const D3dAntialiasEdgesParams& p, int64_t pixel, const PixelPlace& place, int axis) {
  const int64_t other = pixel + (axis == 0 ? 1 : p.width);
  const int32_t first = p.triangle_id[pixel], second = p.triangle_id[other];
  const float first_depth = p.depth[pixel], second_depth = p.depth[other];
  const EdgeMesh mesh = mesh_of(p, place.view, p.neighbors);
  const PairFrame frame = make_pair_frame(p.height, p.width, place.row, place.column, axis);
  const bool forward = is_first_in_front(first, second, first_depth, second_depth);
  if (is_one_step(mesh, frame, forward ? first : second, forward ? second : first, forward)) return;
  write_edge(p, pixel, axis, find_pair_edge(mesh, frame, first, second, first_depth, second_depth));
}

void find_row_edges(const D3dAntialiasEdgesParams& p, int64_t line, int64_t begin) {
  std::fill_n(p.edge + 2 * begin, 2 * p.width, D3D_NO_EDGE);
  std::fill_n(p.crossing + 2 * begin, 2 * p.width, 0.0f);
  PixelPlace place = {line / p.height, line % p.height, 0};
  const int32_t* ids = p.triangle_id + begin;
  std::vector<int32_t> columns(p.width);
  for (int axis = 0; axis < 2; ++axis) {
    const int64_t step = axis == 0 ? 1 : p.width;
    const int64_t pairs = axis == 0 ? p.width - 1 : (place.row + 1 < p.height ? p.width : 0);
    int64_t count = 0;
    for (int64_t column = 0; column < pairs; ++column) {
      columns[count] = static_cast<int32_t>(column);
      count += ids[column] != ids[column + step];  // a branch would be guessed wrong too often
    }
    for (int64_t i = 0; i < count; ++i) {
      place.column = columns[i];
      find_pair(p, begin + place.column, place, axis);
    }
  }
}

// Do any of these pairs have something between them? Hardly any do.
bool any_edge(const int32_t* edge, int64_t count) {
  int32_t all = D3D_NO_EDGE;
  for (int64_t i = 0; i < count; ++i) all &= edge[i];  // no other value has every bit
  return all != D3D_NO_EDGE;
}

// Calls blend(pixel, place) for pixels that may have something between them and a neighbour; the others are copied.
template <class Params, class Blend>
void blend_rows(const Params& p, const float* from, float* to, int n_threads, const Blend& blend) {
  for_each_row(p, n_threads, [&](int64_t line, int64_t begin) {
    PixelPlace place = {line / p.height, line % p.height, 0};
    for (int64_t left = 0, right; left < p.width; left = right) {
      right = std::min(left + kBlock, p.width);
      const int64_t first = begin + left, count = right - left, to_left = left > 0 ? 1 : 0;
      if (!any_edge(p.edge + 2 * (first - to_left), 2 * (count + to_left)) &&
          !(place.row > 0 && any_edge(p.edge + 2 * (first - p.width), 2 * count))) {
        std::copy_n(from + first * p.num_channels, count * p.num_channels, to + first * p.num_channels);
        continue;
      }
      for (place.column = left; place.column < right; ++place.column) blend(begin + place.column, place);
    }
  });
}

// The pairs with something between them, 2 * pixel + axis, a list per chunk of pixels.
std::vector<std::vector<int64_t>> list_edges(const D3dAntialiasBackwardParams& p, int n_threads) {
  const int64_t pixels = p.num_views * p.height * p.width;
  std::vector<std::vector<int64_t>> chunks((pixels + kChunk - 1) / kChunk);
  parallel_for_chunks(pixels, kChunk, n_threads, [&](int64_t begin, int64_t end) {
    std::vector<int64_t>& pairs = chunks[begin / kChunk];
    for (int64_t first = begin, last; first < end; first = last) {
      last = std::min(first + kBlock, end);
      if (!any_edge(p.edge + 2 * first, 2 * (last - first))) continue;
      for (int64_t pair = 2 * first; pair < 2 * last; ++pair) {
        if (p.edge[pair] != D3D_NO_EDGE) pairs.push_back(pair);
      }
    }
  });
  return chunks;
}

// Every task owns a range of the vertices of all views and visits the pairs in order, adding only what is its
// own: no atomics, and the same sums in the same order for any number of threads.
void position_gradient(const D3dAntialiasBackwardParams& p, int n_threads) {
  const std::vector<std::vector<int64_t>> chunks = list_edges(p, n_threads);
  const int64_t vertices = p.num_views * p.num_vertices;
  const int64_t pixels = p.height * p.width;
  const int64_t shard = std::max<int64_t>(1, (vertices + n_threads - 1) / n_threads);
  parallel_for_chunks(vertices, shard, n_threads, [&](int64_t begin, int64_t end) {
    std::fill(p.grad_positions + 4 * begin, p.grad_positions + 4 * end, 0.0f);
    for (const std::vector<int64_t>& pairs : chunks) {
      for (const int64_t pair : pairs) {
        const int64_t base = pair / (2 * pixels) * p.num_vertices;  // of the pair's view
        const auto owned = [&](int32_t vertex) { return base + vertex >= begin && base + vertex < end; };
        const auto add = [&](int32_t vertex, float x, float y, float z, float w) {
          if (!owned(vertex)) return;
          float* out = p.grad_positions + 4 * (base + vertex);
          out[0] += x, out[1] += y, out[2] += z, out[3] += w;
        };
        pair_vjp(p, pair / 2, pair % 2, owned, add);
      }
    }
  });
}

}  // namespace
}  // namespace dream3d

extern "C" int32_t d3d_antialias_edges(const D3dAntialiasEdgesParams* params, size_t params_size,
                                       const D3dLaunch* launch) {
  using namespace dream3d;
  return guarded_call(params, params_size, [&](const D3dAntialiasEdgesParams& p) {
    require_antialias_limits(p);
    for_each_row(p, launch->n_threads, [&](int64_t line, int64_t begin) { find_row_edges(p, line, begin); });
  });
}

extern "C" int32_t d3d_antialias(const D3dAntialiasParams* params, size_t params_size,
                                 const D3dLaunch* launch) {
  using namespace dream3d;
  return guarded_call(params, params_size, [&](const D3dAntialiasParams& p) {
    blend_rows(p, p.image, p.output, launch->n_threads,
               [&](int64_t pixel, const PixelPlace& place) { blend_pixel(p, pixel, place); });
  });
}

extern "C" int32_t d3d_antialias_backward(const D3dAntialiasBackwardParams* params, size_t params_size,
                                          const D3dLaunch* launch) {
  using namespace dream3d;
  return guarded_call(params, params_size, [&](const D3dAntialiasBackwardParams& p) {
    if (p.grad_image != nullptr) {
      blend_rows(p, p.grad_output, p.grad_image, launch->n_threads,
                 [&](int64_t pixel, const PixelPlace& place) { blend_pixel_vjp(p, pixel, place); });
    }
    if (p.grad_positions != nullptr) position_gradient(p, launch->n_threads);
  });
}
