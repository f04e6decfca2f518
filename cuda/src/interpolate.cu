// One thread per pixel. The gradient to the attributes is added with float atomics, one per run of pixels that see the
// same triangle, so its last bits vary from run to run.
#include "dream3d/interpolate.h"

#include "dream3d/cuda_launch.h"
#include "dream3d/status.h"
#include "dream3d/warp_runs.h"

namespace dream3d {
namespace {

constexpr int kBlock = 256;

template <int L>
__global__ void interpolate_pixels(D3dInterpolateParams p) {
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < p.num_views * p.num_pixels;
       i += stride) {
    PixelCorners<L> corners;
    const bool is_seen = load_corners(p, i, corners);
    interpolate_pixel<L>(p, i, is_seen ? &corners : nullptr, p.num_channels);
  }
}

// Every lane takes part in the sums of its warp, so the loop ends for all threads of a block at once.
template <int L>
__global__ void interpolate_pixels_vjp(D3dInterpolateBackwardParams p) {
  const int64_t pixels = p.num_views * p.num_pixels;
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t first = int64_t{blockIdx.x} * blockDim.x; first < pixels; first += stride) {
    const int64_t i = first + threadIdx.x;
    PixelCorners<L> corners = {};
    int64_t triangle = -1;  // counted over all views: those of one set of attributes see it from elsewhere
    if (i < pixels && load_corners(p, i, corners))
      triangle = i / p.num_pixels * p.num_triangles + p.triangle_id[i];
    if (i < pixels && p.grad_weights != nullptr)
      interpolate_weights_vjp<L>(p, i, triangle >= 0 ? corners.offset : nullptr, p.num_channels);
    if (p.grad_attributes == nullptr) continue;
    const WarpRun run = find_run(triangle);
    const bool adds = run.is_first && triangle >= 0;
    const float* grad = p.grad_image + (i < pixels ? i : pixels - 1) * p.num_channels * L;
    // without a triangle the weights are 0, but the gradient there may be NaN
    interpolate_attributes_vjp<L>(corners.weight, grad, p.num_channels, [&](int corner, int64_t c, float gradient) {
      const float sum = sum_of_run(run, triangle >= 0 ? gradient : 0.0f);
      if (adds) atomicAdd(p.grad_attributes + corners.offset[corner] + c, sum);
    });
  }
}

template <int L>
void interpolate(const D3dInterpolateParams& p, const D3dLaunch& launch) {
  const int64_t pixels = p.num_views * p.num_pixels;
  if (pixels == 0) return;
  const DeviceGuard guard(launch);
  launch_kernel("interpolate", interpolate_pixels<L>, grid_blocks(pixels, kBlock), kBlock, launch, p);
}

template <int L>
void interpolate_backward(const D3dInterpolateBackwardParams& p, const D3dLaunch& launch) {
  const int64_t size = p.num_attribute_sets * p.num_vertices * p.num_channels;
  const int64_t pixels = p.num_views * p.num_pixels;
  const DeviceGuard guard(launch);
  if (p.grad_attributes != nullptr && size > 0) {
    check_cuda(
        cudaMemsetAsync(p.grad_attributes, 0, static_cast<size_t>(size) * sizeof(float), stream_of(launch)),
        "interpolate: clear gradient");
  }
  if (pixels == 0) return;
  launch_kernel("interpolate: backward", interpolate_pixels_vjp<L>, grid_blocks(pixels, kBlock), kBlock,
                launch, p);
}

}  // namespace
}  // namespace dream3d

extern "C" int32_t d3d_interpolate(const D3dInterpolateParams* params, size_t params_size,
                                   const D3dLaunch* launch) {
  return dream3d::guarded_call(params, params_size,
                               [&](const D3dInterpolateParams& p) { dream3d::interpolate<1>(p, *launch); });
}

extern "C" int32_t d3d_interpolate_derivatives(const D3dInterpolateParams* params, size_t params_size,
                                               const D3dLaunch* launch) {
  return dream3d::guarded_call(params, params_size,
                               [&](const D3dInterpolateParams& p) { dream3d::interpolate<2>(p, *launch); });
}

extern "C" int32_t d3d_interpolate_backward(const D3dInterpolateBackwardParams* params, size_t params_size,
                                            const D3dLaunch* launch) {
  return dream3d::guarded_call(params, params_size, [&](const D3dInterpolateBackwardParams& p) {
    dream3d::interpolate_backward<1>(p, *launch);
  });
}

extern "C" int32_t d3d_interpolate_derivatives_backward(const D3dInterpolateBackwardParams* params,
                                                        size_t params_size, const D3dLaunch* launch) {
  return dream3d::guarded_call(params, params_size, [&](const D3dInterpolateBackwardParams& p) {
    dream3d::interpolate_backward<2>(p, *launch);
  });
}
