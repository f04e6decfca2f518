// Perspective-correct barycentrics of a pixel centre, how they change across the screen, and the vector-Jacobian
// product of both to the clip-space positions.
//
// With (x, y, w) of the vertices as the columns of a matrix M, the centre P = (X, Y, 1) in normalised device
// coordinates is M b, and b = M^-1 P divided by its sum are the weights (homogeneous rasterisation, Olano and Greer
// 1997). Nothing is divided by w, so a triangle may cross the camera plane. Row i of M^-1 is e_i / det M with e_i
// the cross product of the other two vertices. As d(M^-1) = -M^-1 dM M^-1, a loss with gradient K_j to row j has the
// gradient -sum_j row_j (K_j . row_i) to vertex i. z takes no part: its gradient is 0.
#pragma once

#include <cmath>

#include "dream3d/common.h"

namespace dream3d {

struct ClipVertex {
  double x, y, z, w;
};

// Linear functions e[i] . (X, Y, 1) of normalised device coordinates, proportional to the barycentrics of a
// triangle.
struct BarycentricPlanes {
  Double3 e[3];
  double determinant;
};

// p x q in (x, y, w). Swapping the arguments negates the result exactly.
D3D_HOST_DEVICE inline Double3 cross_xyw(const ClipVertex& p, const ClipVertex& q) {
  return {p.y * q.w - p.w * q.y, p.w * q.x - p.x * q.w, p.x * q.y - p.y * q.x};
}

D3D_HOST_DEVICE inline BarycentricPlanes make_barycentric_planes(const ClipVertex v[3]) {
  BarycentricPlanes planes = {{cross_xyw(v[1], v[2]), cross_xyw(v[2], v[0]), cross_xyw(v[0], v[1])}, 0.0};
  planes.determinant = planes.e[0].x * v[0].x + planes.e[0].y * v[0].y + planes.e[0].z * v[0].w;
  return planes;
}

// Perspective-correct weights u and v of vertex 0 and 1 at a pixel centre, clamped to the triangle (snapping lets a
// covered centre lie up to 1/256 pixel outside of it). V is double, or a vector of them for pixels of a row.
template <class V>
D3D_HOST_DEVICE inline void barycentrics_at(const BarycentricPlanes& planes, const V& px, double py,
                                            double width, double height, V& u, V& v) {
  const V x = (px + 0.5) * (2.0 / width) - 1.0;
  const double y = 1.0 - (py + 0.5) * (2.0 / height);
  const double orientation = planes.determinant < 0.0 ? -1.0 : 1.0;
  const Double3* e = planes.e;
  const V a0 = max_of((e[0].x * x + (e[0].y * y + e[0].z)) * orientation, V{});
  const V a1 = max_of((e[1].x * x + (e[1].y * y + e[1].z)) * orientation, V{});
  const V a2 = max_of((e[2].x * x + (e[2].y * y + e[2].z)) * orientation, V{});
  const V sum = a0 + a1 + a2;
  const V inverse = 1.0 / sum;
  const V any = V{} + static_cast<double>(1.0f / 3.0f);
  u = sum > 0.0 ? a0 * inverse : any;  // seen edge-on: any weights will do
  v = sum > 0.0 ? a1 * inverse : any;
}

// Gradients and screen derivatives saturate here: a triangle seen nearly edge-on must not make an infinity.
constexpr double kMaxSlope = 1e30;

D3D_HOST_DEVICE inline float saturated(double value) {
  return static_cast<float>(clamp_to(value, -kMaxSlope, kMaxSlope));  // NaN stays
}

// The rows of M^-1. False for a triangle seen edge-on, or one that is not finite: it has no derivatives.
D3D_HOST_DEVICE inline bool invert_planes(const BarycentricPlanes& planes, Double3 rows[3]) {
  const double inverse = 1.0 / planes.determinant;
  bool is_regular = true;
  for (int i = 0; i < 3; ++i) {
    rows[i] = {planes.e[i].x * inverse, planes.e[i].y * inverse, planes.e[i].z * inverse};
    is_regular = is_regular && fabs(rows[i].x) <= kMaxSlope && fabs(rows[i].y) <= kMaxSlope &&
                 fabs(rows[i].z) <= kMaxSlope;
  }
  return is_regular;
}

// The weights of a centre, with what their derivatives need. V is double, or a vector of them for pixels of a row.
template <class V>
struct PixelWeights {
  double scale_x;  // of normalised device coordinates: 2 / W
  double scale_y;  // -2 / H, rows go down
  V raw[3];        // M^-1 P; negative where the centre is clamped to the triangle
  V weight[3];     // max(raw, 0) / total
  V total;         // 1 / w at the centre
};

// False where no weight is positive: they are constant there.
template <class V>
D3D_HOST_DEVICE inline auto weigh_pixel(const Double3 rows[3], const V& px, double py, double width,
                                        double height, PixelWeights<V>& out) {
  out.scale_x = 2.0 / width;
  out.scale_y = -2.0 / height;
  const V x = (px + 0.5) * out.scale_x - 1.0;
  const double y = (py + 0.5) * out.scale_y + 1.0;
  out.total = V{};
  for (int i = 0; i < 3; ++i) {
    out.raw[i] = rows[i].x * x + (rows[i].y * y + rows[i].z);
    out.weight[i] = max_of(out.raw[i], V{});
    out.total += out.weight[i];
  }
  const V inverse = 1.0 / out.total;
  for (V& weight : out.weight) weight *= inverse;
  return out.total > 0.0;
}

D3D_HOST_DEVICE inline Double3 sum_of_rows(const Double3 rows[3]) {
  return {rows[0].x + rows[1].x + rows[2].x, rows[0].y + rows[1].y + rows[2].y, 0.0};
}

// d(weight 0, weight 1) / d(x, y) per pixel, y down: out is [2, 2]. With m = sum_j row_j,
// d weight_k / d(X, Y) = (row_k - weight_k m) / total. A clamped centre gets the slopes of the plane, which a
// texture's footprint needs, not those of the clamped weights.
D3D_HOST_DEVICE inline void screen_derivatives_at(const Double3 rows[3], const PixelWeights<double>& pixel,
                                                  float out[4]) {
  const Double3 sum = sum_of_rows(rows);
  const double scale_x = pixel.scale_x / pixel.total;
  const double scale_y = pixel.scale_y / pixel.total;
  for (int k = 0; k < 2; ++k) {
    out[2 * k] = saturated((rows[k].x - pixel.weight[k] * sum.x) * scale_x);
    out[2 * k + 1] = saturated((rows[k].y - pixel.weight[k] * sum.y) * scale_y);
  }
}

// A loss with gradient along[j] P to row j, as the weights have it: K_j . row_i = along_j raw_i, so all three vertices
// share one vector.
D3D_HOST_DEVICE inline void along_vjp(const Double3 rows[3], const PixelWeights<double>& pixel,
                                      const double along[3], Double3 v_vertices[3]) {
  const Double3 shared = {along[0] * rows[0].x + along[1] * rows[1].x + along[2] * rows[2].x,
                          along[0] * rows[0].y + along[1] * rows[1].y + along[2] * rows[2].y,
                          along[0] * rows[0].z + along[1] * rows[1].z + along[2] * rows[2].z};
  for (int i = 0; i < 3; ++i) {
    v_vertices[i].x -= shared.x * pixel.raw[i];
    v_vertices[i].y -= shared.y * pixel.raw[i];
    v_vertices[i].z -= shared.z * pixel.raw[i];
  }
}

// The gradient along P to each row from that to the weights of vertex 0 and 1:
// d weight_k / d raw_j = (delta_kj - weight_k) / total, or 0 where raw_j is clamped.
template <class V>
D3D_HOST_DEVICE inline void weights_vjp(const PixelWeights<V>& pixel, const V& v_first, const V& v_second,
                                        V along[3]) {
  const V v[3] = {v_first, v_second, V{}};
  const V mean = v_first * pixel.weight[0] + v_second * pixel.weight[1];
  const V inverse = 1.0 / pixel.total;
  for (int j = 0; j < 3; ++j) along[j] = pixel.raw[j] >= 0.0 ? (v[j] - mean) * inverse : V{};
}

// Adds the gradient to (x, y, w) of the vertices from that to the weights of vertex 0 and 1.
D3D_HOST_DEVICE inline void barycentrics_vjp(const Double3 rows[3], const PixelWeights<double>& pixel,
                                             const float v_weights[2], Double3 v_vertices[3]) {
  double along[3];
  weights_vjp<double>(pixel, v_weights[0], v_weights[1], along);
  along_vjp(rows, pixel, along, v_vertices);
}

// The same from that to the screen derivatives D, which depend on the rows directly, on the weights, and on the
// total, which divides them.
D3D_HOST_DEVICE inline void screen_derivatives_vjp(const Double3 rows[3], const PixelWeights<double>& pixel,
                                                   const float v_derivatives[4], Double3 v_vertices[3]) {
  const Double3 sum = sum_of_rows(rows);
  const double inverse = 1.0 / pixel.total;
  double v_x[3] = {}, v_y[3] = {}, v_weight[3] = {};
  double mean_x = 0.0, mean_y = 0.0, mean = 0.0, through_total = 0.0;
  for (int k = 0; k < 2; ++k) {
    v_x[k] = v_derivatives[2 * k] * pixel.scale_x * inverse;
    v_y[k] = v_derivatives[2 * k + 1] * pixel.scale_y * inverse;
    mean_x += v_x[k] * pixel.weight[k];
    mean_y += v_y[k] * pixel.weight[k];
    v_weight[k] = -(v_x[k] * sum.x + v_y[k] * sum.y);
    mean += v_weight[k] * pixel.weight[k];
    through_total -=
        v_x[k] * (rows[k].x - pixel.weight[k] * sum.x) + v_y[k] * (rows[k].y - pixel.weight[k] * sum.y);
  }
  double along[3];
  for (int j = 0; j < 3; ++j) {
    along[j] = pixel.raw[j] >= 0.0 ? (v_weight[j] - mean + through_total) * inverse : 0.0;
    const double slope_x = v_x[j] - mean_x, slope_y = v_y[j] - mean_y;
    for (int i = 0; i < 3; ++i) {
      const double share = slope_x * rows[i].x + slope_y * rows[i].y;
      v_vertices[i].x -= rows[j].x * share;
      v_vertices[i].y -= rows[j].y * share;
      v_vertices[i].z -= rows[j].z * share;
    }
  }
  along_vjp(rows, pixel, along, v_vertices);
}

}  // namespace dream3d
