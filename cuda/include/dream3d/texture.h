// What a pixel reads from a texture, and the derivatives to the texels and to where it looks.
//
// Texel centres lie at (i + 0.5) / size. Bilinear look-up blends the four texels around a point; trilinear does it in
// two mip levels. A pixel whose uv, derivatives or bias are not finite is zero and has no derivative.
#pragma once

#include <cmath>
#include <cstdint>

#include "dream3d/api.h"
#include "dream3d/common.h"
#include "dream3d/texture_cube.h"
#include "dream3d/texture_mip.h"

namespace dream3d {

// Where one pixel looks. u and v count from 0 to 1 over a face, which is 0 unless the texture is a cube.
struct TextureLookup {
  int32_t face;
  float u, v;
  MipLevels levels;
  MipFootprint footprint;
};

// Four texels in reading order, as indices into [A * M], and the point between them.
struct TexelTaps {
  int64_t texel[4];
  float x, y;
  int32_t missing;  // the one beyond a corner of the cube, where only three faces meet; or -1
};

D3D_HOST_DEVICE inline int uv_size(const D3dTextureLayout& layout) {
  return layout.boundary == D3D_CUBE ? 3 : 2;
}

D3D_HOST_DEVICE inline bool texture_position(const D3dTextureLayout& layout, const float* uv,
                                             TextureLookup& out) {
  if (layout.boundary == D3D_CUBE) return cube_position(uv, out.face, out.u, out.v);
  if (!all_finite(uv, 2)) return false;
  out.face = 0;
  if (layout.boundary == D3D_WRAP) {
    out.u = uv[0] - floorf(uv[0]);
    out.v = uv[1] - floorf(uv[1]);
  } else {
    out.u = clamp_to(uv[0], 0.0f, 1.0f);
    out.v = clamp_to(uv[1], 0.0f, 1.0f);
  }
  return true;
}

template <class Params>
D3D_HOST_DEVICE inline bool texture_lookup(const Params& p, int64_t pixel, TextureLookup& out) {
  if (!texture_position(p.layout, p.uv + pixel * uv_size(p.layout), out)) return false;
  out.levels = {0, 0.0f, false};
  if (p.layout.filter != D3D_TRILINEAR) return true;
  float level = 0.0f;
  if (p.uv_derivatives != nullptr) {
    if (!mip_footprint(p.uv_derivatives + 4 * pixel, p.layout.widths[0], p.layout.heights[0], out.footprint))
      return false;
    level = mip_footprint_level(out.footprint);
  }
  if (p.mip_bias != nullptr) {
    if (!all_finite(p.mip_bias + pixel, 1)) return false;
    level += p.mip_bias[pixel];
  }
  out.levels = mip_levels(level, p.layout.num_levels);
  return true;
}

D3D_HOST_DEVICE inline int32_t floor_to_int(float x) {  // for small x; floorf may be a call
  const int32_t towards_zero = static_cast<int32_t>(x);
  return towards_zero - (static_cast<float>(towards_zero) > x ? 1 : 0);
}

// i is in [-1, size].
D3D_HOST_DEVICE inline int32_t fold_index(int32_t i, int32_t size, int32_t boundary) {
  if (boundary == D3D_WRAP) return i < 0 ? i + size : i >= size ? i - size : i;
  return clamp_to(i, 0, size - 1);
}

template <class Params>
D3D_HOST_DEVICE inline int64_t first_texel(const Params& p, int64_t pixel, int32_t level) {
  const int64_t texture = p.num_textures > 1 ? pixel / p.num_pixels : 0;
  return texture * p.layout.offsets[p.layout.num_levels] + p.layout.offsets[level];
}

// The nearest texel. A point between two of them belongs to the later one.
template <class Params>
D3D_HOST_DEVICE inline int64_t nearest_texel(const Params& p, int64_t pixel, const TextureLookup& lookup) {
  const int32_t width = p.layout.widths[0], height = p.layout.heights[0];
  const int32_t column = min_of(static_cast<int32_t>(lookup.u * static_cast<float>(width)), width - 1);
  const int32_t row = min_of(static_cast<int32_t>(lookup.v * static_cast<float>(height)), height - 1);
  return first_texel(p, pixel, 0) + (int64_t{lookup.face} * height + row) * width + column;
}

template <class Params>
D3D_HOST_DEVICE inline void bilinear_taps(const Params& p, int64_t pixel, const TextureLookup& lookup,
                                          int32_t level, TexelTaps& out) {
  const int32_t width = p.layout.widths[level], height = p.layout.heights[level];
  const float x = lookup.u * static_cast<float>(width) - 0.5f;
  const float y = lookup.v * static_cast<float>(height) - 0.5f;
  const int32_t column = floor_to_int(x), row = floor_to_int(y);
  const int64_t first = first_texel(p, pixel, level);
  out.x = x - static_cast<float>(column);
  out.y = y - static_cast<float>(row);
  out.missing = -1;
  if (p.layout.boundary != D3D_CUBE) {
    const int32_t columns[2] = {fold_index(column, width, p.layout.boundary),
                                fold_index(column + 1, width, p.layout.boundary)};
    const int64_t rows[2] = {first + int64_t{fold_index(row, height, p.layout.boundary)} * width,
                             first + int64_t{fold_index(row + 1, height, p.layout.boundary)} * width};
    for (int i = 0; i < 4; ++i) out.texel[i] = rows[i / 2] + columns[i % 2];
    return;
  }
  for (int i = 0; i < 4; ++i) {
    const int32_t c = column + i % 2, r = row + i / 2;
    if ((c < 0 || c >= width) && (r < 0 || r >= width)) out.missing = i;
    // For the missing one any valid texel will do.
    out.texel[i] =
        first + cube_texel(width, lookup.face, c, out.missing == i ? clamp_to(r, 0, width - 1) : r);
  }
}

// At a corner of a cube the mean of the three texels stands for the fourth (OpenGL 4.6, section 8.14.3).
D3D_HOST_DEVICE inline void share_missing(int32_t missing, float weights[4]) {
  if (missing < 0) return;
  const float share = weights[missing] / 3.0f;
  for (int i = 0; i < 4; ++i) weights[i] = i == missing ? 0.0f : weights[i] + share;
}

D3D_HOST_DEVICE inline void tap_weights(const TexelTaps& taps, float out[4]) {
  out[0] = (1.0f - taps.x) * (1.0f - taps.y);
  out[1] = taps.x * (1.0f - taps.y);
  out[2] = (1.0f - taps.x) * taps.y;
  out[3] = taps.x * taps.y;
  share_missing(taps.missing, out);
}

// Derivatives of the weights by the point, per texel.
D3D_HOST_DEVICE inline void tap_slopes(const TexelTaps& taps, float by_x[4], float by_y[4]) {
  by_x[0] = taps.y - 1.0f;
  by_x[1] = 1.0f - taps.y;
  by_x[2] = -taps.y;
  by_x[3] = taps.y;
  by_y[0] = taps.x - 1.0f;
  by_y[1] = -taps.x;
  by_y[2] = 1.0f - taps.x;
  by_y[3] = taps.x;
  share_missing(taps.missing, by_x);
  share_missing(taps.missing, by_y);
}

// Everything a pixel is a sum of: texels, as indices into [A * M], and their weights.
struct PixelTexels {
  int32_t count;  // 0, 1, 4 or 8
  int64_t texel[8];
  float weight[8];
};

template <class Params>
D3D_HOST_DEVICE inline void pixel_texels(const Params& p, int64_t pixel, PixelTexels& out) {
  out.count = 0;
  TextureLookup lookup;
  if (!texture_lookup(p, pixel, lookup)) return;
  if (p.layout.filter == D3D_NEAREST) {
    out.texel[0] = nearest_texel(p, pixel, lookup);
    out.weight[0] = 1.0f;
    out.count = 1;
    return;
  }
  for (int i = 0; i < 2; ++i) {
    const float share = i == 0 ? 1.0f - lookup.levels.blend : lookup.levels.blend;
    if (share == 0.0f) continue;
    TexelTaps taps;
    bilinear_taps(p, pixel, lookup, lookup.levels.first + i, taps);
    float weights[4];
    tap_weights(taps, weights);
    for (int k = 0; k < 4; ++k) {
      out.texel[out.count + k] = taps.texel[k];
      out.weight[out.count + k] = share * weights[k];
    }
    out.count += 4;
  }
}

D3D_HOST_DEVICE inline void texture_pixel(const D3dTextureParams& p, int64_t pixel) {
  const int64_t channels = p.layout.num_channels;
  PixelTexels from;
  pixel_texels(p, pixel, from);
  for (int64_t c = 0; c < channels; ++c) {
    float sum = 0.0f;
    for (int k = 0; k < from.count; ++k) sum += from.weight[k] * p.texels[from.texel[k] * channels + c];
    p.image[pixel * channels + c] = sum;
  }
}

// Most pixels of a picture are often background, to which nothing flows back.
D3D_HOST_DEVICE inline bool has_gradient(const D3dTextureBackwardParams& p, int64_t pixel) {
  const float* grad = p.grad_image + pixel * p.layout.num_channels;
  for (int64_t c = 0; c < p.layout.num_channels; ++c) {
    if (grad[c] != 0.0f) return true;
  }
  return false;
}

// Derivatives to uv, uv_derivatives and mip_bias; those to the texels are the weights of pixel_texels.
D3D_HOST_DEVICE inline void texture_pixel_vjp(const D3dTextureBackwardParams& p, int64_t pixel) {
  const int64_t channels = p.layout.num_channels;
  const float* const grad = p.grad_image + pixel * channels;
  float grad_u = 0.0f, grad_v = 0.0f, grad_level = 0.0f;
  float grad_uv[3] = {}, grad_derivatives[4] = {};
  TextureLookup lookup;
  if (p.layout.filter != D3D_NEAREST && has_gradient(p, pixel) && texture_lookup(p, pixel, lookup)) {
    for (int i = 0; i < (lookup.levels.is_free || lookup.levels.blend > 0.0f ? 2 : 1); ++i) {
      const int32_t level = lookup.levels.first + i;
      const float share = i == 0 ? 1.0f - lookup.levels.blend : lookup.levels.blend;
      TexelTaps taps;
      bilinear_taps(p, pixel, lookup, level, taps);
      float weights[4], by_x[4], by_y[4];
      tap_weights(taps, weights);
      tap_slopes(taps, by_x, by_y);
      float value = 0.0f, along_x = 0.0f, along_y = 0.0f;  // of the picture times its gradient
      for (int k = 0; k < 4; ++k) {
        const float* values = p.texels + taps.texel[k] * channels;
        float product = 0.0f;
        for (int64_t c = 0; c < channels; ++c) product += grad[c] * values[c];
        value += weights[k] * product;
        along_x += by_x[k] * product;
        along_y += by_y[k] * product;
      }
      grad_u += share * static_cast<float>(p.layout.widths[level]) * along_x;
      grad_v += share * static_cast<float>(p.layout.heights[level]) * along_y;
      grad_level += i == 0 ? -value : value;
    }
    if (!lookup.levels.is_free) grad_level = 0.0f;
    grad_uv[0] = grad_u;
    grad_uv[1] = grad_v;
    if (p.layout.boundary == D3D_CUBE)
      cube_position_vjp(p.uv + 3 * pixel, lookup.face, grad_u, grad_v, grad_uv);
    if (p.uv_derivatives != nullptr && lookup.levels.is_free)
      mip_footprint_level_vjp(lookup.footprint, p.layout.widths[0], p.layout.heights[0], grad_level,
                              grad_derivatives);
  }
  const int num_coordinates = uv_size(p.layout);
  for (int i = 0; i < num_coordinates && p.grad_uv != nullptr; ++i)
    p.grad_uv[pixel * num_coordinates + i] = grad_uv[i];
  for (int i = 0; i < 4 && p.grad_uv_derivatives != nullptr; ++i)
    p.grad_uv_derivatives[4 * pixel + i] = grad_derivatives[i];
  if (p.grad_mip_bias != nullptr) p.grad_mip_bias[pixel] = grad_level;
}

}  // namespace dream3d
