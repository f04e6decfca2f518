#include "dream3d/interpolate.h"

#include "dream3d/parallel.h"
#include "dream3d/scatter.h"
#include "dream3d/status.h"

namespace dream3d {
namespace {

constexpr int64_t kChunk = 4096;  // pixels per task

template <int L>
void interpolate(const D3dInterpolateParams& p, int n_threads) {
  parallel_for_chunks(p.num_views * p.num_pixels, kChunk, n_threads, [&](int64_t begin, int64_t end) {
    for (int64_t pixel = begin; pixel < end; ++pixel) interpolate_pixel<L>(p, pixel);
  });
}

template <int L>
void attributes_backward(const D3dInterpolateBackwardParams& p, int n_threads) {
  const int64_t channels = p.num_channels;
  scatter_to_vertices(p, p.num_pixels, p.num_attribute_sets, channels, p.grad_attributes, n_threads,
                      [&](int64_t begin, int64_t end, float* sums) {
                        PixelCorners<L> corners;
                        for (int64_t pixel = begin; pixel < end; ++pixel) {
                          if (!load_corners(p, pixel, corners)) return;
                          interpolate_attributes_vjp(
                              corners, p.grad_image + pixel * channels * L, channels,
                              [&](int i, int64_t c, float gradient) { sums[i * channels + c] += gradient; });
                        }
                      });
}

template <int L>
void interpolate_backward(const D3dInterpolateBackwardParams& p, int n_threads) {
  if (p.grad_attributes != nullptr) attributes_backward<L>(p, n_threads);
  if (p.grad_weights == nullptr) return;
  parallel_for_chunks(p.num_views * p.num_pixels, kChunk, n_threads, [&](int64_t begin, int64_t end) {
    for (int64_t pixel = begin; pixel < end; ++pixel) interpolate_weights_vjp<L>(p, pixel);
  });
}

}  // namespace
}  // namespace dream3d

extern "C" int32_t d3d_interpolate(const D3dInterpolateParams* params, size_t params_size,
                                   const D3dLaunch* launch) {
  return dream3d::guarded_call(params, params_size, [&](const D3dInterpolateParams& p) {
    dream3d::interpolate<1>(p, launch->n_threads);
  });
}

extern "C" int32_t d3d_interpolate_derivatives(const D3dInterpolateParams* params, size_t params_size,
                                               const D3dLaunch* launch) {
  return dream3d::guarded_call(params, params_size, [&](const D3dInterpolateParams& p) {
    dream3d::interpolate<2>(p, launch->n_threads);
  });
}

extern "C" int32_t d3d_interpolate_backward(const D3dInterpolateBackwardParams* params, size_t params_size,
                                            const D3dLaunch* launch) {
  return dream3d::guarded_call(params, params_size, [&](const D3dInterpolateBackwardParams& p) {
    dream3d::interpolate_backward<1>(p, launch->n_threads);
  });
}

extern "C" int32_t d3d_interpolate_derivatives_backward(const D3dInterpolateBackwardParams* params,
                                                        size_t params_size, const D3dLaunch* launch) {
  return dream3d::guarded_call(params, params_size, [&](const D3dInterpolateBackwardParams& p) {
    dream3d::interpolate_backward<2>(p, launch->n_threads);
  });
}
