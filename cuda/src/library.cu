#include <cuda_runtime.h>

#include "dream3d/api.h"

extern "C" int32_t d3d_device_count(void) {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    cudaGetLastError();  // no driver or no device is an answer here, not an error to remember
    return 0;
  }
  return count;
}
