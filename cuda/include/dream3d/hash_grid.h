// Multi-resolution hash grid (Mueller et al. 2022): one level, one point per lane.
//
// Level l divides the unit cube into R^3 cells with features at the (R+1)^3 vertices. A point reads the eight
// vertices of its cell and blends them trilinearly. Vertices are stored row by row (x fastest) where they fit
// into the level's rows, and hashed with the paper's primes (1, 2654435761, 805459861) otherwise.
// Points are clamped to the cube. Nothing wraps around: x = 1 is the last vertex.
//
// Corners are numbered 0 to 7; bit 0 is x, bit 1 is y, bit 2 is z.
#pragma once

#include <cstdint>

#include "dream3d/common.h"
#include "dream3d/lanes.h"

namespace dream3d {

struct HashGridLevel {
  int32_t resolution;  // cells per axis
  uint32_t size;       // table rows, a power of two when hashed
  int64_t offset;      // first table row
  bool hashed;
};

// Where a point lies in a level.
template <class L>
struct HashGridCell {
  typename L::Uint corner[3];     // lowest vertex of the cell
  typename L::Float fraction[3];  // position inside the cell, in [0, 1]
};

// A NaN coordinate gives a valid cell and a NaN fraction: nothing is read out of range and the result is NaN.
template <class L>
D3D_HOST_DEVICE inline HashGridCell<L> hash_grid_cell(const typename L::Float point[3], int32_t resolution) {
  using V = typename L::Float;
  const V last = broadcast<V>(static_cast<float>(resolution - 1));
  HashGridCell<L> cell;
  for (int axis = 0; axis < 3; ++axis) {
    V x = point[axis];
    x = L::select(x < 0.0f, V{}, x);
    x = L::select(x > 1.0f, broadcast<V>(1.0f), x);
    const V position = x * static_cast<float>(resolution);
    cell.corner[axis] = L::to_uint(L::select(position < last, position, last));
    cell.fraction[axis] = position - L::to_float(cell.corner[axis]);
  }
  return cell;
}

// Table rows (within the level) of the eight corners.
template <class L>
D3D_HOST_DEVICE inline void hash_grid_rows(const HashGridLevel& level, const HashGridCell<L>& cell,
                                           typename L::Uint rows[8]) {
  using U = typename L::Uint;
  if (level.hashed) {
    const U x[2] = {cell.corner[0], cell.corner[0] + 1u};
    const U y[2] = {cell.corner[1] * 2654435761u, (cell.corner[1] + 1u) * 2654435761u};
    const U z[2] = {cell.corner[2] * 805459861u, (cell.corner[2] + 1u) * 805459861u};
    for (int c = 0; c < 8; ++c) rows[c] = (x[c & 1] ^ y[(c >> 1) & 1] ^ z[c >> 2]) & (level.size - 1u);
    return;
  }
  const uint32_t stride = static_cast<uint32_t>(level.resolution) + 1u;
  const U base = cell.corner[0] + (cell.corner[1] + cell.corner[2] * stride) * stride;
  for (int c = 0; c < 8; ++c) {
    const uint32_t bits = static_cast<uint32_t>(c);
    rows[c] = base + ((bits & 1u) + ((bits >> 1) & 1u) * stride + (bits >> 2) * (stride * stride));
  }
}

template <class L>
D3D_HOST_DEVICE inline typename L::Float hash_grid_weight(const HashGridCell<L>& cell, int corner) {
  typename L::Float weight[3];
  for (int axis = 0; axis < 3; ++axis) {
    weight[axis] = (corner >> axis) & 1 ? cell.fraction[axis] : 1.0f - cell.fraction[axis];
  }
  return weight[0] * weight[1] * weight[2];
}

// features[f] = sum over corners of weight * table row. gather(rows, values) reads one row of F values per lane.
template <class L, int F, class Gather>
D3D_HOST_DEVICE inline void hash_grid_encode(const typename L::Float point[3], const HashGridLevel& level,
                                             const Gather& gather, typename L::Float features[F]) {
  const HashGridCell<L> cell = hash_grid_cell<L>(point, level.resolution);
  typename L::Uint rows[8];
  hash_grid_rows<L>(level, cell, rows);
  for (int f = 0; f < F; ++f) features[f] = typename L::Float{};
  for (int corner = 0; corner < 8; ++corner) {
    typename L::Float values[F];
    gather(rows[corner], values);
    const typename L::Float weight = hash_grid_weight<L>(cell, corner);
    for (int f = 0; f < F; ++f) features[f] += weight * values[f];
  }
}

// The gradient to the table adds weights[corner] * grad_features to rows[corner]. How that is accumulated is the
// caller's business: by the one owner of a row on the CPU, with atomics on the GPU.
template <class L>
D3D_HOST_DEVICE inline void hash_grid_table_vjp(const typename L::Float point[3], const HashGridLevel& level,
                                                typename L::Uint rows[8], typename L::Float weights[8]) {
  const HashGridCell<L> cell = hash_grid_cell<L>(point, level.resolution);
  hash_grid_rows<L>(level, cell, rows);
  for (int corner = 0; corner < 8; ++corner) weights[corner] = hash_grid_weight<L>(cell, corner);
}

// Adds the gradient to the point. It is zero along an axis on which the point was clamped.
template <class L, int F, class Gather>
D3D_HOST_DEVICE inline void hash_grid_point_vjp(const typename L::Float point[3], const HashGridLevel& level,
                                                const Gather& gather,
                                                const typename L::Float grad_features[F],
                                                typename L::Float grad_point[3]) {
  using V = typename L::Float;
  const HashGridCell<L> cell = hash_grid_cell<L>(point, level.resolution);
  typename L::Uint rows[8];
  hash_grid_rows<L>(level, cell, rows);
  V upstream[8];  // gradient to each corner's weight
  for (int corner = 0; corner < 8; ++corner) {
    V values[F];
    gather(rows[corner], values);
    upstream[corner] = V{};
    for (int f = 0; f < F; ++f) upstream[corner] += grad_features[f] * values[f];
  }
  for (int axis = 0; axis < 3; ++axis) {
    const int u = axis == 0 ? 1 : 0;
    const int v = axis == 2 ? 1 : 2;
    V slope = V{};
    for (int corner = 0; corner < 8; ++corner) {
      const V wu = (corner >> u) & 1 ? cell.fraction[u] : 1.0f - cell.fraction[u];
      const V wv = (corner >> v) & 1 ? cell.fraction[v] : 1.0f - cell.fraction[v];
      const V term = wu * wv * upstream[corner];
      slope = (corner >> axis) & 1 ? slope + term : slope - term;
    }
    slope = slope * static_cast<float>(level.resolution);
    slope = L::select(point[axis] < 0.0f, V{}, slope);
    grad_point[axis] += L::select(point[axis] > 1.0f, V{}, slope);
  }
}

// Reads one row of F values for one lane.
template <int F>
struct GatherRow {
  const float* table;  // [size, F] of the level

  D3D_HOST_DEVICE inline void operator()(uint32_t row, float values[F]) const {
    const float* entry = table + static_cast<int64_t>(row) * F;
    for (int f = 0; f < F; ++f) values[f] = entry[f];
  }
};

}  // namespace dream3d
