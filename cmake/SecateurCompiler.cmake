# Language level, optimisation, warnings, linker and compiler cache, for every target of this project.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
set_property(GLOBAL PROPERTY USE_FOLDERS ON)

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12)
  message(FATAL_ERROR "Secateur needs GCC 12 or newer; ${CMAKE_CXX_COMPILER} is ${CMAKE_CXX_COMPILER_VERSION}")
endif()

# RelWithDebInfo keeps asserts: they stand outside the inner loops, and tests and the first runs should see them fail.
# One level of debug information (line tables) halves the size of the objects and still gives readable stack traces.
# Reports of instrumented builds need no more either.
set(secateur_debug_level -g)
if(SECATEUR_SANITIZE OR SECATEUR_COVERAGE)
  set(secateur_debug_level -g1)
endif()
foreach(language C CXX)
  set(CMAKE_${language}_FLAGS_RELWITHDEBINFO "-O3 -g1")
  set(CMAKE_${language}_FLAGS_RELEASE "-O3 -DNDEBUG")
  set(CMAKE_${language}_FLAGS_DEBUG "-O1 ${secateur_debug_level}")
endforeach()

add_library(secateur_flags INTERFACE)
add_library(secateur::flags ALIAS secateur_flags)

# Never -ffast-math: results must repeat bit for bit, and NaN must be seen. errno is read by nobody after a maths call.
target_compile_options(secateur_flags INTERFACE $<$<COMPILE_LANGUAGE:C,CXX>:-fno-math-errno -fno-trapping-math>)

set(secateur_march "")
if(SECATEUR_NATIVE)
  set(secateur_march native)
elseif(SECATEUR_CPU_BASELINE STREQUAL "auto")
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64" AND EXISTS /proc/cpuinfo)
    file(READ /proc/cpuinfo secateur_cpuinfo LIMIT 16384)
    if(secateur_cpuinfo MATCHES " avx2 " AND secateur_cpuinfo MATCHES " fma " AND secateur_cpuinfo MATCHES " bmi2 ")
      set(secateur_march x86-64-v3)
    endif()
  endif()
elseif(NOT SECATEUR_CPU_BASELINE STREQUAL "none")
  set(secateur_march "${SECATEUR_CPU_BASELINE}")
endif()
if(secateur_march)
  target_compile_options(secateur_flags INTERFACE $<$<COMPILE_LANGUAGE:C,CXX>:-march=${secateur_march}>)
endif()

set(secateur_warnings -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor
    -Woverloaded-virtual -Wimplicit-fallthrough)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 sees overflows and overlaps in std::string and fmt where there are none (GCC bug 105329 and its like).
  list(APPEND secateur_warnings -Wno-stringop-overflow -Wno-restrict)
endif()
if(SECATEUR_WERROR)
  list(APPEND secateur_warnings -Werror)
endif()
if(SECATEUR_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC's flow analysis reports impossible null dereferences and uninitialised values in instrumented code.
  list(APPEND secateur_warnings -Wno-null-dereference -Wno-maybe-uninitialized)
endif()
target_compile_options(secateur_flags INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:${secateur_warnings}>")

if(SECATEUR_SANITIZE)
  add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=${SECATEUR_SANITIZE}>
                      $<$<COMPILE_LANGUAGE:C,CXX>:-fno-omit-frame-pointer>
                      $<$<COMPILE_LANGUAGE:C,CXX>:-fno-sanitize-recover=all>)
  add_link_options(-fsanitize=${SECATEUR_SANITIZE})
  add_compile_definitions($<$<COMPILE_LANGUAGE:CXX>:_GLIBCXX_ASSERTIONS>)
endif()
if(SECATEUR_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "SECATEUR_FUZZ needs clang 15 or newer with compiler-rt (Debian: clang-16, libclang-rt-16-dev, "
                        "libomp-16-dev): cmake --preset fuzz")
  endif()
  # Coverage that steers libFuzzer, in the libraries; main() comes with -fsanitize=fuzzer where a target is linked.
  add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=fuzzer-no-link>)
  add_link_options(-fsanitize=fuzzer-no-link)
endif()
if(SECATEUR_COVERAGE)
  # Atomic, or counts of several threads get lost in each other.
  add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:--coverage> $<$<COMPILE_LANGUAGE:C,CXX>:-fprofile-update=atomic>)
  add_link_options(--coverage)
endif()

# mold and lld link the test programs several times faster than GNU ld.
include(CheckLinkerFlag)
foreach(linker mold lld)
  check_linker_flag(CXX -fuse-ld=${linker} SECATEUR_HAS_${linker})
  if(SECATEUR_HAS_${linker})
    add_link_options(-fuse-ld=${linker})
    break()
  endif()
endforeach()

# With a base folder and without the working folder in the hash, build folders of one depth share their cached objects.
if(SECATEUR_CCACHE)
  find_program(SECATEUR_CCACHE_PROGRAM ccache)
  if(SECATEUR_CCACHE_PROGRAM)
    foreach(language C CXX CUDA)
      if(NOT CMAKE_${language}_COMPILER_LAUNCHER)
        set(CMAKE_${language}_COMPILER_LAUNCHER
            ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
            ${SECATEUR_CCACHE_PROGRAM})
      endif()
    endforeach()
  endif()
endif()
