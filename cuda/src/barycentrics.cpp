#include "dream3d/barycentrics_pixel.h"

#include <type_traits>

#include "dream3d/parallel.h"
#include "dream3d/scatter.h"
#include "dream3d/status.h"

namespace dream3d {
namespace {

constexpr int64_t kChunk = 4096;  // pixels per task

// Calls body(pixel, position) for [begin, end) of one view, the first of which is at `at`.
template <class Params, class Body>
void for_each_pixel(const Params& p, int64_t begin, int64_t end, PixelPosition at, const Body& body) {
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    body(pixel, at);
    if (++at.column == p.width) at = {0, at.row + 1, at.view};
  }
}

void screen_derivatives(const D3dScreenDerivativesParams& p, int n_threads) {
  const int64_t pixels_per_view = p.height * p.width;
  parallel_for_chunks(p.num_views * pixels_per_view, kChunk, n_threads, [&](int64_t begin, int64_t end) {
    for_each_run(p, pixels_per_view, begin, end, [&](int64_t, int64_t first, int64_t last) {
      Double3 rows[3];
      const PixelPosition start = locate_pixel(p, first);
      const bool is_regular = load_rows(p, first, start, rows);
      for_each_pixel(p, first, last, start, [&](int64_t pixel, const PixelPosition& at) {
        screen_derivatives_pixel(p, is_regular ? rows : nullptr, pixel, at);
      });
    });
  });
}

// The gradient of pixels that see the same triangle: sums is [3, 4], (x, y, z, w) of the vertices.
void run_backward(const D3dBarycentricsBackwardParams& p, int64_t begin, int64_t end, float* sums) {
  Double3 rows[3];
  const PixelPosition start = locate_pixel(p, begin);
  if (!load_rows(p, begin, start, rows)) return;
  Double3 sum[3] = {};
  for_each_pixel(p, begin, end, start, [&](int64_t pixel, const PixelPosition& at) {
    barycentrics_pixel_vjp(p, rows, pixel, at, sum);
  });
  for (int i = 0; i < 3; ++i) {
    sums[4 * i] = saturated(sum[i].x);
    sums[4 * i + 1] = saturated(sum[i].y);
    sums[4 * i + 3] = saturated(sum[i].z);
  }
}

void barycentrics_backward(const D3dBarycentricsBackwardParams& p, int n_threads) {
  const std::integral_constant<int64_t, 4> width;
  scatter_to_vertices(p, p.height * p.width, p.num_views, width, p.grad_positions, n_threads,
                      [&](int64_t begin, int64_t end, float* sums) { run_backward(p, begin, end, sums); });
}

}  // namespace
}  // namespace dream3d

extern "C" int32_t d3d_screen_derivatives(const D3dScreenDerivativesParams* params, size_t params_size,
                                          const D3dLaunch* launch) {
  return dream3d::guarded_call(params, params_size, [&](const D3dScreenDerivativesParams& p) {
    dream3d::screen_derivatives(p, launch->n_threads);
  });
}

extern "C" int32_t d3d_barycentrics_backward(const D3dBarycentricsBackwardParams* params, size_t params_size,
                                             const D3dLaunch* launch) {
  return dream3d::guarded_call(params, params_size, [&](const D3dBarycentricsBackwardParams& p) {
    dream3d::barycentrics_backward(p, launch->n_threads);
  });
}
