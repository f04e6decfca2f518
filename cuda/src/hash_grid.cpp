#include "dream3d/hash_grid.h"

#include <algorithm>

#include "dream3d/api.h"
#include "dream3d/hash_grid_lanes.h"
#include "dream3d/hash_grid_levels.h"
#include "dream3d/parallel.h"
#include "dream3d/status.h"

namespace dream3d {
namespace {

constexpr int64_t kChunkPoints = 16 * kTilePoints;  // points per task

template <class Body>
inline void for_each_tile(const float* points, int64_t begin, int64_t end, const Body& body) {
  PointTile tile;
  for (; begin < end; begin += kTilePoints) {
    tile.load(points, begin, std::min<int64_t>(begin + kTilePoints, end));
    body(tile, begin);
  }
}

template <int F>
struct EncodeChunk {
  const D3dHashGridParams& p;
  int64_t begin, end;

  template <class L>
  inline void run() const {
    const int num_levels = p.levels.num_levels;
    alignas(64) float features[F * kTilePoints];
    for_each_tile(p.points, begin, end, [&](const PointTile& tile, int64_t first) {
      for (int l = 0; l < num_levels; ++l) {
        encode_tile<L, F>(tile, hash_grid_level(p.levels, l), p.table, features, kTilePoints);
        float* encoded = p.encoded + (first * num_levels + l) * F;
        for (int i = 0; i < tile.count; ++i) {
          for (int f = 0; f < F; ++f) encoded[i * num_levels * F + f] = features[f * kTilePoints + i];
        }
      }
    });
  }
};

template <int F>
struct ScatterOwned {
  const D3dHashGridBackwardParams& p;
  const TableOwners& owners;
  int owner;

  template <class L>
  inline void run() const {
    const int64_t stride = static_cast<int64_t>(p.levels.num_levels) * F;
    owners.for_each(owner, p.levels, [&](const HashGridLevel& level, int, uint32_t first, uint32_t last) {
      float* rows = p.grad_table + level.offset * F;
      std::fill(rows + static_cast<int64_t>(first) * F, rows + static_cast<int64_t>(last) * F, 0.0f);
    });
    for_each_tile(p.points, 0, p.num_points, [&](const PointTile& tile, int64_t begin) {
      owners.for_each(owner, p.levels, [&](const HashGridLevel& level, int l, uint32_t first, uint32_t last) {
        scatter_tile<L, F>(tile, level, p.grad_encoded + begin * stride + l * F, stride, first, last,
                           p.grad_table);
      });
    });
  }
};

template <int F>
struct PointGradientChunk {
  const D3dHashGridBackwardParams& p;
  int64_t begin, end;

  template <class L>
  inline void run() const {
    const int64_t stride = static_cast<int64_t>(p.levels.num_levels) * F;
    for_each_tile(p.points, begin, end, [&](const PointTile& tile, int64_t first) {
      for (int i = 0; i < tile.count; i += L::kWidth) {
        typename L::Float point[3], grad_point[3] = {};
        tile.template lanes<L>(i, point);
        const int lanes = std::min(L::kWidth, tile.count - i);
        for (int l = 0; l < p.levels.num_levels; ++l) {
          const HashGridLevel level = hash_grid_level(p.levels, l);
          typename L::Float grad[F] = {};
          for (int lane = 0; lane < lanes; ++lane) {
            for (int f = 0; f < F; ++f)
              grad[f][lane] = p.grad_encoded[(first + i + lane) * stride + l * F + f];
          }
          const GatherRows<L, F> gather{p.table + level.offset * F};
          hash_grid_point_vjp<L, F>(point, level, gather, grad, grad_point);
        }
        for (int lane = 0; lane < lanes; ++lane) {
          for (int a = 0; a < 3; ++a) p.grad_points[3 * (first + i + lane) + a] = grad_point[a][lane];
        }
      }
    });
  }
};

template <int F>
void forward(const D3dHashGridParams& p, int n_threads) {
  const InstructionSet instructions = instruction_set();
  parallel_for_chunks(p.num_points, kChunkPoints, n_threads, [&](int64_t begin, int64_t end) {
    run_lanes(instructions, EncodeChunk<F>{p, begin, end});
  });
}

template <int F>
void backward(const D3dHashGridBackwardParams& p, int n_threads) {
  const InstructionSet instructions = instruction_set();
  if (p.grad_table != nullptr) {
    const TableOwners owners(p.levels.num_levels, n_threads);
    parallel_for(owners.count, n_threads, [&](int64_t owner) {
      run_lanes(instructions, ScatterOwned<F>{p, owners, static_cast<int>(owner)});
    });
  }
  if (p.grad_points != nullptr) {
    parallel_for_chunks(p.num_points, kChunkPoints, n_threads, [&](int64_t begin, int64_t end) {
      run_lanes(instructions, PointGradientChunk<F>{p, begin, end});
    });
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
