# Target cp_torch: LibTorch from an installed `torch` wheel, by hand (TorchConfig.cmake wants a CUDA toolkit for CUDA wheels
# and puts its own flags into every target).
#
# Looked for in this order: CP_TORCH_ROOT (cache, then environment), the wheel that tools/setup.sh puts under .deps/venv,
# the torch of python3 on the PATH. Only LibTorch 2.x is taken.

# Sets ${result} to the folder that holds include/ and lib/, or stops with what to do.
function(cp_find_torch_root result)
  if(CP_TORCH_ROOT)
    set(root "${CP_TORCH_ROOT}")
  elseif(DEFINED ENV{CP_TORCH_ROOT} AND NOT "$ENV{CP_TORCH_ROOT}" STREQUAL "")
    set(root "$ENV{CP_TORCH_ROOT}")
  else()
    file(GLOB root "${PROJECT_SOURCE_DIR}/.deps/venv/lib/python3*/site-packages/torch")
    if(NOT root)
      # find_spec names the package without loading it.
      execute_process(
        COMMAND python3 -c "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')"
        OUTPUT_VARIABLE root OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    endif()
    if(NOT root)
      message(FATAL_ERROR "LibTorch is not here: run tools/setup.sh learn, or set CP_TORCH_ROOT to the folder of an "
                          "installed torch 2.x package, or configure with -DCP_WITH_LEARN=OFF (preset runtime).")
    endif()
    list(GET root 0 root)
  endif()
  file(REAL_PATH "${root}" root BASE_DIRECTORY "${PROJECT_SOURCE_DIR}")
  set(${result} "${root}" PARENT_SCOPE)
endfunction()

# Sets CP_TORCH_VERSION and CP_TORCH_CUDA ("" without CUDA) from version.py, or from the header where there is none.
function(cp_read_torch_version root)
  set(version "")
  set(cuda "")
  foreach(header torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
    if(NOT version AND EXISTS "${root}/include/${header}")
      file(STRINGS "${root}/include/${header}" lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
      list(TRANSFORM lines REPLACE ".*(MAJOR|MINOR|PATCH) +" "")
      list(JOIN lines "." version)
    endif()
  endforeach()
  if(EXISTS "${root}/version.py")
    file(STRINGS "${root}/version.py" lines REGEX "^(__version__|cuda)")
    foreach(line ${lines})
      if(line MATCHES "^__version__.*'([^']+)'")
        set(version "${CMAKE_MATCH_1}")
      elseif(line MATCHES "^cuda.*'([^']+)'")
        set(cuda "${CMAKE_MATCH_1}")
      endif()
    endforeach()
  endif()
  set(CP_TORCH_VERSION "${version}" PARENT_SCOPE)
  set(CP_TORCH_CUDA "${cuda}" PARENT_SCOPE)
endfunction()

cp_find_torch_root(cp_torch_root)
cp_read_torch_version("${cp_torch_root}")
if(NOT CP_TORCH_VERSION)
  message(FATAL_ERROR "No LibTorch in ${cp_torch_root}: wanted the folder of an installed torch 2.x package (the one with "
                      "include/torch and lib/libtorch.so); set CP_TORCH_ROOT to it.")
endif()
if(NOT CP_TORCH_VERSION MATCHES "^2\\.")
  message(FATAL_ERROR "LibTorch ${CP_TORCH_VERSION} in ${cp_torch_root} is not supported, 2.x is needed: run "
                      "tools/setup.sh learn to get it, or set CP_TORCH_ROOT to an installed torch 2.x package.")
endif()

set(cp_torch_libraries "")
foreach(name torch torch_cpu c10)
  if(NOT EXISTS "${cp_torch_root}/lib/lib${name}.so")
    message(FATAL_ERROR "lib${name}.so is missing in ${cp_torch_root}/lib: the torch package is incomplete, install it again.")
  endif()
  list(APPEND cp_torch_libraries "${cp_torch_root}/lib/lib${name}.so")
endforeach()

add_library(cp_torch INTERFACE IMPORTED)
target_include_directories(cp_torch SYSTEM INTERFACE "${cp_torch_root}/include"
                                                     "${cp_torch_root}/include/torch/csrc/api/include")
# The CUDA back end registers itself when its library is loaded, so it must be linked though nothing refers to it.
set(cp_torch_cuda_libraries "")
foreach(name torch_cuda c10_cuda)
  if(EXISTS "${cp_torch_root}/lib/lib${name}.so")
    list(APPEND cp_torch_cuda_libraries "${cp_torch_root}/lib/lib${name}.so")
  endif()
endforeach()
if(cp_torch_cuda_libraries)
  list(PREPEND cp_torch_cuda_libraries "-Wl,--no-as-needed")
  list(APPEND cp_torch_cuda_libraries "-Wl,--as-needed")
endif()
target_link_libraries(cp_torch INTERFACE ${cp_torch_cuda_libraries} ${cp_torch_libraries})
target_link_options(cp_torch INTERFACE "-Wl,-rpath,${cp_torch_root}/lib")
# The wheel's include/ brings its own fmt headers, newer than the distribution's library: use whichever is found without it.
target_compile_definitions(cp_torch INTERFACE FMT_HEADER_ONLY=1)

# LibTorch's own CUDA headers include the toolkit's.
if(cp_torch_cuda_libraries AND CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES)
  set(CP_DEVICE_CUDA device_cuda)
  set_source_files_properties("${PROJECT_SOURCE_DIR}/src/learn/cuda/device_cuda.cpp"
                              PROPERTIES INCLUDE_DIRECTORIES "${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES}")
else()
  set(CP_DEVICE_CUDA device_cuda_absent)
endif()

if(CP_TORCH_CUDA)
  message(STATUS "LibTorch ${CP_TORCH_VERSION} (CUDA ${CP_TORCH_CUDA}): ${cp_torch_root}")
else()
  message(STATUS "LibTorch ${CP_TORCH_VERSION} (no CUDA): ${cp_torch_root}")
endif()
