#include "dream3d/status.h"

namespace dream3d {
namespace {
thread_local std::string last_error;
}

void set_last_error(const std::string& message) { last_error = message; }

}  // namespace dream3d

extern "C" const char* d3d_last_error(void) { return dream3d::last_error.c_str(); }
