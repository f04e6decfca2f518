// What antialias refuses on every back-end. Host only.
#pragma once

#include <limits>

#include "dream3d/api.h"
#include "dream3d/status.h"

namespace dream3d {

inline void require_antialias_limits(const D3dAntialiasEdgesParams& p) {
  require(p.num_triangles <= std::numeric_limits<int32_t>::max() / 3,
          "antialias: more than 715 million triangles; edges are counted in 32 bits");
}

}  // namespace dream3d
