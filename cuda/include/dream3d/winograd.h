// Convolution with 3 x 3 weights by Winograd's minimal filtering, F(4 x 4, 3 x 3) of Lavin & Gray 2016, "Fast Algorithms
// for Convolutional Neural Networks", section 4.3:
//
//   Y = A^T [ sum_c (G g_c G^T) * (B^T d_c B) ] A
//
// A tile d of 6 x 6 input pixels gives 4 x 4 output pixels with 36 products where the definition has 144. The points of
// interpolation are 0, +-1, +-2 and infinity. Channels go in lanes.
#pragma once

#include <cstdint>

#include "dream3d/lanes.h"

namespace dream3d {

constexpr int kTileSize = 4;                     // output pixels of a tile along an axis
constexpr int kPatchSize = kTileSize + 2;        // input pixels of a tile along an axis
constexpr int kProducts = kPatchSize * kPatchSize;
constexpr int kPanel = 16;                       // output channels that stand together in the packed weights

// B^T d along one axis; elements stand `stride` apart.
template <class F>
inline void patch_transform(F* d, int stride) {
  const F d0 = d[0], d1 = d[stride], d2 = d[2 * stride], d3 = d[3 * stride], d4 = d[4 * stride],
          d5 = d[5 * stride];
  const F even1 = d4 - 4.0f * d2, odd1 = d3 - 4.0f * d1;
  const F even2 = d4 - d2, odd2 = 2.0f * (d3 - d1);
  d[0] = 4.0f * d0 - 5.0f * d2 + d4;
  d[stride] = even1 + odd1;
  d[2 * stride] = even1 - odd1;
  d[3 * stride] = even2 + odd2;
  d[4 * stride] = even2 - odd2;
  d[5 * stride] = 4.0f * d1 - 5.0f * d3 + d5;
}

// A^T m along one axis: the first 4 of 6 elements become the result.
template <class F>
inline void tile_transform(F* m, int stride) {
  const F sum1 = m[stride] + m[2 * stride], difference1 = m[stride] - m[2 * stride];
  const F sum2 = m[3 * stride] + m[4 * stride], difference2 = m[3 * stride] - m[4 * stride];
  m[0] = m[0] + sum1 + sum2;
  m[stride] = difference1 + 2.0f * difference2;
  m[2 * stride] = sum1 + 4.0f * sum2;
  m[3 * stride] = difference1 + 8.0f * difference2 + m[5 * stride];
}

// out [R, kPanel] = rows [R, channels] panel [channels, kPanel]; `row_size` and `out_size` are the lengths of whole rows.
template <class L, int R>
inline void multiply_panel(const float* rows, int64_t row_size, const float* panel, int channels, float* out,
                           int64_t out_size) {
  constexpr int W = L::kWidth, N = kPanel / W;
  typename L::Float sums[R][N] = {};
  for (int c = 0; c < channels; ++c) {
    typename L::Float weights[N];
    for (int n = 0; n < N; ++n) weights[n] = load_lanes<L>(panel + c * kPanel + n * W);
    for (int r = 0; r < R; ++r) {
      for (int n = 0; n < N; ++n) sums[r][n] += weights[n] * rows[r * row_size + c];
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int n = 0; n < N; ++n) store_lanes(out + r * out_size + n * W, sums[r][n]);
  }
}

}  // namespace dream3d
