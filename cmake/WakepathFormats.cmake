# SPDX-License-Identifier: GPL-2.0-or-later
# wakepath_formats(TARGET): trace formats whose libraries are optional (packages/debian-formats.txt). Without one, opening
# such a file is an error that says what to install.
#   trace.dat  libtracecmd, libtraceevent           -> WAKEPATH_HAVE_TRACECMD
#   Perfetto   protoc and libprotobuf               -> WAKEPATH_HAVE_PROTOBUF
option(WAKEPATH_FORMATS "Read and write trace formats that need further libraries, where they are found" ON)

find_path(WAKEPATH_TRACECMD_INCLUDE trace-cmd.h PATH_SUFFIXES trace-cmd)
find_path(WAKEPATH_TRACEFS_INCLUDE tracefs.h PATH_SUFFIXES tracefs)  # included by trace-cmd.h
find_path(WAKEPATH_TRACEEVENT_INCLUDE event-parse.h PATH_SUFFIXES traceevent)
find_library(WAKEPATH_TRACECMD_LIBRARY tracecmd)
find_library(WAKEPATH_TRACEEVENT_LIBRARY traceevent)
find_program(WAKEPATH_PROTOC protoc)
find_path(WAKEPATH_PROTOBUF_INCLUDE google/protobuf/message.h)
find_library(WAKEPATH_PROTOBUF_LIBRARY protobuf)
mark_as_advanced(WAKEPATH_TRACECMD_INCLUDE WAKEPATH_TRACEFS_INCLUDE WAKEPATH_TRACEEVENT_INCLUDE WAKEPATH_TRACECMD_LIBRARY
                 WAKEPATH_TRACEEVENT_LIBRARY WAKEPATH_PROTOC WAKEPATH_PROTOBUF_INCLUDE WAKEPATH_PROTOBUF_LIBRARY)

set(wakepath_has_tracecmd OFF)
if(WAKEPATH_FORMATS AND WAKEPATH_TRACECMD_INCLUDE AND WAKEPATH_TRACEFS_INCLUDE AND WAKEPATH_TRACEEVENT_INCLUDE
   AND WAKEPATH_TRACECMD_LIBRARY AND WAKEPATH_TRACEEVENT_LIBRARY)
  set(wakepath_has_tracecmd ON)
else()
  message(STATUS "no trace.dat: libtracecmd-dev and libtraceevent-dev are not there")
endif()
set(wakepath_has_protobuf OFF)
if(WAKEPATH_FORMATS AND WAKEPATH_PROTOC AND WAKEPATH_PROTOBUF_INCLUDE AND WAKEPATH_PROTOBUF_LIBRARY)
  set(wakepath_has_protobuf ON)
  set(proto "${PROJECT_SOURCE_DIR}/sim/trace/perfetto_trace.proto")
  set(generated "${PROJECT_BINARY_DIR}/generated")
  file(MAKE_DIRECTORY "${generated}")
  add_custom_command(OUTPUT "${generated}/perfetto_trace.pb.cc" "${generated}/perfetto_trace.pb.h"
                     COMMAND "${WAKEPATH_PROTOC}" "--cpp_out=${generated}" "-I${PROJECT_SOURCE_DIR}/sim/trace" "${proto}"
                     DEPENDS "${proto}" VERBATIM)
  # A library of its own: generated code is built without our warnings, once for whoever uses it.
  add_library(wakepath_perfetto_proto OBJECT "${generated}/perfetto_trace.pb.cc" "${generated}/perfetto_trace.pb.h")
  target_compile_options(wakepath_perfetto_proto PRIVATE -w)
  set_target_properties(wakepath_perfetto_proto PROPERTIES POSITION_INDEPENDENT_CODE ON)
else()
  message(STATUS "no Perfetto: protobuf-compiler and libprotobuf-dev are not there")
endif()

function(wakepath_formats target)
  # Plain names: whoever uses the installed package links the same libraries of its own system.
  if(wakepath_has_tracecmd)
    target_compile_definitions(${target} PRIVATE WAKEPATH_HAVE_TRACECMD)
    target_include_directories(${target} SYSTEM PRIVATE "${WAKEPATH_TRACECMD_INCLUDE}" "${WAKEPATH_TRACEFS_INCLUDE}"
                               "${WAKEPATH_TRACEEVENT_INCLUDE}")
    target_link_libraries(${target} PUBLIC tracecmd traceevent)
  endif()
  if(wakepath_has_protobuf)
    target_compile_definitions(${target} PRIVATE WAKEPATH_HAVE_PROTOBUF)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:wakepath_perfetto_proto>)
    add_dependencies(${target} wakepath_perfetto_proto)
    target_include_directories(${target} SYSTEM PRIVATE "${PROJECT_BINARY_DIR}/generated")
    target_link_libraries(${target} PUBLIC protobuf)
  endif()
endfunction()
