# Of what a shared library with Secateur inside exports, nothing is Secateur's.
#   cmake -DNM=nm -DLIBRARY=libplugin.so -P plugin_exports.cmake
execute_process(COMMAND "${NM}" --dynamic --defined-only --demangle "${LIBRARY}" OUTPUT_VARIABLE symbols RESULT_VARIABLE failed)
if(failed OR NOT symbols MATCHES " T plugin_parameters\n")
  message(FATAL_ERROR "nm does not show plugin_parameters in ${LIBRARY}:\n${symbols}")
endif()
string(REGEX MATCHALL "[^\n]*secateur[^\n]*" exported "${symbols}")
# Strong symbols of others (code and data): weak ones are the instantiations of templates of the standard library.
string(REGEX MATCHALL "[^\n]* [TDBRG] [^\n]*" strong "${symbols}")
list(FILTER strong EXCLUDE REGEX " T plugin_parameters$")
list(APPEND exported ${strong})
list(REMOVE_DUPLICATES exported)
if(exported)
  list(LENGTH exported number)
  list(JOIN exported "\n" exported)
  message(FATAL_ERROR "${number} symbols are exported that should not be:\n${exported}")
endif()
message(STATUS "plugin_parameters is all that is exported")
