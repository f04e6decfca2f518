// Helpers of the CUDA drivers: device guard, launches, error checks, grid size. Included by .cu files only. Kernels
// are launched through launch_kernel() alone, never with <<<>>>: plain C++ that tests/emulated runs on a host.
#pragma once

#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

#include "dream3d/api.h"

namespace dream3d {

inline void check_cuda(cudaError_t status, const char* what) {
  if (status != cudaSuccess) {
    cudaGetLastError();  // the static runtime keeps its own last error; torch would never clear it
    throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(status));
  }
}

// Makes the launch's device current and puts the previous one back.
class DeviceGuard {
 public:
  explicit DeviceGuard(const D3dLaunch& launch) {
    check_cuda(cudaGetDevice(&previous_), "cudaGetDevice");
    check_cuda(cudaSetDevice(launch.device), "cudaSetDevice");
  }
  ~DeviceGuard() { cudaSetDevice(previous_); }
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;

 private:
  int previous_ = 0;
};

inline cudaStream_t stream_of(const D3dLaunch& launch) { return static_cast<cudaStream_t>(launch.stream); }

// Queues kernel(args...) on the launch's stream. A bad configuration is reported at once; nothing is waited for.
template <class... Params, class... Args>
void launch_kernel(const char* name, void (*kernel)(Params...), dim3 grid, unsigned block,
                   const D3dLaunch& launch, const Args&... args) {
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = dim3(block);
  config.stream = stream_of(launch);
  check_cuda(cudaLaunchKernelEx(&config, kernel, args...), name);
}

// Blocks for a grid-stride loop over `count` items (at least 1, at most 2^20).
inline unsigned grid_blocks(int64_t count, int64_t block_size) {
  const int64_t blocks = (count + block_size - 1) / block_size;
  return static_cast<unsigned>(blocks < 1 ? 1 : (blocks > (int64_t{1} << 20) ? (int64_t{1} << 20) : blocks));
}

}  // namespace dream3d
