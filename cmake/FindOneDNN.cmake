# oneDNN 3 with GCC's OpenMP. Looked for in SECATEUR_DEPS (where ./secateur setup unpacks it), DNNL_DIR and
# CMAKE_PREFIX_PATH. Defines DNNL::dnnl and OneDNN_VERSION.

if(NOT DNNL_DIR AND EXISTS "${SECATEUR_DEPS}/onednn/lib/cmake/dnnl/dnnl-config.cmake")
  set(DNNL_DIR "${SECATEUR_DEPS}/onednn/lib/cmake/dnnl" CACHE PATH "Folder of dnnl-config.cmake")
endif()
find_package(dnnl 3 CONFIG QUIET HINTS "${DNNL_DIR}")
if(dnnl_FOUND)
  set(OneDNN_VERSION "${dnnl_VERSION}")
  if(NOT DNNL_CPU_RUNTIME STREQUAL "OMP")
    set(OneDNN_NOT_FOUND_MESSAGE
        "The oneDNN in ${dnnl_DIR} runs on ${DNNL_CPU_RUNTIME}; Secateur needs the one with GCC's OpenMP (OMP).")
    set(dnnl_FOUND FALSE)
  endif()
else()
  set(OneDNN_NOT_FOUND_MESSAGE
      "Looked for oneDNN 3 in ${SECATEUR_DEPS}/onednn, DNNL_DIR and CMAKE_PREFIX_PATH. Run ./secateur setup (it unpacks the tested build there), or set -DDNNL_DIR= to the folder of a dnnl-config.cmake."
  )
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  OneDNN
  REQUIRED_VARS dnnl_DIR dnnl_FOUND
  VERSION_VAR OneDNN_VERSION
  REASON_FAILURE_MESSAGE "${OneDNN_NOT_FOUND_MESSAGE}")
