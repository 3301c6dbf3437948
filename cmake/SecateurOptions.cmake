# What a user may choose at configure time. Presets set these; -D on the command line overrides them.

option(SECATEUR_CUDA "Build the CUDA back end (needs nvcc, cuDNN 9 and cuBLASLt)" OFF)
option(SECATEUR_MPI "Train in several processes started by mpirun, where MPI is found" ON)
option(SECATEUR_NCCL "Train on several GPUs by NCCL, where it is found beside CUDA" ON)
option(SECATEUR_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(SECATEUR_WERROR "Treat warnings as errors" ON)
option(SECATEUR_NATIVE "Compile for exactly the processor of this machine (-march=native)" OFF)
option(SECATEUR_CCACHE "Compile through ccache where it is installed" ON)
option(SECATEUR_COVERAGE "Instrument for line coverage (gcov)" OFF)
option(SECATEUR_FUZZ "Build the fuzz targets for libFuzzer too (needs clang with compiler-rt)" OFF)

# auto: x86-64-v3 (AVX2, FMA) where the processor of this machine has it, else what the compiler assumes by itself.
# none: what the compiler assumes by itself. Anything else goes to -march= as it is.
set(SECATEUR_CPU_BASELINE "auto" CACHE STRING "Instruction set to compile for: auto, none, or a value for -march=")

# As for -fsanitize=, separated by commas: address,undefined or thread.
set(SECATEUR_SANITIZE "" CACHE STRING "Sanitizers to build with, separated by commas")

# Where the launcher unpacks what Debian lacks (oneDNN 3).
set(SECATEUR_DEPS "" CACHE PATH "Folder with dependencies unpacked by ./secateur setup")
if(NOT SECATEUR_DEPS)
  if(DEFINED ENV{SECATEUR_DEPS})
    set(SECATEUR_DEPS "$ENV{SECATEUR_DEPS}" CACHE PATH "" FORCE)
  else()
    set(SECATEUR_DEPS "${PROJECT_SOURCE_DIR}/.deps" CACHE PATH "" FORCE)
  endif()
endif()

set_property(CACHE CMAKE_BUILD_TYPE PROPERTY STRINGS RelWithDebInfo Release Debug)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
