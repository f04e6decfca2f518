// One thread per pixel. The gradient of the positions is added with float atomics, so its last bits vary from
// run to run; everything else has the bits of the CPU.
#include "dream3d/antialias.h"

#include "dream3d/antialias_limits.h"
#include "dream3d/cuda_launch.h"
#include "dream3d/status.h"

namespace dream3d {
namespace {

constexpr int kBlock = 128;

template <class Params>
__device__ int64_t pixels_of(const Params& p) {
  return p.num_views * p.height * p.width;
}

__global__ void find_edges(D3dAntialiasEdgesParams p) {
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < pixels_of(p); i += stride) {
    find_pixel_edges(p, i, place_of(i, p.height, p.width));
  }
}

__global__ void blend_pixels(D3dAntialiasParams p) {
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < pixels_of(p); i += stride) {
    blend_pixel(p, i, place_of(i, p.height, p.width));
  }
}

__global__ void blend_pixels_vjp(D3dAntialiasBackwardParams p) {
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < pixels_of(p); i += stride) {
    blend_pixel_vjp(p, i, place_of(i, p.height, p.width));
  }
}

__global__ void pairs_vjp(D3dAntialiasBackwardParams p) {
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < pixels_of(p); i += stride) {
    float* const gradient = p.grad_positions + 4 * (i / (p.height * p.width)) * p.num_vertices;
    for (int axis = 0; axis < 2; ++axis) {
      pair_vjp(
          p, i, axis, [](int32_t) { return true; },
          [&](int32_t vertex, float x, float y, float z, float w) {
            float* const out = gradient + 4 * int64_t{vertex};
            atomicAdd(out, x);
            atomicAdd(out + 1, y);
            if (z != 0.0f) atomicAdd(out + 2, z);
            atomicAdd(out + 3, w);
          });
    }
  }
}

template <class Params>
void for_pixels(const char* name, void (*kernel)(Params), const Params& p, const D3dLaunch& launch) {
  const int64_t pixels = p.num_views * p.height * p.width;
  if (pixels > 0) launch_kernel(name, kernel, grid_blocks(pixels, kBlock), kBlock, launch, p);
}

void backward(const D3dAntialiasBackwardParams& p, const D3dLaunch& launch) {
  const DeviceGuard guard(launch);
  if (p.grad_image != nullptr) for_pixels("antialias: gradient of colours", blend_pixels_vjp, p, launch);
  const size_t bytes = static_cast<size_t>(4 * p.num_views * p.num_vertices) * sizeof(float);
  if (p.grad_positions == nullptr || bytes == 0) return;
  check_cuda(cudaMemsetAsync(p.grad_positions, 0, bytes, stream_of(launch)), "antialias: clear gradient");
  for_pixels("antialias: gradient of positions", pairs_vjp, p, launch);
}

}  // namespace
}  // namespace dream3d

extern "C" int32_t d3d_antialias_edges(const D3dAntialiasEdgesParams* params, size_t params_size,
                                       const D3dLaunch* launch) {
  using namespace dream3d;
  return guarded_call(params, params_size, [&](const D3dAntialiasEdgesParams& p) {
    require_antialias_limits(p);
    const DeviceGuard guard(*launch);
    for_pixels("antialias: edges", find_edges, p, *launch);
  });
}

extern "C" int32_t d3d_antialias(const D3dAntialiasParams* params, size_t params_size,
                                 const D3dLaunch* launch) {
  using namespace dream3d;
  return guarded_call(params, params_size, [&](const D3dAntialiasParams& p) {
    const DeviceGuard guard(*launch);
    for_pixels("antialias", blend_pixels, p, *launch);
  });
}

extern "C" int32_t d3d_antialias_backward(const D3dAntialiasBackwardParams* params, size_t params_size,
                                          const D3dLaunch* launch) {
  return dream3d::guarded_call(params, params_size,
                               [&](const D3dAntialiasBackwardParams& p) { dream3d::backward(p, *launch); });
}
