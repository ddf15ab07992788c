# SPDX-License-Identifier: GPL-2.0-or-later
# One executable of all unit tests. tests/unit/catch.h and main.cc hide which Catch2 it is.
find_package(Catch2 REQUIRED)

file(GLOB unit_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/unit/*_test.cc")
add_executable(wakepath_unit "${PROJECT_SOURCE_DIR}/tests/unit/main.cc" "${PROJECT_SOURCE_DIR}/tests/unit/tree.cc"
                             ${unit_sources}
                             # of a fleet what needs no SimGrid
                             "${PROJECT_SOURCE_DIR}/models/cluster/crew.cc"
                             "${PROJECT_SOURCE_DIR}/models/cluster/message.cc"
                             "${PROJECT_SOURCE_DIR}/models/cluster/raft.cc"
                             "${PROJECT_SOURCE_DIR}/models/cluster/sharing.cc")
target_link_libraries(wakepath_unit PRIVATE wakepath_flags wakepath::models wakepath::analysis wakepath::trace
                                            wakepath::engine Catch2::Catch2)
target_compile_options(wakepath_unit PRIVATE -Wno-conversion -Wno-shadow)  # Catch2 2 is not clean itself
target_compile_options(wakepath_unit PRIVATE $<$<CONFIG:Release>:-O1>)     # the models are what must be fast
# Tests read their data from the source tree and write below the build folder. Only one file is told where they are.
set_source_files_properties("${PROJECT_SOURCE_DIR}/tests/unit/tree.cc" PROPERTIES COMPILE_DEFINITIONS
  "WAKEPATH_SOURCE_DIR=\"${PROJECT_SOURCE_DIR}\";WAKEPATH_BINARY_DIR=\"${PROJECT_BINARY_DIR}\"")
# One ctest entry per source file: a failure names the part, and the parts run side by side.
foreach(source IN LISTS unit_sources)
  get_filename_component(name "${source}" NAME_WE)
  add_test(NAME unit.${name} COMMAND wakepath_unit "[#${name}]" WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
  set_tests_properties(unit.${name} PROPERTIES TIMEOUT 900)
endforeach()
set(formats "")
if(wakepath_has_tracecmd)
  list(APPEND formats WAKEPATH_HAVE_TRACECMD)
endif()
if(wakepath_has_protobuf)
  list(APPEND formats WAKEPATH_HAVE_PROTOBUF)
endif()
set_source_files_properties("${PROJECT_SOURCE_DIR}/tests/unit/trace_formats_test.cc" PROPERTIES COMPILE_DEFINITIONS
                            "${formats}")
