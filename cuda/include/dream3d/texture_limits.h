// What both drivers of the texture kernels refuse. Host only.
#pragma once

#include "dream3d/api.h"
#include "dream3d/status.h"

namespace dream3d {

inline void check_texture_layout(const D3dTextureLayout& layout) {
  require(layout.filter >= D3D_NEAREST && layout.filter <= D3D_TRILINEAR, "unknown texture filter");
  require(layout.boundary >= D3D_WRAP && layout.boundary <= D3D_CUBE, "unknown texture boundary");
  require(layout.num_levels >= 1 && layout.num_levels <= D3D_MAX_MIP_LEVELS,
          "a texture must have 1 to 16 mip levels");
  require(layout.num_channels >= 0, "the number of channels must not be negative");
  require(layout.offsets[0] == 0, "the finest mip level must start at texel 0");
  const int64_t faces = layout.boundary == D3D_CUBE ? 6 : 1;
  for (int l = 0; l < layout.num_levels; ++l) {
    const int64_t height = layout.heights[l], width = layout.widths[l];
    require(height >= 1 && height <= 32768 && width >= 1 && width <= 32768,
            "the sides of a texture must be 1 to 32768 texels");
    require(faces == 1 || height == width, "the faces of a cube must be square");
    require(layout.offsets[l + 1] - layout.offsets[l] == faces * height * width,
            "the offsets of the mip levels do not fit their sizes");
  }
}

template <class Params>
void check_texture(const Params& p) {
  check_texture_layout(p.layout);
  require(p.num_textures == 1 || p.num_textures == p.num_views, "there must be one texture, or one per view");
  require(p.layout.boundary != D3D_CUBE || p.uv_derivatives == nullptr, "a cube has no uv derivatives");
}

}  // namespace dream3d
