#include "dream3d/composite.h"

#include "dream3d/api.h"
#include "dream3d/parallel.h"
#include "dream3d/status.h"

namespace dream3d {
namespace {

constexpr int64_t kChunk = 128;  // rays per task

void check_ranges(const int32_t* packed_info, int64_t num_rays, int64_t num_samples) {
  for (int64_t r = 0; r < num_rays; ++r) {
    const int64_t start = packed_info[2 * r];
    const int64_t count = packed_info[2 * r + 1];
    require(start >= 0 && count >= 0 && start + count <= num_samples,
            "packed_info names samples that do not exist");
  }
}

void composite_rays(const D3dCompositeParams& p, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) composite_ray(p, r);
}

void composite_rays_vjp(const D3dCompositeBackwardParams& p, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) composite_ray_vjp(p, r);
}

}  // namespace
}  // namespace dream3d

extern "C" int32_t d3d_composite(const D3dCompositeParams* params, size_t params_size,
                                 const D3dLaunch* launch) {
  using namespace dream3d;
  return guarded_call(params, params_size, [&](const D3dCompositeParams& p) {
    check_ranges(p.packed_info, p.num_rays, p.num_samples);
    parallel_for_chunks(p.num_rays, kChunk, launch->n_threads,
                        [&](int64_t begin, int64_t end) { composite_rays(p, begin, end); });
  });
}

extern "C" int32_t d3d_composite_backward(const D3dCompositeBackwardParams* params, size_t params_size,
                                          const D3dLaunch* launch) {
  using namespace dream3d;
  return guarded_call(params, params_size, [&](const D3dCompositeBackwardParams& p) {
    check_ranges(p.packed_info, p.num_rays, p.num_samples);
    parallel_for_chunks(p.num_rays, kChunk, launch->n_threads,
                        [&](int64_t begin, int64_t end) { composite_rays_vjp(p, begin, end); });
  });
}
