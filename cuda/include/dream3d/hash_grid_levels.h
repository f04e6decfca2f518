// The level layout of the C interface, checked and unpacked. Host only, except hash_grid_level.
#pragma once

#include <type_traits>

#include "dream3d/api.h"
#include "dream3d/hash_grid.h"
#include "dream3d/status.h"

namespace dream3d {

D3D_HOST_DEVICE inline HashGridLevel hash_grid_level(const D3dHashGridLevels& levels, int l) {
  HashGridLevel level;
  const int64_t vertices = static_cast<int64_t>(levels.resolutions[l]) + 1;
  level.resolution = levels.resolutions[l];
  level.size = static_cast<uint32_t>(levels.offsets[l + 1] - levels.offsets[l]);
  level.offset = levels.offsets[l];
  level.hashed = vertices * vertices * vertices > static_cast<int64_t>(level.size);
  return level;
}

inline void check_levels(const D3dHashGridLevels& levels) {
  require(levels.num_levels >= 1 && levels.num_levels <= D3D_MAX_LEVELS,
          "the number of levels must be 1 to 32");
  require(levels.offsets[0] == 0, "the first level must start at row 0");
  for (int l = 0; l < levels.num_levels; ++l) {
    const int64_t size = levels.offsets[l + 1] - levels.offsets[l];
    require(size > 0 && size <= (int64_t{1} << 28), "a level must have 1 to 2^28 rows");
    require(levels.resolutions[l] >= 1 && levels.resolutions[l] <= 65536, "resolutions must be 1 to 65536");
    require(!hash_grid_level(levels, l).hashed || (size & (size - 1)) == 0,
            "a hashed level must have a power of two of rows");
  }
}

// Calls body(std::integral_constant<int, F>) for the run-time number of features.
template <class Body>
void with_features(int32_t features, const Body& body) {
  switch (features) {
    case 1:
      return body(std::integral_constant<int, 1>{});
    case 2:
      return body(std::integral_constant<int, 2>{});
    case 4:
      return body(std::integral_constant<int, 4>{});
    case 8:
      return body(std::integral_constant<int, 8>{});
    default:
      throw InvalidArgument("features per level must be 1, 2, 4 or 8");
  }
}

}  // namespace dream3d
