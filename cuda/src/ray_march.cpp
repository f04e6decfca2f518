#include "dream3d/ray_march.h"

#include <algorithm>
#include <vector>

#include "dream3d/api.h"
#include "dream3d/lanes.h"
#include "dream3d/parallel.h"
#include "dream3d/ray_march_limits.h"
#include "dream3d/status.h"

namespace dream3d {
namespace {

constexpr int64_t kChunkRays = 128;  // rays per task

// Range of the nonzero entries; first > last when there are none.
void nonzero_range(const std::vector<uint8_t>& any, int32_t& first, int32_t& last) {
  const auto occupied = [](uint8_t value) { return value != 0; };
  first = static_cast<int32_t>(std::find_if(any.begin(), any.end(), occupied) - any.begin());
  last = static_cast<int32_t>(any.rend() - std::find_if(any.rbegin(), any.rend(), occupied)) - 1;
}

struct OccupiedAlongAxes {
  const uint8_t* occupancy;
  std::vector<uint8_t>&x, &y, &z;

  template <class L>
  inline void run() const {
    for (size_t i = 0; i < x.size(); ++i) {
      for (size_t j = 0; j < y.size(); ++j) {
        const uint8_t* row = occupancy + (i * y.size() + j) * z.size();
        uint8_t any = 0;
        for (size_t k = 0; k < z.size(); ++k) any |= row[k];
        if (any == 0) continue;
        x[i] = y[j] = 1;
        for (size_t k = 0; k < z.size(); ++k) z[k] |= row[k];
      }
    }
  }
};

// The grid with the box of its occupied cells.
MarchGrid trimmed_grid(const D3dRayMarchParams& p) {
  MarchGrid grid = march_grid(p.occupancy, p.resolution, p.aabb);
  std::vector<uint8_t> x(p.resolution[0]), y(p.resolution[1]), z(p.resolution[2]);
  run_lanes(instruction_set(), OccupiedAlongAxes{p.occupancy, x, y, z});
  nonzero_range(x, grid.first[0], grid.last[0]);
  nonzero_range(y, grid.first[1], grid.last[1]);
  nonzero_range(z, grid.first[2], grid.last[2]);
  return grid;
}

inline MarchRay ray_of(const D3dRayMarchParams& p, const MarchGrid& grid, int64_t r) {
  return march_ray(grid, p.origins + 3 * r, p.directions + 3 * r, p.step_size, p.jitter[r]);
}

struct CountRays {
  const D3dRayMarchParams& p;
  const MarchGrid& grid;
  int64_t begin, end;

  template <class L>
  inline void run() const {
    for (int64_t r = begin; r < end; ++r) {
      const MarchRay ray = ray_of(p, grid, r);
      int32_t count = 0;
      march<L>(grid, ray, [&](int64_t, uint32_t hits) { count += __builtin_popcount(hits); });
      p.counts[r] = ray.end < 0 ? -1 : count;
    }
  }
};

struct WriteRays {
  const D3dRayMarchParams& p;
  const MarchGrid& grid;
  int64_t begin, end;

  template <class L>
  inline void run() const {
    for (int64_t r = begin; r < end; ++r) {
      if (p.counts[r] == 0) continue;
      const MarchRay ray = ray_of(p, grid, r);
      int64_t sample = p.starts[r];
      march<L>(grid, ray, [&](int64_t k, uint32_t hits) {
        for (; hits != 0; hits &= hits - 1, ++sample) {
          const int64_t interval = k + __builtin_ctz(hits);
          p.t_starts[sample] = march_edge(ray, interval);
          p.t_ends[sample] = march_edge(ray, interval + 1);
          p.ray_index[sample] = static_cast<int32_t>(r);
        }
      });
    }
  }
};

template <class Body>
void for_rays(const D3dRayMarchParams& p, int n_threads) {
  require_march_limits(p);
  const InstructionSet instructions = instruction_set();
  const MarchGrid grid = trimmed_grid(p);
  parallel_for_chunks(p.num_rays, kChunkRays, n_threads, [&](int64_t begin, int64_t end) {
    run_lanes(instructions, Body{p, grid, begin, end});
  });
}

}  // namespace
}  // namespace dream3d

extern "C" int32_t d3d_ray_march_count(const D3dRayMarchParams* params, size_t params_size,
                                       const D3dLaunch* launch) {
  using namespace dream3d;
  return guarded_call(params, params_size,
                      [&](const D3dRayMarchParams& p) { for_rays<CountRays>(p, launch->n_threads); });
}

extern "C" int32_t d3d_ray_march_write(const D3dRayMarchParams* params, size_t params_size,
                                       const D3dLaunch* launch) {
  using namespace dream3d;
  return guarded_call(params, params_size,
                      [&](const D3dRayMarchParams& p) { for_rays<WriteRays>(p, launch->n_threads); });
}
