// CUDA driver: one warp per group and one thread per tetrahedron, twice; the caller scans the counts in between. There
// are no atomics: triangles come in the order of the tetrahedra, as on the CPU.
#include "dream3d/marching_tetrahedra.h"

#include "dream3d/cuda_launch.h"
#include "dream3d/status.h"

namespace dream3d {
namespace {

constexpr unsigned kBlock = 128;
constexpr unsigned kAll = ~0u;
static_assert(D3D_TET_GROUP == 32, "a group is a warp");

__device__ int64_t num_groups(const D3dMarchingTetrahedraParams& p) {
  return (p.num_tets + D3D_TET_GROUP - 1) / D3D_TET_GROUP;
}

// All threads of a warp walk through the same groups.
__device__ int64_t first_group() { return (int64_t{blockIdx.x} * blockDim.x + threadIdx.x) / D3D_TET_GROUP; }
__device__ int64_t group_stride() { return int64_t{gridDim.x} * blockDim.x / D3D_TET_GROUP; }

// Triangles of this thread's tetrahedron; none past the last one.
__device__ int32_t classify(const D3dMarchingTetrahedraParams& p, int64_t tet, uint32_t& inside) {
  return tet < p.num_tets ? tet_classify(p, tet, inside) : 0;
}

__global__ void count_triangles(D3dMarchingTetrahedraParams p) {
  const unsigned lane = threadIdx.x % D3D_TET_GROUP;
  for (int64_t group = first_group(); group < num_groups(p); group += group_stride()) {
    uint32_t inside = 0;
    const int32_t count = classify(p, group * D3D_TET_GROUP + lane, inside);
    const unsigned some = __ballot_sync(kAll, count > 0);
    const unsigned two = __ballot_sync(kAll, count == 2);
    const unsigned bad_index = __ballot_sync(kAll, count == D3D_TET_BAD_INDEX);
    const unsigned not_finite = __ballot_sync(kAll, count == D3D_TET_NOT_FINITE);
    if (lane != 0) continue;
    p.counts[group] = bad_index != 0    ? static_cast<int32_t>(D3D_TET_BAD_INDEX)
                      : not_finite != 0 ? static_cast<int32_t>(D3D_TET_NOT_FINITE)
                                        : __popc(some) + __popc(two);
  }
}

__global__ void write_triangles(D3dMarchingTetrahedraParams p) {
  const unsigned lane = threadIdx.x % D3D_TET_GROUP;
  for (int64_t group = first_group(); group < num_groups(p); group += group_stride()) {
    if (p.counts[group] <= 0) continue;  // the same for the whole warp
    const int64_t tet = group * D3D_TET_GROUP + lane;
    uint32_t inside = 0;
    const int32_t count = classify(p, tet, inside);
    const unsigned before = (1u << lane) - 1u;
    const int32_t offset =
        __popc(__ballot_sync(kAll, count > 0) & before) + __popc(__ballot_sync(kAll, count == 2) & before);
    tet_write(p, tet, inside, count, p.starts[group] + offset);
  }
}

template <class Kernel>
int32_t for_groups(const char* name, Kernel kernel, const D3dMarchingTetrahedraParams* params,
                   size_t params_size, const D3dLaunch* launch) {
  return guarded_call(params, params_size, [&](const D3dMarchingTetrahedraParams& p) {
    if (p.num_tets == 0) return;
    const DeviceGuard guard(*launch);
    launch_kernel(name, kernel, grid_blocks(p.num_tets, kBlock), kBlock, *launch, p);
  });
}

}  // namespace
}  // namespace dream3d

extern "C" int32_t d3d_marching_tetrahedra_count(const D3dMarchingTetrahedraParams* params,
                                                 size_t params_size, const D3dLaunch* launch) {
  return dream3d::for_groups("marching_tetrahedra: count", dream3d::count_triangles, params, params_size,
                             launch);
}

extern "C" int32_t d3d_marching_tetrahedra_write(const D3dMarchingTetrahedraParams* params,
                                                 size_t params_size, const D3dLaunch* launch) {
  return dream3d::for_groups("marching_tetrahedra: write", dream3d::write_triangles, params, params_size,
                             launch);
}
