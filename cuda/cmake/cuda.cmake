# The CUDA library: one fat binary from Turing (sm_75) to the newest architecture the compiler knows, plus PTX of the
# newest for what comes later. The runtime is linked statically, so the only thing needed at run time is a driver,
# and loading the library on a machine without one is harmless.
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  execute_process(COMMAND ${CMAKE_CUDA_COMPILER} --list-gpu-arch OUTPUT_VARIABLE known ERROR_QUIET)
  set(archs "")
  # cubins also run on later minor versions of the same major one: 80 covers 87, 100 covers 103, 120 covers 121
  foreach(arch 75 80 86 89 90 100 120)
    if(known MATCHES "compute_${arch}([^0-9]|$)")
      list(APPEND archs ${arch}-real)
      set(newest ${arch})
    endif()
  endforeach()
  set(CMAKE_CUDA_ARCHITECTURES ${archs} ${newest}-virtual)
endif()
enable_language(CUDA)
set(CMAKE_CUDA_STANDARD 17)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)

file(GLOB D3D_CUDA_SOURCES CONFIGURE_DEPENDS src/*.cu)
add_library(dream3d_cuda SHARED ${D3D_CUDA_SOURCES} src/status.cpp)
set_source_files_properties(${D3D_CUDA_SOURCES} PROPERTIES LANGUAGE CUDA)
target_compile_options(dream3d_cuda PRIVATE
  $<$<COMPILE_LANGUAGE:CXX>:-O3 ${D3D_CXX_FLAGS}>
  # -fmad=false: coverage and traversal must agree bitwise with the CPU library
  "$<$<COMPILE_LANGUAGE:CUDA>:-O3;-fmad=false;-Xcompiler=-fvisibility=hidden,-Wall>")
set_target_properties(dream3d_cuda PROPERTIES CUDA_RUNTIME_LIBRARY Static CUDA_VISIBILITY_PRESET hidden)
d3d_configure_library(dream3d_cuda)
