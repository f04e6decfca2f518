// What most neighbouring pixels that see different triangles turn out to be: next to each other on one smooth surface.
// The CPU driver asks this first, as it needs no search. Host only.
#pragma once

#include "dream3d/antialias_edges.h"

namespace dream3d {

// True only where walk_surface comes from `triangle` to `other` in its first step, by the same arithmetic; false
// too where that takes a closer look. Few branches: which edge it is, and which way the line goes, is anyone's
// guess.
inline bool is_one_step(const EdgeMesh& mesh, const PairFrame& frame, int32_t triangle, int32_t other,
                        bool forward) {
  const auto exists = [&](int32_t id) { return id >= 0 && id < mesh.num_triangles; };
  if (!exists(triangle) || !exists(other)) return false;
  const int32_t* twins = mesh.neighbors + 3 * int64_t{triangle};
  // through which edge of the other triangle edge e enters it: 0 to 2, if at all
  const auto entry_by = [&](int e) { return static_cast<uint32_t>(twins[e]) - 3u * other; };
  const int exit = entry_by(2) < 3 ? 2 : (entry_by(1) < 3 ? 1 : 0);
  const uint32_t entry = entry_by(exit);
  if (entry >= 3) return false;
  constexpr int kNext[] = {1, 2, 0}, kLast[] = {2, 0, 1};
  const int32_t* face = mesh.faces + 3 * int64_t{triangle};
  const int32_t index[4] = {face[exit], face[kNext[exit]], face[kLast[exit]],
                            mesh.faces[3 * int64_t{other} + kLast[entry]]};
  PairVertex corner[4];
  for (int i = 0; i < 4; ++i) {
    if (index[i] < 0 || index[i] >= mesh.num_vertices) return false;
    corner[i] = to_pair(frame, mesh.positions + 4 * int64_t{index[i]});
  }
  const PairVertex &a = corner[0], &b = corner[1], &far = corner[2], &beyond = corner[3];
  const bool in_view = (a.w > 0.0) & (b.w > 0.0) & (far.w > 0.0) & straddles(a, b);
  const double leave = edge_crossing(a, b);
  const double enter = edge_crossing(far, corner[straddles(far, a) ? 0 : 1]);
  const bool between = (leave >= -kSnapTolerance) & (leave <= 1.0 + kSnapTolerance);
  const bool ahead = (forward & (enter < leave)) | (!forward & (enter > leave));
  const double own_side = side_of_edge(a, b, far), next_side = side_of_edge(a, b, beyond);
  const bool folds = ((own_side > 0.0) & (next_side > 0.0)) | ((own_side < 0.0) & (next_side < 0.0));
  return in_view & between & ahead & !folds;
}

}  // namespace dream3d
