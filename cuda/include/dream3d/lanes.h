// One value per lane. Core maths is written once over a lane set L: on the GPU, and wherever a plain loop will do,
// L is OneLane and a value is a float; the CPU drivers use Lanes<W>, where a value is a vector of W points.
//
// Vector code is compiled for several instruction sets and the best one is chosen at run time. A core function has no
// instruction set of its own: it is inlined whole (`flatten`) into one entry function per instruction set.
#pragma once

#include <cstdint>

#include "dream3d/common.h"

#if !defined(__CUDACC__)
#pragma GCC diagnostic ignored "-Wpsabi"  // vectors are passed to functions that are always inlined
#endif

namespace dream3d {

struct OneLane {
  static constexpr int kWidth = 1;
  using Float = float;
  using Uint = uint32_t;

  D3D_HOST_DEVICE static inline float select(bool mask, float yes, float no) { return mask ? yes : no; }
  D3D_HOST_DEVICE static inline uint32_t to_uint(float x) {
    return static_cast<uint32_t>(static_cast<int32_t>(x));
  }
  D3D_HOST_DEVICE static inline float to_float(uint32_t x) {
    return static_cast<float>(static_cast<int32_t>(x));
  }
  D3D_HOST_DEVICE static inline float indices() { return 0.0f; }
  D3D_HOST_DEVICE static inline uint32_t extract(uint32_t x, int) { return x; }
};

// The same value in every lane. (0 + x is x for every x but -0.)
template <class V>
D3D_HOST_DEVICE inline V broadcast(float x) {
  return V{} + x;
}

}  // namespace dream3d

#if !defined(__CUDACC__)

namespace dream3d {

template <int W>
struct Lanes;

// A macro, because compilers disagree about vector types whose size depends on a template argument.
#define D3D_DEFINE_LANES(W)                                                                        \
  template <>                                                                                      \
  struct Lanes<W> {                                                                                \
    static constexpr int kWidth = W;                                                               \
    typedef float Float __attribute__((vector_size(4 * W)));                                       \
    typedef int32_t Int __attribute__((vector_size(4 * W)));                                       \
    typedef uint32_t Uint __attribute__((vector_size(4 * W)));                                     \
    typedef uint16_t Uint16 __attribute__((vector_size(2 * W)));                                   \
    static inline Float select(const Int& mask, const Float& yes, const Float& no) {               \
      return mask ? yes : no;                                                                      \
    }                                                                                              \
    static inline Uint to_uint(const Float& x) { return (Uint) __builtin_convertvector(x, Int); }  \
    static inline Float to_float(const Uint& x) { return __builtin_convertvector((Int)x, Float); } \
    static inline Float indices() {                                                                \
      Float lanes;                                                                                 \
      for (int i = 0; i < W; ++i) lanes[i] = static_cast<float>(i);                                \
      return lanes;                                                                                \
    }                                                                                              \
    static inline uint32_t extract(const Uint& x, int lane) { return x[lane]; }                    \
  };

D3D_DEFINE_LANES(4)
D3D_DEFINE_LANES(8)
D3D_DEFINE_LANES(16)
#undef D3D_DEFINE_LANES

template <class L>
inline typename L::Float load_lanes(const float* values) {
  typename L::Float lanes;
  __builtin_memcpy(&lanes, values, sizeof lanes);
  return lanes;
}

template <class V>
inline void store_lanes(float* values, const V& lanes) {
  __builtin_memcpy(values, &lanes, sizeof lanes);
}

enum class InstructionSet { kPortable, kAvx2, kAvx512 };

}  // namespace dream3d

// Only where everything is inlined for certain: a call between instruction sets must not pass a vector.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__OPTIMIZE__)
#define D3D_X86 1
#define D3D_TARGET_AVX2 __attribute__((target("avx2,fma")))
#define D3D_TARGET_AVX512 __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")))

namespace dream3d {
inline InstructionSet instruction_set() {
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return InstructionSet::kAvx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return InstructionSet::kAvx2;
  return InstructionSet::kPortable;
}
}  // namespace dream3d
#else
#define D3D_TARGET_AVX2
#define D3D_TARGET_AVX512

namespace dream3d {
inline InstructionSet instruction_set() { return InstructionSet::kPortable; }
}  // namespace dream3d
#endif

namespace dream3d {

// Runs body.template operator()<Lanes<W>>() compiled for the best instruction set of this machine. `Body` is a plain
// struct of arguments; the three functions below are the only places where instruction sets differ.
template <class Body>
D3D_TARGET_AVX512 __attribute__((flatten, noinline)) void run_avx512(const Body& body) {
  body.template run<Lanes<16>>();
}

template <class Body>
D3D_TARGET_AVX2 __attribute__((flatten, noinline)) void run_avx2(const Body& body) {
  body.template run<Lanes<8>>();
}

template <class Body>
__attribute__((flatten, noinline)) void run_portable(const Body& body) {
  body.template run<Lanes<4>>();
}

template <class Body>
void run_lanes(InstructionSet instructions, const Body& body) {
  switch (instructions) {
    case InstructionSet::kAvx512: return run_avx512(body);
    case InstructionSet::kAvx2: return run_avx2(body);
    case InstructionSet::kPortable: return run_portable(body);
  }
}

}  // namespace dream3d

#endif  // !__CUDACC__
