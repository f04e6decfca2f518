// Shared by host and device code: the function qualifier and small plain vectors.
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define D3D_HOST_DEVICE __host__ __device__
#else
#define D3D_HOST_DEVICE
#endif

// Compiles a host function for several instruction sets and picks one when the library is loaded, so that one
// binary is fast on new processors and safe on old ones. None of them has fused multiply-adds (x86-64-v3 does,
// and GCC 12 makes them of vectorised differences of products even with contraction off), so every variant gives
// the same bits.
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__CUDACC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define D3D_MULTIVERSION __attribute__((target_clones("avx2", "default")))
#else
#define D3D_MULTIVERSION
#endif

namespace dream3d {

struct Float3 {
  float x, y, z;
};

struct Double3 {
  double x, y, z;
};

template <class T>
D3D_HOST_DEVICE inline T min_of(T a, T b) {
  return b < a ? b : a;
}

template <class T>
D3D_HOST_DEVICE inline T max_of(T a, T b) {
  return a < b ? b : a;
}

template <class T>
D3D_HOST_DEVICE inline T clamp_to(T value, T low, T high) {
  return min_of(max_of(value, low), high);
}

}  // namespace dream3d
