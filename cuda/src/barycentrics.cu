// One thread per pixel. The gradient is added with float atomics, one per run of pixels that see the same triangle, so
// its last bits vary from run to run.
#include "dream3d/barycentrics_pixel.h"
#include "dream3d/cuda_launch.h"
#include "dream3d/status.h"
#include "dream3d/warp_runs.h"

namespace dream3d {
namespace {

constexpr int kBlock = 128;

__global__ void screen_derivatives_pixels(D3dScreenDerivativesParams p) {
  const int64_t pixels = p.num_views * p.height * p.width;
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < pixels; i += stride) {
    Double3 rows[3];
    const PixelPosition at = locate_pixel(p, i);
    const bool is_regular = load_rows(p, i, at, rows);
    screen_derivatives_pixel(p, is_regular ? rows : nullptr, i, at);
  }
}

// Every lane takes part in the sums of its warp, so the loop ends for all threads of a block at once.
__global__ void barycentrics_pixels_vjp(D3dBarycentricsBackwardParams p) {
  const int64_t pixels = p.num_views * p.height * p.width;
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t first = int64_t{blockIdx.x} * blockDim.x; first < pixels; first += stride) {
    const int64_t i = first + threadIdx.x;
    Double3 rows[3];
    int64_t corners[3];
    Double3 gradient[3] = {};
    int64_t triangle = -1;  // counted over all views
    const PixelPosition at = locate_pixel(p, i);
    if (i < pixels && load_rows(p, i, at, rows) && load_corner_rows(p, i, at.view, corners)) {
      barycentrics_pixel_vjp(p, rows, i, at, gradient);
      triangle = at.view * p.num_triangles + p.triangle_id[i];
    }
    const WarpRun run = find_run(triangle);
    const bool adds = run.is_first && triangle >= 0;
    for (int corner = 0; corner < 3; ++corner) {
      const float x = sum_of_run(run, saturated(gradient[corner].x));
      const float y = sum_of_run(run, saturated(gradient[corner].y));
      const float w = sum_of_run(run, saturated(gradient[corner].z));
      if (!adds) continue;
      float* out = p.grad_positions + 4 * corners[corner];
      atomicAdd(out, x);
      atomicAdd(out + 1, y);
      atomicAdd(out + 3, w);
    }
  }
}

void screen_derivatives(const D3dScreenDerivativesParams& p, const D3dLaunch& launch) {
  const int64_t pixels = p.num_views * p.height * p.width;
  if (pixels == 0) return;
  const DeviceGuard guard(launch);
  launch_kernel("screen_derivatives", screen_derivatives_pixels, grid_blocks(pixels, kBlock), kBlock, launch,
                p);
}

void barycentrics_backward(const D3dBarycentricsBackwardParams& p, const D3dLaunch& launch) {
  const int64_t size = p.num_views * p.num_vertices * 4;
  const int64_t pixels = p.num_views * p.height * p.width;
  if (size == 0) return;
  const DeviceGuard guard(launch);
  check_cuda(
      cudaMemsetAsync(p.grad_positions, 0, static_cast<size_t>(size) * sizeof(float), stream_of(launch)),
      "rasterize: clear gradient");
  if (pixels == 0) return;
  launch_kernel("rasterize: backward", barycentrics_pixels_vjp, grid_blocks(pixels, kBlock), kBlock, launch,
                p);
}

}  // namespace
}  // namespace dream3d

extern "C" int32_t d3d_screen_derivatives(const D3dScreenDerivativesParams* params, size_t params_size,
                                          const D3dLaunch* launch) {
  return dream3d::guarded_call(params, params_size, [&](const D3dScreenDerivativesParams& p) {
    dream3d::screen_derivatives(p, *launch);
  });
}

extern "C" int32_t d3d_barycentrics_backward(const D3dBarycentricsBackwardParams* params, size_t params_size,
                                             const D3dLaunch* launch) {
  return dream3d::guarded_call(params, params_size, [&](const D3dBarycentricsBackwardParams& p) {
    dream3d::barycentrics_backward(p, *launch);
  });
}
