// Four values at once, for the CPU drivers. Functions that use them must be inlined whole into one that is compiled for
// several instruction sets (D3D_MULTIVERSION D3D_FLATTEN): a call between instruction sets must not pass a vector.
#pragma once

#include <cstdint>

#include "dream3d/common.h"

#define D3D_FLATTEN __attribute__((flatten))

namespace dream3d {

constexpr int32_t kLanes = 4;
typedef double Double4 __attribute__((vector_size(32)));
typedef float Float4 __attribute__((vector_size(16)));
typedef int32_t Int4 __attribute__((vector_size(16)));

constexpr Int4 kLaneNumber = {0, 1, 2, 3};
constexpr Double4 kLaneIndex = {0.0, 1.0, 2.0, 3.0};

inline Float4 to_float(const Double4& x) { return __builtin_convertvector(x, Float4); }
inline Double4 to_double(const Float4& x) { return __builtin_convertvector(x, Double4); }
inline Int4 to_int(const Double4& x) { return __builtin_convertvector(x, Int4); }

template <class V, class T>
inline V load_four(const T* values) {
  V lanes;
  __builtin_memcpy(&lanes, values, sizeof lanes);
  return lanes;
}

template <class V, class T>
inline void store_four(T* values, const V& lanes) {
  __builtin_memcpy(values, &lanes, sizeof lanes);
}

}  // namespace dream3d
