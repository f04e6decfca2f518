// Cube maps: which face a direction meets and where (OpenGL 4.6, table 8.19), and the texels around a face's edges.
//
// Faces are numbered +X, -X, +Y, -Y, +Z, -Z. Seen from the middle of the cube their first row is on top and their
// first column on the left of the face's own picture, as every file format stores them.
#pragma once

#include <cmath>
#include <cstdint>

#include "dream3d/common.h"

namespace dream3d {

D3D_HOST_DEVICE inline bool all_finite(const float* values, int count) {
  for (int i = 0; i < count; ++i) {
    if (!(fabsf(values[i]) <= 3.402823466e38f)) return false;
  }
  return true;
}

// The axes (0 to 2) that a face is normal to, and along which its columns (s) and rows (t) grow; with their signs.
struct CubeAxes {
  int32_t major, s, t;
  int32_t sign, s_sign, t_sign;
};

D3D_HOST_DEVICE inline CubeAxes cube_axes(int32_t face) {
  const int32_t major = face / 2;
  const int32_t sign = face % 2 == 0 ? 1 : -1;
  if (major == 0) return {0, 2, 1, sign, -sign, -1};
  if (major == 1) return {1, 0, 2, sign, 1, sign};
  return {2, 0, 1, sign, sign, -1};
}

// Face, and coordinates on it in [0, 1]. False for a direction that is zero or not finite. Of equal components the
// first one decides.
D3D_HOST_DEVICE inline bool cube_position(const float direction[3], int32_t& face, float& s, float& t) {
  if (!all_finite(direction, 3)) return false;
  const float size[3] = {fabsf(direction[0]), fabsf(direction[1]), fabsf(direction[2])};
  const int32_t major = size[0] >= size[1] && size[0] >= size[2] ? 0 : size[1] >= size[2] ? 1 : 2;
  if (size[major] == 0.0f) return false;
  face = 2 * major + (direction[major] < 0.0f ? 1 : 0);
  const CubeAxes axes = cube_axes(face);
  s = 0.5f * (static_cast<float>(axes.s_sign) * direction[axes.s] / size[major] + 1.0f);
  t = 0.5f * (static_cast<float>(axes.t_sign) * direction[axes.t] / size[major] + 1.0f);
  return true;
}

D3D_HOST_DEVICE inline void cube_position_vjp(const float direction[3], int32_t face, float grad_s,
                                              float grad_t, float grad_direction[3]) {
  const CubeAxes axes = cube_axes(face);
  const float inverse = 0.5f / fabsf(direction[axes.major]);
  const float along_s = static_cast<float>(axes.s_sign) * grad_s * inverse;
  const float along_t = static_cast<float>(axes.t_sign) * grad_t * inverse;
  grad_direction[axes.s] = along_s;
  grad_direction[axes.t] = along_t;
  grad_direction[axes.major] =
      -(along_s * direction[axes.s] + along_t * direction[axes.t]) / direction[axes.major];
}

// Index within a level of `size`^2 texels per face. One of column and row may be one step outside the face (-1 or
// size): then it is the texel of the face beyond that edge.
D3D_HOST_DEVICE inline int64_t cube_texel(int32_t size, int32_t face, int32_t column, int32_t row) {
  const bool beyond_s = column < 0 || column >= size;
  if (beyond_s || row < 0 || row >= size) {
    // Around the cube's middle, faces lie at distance `size` and texel centres at odd distances from each other. The
    // step beyond the edge is folded: what sticks out along s or t becomes the new face's distance.
    const CubeAxes from = cube_axes(face);
    int32_t at[3];
    at[from.major] = from.sign * (size - 1);
    at[from.s] = from.s_sign * clamp_to(2 * column + 1 - size, -size, size);
    at[from.t] = from.t_sign * clamp_to(2 * row + 1 - size, -size, size);
    const int32_t major = beyond_s ? from.s : from.t;
    face = 2 * major + (at[major] < 0 ? 1 : 0);
    const CubeAxes to = cube_axes(face);
    column = (to.s_sign * at[to.s] + size - 1) / 2;
    row = (to.t_sign * at[to.t] + size - 1) / 2;
  }
  return (int64_t{face} * size + row) * size + column;
}

}  // namespace dream3d
