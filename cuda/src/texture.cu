// One thread per pixel. The gradient to the texels is added with float atomics, so its last bits vary from run to run;
// the other gradients do not.
#include "dream3d/texture.h"

#include "dream3d/cuda_launch.h"
#include "dream3d/texture_limits.h"

namespace dream3d {
namespace {

constexpr int kBlock = 256;

__global__ void texture_pixels(D3dTextureParams p) {
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < p.num_views * p.num_pixels;
       i += stride) {
    texture_pixel(p, i);
  }
}

__global__ void texture_texels_vjp(D3dTextureBackwardParams p) {
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  const int64_t channels = p.layout.num_channels;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < p.num_views * p.num_pixels;
       i += stride) {
    if (!has_gradient(p, i)) continue;
    const float* grad = p.grad_image + i * channels;
    PixelTexels to;
    pixel_texels(p, i, to);
    for (int k = 0; k < to.count; ++k) {
      for (int64_t c = 0; c < channels; ++c)
        atomicAdd(p.grad_texels + to.texel[k] * channels + c, to.weight[k] * grad[c]);
    }
  }
}

__global__ void texture_pixels_vjp(D3dTextureBackwardParams p) {
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < p.num_views * p.num_pixels;
       i += stride) {
    texture_pixel_vjp(p, i);
  }
}

void texture(const D3dTextureParams& p, const D3dLaunch& launch) {
  check_texture(p);
  const int64_t pixels = p.num_views * p.num_pixels;
  if (pixels == 0) return;
  const DeviceGuard guard(launch);
  launch_kernel("texture", texture_pixels, grid_blocks(pixels, kBlock), kBlock, launch, p);
}

void texture_backward(const D3dTextureBackwardParams& p, const D3dLaunch& launch) {
  check_texture(p);
  const int64_t pixels = p.num_views * p.num_pixels;
  const int64_t size = p.num_textures * p.layout.offsets[p.layout.num_levels] * p.layout.num_channels;
  const DeviceGuard guard(launch);
  if (p.grad_texels != nullptr && size > 0) {
    check_cuda(
        cudaMemsetAsync(p.grad_texels, 0, static_cast<size_t>(size) * sizeof(float), stream_of(launch)),
        "texture: clear gradient");
    if (pixels > 0)
      launch_kernel("texture: texels backward", texture_texels_vjp, grid_blocks(pixels, kBlock), kBlock,
                    launch, p);
  }
  if (pixels == 0) return;
  if (p.grad_uv == nullptr && p.grad_uv_derivatives == nullptr && p.grad_mip_bias == nullptr) return;
  launch_kernel("texture: pixels backward", texture_pixels_vjp, grid_blocks(pixels, kBlock), kBlock, launch,
                p);
}

}  // namespace
}  // namespace dream3d

extern "C" int32_t d3d_texture(const D3dTextureParams* params, size_t params_size, const D3dLaunch* launch) {
  return dream3d::guarded_call(params, params_size,
                               [&](const D3dTextureParams& p) { dream3d::texture(p, *launch); });
}

extern "C" int32_t d3d_texture_backward(const D3dTextureBackwardParams* params, size_t params_size,
                                        const D3dLaunch* launch) {
  return dream3d::guarded_call(
      params, params_size, [&](const D3dTextureBackwardParams& p) { dream3d::texture_backward(p, *launch); });
}
