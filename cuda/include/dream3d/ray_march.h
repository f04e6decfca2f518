// Occupancy-grid ray marching: one ray at a time, its intervals several at a time (one per lane).
//
// A ray carries a lattice of intervals, interval k spanning [near + (k + jitter) step, near + (k + 1 + jitter) step],
// where near is the distance at which the ray enters the box (0 when it starts inside). An interval is a sample
// if and only if its midpoint lies before the far side of the box and in an occupied cell.
//
// Intervals before and after the box of all occupied cells are skipped without being tested. That never changes the
// result: along each axis the cell computed for interval k never turns back as k grows (every rounded operation is
// monotone), so if interval k has not reached the occupied box along some axis, nor has any before it. The
// distances at which the ray crosses that box only say where to look; the cells there decide.
#pragma once

#include <cmath>
#include <cstdint>

#include "dream3d/common.h"
#include "dream3d/lanes.h"

namespace dream3d {

constexpr int64_t kMaxIntervals = int64_t{1} << 23;  // so that k + 0.5 is exact in float

struct MarchGrid {
  const uint8_t* occupancy;  // [X, Y, Z], nonzero = occupied, z fastest; at most 2^31 cells
  int32_t resolution[3];     // X, Y, Z
  float lower[3];            // corner of the box with the smallest coordinates
  float upper[3];
  float inverse_cell[3];  // cells per unit length
  int32_t first[3];       // no cell below first or above last is occupied
  int32_t last[3];
};

struct MarchRay {
  float origin[3];
  float direction[3];
  float near;
  float step;
  float jitter;
  int64_t begin, end;  // intervals that may be samples; end is -1 for more than kMaxIntervals
};

D3D_HOST_DEVICE inline MarchGrid march_grid(const uint8_t* occupancy, const int32_t resolution[3],
                                            const float aabb[6]) {
  MarchGrid grid;
  grid.occupancy = occupancy;
  for (int axis = 0; axis < 3; ++axis) {
    grid.resolution[axis] = resolution[axis];
    grid.lower[axis] = aabb[axis];
    grid.upper[axis] = aabb[3 + axis];
    grid.inverse_cell[axis] = static_cast<float>(resolution[axis]) / (aabb[3 + axis] - aabb[axis]);
    grid.first[axis] = 0;
    grid.last[axis] = resolution[axis] - 1;
  }
  return grid;
}

// Distance along the ray of the lower end of interval k (and the upper end of k - 1).
D3D_HOST_DEVICE inline float march_edge(const MarchRay& ray, int64_t k) {
  return ray.near + (static_cast<float>(k) + ray.jitter) * ray.step;
}

template <class V>
D3D_HOST_DEVICE inline V march_midpoint(const MarchRay& ray, const V& k) {
  return ray.near + ((k + ray.jitter) + 0.5f) * ray.step;
}

// Cell at distance t along one axis; clamped, since a point inside the box may round to just outside the grid.
template <class L>
D3D_HOST_DEVICE inline typename L::Uint march_cell(const MarchGrid& grid, const MarchRay& ray,
                                                   const typename L::Float& t, int axis) {
  using V = typename L::Float;
  const V last = broadcast<V>(static_cast<float>(grid.resolution[axis] - 1));
  const V position =
      (ray.origin[axis] + ray.direction[axis] * t - grid.lower[axis]) * grid.inverse_cell[axis];
  const V inside = L::select(position > 0.0f, position, V{});
  return L::to_uint(L::select(inside < last, inside, last));
}

// Interval k lies before (after) the occupied box: along some axis the ray has yet to reach it (has left it).
D3D_HOST_DEVICE inline bool march_outside(const MarchGrid& grid, const MarchRay& ray, int64_t k,
                                          bool before) {
  const float t = march_midpoint(ray, static_cast<float>(k));
  for (int axis = 0; axis < 3; ++axis) {
    const auto cell = static_cast<int32_t>(march_cell<OneLane>(grid, ray, t, axis));
    const bool ahead = ray.direction[axis] > 0.0f ? cell < grid.first[axis] : cell > grid.last[axis];
    const bool behind = ray.direction[axis] > 0.0f ? cell > grid.last[axis] : cell < grid.first[axis];
    if (ray.direction[axis] == 0.0f ? ahead || cell < grid.first[axis] : (before ? ahead : behind))
      return true;
  }
  return false;
}

// Narrows the slab [near, far] of a ray to the box lower, upper. A ray parallel to a side is inside it for all distances
// or for none. False for a miss and for NaN.
D3D_HOST_DEVICE inline bool march_clip(const MarchRay& ray, const float lower[3], const float upper[3],
                                       float& near, float& far) {
  bool valid = true;
  for (int axis = 0; axis < 3; ++axis) {
    const float o = ray.origin[axis];
    const float d = ray.direction[axis];
    if (d == 0.0f) {
      valid = valid && o >= lower[axis] && o <= upper[axis];
      continue;
    }
    const float to_lower = (lower[axis] - o) / d;
    const float to_upper = (upper[axis] - o) / d;
    const float enter = d > 0.0f ? to_lower : to_upper;
    const float leave = d > 0.0f ? to_upper : to_lower;
    valid = valid && enter <= leave;
    near = enter > near ? enter : near;
    far = leave < far ? leave : far;
  }
  return valid && near < far;
}

// Upper bound of the number of intervals, from the longest possible chord; -1 for too many. It also guards against rays
// so far away that adding a step does not change a distance.
D3D_HOST_DEVICE inline int64_t march_limit(const MarchGrid& grid, const MarchRay& ray) {
  float diagonal = 0.0f;
  float length = 0.0f;
  for (int axis = 0; axis < 3; ++axis) {
    const float extent = grid.upper[axis] - grid.lower[axis];
    diagonal += extent * extent;
    length += ray.direction[axis] * ray.direction[axis];
  }
  const float intervals = sqrtf(diagonal / length) / ray.step;
  return intervals < static_cast<float>(kMaxIntervals - 2) ? static_cast<int64_t>(intervals) + 2 : -1;
}

// The interval whose midpoint is about at distance t, between 0 and limit.
D3D_HOST_DEVICE inline int64_t march_guess(const MarchRay& ray, float t, int64_t limit) {
  const float k = (t - ray.near) / ray.step - ray.jitter - 0.5f;
  return k > 0.0f ? (k < static_cast<float>(limit) ? static_cast<int64_t>(k) : limit) : 0;
}

// Skips what lies before and after the occupied box.
D3D_HOST_DEVICE inline void march_trim(const MarchGrid& grid, MarchRay& ray) {
  if (grid.first[0] > grid.last[0]) {
    ray.end = 0;
    return;
  }
  float lower[3], upper[3];
  for (int axis = 0; axis < 3; ++axis) {
    lower[axis] = grid.lower[axis] + static_cast<float>(grid.first[axis]) / grid.inverse_cell[axis];
    upper[axis] = grid.lower[axis] + static_cast<float>(grid.last[axis] + 1) / grid.inverse_cell[axis];
  }
  float near = -INFINITY;
  float far = INFINITY;
  march_clip(ray, lower, upper, near, far);  // for a miss, near > far: everything is before or after
  const int64_t begin = march_guess(ray, near, ray.end) - 1;
  if (begin > 0 && march_outside(grid, ray, begin - 1, true)) ray.begin = begin;
  const int64_t end = march_guess(ray, far, ray.end) + 2;
  if (end < ray.end && march_outside(grid, ray, end, false)) ray.end = end;
}

D3D_HOST_DEVICE inline MarchRay march_ray(const MarchGrid& grid, const float origin[3],
                                          const float direction[3], float step, float jitter) {
  MarchRay ray;
  for (int axis = 0; axis < 3; ++axis) {
    ray.origin[axis] = origin[axis];
    ray.direction[axis] = direction[axis];
  }
  ray.near = 0.0f;
  ray.step = step;
  ray.jitter = jitter;
  ray.begin = ray.end = 0;
  float far = INFINITY;
  if (!march_clip(ray, grid.lower, grid.upper, ray.near, far) || !(far < INFINITY)) return ray;
  const int64_t limit = march_limit(grid, ray);
  if (limit < 0) {
    ray.end = -1;
    return ray;
  }
  ray.end = march_guess(ray, far, limit);
  while (ray.end < limit && march_midpoint(ray, static_cast<float>(ray.end)) < far) ++ray.end;
  while (ray.end > 0 && !(march_midpoint(ray, static_cast<float>(ray.end - 1)) < far)) --ray.end;
  march_trim(grid, ray);
  return ray;
}

// Which of the intervals k .. k + width - 1 are in an occupied cell, one bit each.
template <class L>
D3D_HOST_DEVICE inline uint32_t march_hits(const MarchGrid& grid, const MarchRay& ray, int64_t k) {
  const typename L::Float t = march_midpoint(ray, static_cast<float>(k) + L::indices());
  const auto y = static_cast<uint32_t>(grid.resolution[1]);
  const auto z = static_cast<uint32_t>(grid.resolution[2]);
  const typename L::Uint cell = (march_cell<L>(grid, ray, t, 0) * y + march_cell<L>(grid, ray, t, 1)) * z +
                                march_cell<L>(grid, ray, t, 2);
  uint32_t hits = 0;
  for (int lane = 0; lane < L::kWidth; ++lane) {
    hits |= static_cast<uint32_t>(grid.occupancy[L::extract(cell, lane)] != 0) << lane;
  }
  return hits;
}

// Calls emit(k, hits) for each run of width intervals that holds samples, in order: interval k + i is a sample when
// bit i of hits is set.
template <class L, class Emit>
D3D_HOST_DEVICE inline void march(const MarchGrid& grid, const MarchRay& ray, Emit&& emit) {
  for (int64_t k = ray.begin; k < ray.end; k += L::kWidth) {
    uint32_t hits = march_hits<L>(grid, ray, k);
    if (ray.end - k < L::kWidth) hits &= (1u << (ray.end - k)) - 1u;
    if (hits != 0) emit(k, hits);
  }
}

}  // namespace dream3d
