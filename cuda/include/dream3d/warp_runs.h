// Neighbouring pixels mostly see the same triangle, and would all add to the same three vertices. Here the lanes of a
// warp that do (a run, as in scatter.h) add up first, and one of them adds to memory. Included by .cu files only.
//
// The segmented reduction is the one of Sengupta et al. 2007, "Scan Primitives for GPU Computing", within a warp.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace dream3d {

constexpr unsigned kWholeWarp = 0xffffffffu;

// Lanes next to each other with the same key, as one of them sees it.
struct WarpRun {
  unsigned lane;
  unsigned last;   // lane that ends the run
  unsigned reach;  // power of two below the length of the longest run of the warp, 0 if all have length 1
  bool is_first;   // this lane begins the run, and has its sum
};

// Whole warps only: every lane calls it, also those without a pixel.
__device__ inline WarpRun find_run(int64_t key) {
  WarpRun run;
  run.lane = threadIdx.x % 32;
  const int64_t before = __shfl_sync(kWholeWarp, key, run.lane == 0 ? 0 : static_cast<int>(run.lane) - 1);
  run.is_first = run.lane == 0 || before != key;
  const unsigned firsts = __ballot_sync(kWholeWarp, run.is_first);
  const unsigned later = firsts & ~((2u << run.lane) - 1u);
  run.last = later == 0 ? 31u : static_cast<unsigned>(__ffs(static_cast<int>(later))) - 2u;
  run.reach = 0;
  // a bit of `going_on` says that the run goes on for at least `reach` lanes up to there
  unsigned going_on = ~firsts;
  for (unsigned step = 1; going_on != 0; step *= 2) {
    run.reach = step;
    going_on &= going_on << step;
  }
  return run;
}

// The sum of `value` over the lanes of a run, in its first lane. Whole warps only.
__device__ inline float sum_of_run(const WarpRun& run, float value) {
  for (unsigned step = 1; step <= run.reach; step *= 2) {
    const float other = __shfl_down_sync(kWholeWarp, value, step);
    if (run.lane + step <= run.last) value += other;
  }
  return value;
}

}  // namespace dream3d
