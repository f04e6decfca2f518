// CUDA driver: one thread per point and level, one level per block row so that its part of the table stays in the
// cache. The gradient to the table is scattered with atomics, in no fixed order.
#include "dream3d/hash_grid.h"

#include "dream3d/cuda_launch.h"
#include "dream3d/hash_grid_levels.h"

namespace dream3d {
namespace {

constexpr int kBlock = 256;

template <int F>
__device__ void atomic_add_row(float* row, const float values[F]) {
#if __CUDA_ARCH__ >= 900
  constexpr int kPaired = F / 2 * 2;  // rows of 2, 4 or 8 floats are aligned to pairs
#else
  constexpr int kPaired = 0;
#endif
  for (int f = 0; f < kPaired; f += 2) {
#if __CUDA_ARCH__ >= 900
    atomicAdd(reinterpret_cast<float2*>(row + f), make_float2(values[f], values[f + 1]));
#endif
  }
  for (int f = kPaired; f < F; ++f) atomicAdd(row + f, values[f]);
}

template <int F>
__global__ void encode(D3dHashGridParams p) {
  const int l = blockIdx.y;
  const HashGridLevel level = hash_grid_level(p.levels, l);
  const GatherRow<F> gather{p.table + level.offset * F};
  const int64_t step = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < p.num_points; i += step) {
    const float point[3] = {p.points[3 * i], p.points[3 * i + 1], p.points[3 * i + 2]};
    float features[F];
    hash_grid_encode<OneLane, F>(point, level, gather, features);
    for (int f = 0; f < F; ++f) p.encoded[(i * p.levels.num_levels + l) * F + f] = features[f];
  }
}

template <int F>
__global__ void scatter_table(D3dHashGridBackwardParams p) {
  const int l = blockIdx.y;
  const HashGridLevel level = hash_grid_level(p.levels, l);
  float* table = p.grad_table + level.offset * F;
  const int64_t step = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < p.num_points; i += step) {
    const float point[3] = {p.points[3 * i], p.points[3 * i + 1], p.points[3 * i + 2]};
    const float* upstream = p.grad_encoded + (i * p.levels.num_levels + l) * F;
    uint32_t rows[8];
    float weights[8];
    hash_grid_table_vjp<OneLane>(point, level, rows, weights);
    for (int corner = 0; corner < 8; ++corner) {
      float values[F];
      for (int f = 0; f < F; ++f) values[f] = weights[corner] * upstream[f];
      atomic_add_row<F>(table + int64_t{rows[corner]} * F, values);
    }
  }
}

template <int F>
__global__ void gather_points(D3dHashGridBackwardParams p) {
  const int64_t step = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < p.num_points; i += step) {
    const float point[3] = {p.points[3 * i], p.points[3 * i + 1], p.points[3 * i + 2]};
    float grad_point[3] = {0.0f, 0.0f, 0.0f};
    for (int l = 0; l < p.levels.num_levels; ++l) {
      const HashGridLevel level = hash_grid_level(p.levels, l);
      const GatherRow<F> gather{p.table + level.offset * F};
      const float* upstream = p.grad_encoded + (i * p.levels.num_levels + l) * F;
      hash_grid_point_vjp<OneLane, F>(point, level, gather, upstream, grad_point);
    }
    for (int axis = 0; axis < 3; ++axis) p.grad_points[3 * i + axis] = grad_point[axis];
  }
}

dim3 points_by_levels(int64_t num_points, int32_t num_levels) {
  return dim3(grid_blocks(num_points, kBlock), static_cast<unsigned>(num_levels));
}

template <int F>
void forward(const D3dHashGridParams& p, const D3dLaunch& launch) {
  launch_kernel("hash_grid", encode<F>, points_by_levels(p.num_points, p.levels.num_levels), kBlock, launch,
                p);
}

template <int F>
void backward(const D3dHashGridBackwardParams& p, const D3dLaunch& launch) {
  if (p.grad_table != nullptr) {
    const size_t bytes = static_cast<size_t>(p.levels.offsets[p.levels.num_levels]) * F * sizeof(float);
    check_cuda(cudaMemsetAsync(p.grad_table, 0, bytes, stream_of(launch)), "hash_grid_backward: clear");
    if (p.num_points > 0) {
      const dim3 grid = points_by_levels(p.num_points, p.levels.num_levels);
      launch_kernel("hash_grid_backward: table", scatter_table<F>, grid, kBlock, launch, p);
    }
  }
  if (p.grad_points != nullptr && p.num_points > 0) {
    const unsigned blocks = grid_blocks(p.num_points, kBlock);
    launch_kernel("hash_grid_backward: points", gather_points<F>, blocks, kBlock, launch, p);
  }
}

}  // namespace
}  // namespace dream3d

extern "C" int32_t d3d_hash_grid(const D3dHashGridParams* params, size_t params_size,
                                 const D3dLaunch* launch) {
  using namespace dream3d;
  return guarded_call(params, params_size, [&](const D3dHashGridParams& p) {
    check_levels(p.levels);
    if (p.num_points == 0) return;
    const DeviceGuard guard(*launch);
    with_features(p.levels.features, [&](auto f) { forward<decltype(f)::value>(p, *launch); });
  });
}

extern "C" int32_t d3d_hash_grid_backward(const D3dHashGridBackwardParams* params, size_t params_size,
                                          const D3dLaunch* launch) {
  using namespace dream3d;
  return guarded_call(params, params_size, [&](const D3dHashGridBackwardParams& p) {
    check_levels(p.levels);
    const DeviceGuard guard(*launch);
    with_features(p.levels.features, [&](auto f) { backward<decltype(f)::value>(p, *launch); });
  });
}
