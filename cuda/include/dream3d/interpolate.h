// Vertex attributes at the pixels of a rasterised image, u a_0 + v a_1 + (1 - u - v) a_2, and how they change across
// the screen, with the derivatives of both to the attributes and to the weights. Pixels without a triangle are zero
// and get no gradient.
//
// Both are linear in the attributes: the change along x has the weights du/dx, dv/dx and minus their sum. So one code
// serves both, for L = 1 column of weights that sum to 1, or L = 2 columns (x and y) that sum to 0.
#pragma once

#include "dream3d/api.h"
#include "dream3d/common.h"
#include "dream3d/corners.h"

namespace dream3d {

// The three vertices a pixel is made of, as offsets of their first channel, and their weights.
template <int L>
struct PixelCorners {
  int64_t offset[3];
  float weight[3][L];
};

// `pixel` counts over all views. False where nothing is visible, or where an index is out of range.
template <int L, class Params>
D3D_HOST_DEVICE inline bool load_corners(const Params& p, int64_t pixel, PixelCorners<L>& out) {
  const int64_t set = p.num_attribute_sets > 1 ? pixel / p.num_pixels : 0;
  if (!load_corner_rows(p, pixel, set, out.offset)) return false;
  for (int64_t& offset : out.offset) offset *= p.num_channels;
  const float* weights = p.weights + 2 * L * pixel;
  for (int l = 0; l < L; ++l) {
    out.weight[0][l] = weights[l];
    out.weight[1][l] = weights[L + l];
    out.weight[2][l] = (L == 1 ? 1.0f : 0.0f) - weights[l] - weights[L + l];
  }
  return true;
}

template <int L>
D3D_HOST_DEVICE inline void interpolate_pixel(const D3dInterpolateParams& p, int64_t pixel) {
  float* out = p.image + pixel * p.num_channels * L;
  PixelCorners<L> corners;
  if (!load_corners(p, pixel, corners)) {
    for (int64_t c = 0; c < p.num_channels * L; ++c) out[c] = 0.0f;
    return;
  }
  const float* a[3] = {p.attributes + corners.offset[0], p.attributes + corners.offset[1],
                       p.attributes + corners.offset[2]};
  for (int64_t c = 0; c < p.num_channels; ++c) {
    if (L == 1) {
      out[c] =
          corners.weight[0][0] * a[0][c] + corners.weight[1][0] * a[1][c] + corners.weight[2][0] * a[2][c];
    } else {  // differences first: what is constant on a triangle has exactly no slope
      const float across = a[0][c] - a[2][c];
      const float along = a[1][c] - a[2][c];
      for (int l = 0; l < L; ++l) {
        out[L * c + l] = corners.weight[0][l] * across + corners.weight[1][l] * along;
      }
    }
  }
}

// The gradient to the attributes: calls add(i, c, gradient) for channel c of corner i.
template <int L, class Add>
D3D_HOST_DEVICE inline void interpolate_attributes_vjp(const PixelCorners<L>& corners, const float* grad,
                                                       int64_t num_channels, const Add& add) {
  for (int i = 0; i < 3; ++i) {
    for (int64_t c = 0; c < num_channels; ++c) {
      float sum = corners.weight[i][0] * grad[L * c];
      for (int l = 1; l < L; ++l) sum += corners.weight[i][l] * grad[L * c + l];
      add(i, c, sum);
    }
  }
}

// The gradient to the weights of vertex 0 and 1, which take from that of vertex 2.
template <int L>
D3D_HOST_DEVICE inline void interpolate_weights_vjp(const D3dInterpolateBackwardParams& p, int64_t pixel) {
  float sums[2 * L] = {};
  PixelCorners<L> corners;
  if (load_corners(p, pixel, corners)) {
    const float* grad = p.grad_image + pixel * p.num_channels * L;
    const float* a = p.attributes;
    for (int64_t c = 0; c < p.num_channels; ++c) {
      const float last = a[corners.offset[2] + c];
      for (int l = 0; l < L; ++l) {
        sums[l] += grad[L * c + l] * (a[corners.offset[0] + c] - last);
        sums[L + l] += grad[L * c + l] * (a[corners.offset[1] + c] - last);
      }
    }
  }
  for (int i = 0; i < 2 * L; ++i) p.grad_weights[2 * L * pixel + i] = sums[i];
}

}  // namespace dream3d
