// CUDA driver: one thread per ray. A ray whose samples do not exist cannot be reported without waiting for the device:
// it gets NaN, and none of its samples is touched.
#include "dream3d/composite.h"

#include "dream3d/cuda_launch.h"
#include "dream3d/status.h"

namespace dream3d {
namespace {

constexpr int kBlock = 128;

__device__ bool samples_exist(const int32_t* packed_info, int64_t ray, int64_t num_samples) {
  const int64_t start = packed_info[2 * ray];
  const int64_t count = packed_info[2 * ray + 1];
  return start >= 0 && count >= 0 && start + count <= num_samples;
}

__global__ void composite_rays(D3dCompositeParams p) {
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t r = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; r < p.num_rays; r += stride) {
    if (samples_exist(p.packed_info, r, p.num_samples)) {
      composite_ray(p, r);
      continue;
    }
    p.opacity[r] = p.depth[r] = NAN;
    for (int32_t c = 0; c < p.num_channels; ++c) p.ray_values[r * p.num_channels + c] = NAN;
  }
}

__global__ void composite_rays_vjp(D3dCompositeBackwardParams p) {
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t r = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; r < p.num_rays; r += stride) {
    if (samples_exist(p.packed_info, r, p.num_samples)) composite_ray_vjp(p, r);
  }
}

template <class Params, class Kernel>
int32_t for_rays(const char* name, Kernel kernel, const Params* params, size_t params_size,
                 const D3dLaunch* launch) {
  return guarded_call(params, params_size, [&](const Params& p) {
    if (p.num_rays == 0) return;
    const DeviceGuard guard(*launch);
    launch_kernel(name, kernel, grid_blocks(p.num_rays, kBlock), kBlock, *launch, p);
  });
}

}  // namespace
}  // namespace dream3d

extern "C" int32_t d3d_composite(const D3dCompositeParams* params, size_t params_size,
                                 const D3dLaunch* launch) {
  return dream3d::for_rays("composite", dream3d::composite_rays, params, params_size, launch);
}

extern "C" int32_t d3d_composite_backward(const D3dCompositeBackwardParams* params, size_t params_size,
                                          const D3dLaunch* launch) {
  return dream3d::for_rays("composite_backward", dream3d::composite_rays_vjp, params, params_size, launch);
}
