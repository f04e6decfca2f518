// What the ray marching kernels accept. Host only.
#pragma once

#include "dream3d/api.h"
#include "dream3d/status.h"

namespace dream3d {

inline void require_march_limits(const D3dRayMarchParams& p) {
  require(p.step_size > 0.0f, "step_size must be positive");
  int64_t cells = 1;
  for (int axis = 0; axis < 3; ++axis) {
    require(p.resolution[axis] >= 1 && p.resolution[axis] <= 4096,
            "the occupancy grid must have 1 to 4096 cells per axis");
    require(p.aabb[axis] < p.aabb[3 + axis], "the box must have a positive size");
    cells *= p.resolution[axis];
  }
  require(cells <= int64_t{1} << 31, "the occupancy grid must have at most 2^31 cells");
}

}  // namespace dream3d
