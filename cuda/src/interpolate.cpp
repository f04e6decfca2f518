#include "dream3d/interpolate.h"

#include <algorithm>

#include "dream3d/parallel.h"
#include "dream3d/status.h"

namespace dream3d {
namespace {

constexpr int64_t kChunk = 4096;  // pixels per task

void interpolate(const D3dInterpolateParams& p, int n_threads) {
  parallel_for_chunks(p.num_views * p.num_pixels, kChunk, n_threads, [&](int64_t begin, int64_t end) {
    for (int64_t pixel = begin; pixel < end; ++pixel) interpolate_pixel(p, pixel);
  });
}

// Every task owns a range of the gradient and visits all pixels in order, adding only what is its own: no atomics,
// and the same sums in the same order for any number of threads.
void interpolate_backward(const D3dInterpolateBackwardParams& p, int n_threads) {
  const int64_t size = p.num_attribute_sets * p.num_vertices * p.num_channels;
  const int64_t shard = std::max<int64_t>(1, (size + n_threads - 1) / n_threads);
  parallel_for_chunks(size, shard, n_threads, [&](int64_t begin, int64_t end) {
    float* const out = p.grad_attributes;
    std::fill(out + begin, out + end, 0.0f);
    for (int64_t pixel = 0; pixel < p.num_views * p.num_pixels; ++pixel) {
      interpolate_pixel_vjp(p, pixel, [&](int64_t offset, float gradient) {
        if (offset >= begin && offset < end) out[offset] += gradient;
      });
    }
  });
}

}  // namespace
}  // namespace dream3d

extern "C" int32_t d3d_interpolate(const D3dInterpolateParams* params, size_t params_size,
                                   const D3dLaunch* launch) {
  return dream3d::guarded_call(params, params_size, [&](const D3dInterpolateParams& p) {
    dream3d::interpolate(p, launch->n_threads);
  });
}

extern "C" int32_t d3d_interpolate_backward(const D3dInterpolateBackwardParams* params, size_t params_size,
                                            const D3dLaunch* launch) {
  return dream3d::guarded_call(params, params_size, [&](const D3dInterpolateBackwardParams& p) {
    dream3d::interpolate_backward(p, launch->n_threads);
  });
}
