#include "dream3d/api.h"

extern "C" int32_t d3d_device_count(void) { return 1; }
