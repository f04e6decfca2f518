// Which rows of a per-vertex array a pixel's triangle points at.
#pragma once

#include "dream3d/common.h"

namespace dream3d {

// Rows of an array [sets, V, ...] for the three vertices that `pixel` (counted over all views) sees. False where
// nothing is visible, or where an index is out of range.
template <class Params>
D3D_HOST_DEVICE inline bool load_corner_rows(const Params& p, int64_t pixel, int64_t set, int64_t rows[3]) {
  const int32_t id = p.triangle_id[pixel];
  if (id < 0 || id >= p.num_triangles) return false;
  for (int i = 0; i < 3; ++i) {
    const int64_t vertex = p.faces[3 * int64_t{id} + i];
    if (vertex < 0 || vertex >= p.num_vertices) return false;
    rows[i] = set * p.num_vertices + vertex;
  }
  return true;
}

}  // namespace dream3d
