// Just enough of the CUDA runtime to run the .cu drivers on a host, so that the C++ tests check them where there is no
// GPU. Every thread of a block is a fiber; a fiber runs until it meets the others at a barrier. One block at a time.
// It checks logic and memory accesses, not the memory model: there are no races here to be found.
#pragma once

#include <ucontext.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct float2 {
  float x, y;
};
struct float3 {
  float x, y, z;
};
struct alignas(16) float4 {
  float x, y, z, w;
};

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

using cudaError_t = int;
using cudaStream_t = void*;
constexpr cudaError_t cudaSuccess = 0;
inline const char* cudaGetErrorString(cudaError_t) { return "emulated"; }
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }
inline cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
inline cudaError_t cudaSetDevice(int) { return cudaSuccess; }
inline cudaError_t cudaMemsetAsync(void* at, int value, size_t bytes, cudaStream_t) {
  if (bytes > 0) std::memset(at, value, bytes);
  return cudaSuccess;
}

namespace emulated {

constexpr int kWarpSize = 32;
constexpr size_t kStackBytes = 128 * 1024;

// Threads that wait for each other: a block or a warp.
struct Group {
  unsigned alive = 0, arrived = 0, generation = 0;
  uint64_t slots[kWarpSize] = {};
};

struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack{new char[kStackBytes]};
  dim3 thread;
  Group* warp = nullptr;
  unsigned lane = 0;
  bool done = false;
  void* fake_stack = nullptr;
};

inline ucontext_t scheduler;
inline void* scheduler_fake_stack = nullptr;
inline const void* scheduler_stack = nullptr;
inline size_t scheduler_stack_bytes = 0;
inline Fiber* current = nullptr;
inline Group block_group;
inline std::function<void()>* kernel_body = nullptr;

inline void to_scheduler(bool finished) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(finished ? nullptr : &current->fake_stack, scheduler_stack,
                                 scheduler_stack_bytes);
#else
  (void)finished;
#endif
  swapcontext(&current->context, &scheduler);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(current->fake_stack, nullptr, nullptr);
#endif
}

inline void to_fiber(Fiber& fiber) {
  current = &fiber;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&scheduler_fake_stack, fiber.stack.get(), kStackBytes);
#endif
  swapcontext(&scheduler, &fiber.context);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(scheduler_fake_stack, nullptr, nullptr);
#endif
}

inline void release(Group& group) {
  group.arrived = 0;
  ++group.generation;
}

// Returns when all living threads of the group are here.
inline void meet(Group& group) {
  const unsigned generation = group.generation;
  if (++group.arrived == group.alive) return release(group);
  while (group.generation == generation) to_scheduler(false);
}

inline void leave(Group& group) {
  if (--group.alive > 0 && group.arrived == group.alive) release(group);
}

inline void run_fiber() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(current->fake_stack, &scheduler_stack, &scheduler_stack_bytes);
#endif
  (*kernel_body)();
  current->done = true;
  leave(*current->warp);
  leave(block_group);
  to_scheduler(true);
}

inline void run_block(std::vector<Fiber>& fibers, std::vector<Group>& warps) {
  block_group = Group{};
  for (Group& warp : warps) warp = Group{};
  unsigned index = 0;
  for (Fiber& fiber : fibers) {
    fiber.thread = dim3(index, 0, 0);
    fiber.warp = &warps[index / kWarpSize];
    fiber.lane = index++ % kWarpSize;
    fiber.done = false;
    ++fiber.warp->alive;
    ++block_group.alive;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStackBytes;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, run_fiber, 0);
  }
  for (bool running = true; running;) {
    running = false;
    for (Fiber& fiber : fibers) {
      if (fiber.done) continue;
      to_fiber(fiber);
      running = running || !fiber.done;
    }
  }
}

// One value per lane of the caller's warp, after all have given theirs.
inline const uint64_t* exchange(uint64_t value) {
  Group& warp = *current->warp;
  meet(warp);  // nobody reads the slots of the exchange before this one any more
  warp.slots[current->lane] = value;
  meet(warp);
  return warp.slots;
}

template <class T>
uint64_t to_bits(T value) {
  static_assert(sizeof(T) <= 8, "up to 64 bits");
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return bits;
}

template <class T>
T from_bits(uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

}  // namespace emulated

inline dim3 blockIdx, blockDim, gridDim;
#define threadIdx (emulated::current->thread)

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
};

template <class... Params, class... Args>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Params...),
                               const Args&... args) {
  std::function<void()> body = [&] { kernel(args...); };
  emulated::kernel_body = &body;
  gridDim = config->gridDim;
  blockDim = config->blockDim;
  std::vector<emulated::Fiber> fibers(blockDim.x);
  std::vector<emulated::Group> warps((blockDim.x + emulated::kWarpSize - 1) / emulated::kWarpSize);
  for (blockIdx.z = 0; blockIdx.z < gridDim.z; ++blockIdx.z) {
    for (blockIdx.y = 0; blockIdx.y < gridDim.y; ++blockIdx.y) {
      for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x) emulated::run_block(fibers, warps);
    }
  }
  return cudaSuccess;
}

// ---- device functions ----------------------------------------------------------------------------------------------

inline void __syncthreads() { emulated::meet(emulated::block_group); }
inline void __syncwarp(unsigned = ~0u) { emulated::meet(*emulated::current->warp); }

inline unsigned __ballot_sync(unsigned, bool predicate) {
  const uint64_t* votes = emulated::exchange(predicate);
  unsigned ballot = 0;
  for (int lane = 0; lane < emulated::kWarpSize; ++lane) ballot |= static_cast<unsigned>(votes[lane]) << lane;
  return ballot;
}

template <class T>
T __shfl_sync(unsigned, T value, int lane) {
  return emulated::from_bits<T>(emulated::exchange(emulated::to_bits(value))[lane % emulated::kWarpSize]);
}

template <class T>
T __shfl_down_sync(unsigned, T value, unsigned delta) {
  const unsigned lane = emulated::current->lane;
  const uint64_t* all = emulated::exchange(emulated::to_bits(value));
  return lane + delta < emulated::kWarpSize ? emulated::from_bits<T>(all[lane + delta]) : value;
}

template <class T>
T __shfl_xor_sync(unsigned, T value, int mask) {
  const unsigned lane = emulated::current->lane;
  return emulated::from_bits<T>(
      emulated::exchange(emulated::to_bits(value))[lane ^ static_cast<unsigned>(mask)]);
}

inline int __ffs(unsigned bits) { return __builtin_ffs(static_cast<int>(bits)); }
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline uint32_t __float_as_uint(float value) {
  return emulated::from_bits<uint32_t>(emulated::to_bits(value));
}
inline float __uint_as_float(uint32_t bits) { return emulated::from_bits<float>(bits); }
template <class T>
T __ldg(const T* at) {
  return *at;
}

template <class T>
T atomicAdd(T* at, T value) {  // fibers are switched at barriers only, so plain arithmetic is atomic
  const T old = *at;
  *at = old + value;
  return old;
}

template <class T>
T atomicMin(T* at, T value) {
  const T old = *at;
  if (value < old) *at = value;
  return old;
}

template <class T>
T atomicMax(T* at, T value) {
  const T old = *at;
  if (old < value) *at = value;
  return old;
}
