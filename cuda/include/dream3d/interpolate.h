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
template <class Params>
D3D_HOST_DEVICE inline bool load_offsets(const Params& p, int64_t pixel, int64_t offset[3]) {
  const int64_t set = p.num_attribute_sets > 1 ? pixel / p.num_pixels : 0;
  if (!load_corner_rows(p, pixel, set, offset)) return false;
  for (int i = 0; i < 3; ++i) offset[i] *= p.num_channels;
  return true;
}

template <int L, class Params>
D3D_HOST_DEVICE inline void load_weights(const Params& p, int64_t pixel, float weight[3][L]) {
  const float* weights = p.weights + 2 * L * pixel;
  for (int l = 0; l < L; ++l) {
    weight[0][l] = weights[l];
    weight[1][l] = weights[L + l];
    weight[2][l] = (L == 1 ? 1.0f : 0.0f) - weights[l] - weights[L + l];
  }
}

template <int L, class Params>
D3D_HOST_DEVICE inline bool load_corners(const Params& p, int64_t pixel, PixelCorners<L>& out) {
  if (!load_offsets(p, pixel, out.offset)) return false;
  load_weights<L>(p, pixel, out.weight);
  return true;
}

// Below, Channels is their number: an integer, or a std::integral_constant, with which compilers do better.
// `corners` is null where nothing is visible.
template <int L, class Channels>
D3D_HOST_DEVICE inline void interpolate_pixel(const D3dInterpolateParams& p, int64_t pixel,
                                              const PixelCorners<L>* corners, Channels num_channels) {
  float* out = p.image + pixel * num_channels * L;
  if (corners == nullptr) {
    for (int64_t c = 0; c < num_channels * L; ++c) out[c] = 0.0f;
    return;
  }
  const float* a[3] = {p.attributes + corners->offset[0], p.attributes + corners->offset[1],
                       p.attributes + corners->offset[2]};
  const auto& weight = corners->weight;
  for (int64_t c = 0; c < num_channels; ++c) {
    if (L == 1) {
      out[c] = weight[0][0] * a[0][c] + weight[1][0] * a[1][c] + weight[2][0] * a[2][c];
    } else {  // differences first: what is constant on a triangle has exactly no slope
      const float across = a[0][c] - a[2][c];
      const float along = a[1][c] - a[2][c];
      for (int l = 0; l < L; ++l) out[L * c + l] = weight[0][l] * across + weight[1][l] * along;
    }
  }
}

// The gradient to the attributes: calls add(i, c, gradient) for channel c of corner i.
template <int L, class Channels, class Add>
D3D_HOST_DEVICE inline void interpolate_attributes_vjp(const float weight[3][L], const float* grad,
                                                       Channels num_channels, const Add& add) {
  for (int i = 0; i < 3; ++i) {
    for (int64_t c = 0; c < num_channels; ++c) {
      float sum = weight[i][0] * grad[L * c];
      for (int l = 1; l < L; ++l) sum += weight[i][l] * grad[L * c + l];
      add(i, c, sum);
    }
  }
}

// The gradient to the weights of vertex 0 and 1, which take from that of vertex 2. `offset` is null where nothing is
// visible.
template <int L, class Channels>
D3D_HOST_DEVICE inline void interpolate_weights_vjp(const D3dInterpolateBackwardParams& p, int64_t pixel,
                                                    const int64_t* offset, Channels num_channels) {
  float sums[2 * L] = {};
  if (offset != nullptr) {
    const float* grad = p.grad_image + pixel * num_channels * L;
    const float* a = p.attributes;
    for (int64_t c = 0; c < num_channels; ++c) {
      const float last = a[offset[2] + c];
      for (int l = 0; l < L; ++l) {
        sums[l] += grad[L * c + l] * (a[offset[0] + c] - last);
        sums[L + l] += grad[L * c + l] * (a[offset[1] + c] - last);
      }
    }
  }
  for (int i = 0; i < 2 * L; ++i) p.grad_weights[2 * L * pixel + i] = sums[i];
}

}  // namespace dream3d
