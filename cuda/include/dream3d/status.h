// How an entry point turns failures into a status code and a message. Host only.
#pragma once

#include <cstddef>
#include <new>
#include <stdexcept>
#include <string>

#include "dream3d/api.h"

namespace dream3d {

void set_last_error(const std::string& message);

// Throw this for a bad argument; guarded_call() reports it as D3D_INVALID_ARGUMENT.
struct InvalidArgument : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline void require(bool condition, const char* message) {
  if (!condition) throw InvalidArgument(message);
}

// Runs `body(*params)`; no exception leaves the library.
template <class Params, class Body>
int32_t guarded_call(const Params* params, size_t params_size, const Body& body) {
  try {
    if (params == nullptr || params_size != sizeof(Params)) {
      set_last_error(
          "the kernel library does not match this version of the package; rebuild or reinstall it");
      return D3D_ABI_MISMATCH;
    }
    body(*params);
    return D3D_OK;
  } catch (const InvalidArgument& error) {
    set_last_error(error.what());
    return D3D_INVALID_ARGUMENT;
  } catch (const std::bad_alloc&) {
    set_last_error("out of memory");
    return D3D_OUT_OF_MEMORY;
  } catch (const std::exception& error) {
    set_last_error(error.what());
    return D3D_DEVICE_ERROR;
  }
}

}  // namespace dream3d
