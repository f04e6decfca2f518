#include "dream3d/barycentrics_pixel.h"

#include <algorithm>
#include <type_traits>

#include "dream3d/four_lanes.h"
#include "dream3d/parallel.h"
#include "dream3d/scatter.h"
#include "dream3d/status.h"

namespace dream3d {
namespace {

constexpr int64_t kChunk = 4096;  // pixels per task

// Calls body(pixel, position) for [begin, end) of one view, the first of which is at `at`.
template <class Params, class Body>
void for_each_pixel(const Params& p, int64_t begin, int64_t end, PixelPosition at, const Body& body) {
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    body(pixel, at);
    if (++at.column == p.width) at = {0, at.row + 1, at.view};
  }
}

void screen_derivatives(const D3dScreenDerivativesParams& p, int n_threads) {
  const int64_t pixels_per_view = p.height * p.width;
  parallel_for_chunks(p.num_views * pixels_per_view, kChunk, n_threads, [&](int64_t begin, int64_t end) {
    for_each_run(p, pixels_per_view, begin, end, [&](int64_t, int64_t first, int64_t last) {
      Double3 rows[3];
      const PixelPosition start = locate_pixel(p, first);
      const bool is_regular = load_rows(p, first, start, rows);
      for_each_pixel(p, first, last, start, [&](int64_t pixel, const PixelPosition& at) {
        screen_derivatives_pixel(p, is_regular ? rows : nullptr, pixel, at);
      });
    });
  });
}

// Two numbers of each of four pixels, 0 from pixel `count` on; there are those of `available` pixels in memory.
inline void load_pairs(const float* pairs, int64_t count, int64_t available, Double4& first,
                       Double4& second) {
  float some[2 * kLanes] = {};
  if (available < kLanes) {
    std::copy_n(pairs, 2 * available, some);
    pairs = some;
  }
  const Float4 low = load_four<Float4>(pairs), high = load_four<Float4>(pairs + kLanes);
  const auto is_counted = kLaneNumber < static_cast<int32_t>(std::min<int64_t>(count, kLanes));
  first = to_double(is_counted ? __builtin_shufflevector(low, high, 0, 2, 4, 6) : Float4{});
  second = to_double(is_counted ? __builtin_shufflevector(low, high, 1, 3, 5, 7) : Float4{});
}

// Adds what barycentrics_vjp makes of `count` pixels of a row, from `pixel` at `at` on: along_j raw_i is summed first,
// and meets the rows of M^-1 once.
D3D_MULTIVERSION D3D_FLATTEN void row_backward(const D3dBarycentricsBackwardParams& p, const Double3 rows[3],
                                               int64_t pixel, int64_t count, const PixelPosition& at,
                                               Double3 v_vertices[3]) {
  Double4 sums[3][3];
#pragma GCC unroll 3  // one memset for all would cost more than a short row
  for (auto& row : sums) {
#pragma GCC unroll 3
    for (Double4& sum : row) sum = Double4{};
  }
  const int64_t num_pixels = p.num_views * p.height * p.width;
  for (int64_t i = 0; i < count; i += kLanes) {
    PixelWeights<Double4> weights;
    Double4 v_first, v_second, along[3];
    load_pairs(p.grad_barycentrics + 2 * (pixel + i), count - i, num_pixels - pixel - i, v_first, v_second);
    const auto is_weighed =
        weigh_pixel(rows, static_cast<double>(at.column + i) + kLaneIndex, static_cast<double>(at.row),
                    static_cast<double>(p.width), static_cast<double>(p.height), weights);
    weights_vjp(weights, v_first, v_second, along);
    for (int j = 0; j < 3; ++j) {
      along[j] = is_weighed ? along[j] : Double4{};
      for (int k = 0; k < 3; ++k) sums[j][k] += along[j] * weights.raw[k];
    }
  }
  for (int j = 0; j < 3; ++j) {
    for (int k = 0; k < 3; ++k) {
      const double sum = (sums[j][k][0] + sums[j][k][1]) + (sums[j][k][2] + sums[j][k][3]);
      v_vertices[k].x -= rows[j].x * sum;
      v_vertices[k].y -= rows[j].y * sum;
      v_vertices[k].z -= rows[j].z * sum;
    }
  }
}

// The gradient of pixels that see the same triangle: sums is [3, 4], (x, y, z, w) of the vertices, null for none.
void run_backward(const D3dBarycentricsBackwardParams& p, int64_t begin, int64_t end, float* sums) {
  if (sums == nullptr) return;
  Double3 rows[3];
  PixelPosition at = locate_pixel(p, begin);
  if (!load_rows(p, begin, at, rows)) return;
  Double3 sum[3] = {};
  for (int64_t pixel = begin, count; pixel < end; pixel += count, at = {0, at.row + 1, at.view}) {
    count = std::min(end - pixel, p.width - at.column);
    if (p.grad_barycentrics != nullptr) row_backward(p, rows, pixel, count, at, sum);
    for (int64_t i = 0; p.grad_derivatives != nullptr && i < count; ++i) {
      PixelWeights<double> weights;
      if (!weigh_pixel(p, rows, {at.column + i, at.row, at.view}, weights)) continue;
      screen_derivatives_vjp(rows, weights, p.grad_derivatives + 4 * (pixel + i), sum);
    }
  }
  for (int i = 0; i < 3; ++i) {
    sums[4 * i] = saturated(sum[i].x);
    sums[4 * i + 1] = saturated(sum[i].y);
    sums[4 * i + 3] = saturated(sum[i].z);
  }
}

void barycentrics_backward(const D3dBarycentricsBackwardParams& p, int n_threads) {
  const std::integral_constant<int64_t, 4> width;
  scatter_to_vertices(
      p, p.height * p.width, p.num_views, width, p.grad_positions, n_threads,
      [&](int64_t begin, int64_t end, const int64_t*, float* sums) { run_backward(p, begin, end, sums); });
}

}  // namespace
}  // namespace dream3d

extern "C" int32_t d3d_screen_derivatives(const D3dScreenDerivativesParams* params, size_t params_size,
                                          const D3dLaunch* launch) {
  return dream3d::guarded_call(params, params_size, [&](const D3dScreenDerivativesParams& p) {
    dream3d::screen_derivatives(p, launch->n_threads);
  });
}

extern "C" int32_t d3d_barycentrics_backward(const D3dBarycentricsBackwardParams* params, size_t params_size,
                                             const D3dLaunch* launch) {
  return dream3d::guarded_call(params, params_size, [&](const D3dBarycentricsBackwardParams& p) {
    dream3d::barycentrics_backward(p, launch->n_threads);
  });
}
