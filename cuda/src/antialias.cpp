#include "dream3d/antialias.h"

#include <algorithm>

#include "dream3d/antialias_limits.h"
#include "dream3d/parallel.h"
#include "dream3d/status.h"

namespace dream3d {
namespace {

constexpr int64_t kChunk = 2048;  // pixels per task

// Calls body(pixel, place) for the pixels of all views.
template <class Params, class Body>
void for_each_pixel(const Params& p, int n_threads, const Body& body) {
  parallel_for_chunks(p.num_views * p.height * p.width, kChunk, n_threads, [&](int64_t begin, int64_t end) {
    PixelPlace place = place_of(begin, p.height, p.width);  // divides, so only here
    for (int64_t pixel = begin; pixel < end; ++pixel) {
      body(pixel, place);
      if (++place.column < p.width) continue;
      place.column = 0;
      if (++place.row < p.height) continue;
      place.row = 0;
      ++place.view;
    }
  });
}

// Every task owns a range of the vertices of all views and visits the pairs in order, adding only what is its
// own: no atomics, and the same sums in the same order for any number of threads.
void position_gradient(const D3dAntialiasBackwardParams& p, int n_threads) {
  const int64_t vertices = p.num_views * p.num_vertices;
  const int64_t pixels = p.height * p.width;
  const int64_t shard = std::max<int64_t>(1, (vertices + n_threads - 1) / n_threads);
  parallel_for_chunks(vertices, shard, n_threads, [&](int64_t begin, int64_t end) {
    std::fill(p.grad_positions + 4 * begin, p.grad_positions + 4 * end, 0.0f);
    for (int64_t view = begin / p.num_vertices; view * p.num_vertices < end; ++view) {
      const int64_t base = view * p.num_vertices;
      const auto owned = [&](int32_t vertex) { return base + vertex >= begin && base + vertex < end; };
      const auto add = [&](int32_t vertex, float x, float y, float z, float w) {
        if (!owned(vertex)) return;
        float* out = p.grad_positions + 4 * (base + vertex);
        out[0] += x, out[1] += y, out[2] += z, out[3] += w;
      };
      for (int64_t pixel = view * pixels; pixel < (view + 1) * pixels; ++pixel) {
        for (int axis = 0; axis < 2; ++axis) pair_vjp(p, pixel, axis, owned, add);
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
    for_each_pixel(p, launch->n_threads,
                   [&](int64_t pixel, const PixelPlace& place) { find_pixel_edges(p, pixel, place); });
  });
}

extern "C" int32_t d3d_antialias(const D3dAntialiasParams* params, size_t params_size,
                                 const D3dLaunch* launch) {
  using namespace dream3d;
  return guarded_call(params, params_size, [&](const D3dAntialiasParams& p) {
    for_each_pixel(p, launch->n_threads,
                   [&](int64_t pixel, const PixelPlace& place) { blend_pixel(p, pixel, place); });
  });
}

extern "C" int32_t d3d_antialias_backward(const D3dAntialiasBackwardParams* params, size_t params_size,
                                          const D3dLaunch* launch) {
  using namespace dream3d;
  return guarded_call(params, params_size, [&](const D3dAntialiasBackwardParams& p) {
    if (p.grad_image != nullptr) {
      for_each_pixel(p, launch->n_threads,
                     [&](int64_t pixel, const PixelPlace& place) { blend_pixel_vjp(p, pixel, place); });
    }
    if (p.grad_positions != nullptr) position_gradient(p, launch->n_threads);
  });
}
