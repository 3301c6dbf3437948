# The installed package: find_package(Secateur [COMPONENTS kernels engine models data]) and pkg-config's secateur.
#
#   cmake --install build/cpu --component engine --prefix FOLDER     engine, models and data
#   cmake --install build/cuda --component kernels --prefix FOLDER   the CUDA kernels alone (kernels/CMakeLists.txt)
#
# Engine, models and data are one install component, since each needs those before it.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package "${CMAKE_INSTALL_LIBDIR}/cmake/Secateur")
set(package_build "${PROJECT_BINARY_DIR}/package")

# The folders that a build may leave out (SecateurTargets.cmake) leave no target.
set(package_targets "")
foreach(name engine models data)
  if(TARGET secateur_${name})
    set_target_properties(secateur_${name} PROPERTIES EXPORT_NAME ${name})
    list(APPEND package_targets secateur_${name})
    install(DIRECTORY "${PROJECT_SOURCE_DIR}/${name}/include/" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
            COMPONENT engine)
  endif()
endforeach()
list(APPEND package_targets secateur_xxhash)
if(SECATEUR_CUDA)
  list(APPEND package_targets secateur_cuda_libraries)
endif()
install(
  TARGETS ${package_targets}
  EXPORT SecateurEngine
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT engine)
install(
  EXPORT SecateurEngine
  NAMESPACE secateur::
  FILE SecateurEngine.cmake
  DESTINATION "${package}"
  COMPONENT engine)

# "#if SECATEUR_VERSION >= 10200" for programs that compile against several versions.
configure_file("${PROJECT_SOURCE_DIR}/cmake/version_number.h.in" "${package_build}/include/secateur/version_number.h" @ONLY)
target_include_directories(secateur_engine PUBLIC "$<BUILD_INTERFACE:${package_build}/include>")
install(FILES "${package_build}/include/secateur/version_number.h" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/secateur" COMPONENT engine)

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/SecateurConfig.cmake.in"
                              "${package_build}/SecateurConfig.cmake" INSTALL_DESTINATION "${package}")
write_basic_package_version_file("${package_build}/SecateurConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
foreach(component kernels engine)
  if(component STREQUAL "engine" OR SECATEUR_CUDA)
    install(FILES "${package_build}/SecateurConfig.cmake" "${package_build}/SecateurConfigVersion.cmake"
            DESTINATION "${package}" COMPONENT ${component})
  endif()
endforeach()

# pkg-config: for the CPU build, whose libraries a linker line can name.
if(NOT SECATEUR_CUDA)
  list(JOIN HDF5_C_LIBRARIES " " package_hdf5)
  set(package_mpi "")
  if(SECATEUR_WITH_MPI)
    list(JOIN MPI_C_LIBRARIES " " package_mpi)
  endif()
  file(
    GENERATE
    OUTPUT "${package_build}/secateur.pc"
    CONTENT
      "prefix=${CMAKE_INSTALL_PREFIX}
libdir=\${prefix}/${CMAKE_INSTALL_LIBDIR}
includedir=\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}

Name: Secateur
Description: ${PROJECT_DESCRIPTION}
Version: ${PROJECT_VERSION}
Requires: fmt
Cflags: -I\${includedir}
Libs: -Wl,--exclude-libs,libsecateur_data.a:libsecateur_models.a:libsecateur_engine.a -L\${libdir} -lsecateur_data -lsecateur_models -lsecateur_engine $<TARGET_FILE:DNNL::dnnl> -Wl,-rpath,$<TARGET_FILE_DIR:DNNL::dnnl> ${package_hdf5} ${package_mpi} ${XXHASH_LIBRARY} -ljpeg -lpng -ltomlplusplus -fopenmp -pthread
")
  # pkg-config finds the prefix by where the file stands (--define-prefix), or takes the one of the configuration.
  install(FILES "${package_build}/secateur.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig" COMPONENT engine)
endif()
