#include "dream3d/ray_march.h"

#include "dream3d/api.h"
#include "dream3d/parallel.h"
#include "dream3d/status.h"

namespace dream3d {
namespace {

constexpr int64_t kChunk = 128;  // rays per task

void check(const D3dRayMarchParams& p) {
  require(p.step_size > 0.0f, "step_size must be positive");
  for (int axis = 0; axis < 3; ++axis) {
    require(p.resolution[axis] >= 1 && p.resolution[axis] <= 4096,
            "the occupancy grid must have 1 to 4096 cells per axis");
    require(p.aabb[axis] < p.aabb[3 + axis], "the box must have a positive size");
  }
}

void count_rays(const D3dRayMarchParams& p, int64_t begin, int64_t end) {
  const MarchGrid grid = march_grid(p.occupancy, p.resolution, p.aabb);
  for (int64_t r = begin; r < end; ++r) {
    const MarchRay ray = march_ray(grid, p.origins + 3 * r, p.directions + 3 * r, p.step_size);
    int32_t count = 0;
    march(grid, ray, p.step_size, p.jitter[r], [&](int64_t) { ++count; });
    p.counts[r] = ray.limit < 0 ? -1 : count;
  }
}

void write_rays(const D3dRayMarchParams& p, int64_t begin, int64_t end) {
  const MarchGrid grid = march_grid(p.occupancy, p.resolution, p.aabb);
  for (int64_t r = begin; r < end; ++r) {
    const MarchRay ray = march_ray(grid, p.origins + 3 * r, p.directions + 3 * r, p.step_size);
    int64_t sample = p.starts[r];
    march(grid, ray, p.step_size, p.jitter[r], [&](int64_t k) {
      p.t_starts[sample] = march_edge(ray, p.step_size, p.jitter[r], k);
      p.t_ends[sample] = march_edge(ray, p.step_size, p.jitter[r], k + 1);
      p.ray_index[sample] = static_cast<int32_t>(r);
      ++sample;
    });
  }
}

}  // namespace
}  // namespace dream3d

extern "C" int32_t d3d_ray_march_count(const D3dRayMarchParams* params, size_t params_size,
                                       const D3dLaunch* launch) {
  using namespace dream3d;
  return guarded_call(params, params_size, [&](const D3dRayMarchParams& p) {
    check(p);
    parallel_for_chunks(p.num_rays, kChunk, launch->n_threads,
                        [&](int64_t begin, int64_t end) { count_rays(p, begin, end); });
  });
}

extern "C" int32_t d3d_ray_march_write(const D3dRayMarchParams* params, size_t params_size,
                                       const D3dLaunch* launch) {
  using namespace dream3d;
  return guarded_call(params, params_size, [&](const D3dRayMarchParams& p) {
    check(p);
    parallel_for_chunks(p.num_rays, kChunk, launch->n_threads,
                        [&](int64_t begin, int64_t end) { write_rays(p, begin, end); });
  });
}
