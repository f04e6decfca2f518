#include "dream3d/hash_grid.h"

#include <algorithm>
#include <cstring>

#include "dream3d/hash_grid_levels.h"
#include "dream3d/parallel.h"
#include "dream3d/status.h"

namespace dream3d {
namespace {

constexpr int64_t kChunk = 2048;  // points per task: their rows of the output stay in the second-level cache

template <int F>
void encode_chunk(const D3dHashGridParams& p, int64_t begin, int64_t end) {
  const int64_t stride = static_cast<int64_t>(p.levels.num_levels) * F;
  for (int l = 0; l < p.levels.num_levels; ++l) {
    const HashGridLevel level = hash_grid_level(p.levels, l);
    for (int64_t i = begin; i < end; ++i) {
      hash_grid_encode<F>(p.points + 3 * i, p.table + level.offset * F, level,
                          p.encoded + i * stride + l * F);
    }
  }
}

// One owner per table row, so no two threads write to the same memory and every row's sum runs over the
// points in order, whatever the number of threads. A level is split into shards of rows when there are more
// threads than levels.
template <int F>
void scatter_table(const D3dHashGridBackwardParams& p, int n_threads) {
  const int num_levels = p.levels.num_levels;
  const int64_t stride = static_cast<int64_t>(num_levels) * F;
  const int shards = std::max(1, (n_threads + num_levels - 1) / num_levels);
  parallel_for(static_cast<int64_t>(num_levels) * shards, n_threads, [&](int64_t task) {
    const int l = static_cast<int>(task / shards);
    const HashGridLevel level = hash_grid_level(p.levels, l);
    const auto shard = static_cast<uint32_t>(task % shards);
    const auto first = static_cast<uint32_t>(static_cast<uint64_t>(level.size) * shard / shards);
    const auto last = static_cast<uint32_t>(static_cast<uint64_t>(level.size) * (shard + 1) / shards);
    float* table = p.grad_table + level.offset * F;
    std::fill(table + static_cast<int64_t>(first) * F, table + static_cast<int64_t>(last) * F, 0.0f);
    for (int64_t i = 0; i < p.num_points; ++i) {
      const float* grad = p.grad_encoded + i * stride + l * F;
      hash_grid_table_vjp(p.points + 3 * i, level, [&](uint32_t row, float weight) {
        if (row < first || row >= last) return;
        for (int f = 0; f < F; ++f) table[static_cast<int64_t>(row) * F + f] += weight * grad[f];
      });
    }
  });
}

template <int F>
void gather_points(const D3dHashGridBackwardParams& p, int64_t begin, int64_t end) {
  const int64_t stride = static_cast<int64_t>(p.levels.num_levels) * F;
  std::fill(p.grad_points + 3 * begin, p.grad_points + 3 * end, 0.0f);
  for (int l = 0; l < p.levels.num_levels; ++l) {
    const HashGridLevel level = hash_grid_level(p.levels, l);
    for (int64_t i = begin; i < end; ++i) {
      hash_grid_point_vjp<F>(p.points + 3 * i, p.table + level.offset * F, level,
                             p.grad_encoded + i * stride + l * F, p.grad_points + 3 * i);
    }
  }
}

template <int F>
void forward(const D3dHashGridParams& p, int n_threads) {
  parallel_for_chunks(p.num_points, kChunk, n_threads,
                      [&](int64_t begin, int64_t end) { encode_chunk<F>(p, begin, end); });
}

template <int F>
void backward(const D3dHashGridBackwardParams& p, int n_threads) {
  if (p.grad_table != nullptr) scatter_table<F>(p, n_threads);
  if (p.grad_points != nullptr) {
    parallel_for_chunks(p.num_points, kChunk, n_threads,
                        [&](int64_t begin, int64_t end) { gather_points<F>(p, begin, end); });
  }
}

}  // namespace
}  // namespace dream3d

extern "C" int32_t d3d_hash_grid(const D3dHashGridParams* params, size_t params_size,
                                 const D3dLaunch* launch) {
  using namespace dream3d;
  return guarded_call(params, params_size, [&](const D3dHashGridParams& p) {
    check_levels(p.levels);
    with_features(p.levels.features, [&](auto f) { forward<f>(p, launch->n_threads); });
  });
}

extern "C" int32_t d3d_hash_grid_backward(const D3dHashGridBackwardParams* params, size_t params_size,
                                          const D3dLaunch* launch) {
  using namespace dream3d;
  return guarded_call(params, params_size, [&](const D3dHashGridBackwardParams& p) {
    check_levels(p.levels);
    with_features(p.levels.features, [&](auto f) { backward<f>(p, launch->n_threads); });
  });
}
