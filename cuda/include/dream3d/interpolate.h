// Vertex attributes at the pixels of a rasterised image: u a_0 + v a_1 + (1 - u - v) a_2, and its derivative with
// respect to the attributes. Pixels without a triangle are zero and get no gradient.
#pragma once

#include "dream3d/api.h"
#include "dream3d/common.h"

namespace dream3d {

// The three vertices a pixel is made of, as offsets of their first channel, and their weights.
struct PixelCorners {
  int64_t offset[3];
  float weight[3];
};

// `pixel` counts over all views. False where nothing is visible, or where an index is out of range.
template <class Params>
D3D_HOST_DEVICE inline bool load_corners(const Params& p, int64_t pixel, PixelCorners& out) {
  const int32_t id = p.triangle_id[pixel];
  if (id < 0 || id >= p.num_triangles) return false;
  const int64_t set = p.num_attribute_sets > 1 ? pixel / p.num_pixels : 0;
  for (int i = 0; i < 3; ++i) {
    const int64_t vertex = p.faces[3 * int64_t{id} + i];
    if (vertex < 0 || vertex >= p.num_vertices) return false;
    out.offset[i] = (set * p.num_vertices + vertex) * p.num_channels;
  }
  out.weight[0] = p.barycentrics[2 * pixel];
  out.weight[1] = p.barycentrics[2 * pixel + 1];
  out.weight[2] = 1.0f - out.weight[0] - out.weight[1];
  return true;
}

D3D_HOST_DEVICE inline void interpolate_pixel(const D3dInterpolateParams& p, int64_t pixel) {
  float* out = p.image + pixel * p.num_channels;
  PixelCorners corners;
  if (!load_corners(p, pixel, corners)) {
    for (int64_t c = 0; c < p.num_channels; ++c) out[c] = 0.0f;
    return;
  }
  const float* a = p.attributes;
  for (int64_t c = 0; c < p.num_channels; ++c) {
    out[c] = corners.weight[0] * a[corners.offset[0] + c] + corners.weight[1] * a[corners.offset[1] + c] +
             corners.weight[2] * a[corners.offset[2] + c];
  }
}

// Calls add(offset, gradient) for every attribute the pixel depends on: d image / d a_i is the weight i.
template <class Add>
D3D_HOST_DEVICE inline void interpolate_pixel_vjp(const D3dInterpolateBackwardParams& p, int64_t pixel,
                                                  const Add& add) {
  PixelCorners corners;
  if (!load_corners(p, pixel, corners)) return;
  const float* grad = p.grad_image + pixel * p.num_channels;
  for (int i = 0; i < 3; ++i) {
    for (int64_t c = 0; c < p.num_channels; ++c) add(corners.offset[i] + c, corners.weight[i] * grad[c]);
  }
}

}  // namespace dream3d
