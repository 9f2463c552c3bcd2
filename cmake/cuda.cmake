# Target cp_cuda: the CUDA kernels of src/kernels/cuda, or the functions that say they are absent.
#
# CP_WITH_CUDA: AUTO takes nvcc when it is found and works (not with sanitizers), ON wants it, OFF does not look.

set(CP_WITH_CUDA AUTO CACHE STRING "Build the CUDA kernels: AUTO, ON or OFF (needs CP_WITH_LEARN)")
set_property(CACHE CP_WITH_CUDA PROPERTY STRINGS AUTO ON OFF)

set(cp_nvcc OFF)
if(CP_WITH_CUDA STREQUAL "AUTO" AND CP_SANITIZE)
  message(STATUS "CUDA kernels: no (sanitizers)")
elseif(CP_WITH_CUDA)
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(cp_nvcc ON)
  elseif(NOT CP_WITH_CUDA STREQUAL "AUTO")
    message(FATAL_ERROR "CP_WITH_CUDA is ON but no nvcc that works was found: install the CUDA toolkit (11.8 or newer), "
                        "name it with -DCMAKE_CUDA_COMPILER=/path/bin/nvcc, or configure with -DCP_WITH_CUDA=OFF.")
  else()
    message(STATUS "CUDA kernels: no (nvcc is not here)")
  endif()
endif()

if(cp_nvcc)
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 75-real 80-real 86-real 89-real 90)  # T4, A100, RTX 30, RTX 40, H100 and PTX for later ones
  endif()
  if(CCACHE)
    set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE})
  endif()
  enable_language(CUDA)
  list(JOIN CMAKE_CUDA_ARCHITECTURES " " cp_architectures)
  message(STATUS "CUDA kernels: nvcc ${CMAKE_CUDA_COMPILER_VERSION}, architectures ${cp_architectures}")
  add_library(cp_cuda STATIC "${PROJECT_SOURCE_DIR}/src/kernels/cuda/nf4_cuda.cu")
  set_target_properties(cp_cuda PROPERTIES CUDA_RUNTIME_LIBRARY Static CUDA_STANDARD 17 CUDA_STANDARD_REQUIRED ON)
  target_compile_options(cp_cuda PRIVATE -Xcompiler=-Wall)
else()
  add_library(cp_cuda STATIC "${PROJECT_SOURCE_DIR}/src/kernels/cuda/nf4_cuda_absent.cpp")
  target_link_libraries(cp_cuda PRIVATE cp_warnings)
endif()
target_link_libraries(cp_cuda PUBLIC cp_core)
target_include_directories(cp_cuda PUBLIC "${PROJECT_SOURCE_DIR}/src")
