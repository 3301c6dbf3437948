# secateur_test_folder(folder): one GoogleTest program from a folder of tests, and one ctest entry that runs it.
#
# One process per program, not per test: a model or data set that a suite sets up once is then set up once, and a few
# thousand op tests do not load oneDNN a few thousand times. The single results stand in build/<preset>/test-results,
# one XML file per program; `./secateur test` adds them up.

# What instrumented programs are told, and how much longer they may take.
set(sanitizer_environment "")
set(sanitizer_patience 1)
if(SECATEUR_SANITIZE OR SECATEUR_COVERAGE)
  set(sanitizer_patience 6)
endif()
if(SECATEUR_SANITIZE MATCHES "address")
  list(APPEND sanitizer_environment "ASAN_OPTIONS=strict_string_checks=1:check_initialization_order=1"
       "LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/sanitizers/leak.supp:print_suppressions=0"
       "UBSAN_OPTIONS=print_stacktrace=1")
elseif(SECATEUR_SANITIZE MATCHES "thread")
  list(APPEND sanitizer_environment OMP_NUM_THREADS=1
       "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/sanitizers/thread.supp")
endif()

# Adds the ctest entry of a GoogleTest program. LABELS decide which part of `./secateur test` runs it.
function(secateur_add_gtest target)
  cmake_parse_arguments(arg "SERIAL" "TIMEOUT" "LABELS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 900)
  endif()
  math(EXPR timeout "${arg_TIMEOUT} * ${sanitizer_patience}")
  add_test(NAME ${target} COMMAND ${target} WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
  # Threads that spin while they wait slow down every other program when two run side by side.
  set_tests_properties(
    ${target}
    PROPERTIES LABELS "${arg_LABELS}"
               TIMEOUT ${timeout}
               ENVIRONMENT
               "GTEST_OUTPUT=xml:${PROJECT_BINARY_DIR}/test-results/${target}.xml;OMP_WAIT_POLICY=passive;GTEST_COLOR=no;${sanitizer_environment}")
  if(arg_SERIAL)
    set_tests_properties(${target} PROPERTIES RUN_SERIAL TRUE)
  endif()
endfunction()

function(secateur_test_folder folder)
  get_filename_component(name "${folder}" NAME)
  secateur_sources(sources "${folder}")
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  if(NOT tests)
    return()
  endif()

  set(target ${name}_tests)
  add_executable(${target} ${sources})
  target_include_directories(
    ${target} PRIVATE "${PROJECT_SOURCE_DIR}/tests" "${PROJECT_SOURCE_DIR}/engine"
                      "${PROJECT_BINARY_DIR}/tests/generated")
  if(DEFINED links_${name})
    set(links ${links_${name}})
  else()
    set(links ${links_default})
  endif()
  target_link_libraries(
    ${target}
    PRIVATE secateur::engine
            secateur::flags
            GTest::gtest
            nlohmann_json::nlohmann_json
            tomlplusplus::tomlplusplus
            hdf5::hdf5
            DNNL::dnnl
            secateur_xxhash
            OpenMP::OpenMP_CXX)
  if(NOT sources MATCHES "/main\\.cpp")
    target_link_libraries(${target} PRIVATE GTest::gtest_main)
  endif()
  secateur_link_existing(${target} ${links} secateur::selftest)
  if(SECATEUR_CUDA)
    secateur_link_existing(${target} secateur::kernels secateur::cuda_libraries)
  endif()
  if(TARGET secateur AND "secateur::app" IN_LIST links)
    add_dependencies(${target} secateur)  # some start the program
  endif()

  if(name IN_LIST kernel_folders)
    secateur_add_gtest(${target} LABELS kernel)
  elseif(name IN_LIST integration_folders)
    secateur_add_gtest(${target} LABELS integration SERIAL TIMEOUT 1200)
  else()
    secateur_add_gtest(${target} LABELS unit)
  endif()
endfunction()
