// Multi-resolution hash grid (Mueller et al. 2022), one point and one level at a time.
//
// Level l divides the unit cube into R^3 cells with features at the (R+1)^3 vertices. A point reads the eight
// vertices of its cell and blends them trilinearly. Vertices are stored row by row (x fastest) where they fit
// into the level's rows, and hashed with the paper's primes (1, 2654435761, 805459861) otherwise.
// Points are clamped to the cube. Nothing wraps around: x = 1 is the last vertex.
#pragma once

#include <cstdint>

#include "dream3d/common.h"

namespace dream3d {

struct HashGridLevel {
  int32_t resolution;  // cells per axis
  uint32_t size;       // table rows, a power of two when hashed
  int64_t offset;      // first table row
  bool hashed;
};

// Where a point lies in a level.
struct HashGridCell {
  uint32_t corner[3];  // lowest vertex of the cell
  float fraction[3];   // position inside the cell, in [0, 1]
};

// A NaN coordinate gives a valid cell and a NaN fraction, so nothing is read out of range and the result is
// NaN.
D3D_HOST_DEVICE inline HashGridCell hash_grid_cell(const float point[3], int32_t resolution) {
  HashGridCell cell;
  for (int axis = 0; axis < 3; ++axis) {
    float x = point[axis];
    x = x < 0.0f ? 0.0f : x;
    x = x > 1.0f ? 1.0f : x;
    const float position = x * static_cast<float>(resolution);
    const float last = static_cast<float>(resolution - 1);
    const int32_t index = position < last ? static_cast<int32_t>(position) : resolution - 1;
    cell.corner[axis] = static_cast<uint32_t>(index);
    cell.fraction[axis] = position - static_cast<float>(index);
  }
  return cell;
}

D3D_HOST_DEVICE inline uint32_t hash_grid_row(const HashGridLevel& level, uint32_t x, uint32_t y,
                                              uint32_t z) {
  if (level.hashed) {
    return (x ^ (y * 2654435761u) ^ (z * 805459861u)) & (level.size - 1u);
  }
  const uint32_t stride = static_cast<uint32_t>(level.resolution) + 1u;
  return x + stride * (y + stride * z);
}

// Table row (within the level) of corner 0..7; bit 0 is x, bit 1 is y, bit 2 is z.
D3D_HOST_DEVICE inline uint32_t hash_grid_corner_row(const HashGridLevel& level, const HashGridCell& cell,
                                                     int corner) {
  return hash_grid_row(level, cell.corner[0] + (corner & 1), cell.corner[1] + ((corner >> 1) & 1),
                       cell.corner[2] + (corner >> 2));
}

D3D_HOST_DEVICE inline float hash_grid_corner_weight(const HashGridCell& cell, int corner) {
  const float wx = (corner & 1) ? cell.fraction[0] : 1.0f - cell.fraction[0];
  const float wy = (corner & 2) ? cell.fraction[1] : 1.0f - cell.fraction[1];
  const float wz = (corner & 4) ? cell.fraction[2] : 1.0f - cell.fraction[2];
  return wx * wy * wz;
}

// features[f] = sum over corners of weight * table row. table: [size, F] of this level.
template <int F>
D3D_HOST_DEVICE inline void hash_grid_encode(const float point[3], const float* table,
                                             const HashGridLevel& level, float features[F]) {
  const HashGridCell cell = hash_grid_cell(point, level.resolution);
  for (int f = 0; f < F; ++f) {
    features[f] = 0.0f;
  }
  for (int corner = 0; corner < 8; ++corner) {
    const float weight = hash_grid_corner_weight(cell, corner);
    const float* row = table + static_cast<int64_t>(hash_grid_corner_row(level, cell, corner)) * F;
    for (int f = 0; f < F; ++f) {
      features[f] += weight * row[f];
    }
  }
}

// Gradient to the table: calls add(row, weight) for the eight corners; the caller scales by the upstream
// gradient and decides how to accumulate (owner-only on the CPU, atomic on the GPU).
template <typename Add>
D3D_HOST_DEVICE inline void hash_grid_table_vjp(const float point[3], const HashGridLevel& level, Add&& add) {
  const HashGridCell cell = hash_grid_cell(point, level.resolution);
  for (int corner = 0; corner < 8; ++corner) {
    add(hash_grid_corner_row(level, cell, corner), hash_grid_corner_weight(cell, corner));
  }
}

// Gradient to the point, added to grad_point. Zero along an axis on which the point was clamped.
template <int F>
D3D_HOST_DEVICE inline void hash_grid_point_vjp(const float point[3], const float* table,
                                                const HashGridLevel& level, const float grad_features[F],
                                                float grad_point[3]) {
  const HashGridCell cell = hash_grid_cell(point, level.resolution);
  float upstream[8];  // upstream gradient dotted with each corner's features
  for (int corner = 0; corner < 8; ++corner) {
    const float* row = table + static_cast<int64_t>(hash_grid_corner_row(level, cell, corner)) * F;
    upstream[corner] = 0.0f;
    for (int f = 0; f < F; ++f) {
      upstream[corner] += grad_features[f] * row[f];
    }
  }
  for (int axis = 0; axis < 3; ++axis) {
    if (point[axis] < 0.0f || point[axis] > 1.0f) {
      continue;
    }
    const int other = axis == 0 ? 1 : 0;
    const int third = axis == 2 ? 1 : 2;
    float slope = 0.0f;
    for (int corner = 0; corner < 8; ++corner) {
      const float wo = (corner >> other) & 1 ? cell.fraction[other] : 1.0f - cell.fraction[other];
      const float wt = (corner >> third) & 1 ? cell.fraction[third] : 1.0f - cell.fraction[third];
      slope += ((corner >> axis) & 1 ? 1.0f : -1.0f) * wo * wt * upstream[corner];
    }
    grad_point[axis] += slope * static_cast<float>(level.resolution);
  }
}

}  // namespace dream3d
