# The libraries that engine, data and program stand on. All are Debian packages but oneDNN (see FindOneDNN.cmake);
# ./secateur setup installs what is missing.

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(OneDNN REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(CLI11 REQUIRED)
find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)
find_package(ZLIB REQUIRED)

set(HDF5_PREFER_PARALLEL OFF)
find_package(HDF5 REQUIRED COMPONENTS C)

find_path(XXHASH_INCLUDE_DIR xxhash.h)
find_library(XXHASH_LIBRARY xxhash)
if(NOT XXHASH_INCLUDE_DIR OR NOT XXHASH_LIBRARY)
  message(FATAL_ERROR "xxHash (xxhash.h, libxxhash) is missing: apt-get install libxxhash-dev")
endif()
add_library(secateur_xxhash INTERFACE)
target_include_directories(secateur_xxhash SYSTEM INTERFACE "${XXHASH_INCLUDE_DIR}")
target_link_libraries(secateur_xxhash INTERFACE "${XXHASH_LIBRARY}")

# Optional: without it, several processes are started with RANK, WORLD_SIZE, ... and talk by TCP.
set(SECATEUR_WITH_MPI OFF)
if(SECATEUR_MPI)
  find_package(MPI QUIET COMPONENTS C)
  if(MPI_C_FOUND)
    set(SECATEUR_WITH_MPI ON)
    message(STATUS "MPI ${MPI_C_VERSION}: ${MPIEXEC_EXECUTABLE}")
  else()
    message(STATUS "No MPI (libopenmpi-dev): mpirun cannot start this build")
  endif()
endif()

if(SECATEUR_TESTS)
  find_package(GTest REQUIRED)
endif()
find_package(benchmark QUIET)
