// The derivatives of barycentrics.h for a pixel of the arrays that the entry points get.
#pragma once

#include "dream3d/api.h"
#include "dream3d/barycentrics.h"
#include "dream3d/corners.h"

namespace dream3d {

// Of two numbers that are not negative. Most fit into 32 bits, and then it takes a third of the time.
D3D_HOST_DEVICE inline int64_t quotient(int64_t dividend, int64_t divisor) {
  if (((dividend | divisor) >> 32) != 0) return dividend / divisor;
  return static_cast<uint32_t>(dividend) / static_cast<uint32_t>(divisor);
}

// Where a pixel, counted over all views, lies.
struct PixelPosition {
  int64_t column, row, view;
};

template <class Params>
D3D_HOST_DEVICE inline PixelPosition locate_pixel(const Params& p, int64_t pixel) {
  const int64_t line = quotient(pixel, p.width), view = quotient(line, p.height);
  return {pixel - line * p.width, line - view * p.height, view};
}

// The rows of M^-1 of the triangle that `pixel` sees. False where there is none, or none with derivatives.
template <class Params>
D3D_HOST_DEVICE inline bool load_rows(const Params& p, int64_t pixel, const PixelPosition& at,
                                      Double3 rows[3]) {
  int64_t corners[3];
  if (!load_corner_rows(p, pixel, at.view, corners)) return false;
  ClipVertex vertices[3];
  for (int i = 0; i < 3; ++i) {
    const float* v = p.positions + 4 * corners[i];
    vertices[i] = {v[0], v[1], v[2], v[3]};
  }
  return invert_planes(make_barycentric_planes(vertices), rows);
}

template <class Params>
D3D_HOST_DEVICE inline bool weigh_pixel(const Params& p, const Double3 rows[3], const PixelPosition& at,
                                        PixelWeights<double>& out) {
  return weigh_pixel(rows, static_cast<double>(at.column), static_cast<double>(at.row),
                     static_cast<double>(p.width), static_cast<double>(p.height), out);
}

// `rows` is null where there are no derivatives.
D3D_HOST_DEVICE inline void screen_derivatives_pixel(const D3dScreenDerivativesParams& p, const Double3* rows,
                                                     int64_t pixel, const PixelPosition& at) {
  float* out = p.derivatives + 4 * pixel;
  PixelWeights<double> weights;
  if (rows != nullptr && weigh_pixel(p, rows, at, weights)) {
    screen_derivatives_at(rows, weights, out);
  } else {
    for (int i = 0; i < 4; ++i) out[i] = 0.0f;
  }
}

// Adds the gradient of one pixel to (x, y, w) of its three vertices.
D3D_HOST_DEVICE inline void barycentrics_pixel_vjp(const D3dBarycentricsBackwardParams& p,
                                                   const Double3 rows[3], int64_t pixel,
                                                   const PixelPosition& at, Double3 v_vertices[3]) {
  PixelWeights<double> weights;
  if (!weigh_pixel(p, rows, at, weights)) return;
  if (p.grad_barycentrics != nullptr) {
    barycentrics_vjp(rows, weights, p.grad_barycentrics + 2 * pixel, v_vertices);
  }
  if (p.grad_derivatives != nullptr) {
    screen_derivatives_vjp(rows, weights, p.grad_derivatives + 4 * pixel, v_vertices);
  }
}

}  // namespace dream3d
