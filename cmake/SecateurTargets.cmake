# secateur_library(NAME folder...) and friends: a target per folder, its sources found by globbing, so that a new file
# needs no line in any CMakeLists.txt.

# Source files below a folder, without those whose path matches EXCLUDE.
function(secateur_sources result folder)
  cmake_parse_arguments(arg "" "EXCLUDE" "EXTENSIONS" ${ARGN})
  if(NOT arg_EXTENSIONS)
    set(arg_EXTENSIONS cpp)
  endif()
  set(found "")
  foreach(extension ${arg_EXTENSIONS})
    file(GLOB_RECURSE matches CONFIGURE_DEPENDS "${folder}/*.${extension}")
    list(APPEND found ${matches})
  endforeach()
  if(arg_EXCLUDE)
    list(FILTER found EXCLUDE REGEX "${arg_EXCLUDE}")
  endif()
  set(${result} "${found}" PARENT_SCOPE)
endfunction()

# A static library, or an interface library while the folder holds no source yet.
#   secateur_library(data SOURCES ... INCLUDE dir PRIVATE_INCLUDE dir PUBLIC targets PRIVATE targets)
# makes target secateur_data with the alias secateur::data.
function(secateur_library name)
  cmake_parse_arguments(arg "" "INCLUDE;PRIVATE_INCLUDE" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  set(target secateur_${name})
  if(arg_SOURCES)
    add_library(${target} STATIC ${arg_SOURCES})
    target_include_directories(${target} PUBLIC "$<BUILD_INTERFACE:${arg_INCLUDE}>" "$<INSTALL_INTERFACE:include>")
    if(arg_PRIVATE_INCLUDE)
      target_include_directories(${target} PRIVATE "${arg_PRIVATE_INCLUDE}")
    endif()
    target_link_libraries(${target} PUBLIC ${arg_PUBLIC} PRIVATE $<BUILD_INTERFACE:secateur::flags> ${arg_PRIVATE})
    # A shared library of somebody else's that links this one does not hand its symbols on.
    if(UNIX AND NOT APPLE)
      target_link_options(
        ${target} INTERFACE
        "$<$<IN_LIST:$<TARGET_PROPERTY:TYPE>,SHARED_LIBRARY;MODULE_LIBRARY>:LINKER:--exclude-libs,lib${target}.a>")
    endif()
  else()
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE "${arg_INCLUDE}")
    target_link_libraries(${target} INTERFACE ${arg_PUBLIC})
  endif()
  add_library(secateur::${name} ALIAS ${target})
endfunction()

# Links those of the given targets that exist: folders of the project may be absent from a reduced tree.
function(secateur_link_existing target)
  foreach(dependency ${ARGN})
    if(TARGET ${dependency})
      target_link_libraries(${target} PRIVATE ${dependency})
    endif()
  endforeach()
endfunction()
