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

void barycentrics_backward(const D3dBarycentricsBackwardParams& p, int n_threads) {
  scatter_to_vertices(p, p.height * p.width, p.num_views, 4, p.grad_positions, n_threads,
                      [&](int64_t begin, int64_t end, float* sums) {
                        Double3 rows[3];
                        if (!load_rows(p, begin, rows)) return;
                        Double3 sum[3] = {};
                        for (int64_t i = begin; i < end; ++i) barycentrics_pixel_vjp(p, rows, i, sum);
                        for (int i = 0; i < 3; ++i) {
                          sums[4 * i] = saturated(sum[i].x);
                          sums[4 * i + 1] = saturated(sum[i].y);
                          sums[4 * i + 3] = saturated(sum[i].z);
                        }
                      });
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
