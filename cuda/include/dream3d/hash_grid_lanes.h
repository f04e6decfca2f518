// Hash grid for tiles of consecutive points on the host: loading, gathering, scattering.
#pragma once

#include <algorithm>
#include <cstdint>

#include "dream3d/hash_grid.h"
#include "dream3d/hash_grid_levels.h"
#include "dream3d/lanes.h"

#if defined(D3D_X86)
#include <immintrin.h>
#endif

namespace dream3d {

constexpr int kTilePoints = 256;  // points handled together; a multiple of every lane count

// Coordinates of up to kTilePoints points, one array per axis. The places behind the last point repeat it: they cost
// nothing extra and can never touch memory that the real points do not.
struct PointTile {
  alignas(64) float axis[3][kTilePoints];
  int count;

  inline void load(const float* points, int64_t begin, int64_t end) {  // points: [N, 3]
    count = static_cast<int>(end - begin);
    for (int i = 0; i < kTilePoints; ++i) {
      const float* point = points + 3 * (begin + (i < count ? i : count - 1));
      for (int a = 0; a < 3; ++a) axis[a][i] = point[a];
    }
  }

  template <class L>
  inline void lanes(int i, typename L::Float point[3]) const {
    for (int a = 0; a < 3; ++a) point[a] = load_lanes<L>(&axis[a][i]);
  }
};

#if defined(D3D_X86)
// Rows of two features: one 64-bit gather per eight points. Worth its own function, compilers do not find it.
D3D_TARGET_AVX512 inline __m512 gather_eight_pairs(const float* table, const uint32_t* rows) {
  const __m256i indices = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows));
  return (__m512)_mm512_mask_i32gather_epi64(_mm512_setzero_si512(), 0xff, indices, table, 8);
}

D3D_TARGET_AVX512 inline void gather_pairs(const float* table, const uint32_t* rows,
                                           Lanes<16>::Float values[2]) {
  const __m512 low = gather_eight_pairs(table, rows);
  const __m512 high = gather_eight_pairs(table, rows + 8);
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
  values[0] = (Lanes<16>::Float)_mm512_permutex2var_ps(low, even, high);
  values[1] = (Lanes<16>::Float)_mm512_permutex2var_ps(low, odd, high);
}
#endif

// Reads one row of F values per lane.
template <class L, int F>
struct GatherRows {
  const float* table;  // [size, F] of the level

  inline void operator()(const typename L::Uint& rows, typename L::Float values[F]) const {
    alignas(64) uint32_t row[L::kWidth];
    __builtin_memcpy(row, &rows, sizeof row);
#if defined(D3D_X86)
    if constexpr (F == 2 && L::kWidth == 16) {
      gather_pairs(table, row, values);
      return;
    }
#endif
    alignas(64) float entries[L::kWidth][F];
    for (int i = 0; i < L::kWidth; ++i) {
      __builtin_memcpy(entries[i], table + static_cast<int64_t>(row[i]) * F, sizeof entries[i]);
    }
    for (int f = 0; f < F; ++f) {
      alignas(64) float column[L::kWidth];
      for (int i = 0; i < L::kWidth; ++i) column[i] = entries[i][f];
      values[f] = load_lanes<L>(column);
    }
  }
};

// features[f * stride + i] of the points of one tile, at one level.
template <class L, int F>
inline void encode_tile(const PointTile& points, const HashGridLevel& level, const float* table,
                        float* features, int stride) {
  const GatherRows<L, F> gather{table + level.offset * F};
  for (int i = 0; i < points.count; i += L::kWidth) {
    typename L::Float point[3], values[F];
    points.template lanes<L>(i, point);
    hash_grid_encode<L, F>(point, level, gather, values);
    for (int f = 0; f < F; ++f) store_lanes(features + f * stride + i, values[f]);
  }
}

// Adds the gradient of one tile's features (grad[i * stride + f]) to the rows [first, last) of one level, in the order
// of the points. Of the rows of the level, the caller must be the only one to touch these.
template <class L, int F>
inline void scatter_tile(const PointTile& points, const HashGridLevel& level, const float* grad,
                         int64_t stride, uint32_t first, uint32_t last, float* grad_table) {
  typedef float Row __attribute__((vector_size(4 * F)));
  float* table = grad_table + level.offset * F;
  const bool whole = first == 0 && last == level.size;
  for (int i = 0; i < points.count; i += L::kWidth) {
    typename L::Float point[3], lane_weights[8];
    typename L::Uint lane_rows[8];
    points.template lanes<L>(i, point);
    hash_grid_table_vjp<L>(point, level, lane_rows, lane_weights);
    alignas(64) uint32_t rows[8][L::kWidth];
    alignas(64) float weights[8][L::kWidth];
    __builtin_memcpy(rows, lane_rows, sizeof rows);
    __builtin_memcpy(weights, lane_weights, sizeof weights);
    const int lanes = std::min(L::kWidth, points.count - i);
    for (int lane = 0; lane < lanes; ++lane) {
      Row upstream;
      __builtin_memcpy(&upstream, grad + (i + lane) * stride, sizeof upstream);
      for (int corner = 0; corner < 8; ++corner) {
        const uint32_t row = rows[corner][lane];
        if (!whole && (row < first || row >= last)) continue;
        Row sum;
        float* entry = table + static_cast<int64_t>(row) * F;
        __builtin_memcpy(&sum, entry, sizeof sum);
        sum += weights[corner][lane] * upstream;
        __builtin_memcpy(entry, &sum, sizeof sum);
      }
    }
  }
}

// The (level, shard) pairs, dealt to as many owners as there are threads. Each row has one owner, which walks the points
// in order, so a row's sum has the same bits for any number of owners.
struct TableOwners {
  int num_levels, shards, count;

  TableOwners(int levels, int n_threads)
      : num_levels(levels),
        shards((n_threads + levels - 1) / levels),
        count(std::min(n_threads, levels * shards)) {}

  // Calls body(level, first_row, last_row) for everything that `owner` owns.
  template <class Body>
  inline void for_each(int owner, const D3dHashGridLevels& levels, const Body& body) const {
    for (int item = owner; item < num_levels * shards; item += count) {
      const HashGridLevel level = hash_grid_level(levels, item / shards);
      const uint64_t shard = static_cast<uint64_t>(item % shards);
      body(level, item / shards, static_cast<uint32_t>(level.size * shard / shards),
           static_cast<uint32_t>(level.size * (shard + 1) / shards));
    }
  }
};

}  // namespace dream3d
