# The CUDA toolkit, cuDNN 9 and cuBLASLt, each with an error that says what was looked for and what to do.
# Defines secateur::cuda_libraries (run time, cuBLASLt, cuDNN) and the warning flags of nvcc.

if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  find_program(
    SECATEUR_NVCC nvcc
    HINTS ENV CUDA_HOME ENV CUDA_PATH /usr/local/cuda
    PATH_SUFFIXES bin)
  if(NOT SECATEUR_NVCC)
    message(
      FATAL_ERROR
        "SECATEUR_CUDA is on, but there is no nvcc: not in PATH, not in CUDA_HOME, not in /usr/local/cuda/bin. "
        "Install the CUDA toolkit (12.4 or newer), or build without it: cmake --preset cpu")
  endif()
  set(CMAKE_CUDA_COMPILER "${SECATEUR_NVCC}" CACHE FILEPATH "CUDA compiler")
endif()

# Machine code for A100, RTX 30 and H100/H200, and PTX of the last, which newer GPUs compile when they load it.
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES AND NOT DEFINED ENV{CUDAARCHS})
  set(CMAKE_CUDA_ARCHITECTURES 80-real 86-real 90 CACHE STRING "GPU architectures to compile for")
endif()

enable_language(CUDA)
# CMake 3.25 and older do not know that nvcc has C++20, and which flag asks for it.
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
endif()
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_EXTENSIONS OFF)
set(CMAKE_CUDA_FLAGS_RELWITHDEBINFO "-O3 -lineinfo -Xcompiler=-g1")
set(CMAKE_CUDA_FLAGS_RELEASE "-O3 -DNDEBUG")

if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12.4)
  message(FATAL_ERROR "Secateur needs CUDA 12.4 or newer; ${CMAKE_CUDA_COMPILER} is ${CMAKE_CUDA_COMPILER_VERSION}")
endif()

find_package(CUDAToolkit REQUIRED)

find_path(
  CUDNN_INCLUDE_DIR cudnn_version.h
  HINTS ENV CUDNN_ROOT ENV CUDNN_HOME ${CUDNN_ROOT} ${CUDAToolkit_INCLUDE_DIRS}
  PATH_SUFFIXES include include/x86_64-linux-gnu)
find_library(
  CUDNN_LIBRARY
  NAMES cudnn libcudnn.so.9
  HINTS ENV CUDNN_ROOT ENV CUDNN_HOME ${CUDNN_ROOT} ${CUDAToolkit_LIBRARY_DIR}
  PATH_SUFFIXES lib64 lib lib/x86_64-linux-gnu)
if(NOT CUDNN_INCLUDE_DIR OR NOT CUDNN_LIBRARY)
  message(
    FATAL_ERROR
      "SECATEUR_CUDA is on and nvcc is there (${CMAKE_CUDA_COMPILER}), but cuDNN 9 is not: looked for cudnn_version.h "
      "and libcudnn.so beside the toolkit, in CUDNN_ROOT and in the system's folders. Set -DCUDNN_ROOT=, or build "
      "without CUDA: cmake --preset cpu")
endif()
file(STRINGS "${CUDNN_INCLUDE_DIR}/cudnn_version.h" cudnn_defines REGEX "^#define CUDNN_(MAJOR|MINOR|PATCHLEVEL) ")
string(REGEX REPLACE "#define CUDNN_[A-Z]+ +" "" cudnn_numbers "${cudnn_defines}")
list(JOIN cudnn_numbers "." CUDNN_VERSION)
if(CUDNN_VERSION VERSION_LESS 9)
  message(FATAL_ERROR "Secateur needs cuDNN 9; ${CUDNN_INCLUDE_DIR} holds ${CUDNN_VERSION}. Set -DCUDNN_ROOT=")
endif()

if(NOT TARGET CUDA::cublasLt)
  message(FATAL_ERROR "The CUDA toolkit in ${CUDAToolkit_LIBRARY_DIR} lacks cuBLASLt (libcublasLt.so)")
endif()

add_library(secateur_cuda_libraries INTERFACE)
add_library(secateur::cuda_libraries ALIAS secateur_cuda_libraries)
target_include_directories(secateur_cuda_libraries SYSTEM INTERFACE "${CUDNN_INCLUDE_DIR}"
                                                                    ${CUDAToolkit_INCLUDE_DIRS})
target_link_libraries(secateur_cuda_libraries INTERFACE "${CUDNN_LIBRARY}" CUDA::cublasLt CUDA::cudart_static)

# Optional: without NCCL the gradients of several GPUs go by way of the host.
set(SECATEUR_WITH_NCCL OFF)
if(SECATEUR_NCCL)
  find_path(
    NCCL_INCLUDE_DIR nccl.h
    HINTS ENV NCCL_ROOT ENV NCCL_HOME ${NCCL_ROOT} ${CUDAToolkit_INCLUDE_DIRS}
    PATH_SUFFIXES include)
  find_library(
    NCCL_LIBRARY
    NAMES nccl libnccl.so.2
    HINTS ENV NCCL_ROOT ENV NCCL_HOME ${NCCL_ROOT} ${CUDAToolkit_LIBRARY_DIR}
    PATH_SUFFIXES lib64 lib lib/x86_64-linux-gnu)
  if(NCCL_INCLUDE_DIR AND NCCL_LIBRARY)
    set(SECATEUR_WITH_NCCL ON)
    file(STRINGS "${NCCL_INCLUDE_DIR}/nccl.h" nccl_defines REGEX "^#define NCCL_(MAJOR|MINOR|PATCH) ")
    string(REGEX REPLACE "#define NCCL_[A-Z]+ +" "" nccl_numbers "${nccl_defines}")
    list(JOIN nccl_numbers "." NCCL_VERSION)
    target_include_directories(secateur_cuda_libraries SYSTEM INTERFACE "${NCCL_INCLUDE_DIR}")
    target_link_libraries(secateur_cuda_libraries INTERFACE "${NCCL_LIBRARY}")
    message(STATUS "NCCL ${NCCL_VERSION}: ${NCCL_LIBRARY}")
  else()
    message(STATUS "No NCCL (nccl.h and libnccl, looked for beside CUDA and in NCCL_ROOT): several GPUs train by "
                   "way of the host's memory")
  endif()
endif()

# -Wpedantic and -Wconversion stay off for the host pass: they fire inside the code that nvcc generates.
set(secateur_cuda_warnings -Xcompiler=-Wall,-Wextra,-Wshadow,-Wno-unused-parameter)
if(SECATEUR_WERROR)
  list(APPEND secateur_cuda_warnings --Werror=all-warnings -Xcompiler=-Werror)
endif()
target_compile_options(
  secateur_flags INTERFACE "$<$<COMPILE_LANGUAGE:CUDA>:${secateur_cuda_warnings};--expt-relaxed-constexpr>")

message(STATUS "CUDA ${CMAKE_CUDA_COMPILER_VERSION}, cuDNN ${CUDNN_VERSION}, GPU architectures: "
               "${CMAKE_CUDA_ARCHITECTURES}")
