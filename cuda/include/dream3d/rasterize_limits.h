// What rasterize refuses on every back-end. Host only.
#pragma once

#include <limits>

#include "dream3d/api.h"
#include "dream3d/rasterize.h"
#include "dream3d/status.h"

namespace dream3d {

inline void require_rasterize_limits(const D3dRasterizeParams& p) {
  require(p.height >= 0 && p.width >= 0 && p.height <= kMaxImageSize && p.width <= kMaxImageSize,
          "rasterize: height and width must be between 0 and 32768");
  require(p.num_triangles <= std::numeric_limits<int32_t>::max(), "rasterize: more than 2^31 - 1 triangles");
}

}  // namespace dream3d
