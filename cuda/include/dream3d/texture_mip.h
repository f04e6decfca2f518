// Which mip levels a pixel reads: log2 of the longer axis of its footprint in texels (Heckbert 1989, "Fundamentals of
// texture mapping and image warping", section 3.5.8; Williams 1983 for the levels).
#pragma once

#include <cmath>
#include <cstdint>

#include "dream3d/common.h"
#include "dream3d/texture_cube.h"

namespace dream3d {

// A pixel's footprint is the image of the unit disc under the matrix [a b; c d] = d(u, v)/d(x, y), in texels, divided
// by its largest entry so that nothing over- or underflows. lambda is its larger squared singular value: at least 1.
struct MipFootprint {
  float a, b, c, d;
  float scale;             // 0 where the uv do not move
  float difference, root;  // lambda = (|row 0|^2 + |row 1|^2) / 2 + root
  float product;           // row 0 times row 1
  float lambda;
};

// False if it is not finite.
D3D_HOST_DEVICE inline bool mip_footprint(const float derivatives[4], int32_t width, int32_t height,
                                          MipFootprint& out) {
  const float w = static_cast<float>(width), h = static_cast<float>(height);
  const float m[4] = {w * derivatives[0], w * derivatives[1], h * derivatives[2], h * derivatives[3]};
  if (!all_finite(m, 4)) return false;
  out.scale = 0.0f;
  for (int i = 0; i < 4; ++i) out.scale = max_of(out.scale, fabsf(m[i]));
  if (out.scale < 1e-30f) out.scale = 0.0f;  // its inverse might not be finite
  if (out.scale == 0.0f) return true;
  const float inverse = 1.0f / out.scale;
  out.a = m[0] * inverse;
  out.b = m[1] * inverse;
  out.c = m[2] * inverse;
  out.d = m[3] * inverse;
  const float row0 = out.a * out.a + out.b * out.b, row1 = out.c * out.c + out.d * out.d;
  out.difference = 0.5f * (row0 - row1);
  out.product = out.a * out.c + out.b * out.d;
  out.root = sqrtf(out.difference * out.difference + out.product * out.product);
  out.lambda = 0.5f * (row0 + row1) + out.root;
  return true;
}

D3D_HOST_DEVICE inline float mip_footprint_level(const MipFootprint& f) {
  return f.scale == 0.0f ? -INFINITY : log2f(f.scale * sqrtf(f.lambda));
}

// Where the footprint is a circle the longer axis has a kink: the derivative is that of the mean axis.
D3D_HOST_DEVICE inline void mip_footprint_level_vjp(const MipFootprint& f, int32_t width, int32_t height,
                                                    float grad_level, float grad_derivatives[4]) {
  const float to_major = f.root > 0.0f ? 1.0f / f.root : 0.0f;
  const float difference = f.difference * to_major, product = f.product * to_major;
  const float outer = 0.72134752f * grad_level / (f.lambda * f.scale);  // 1 / (2 ln 2)
  const float w = outer * static_cast<float>(width), h = outer * static_cast<float>(height);
  grad_derivatives[0] = w * (f.a + difference * f.a + product * f.c);
  grad_derivatives[1] = w * (f.b + difference * f.b + product * f.d);
  grad_derivatives[2] = h * (f.c - difference * f.c + product * f.a);
  grad_derivatives[3] = h * (f.d - difference * f.d + product * f.b);
}

// The level `first` and the next one, blended; `is_free` where the blend follows the level (it was not clamped).
struct MipLevels {
  int32_t first;
  float blend;  // of first + 1
  bool is_free;
};

D3D_HOST_DEVICE inline MipLevels mip_levels(float level, int32_t num_levels) {
  const float last = static_cast<float>(num_levels - 1);
  const float clamped = clamp_to(level, 0.0f, last);
  const int32_t first = max_of(min_of(static_cast<int32_t>(clamped), num_levels - 2), 0);
  return {first, clamped - static_cast<float>(first), num_levels > 1 && level >= 0.0f && level <= last};
}

}  // namespace dream3d
