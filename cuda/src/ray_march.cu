// CUDA driver: one thread per ray, twice; the caller scans the counts in between.
#include "dream3d/ray_march.h"

#include "dream3d/cuda_launch.h"
#include "dream3d/ray_march_limits.h"

namespace dream3d {
namespace {

constexpr int kBlock = 128;

__device__ MarchRay ray_of(const D3dRayMarchParams& p, const MarchGrid& grid, int64_t r) {
  return march_ray(grid, p.origins + 3 * r, p.directions + 3 * r, p.step_size, p.jitter[r]);
}

__global__ void count_rays(D3dRayMarchParams p) {
  const MarchGrid grid = march_grid(p.occupancy, p.resolution, p.aabb);
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t r = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; r < p.num_rays; r += stride) {
    const MarchRay ray = ray_of(p, grid, r);
    int32_t count = 0;
    march<OneLane>(grid, ray, [&](int64_t, uint32_t) { ++count; });
    p.counts[r] = ray.end < 0 ? -1 : count;
  }
}

__global__ void write_rays(D3dRayMarchParams p) {
  const MarchGrid grid = march_grid(p.occupancy, p.resolution, p.aabb);
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t r = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; r < p.num_rays; r += stride) {
    if (p.counts[r] == 0) continue;
    const MarchRay ray = ray_of(p, grid, r);
    int64_t sample = p.starts[r];
    march<OneLane>(grid, ray, [&](int64_t k, uint32_t) {
      p.t_starts[sample] = march_edge(ray, k);
      p.t_ends[sample] = march_edge(ray, k + 1);
      p.ray_index[sample] = static_cast<int32_t>(r);
      ++sample;
    });
  }
}

template <class Kernel>
int32_t for_rays(const char* name, Kernel kernel, const D3dRayMarchParams* params, size_t params_size,
                 const D3dLaunch* launch) {
  return guarded_call(params, params_size, [&](const D3dRayMarchParams& p) {
    require_march_limits(p);
    if (p.num_rays == 0) return;
    const DeviceGuard guard(*launch);
    launch_kernel(name, kernel, grid_blocks(p.num_rays, kBlock), kBlock, *launch, p);
  });
}

}  // namespace
}  // namespace dream3d

extern "C" int32_t d3d_ray_march_count(const D3dRayMarchParams* params, size_t params_size,
                                       const D3dLaunch* launch) {
  return dream3d::for_rays("ray_march: count", dream3d::count_rays, params, params_size, launch);
}

extern "C" int32_t d3d_ray_march_write(const D3dRayMarchParams* params, size_t params_size,
                                       const D3dLaunch* launch) {
  return dream3d::for_rays("ray_march: write", dream3d::write_rays, params, params_size, launch);
}
