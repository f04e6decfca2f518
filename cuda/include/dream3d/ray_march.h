// Occupancy-grid ray marching: one ray at a time.
//
// A ray carries a lattice of intervals, interval k spanning [near + (k + jitter) step, near + (k + 1 +
// jitter) step], where near is the distance at which the ray enters the box (0 when it starts inside). An
// interval is a sample if and only if its midpoint lies before the far side of the box and in an occupied
// cell.
//
// Empty cells are skipped without changing which intervals are samples. Along each axis the cell index
// computed for lattice point k never turns back as k grows (every rounded operation is monotone), so when
// points a < b are in the same cell, all points between are. The exit distance is only a guess at b, always
// checked against this.
#pragma once

#include <cmath>
#include <cstdint>

#include "dream3d/common.h"

namespace dream3d {

struct MarchGrid {
  const uint8_t* occupancy;  // [X, Y, Z], nonzero = occupied, z fastest
  int32_t resolution[3];     // X, Y, Z
  float lower[3];            // corner of the box with the smallest coordinates
  float upper[3];
  float inverse_cell[3];  // cells per unit length
};

struct MarchRay {
  float origin[3];
  float direction[3];
  float near;
  float far;      // near > far: the ray misses the box
  int64_t limit;  // lattice points that fit between near and far, rounded up; -1 when there are too many
};

constexpr int64_t kMaxLattice = int64_t{1} << 23;  // so that (float)k + 0.5 is exact

D3D_HOST_DEVICE inline MarchGrid march_grid(const uint8_t* occupancy, const int32_t resolution[3],
                                            const float aabb[6]) {
  MarchGrid grid;
  grid.occupancy = occupancy;
  for (int axis = 0; axis < 3; ++axis) {
    grid.resolution[axis] = resolution[axis];
    grid.lower[axis] = aabb[axis];
    grid.upper[axis] = aabb[3 + axis];
    grid.inverse_cell[axis] = static_cast<float>(resolution[axis]) / (aabb[3 + axis] - aabb[axis]);
  }
  return grid;
}

// Upper bound of the lattice points of a ray, from its longest possible chord. It guards against rays whose
// distances are so large that adding a step does not change them.
D3D_HOST_DEVICE inline int64_t march_limit(const MarchGrid& grid, const float direction[3], float step) {
  float diagonal = 0.0f;
  float length = 0.0f;
  for (int axis = 0; axis < 3; ++axis) {
    const float extent = grid.upper[axis] - grid.lower[axis];
    diagonal += extent * extent;
    length += direction[axis] * direction[axis];
  }
  const float points = sqrtf(diagonal / length) / step;
  return points < static_cast<float>(kMaxLattice - 2) ? static_cast<int64_t>(points) + 2 : -1;
}

// Slab test. A ray parallel to a slab is inside it for all distances or for none; a NaN component misses.
D3D_HOST_DEVICE inline MarchRay march_ray(const MarchGrid& grid, const float origin[3],
                                          const float direction[3], float step) {
  MarchRay ray;
  float near = 0.0f;
  float far = INFINITY;
  bool valid = true;
  for (int axis = 0; axis < 3; ++axis) {
    const float o = origin[axis];
    const float d = direction[axis];
    ray.origin[axis] = o;
    ray.direction[axis] = d;
    if (d == 0.0f) {
      valid = valid && o >= grid.lower[axis] && o <= grid.upper[axis];
      continue;
    }
    const float to_lower = (grid.lower[axis] - o) / d;
    const float to_upper = (grid.upper[axis] - o) / d;
    const float enter = d > 0.0f ? to_lower : to_upper;
    const float leave = d > 0.0f ? to_upper : to_lower;
    valid = valid && enter <= leave;  // false for NaN
    near = enter > near ? enter : near;
    far = leave < far ? leave : far;
  }
  valid = valid && near < far && far < INFINITY;
  ray.near = valid ? near : 1.0f;
  ray.far = valid ? far : 0.0f;
  ray.limit = valid ? march_limit(grid, direction, step) : 0;
  return ray;
}

// Distance along the ray of lattice edge k.
D3D_HOST_DEVICE inline float march_edge(const MarchRay& ray, float step, float jitter, int64_t k) {
  return ray.near + (static_cast<float>(k) + jitter) * step;
}

D3D_HOST_DEVICE inline float march_midpoint(const MarchRay& ray, float step, float jitter, int64_t k) {
  return ray.near + ((static_cast<float>(k) + jitter) + 0.5f) * step;
}

// Cell of the point at distance t; clamped, since a point inside the box may round to just outside the grid.
D3D_HOST_DEVICE inline void march_cell(const MarchGrid& grid, const MarchRay& ray, float t, int32_t cell[3]) {
  for (int axis = 0; axis < 3; ++axis) {
    const float position =
        (ray.origin[axis] + ray.direction[axis] * t - grid.lower[axis]) * grid.inverse_cell[axis];
    const float last = static_cast<float>(grid.resolution[axis] - 1);
    const float inside = position > 0.0f ? (position < last ? position : last) : 0.0f;
    cell[axis] = static_cast<int32_t>(inside);
  }
}

D3D_HOST_DEVICE inline bool march_occupied(const MarchGrid& grid, const int32_t cell[3]) {
  const int64_t index =
      (static_cast<int64_t>(cell[0]) * grid.resolution[1] + cell[1]) * grid.resolution[2] + cell[2];
  return grid.occupancy[index] != 0;
}

// Distance at which the ray leaves `cell`: a guess, up to rounding.
D3D_HOST_DEVICE inline float march_exit(const MarchGrid& grid, const MarchRay& ray, const int32_t cell[3]) {
  float exit = ray.far;
  for (int axis = 0; axis < 3; ++axis) {
    const float d = ray.direction[axis];
    if (d == 0.0f) {
      continue;
    }
    const float wall =
        grid.lower[axis] + static_cast<float>(cell[axis] + (d > 0.0f ? 1 : 0)) / grid.inverse_cell[axis];
    const float t = (wall - ray.origin[axis]) / d;
    exit = t < exit ? t : exit;
  }
  return exit;
}

// Calls emit(k) for every sample of the ray, in order.
template <typename Emit>
D3D_HOST_DEVICE inline void march(const MarchGrid& grid, const MarchRay& ray, float step, float jitter,
                                  Emit&& emit) {
  const float inverse_step = 1.0f / step;
  for (int64_t k = 0; k < ray.limit; ++k) {
    const float t = march_midpoint(ray, step, jitter, k);
    if (!(t < ray.far)) {
      return;
    }
    int32_t cell[3];
    march_cell(grid, ray, t, cell);
    if (march_occupied(grid, cell)) {
      emit(k);
      continue;
    }
    const float ahead = (march_exit(grid, ray, cell) - ray.near) * inverse_step - jitter - 0.5f;
    if (ahead > static_cast<float>(k) && ahead < static_cast<float>(ray.limit)) {
      const int64_t guess = static_cast<int64_t>(ahead);
      int32_t there[3];
      march_cell(grid, ray, march_midpoint(ray, step, jitter, guess), there);
      if (there[0] == cell[0] && there[1] == cell[1] && there[2] == cell[2]) {
        k = guess;
      }
    }
  }
}

}  // namespace dream3d
