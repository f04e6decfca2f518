#include "dream3d/barycentrics_pixel.h"
#include "dream3d/parallel.h"
#include "dream3d/scatter.h"
#include "dream3d/status.h"

namespace dream3d {
namespace {

constexpr int64_t kChunk = 4096;  // pixels per task

void screen_derivatives(const D3dScreenDerivativesParams& p, int n_threads) {
  const int64_t pixels = p.num_views * p.height * p.width;
  parallel_for_chunks(pixels, kChunk, n_threads, [&](int64_t begin, int64_t end) {
    for (int64_t pixel = begin; pixel < end; ++pixel) screen_derivatives_pixel(p, pixel);
  });
}

// The gradient of pixels that see the same triangle: sums is [3, 4], (x, y, z, w) of the vertices.
void run_backward(const D3dBarycentricsBackwardParams& p, int64_t begin, int64_t end, float* sums) {
  Double3 rows[3];
  if (!load_rows(p, begin, rows)) return;
  const int64_t in_view = begin % (p.height * p.width);
  int64_t column = in_view % p.width, row = in_view / p.width;
  Double3 sum[3] = {};
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    barycentrics_pixel_vjp(p, rows, pixel, column, row, sum);
    if (++column == p.width) column = 0, ++row;
  }
  for (int i = 0; i < 3; ++i) {
    sums[4 * i] = saturated(sum[i].x);
    sums[4 * i + 1] = saturated(sum[i].y);
    sums[4 * i + 3] = saturated(sum[i].z);
  }
}

void barycentrics_backward(const D3dBarycentricsBackwardParams& p, int n_threads) {
  scatter_to_vertices(p, p.height * p.width, p.num_views, 4, p.grad_positions, n_threads,
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
