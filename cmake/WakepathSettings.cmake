# SPDX-License-Identifier: GPL-2.0-or-later
# Language, flags and tools for every target of ours.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)  # the static libraries go into the Python extension too
# Nothing in the extension is to be replaced from outside: so its calls are direct and may be inlined.
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
# No -DNDEBUG anywhere: assertions stay on in release, they are part of the result's trustworthiness.
if(CMAKE_CXX_FLAGS_RELEASE MATCHES "NDEBUG")
  set(CMAKE_CXX_FLAGS_RELEASE "-O3")
endif()
if(CMAKE_CXX_FLAGS_RELWITHDEBINFO MATCHES "NDEBUG")
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g")
endif()

if(NOT CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(WAKEPATH_CCACHE ccache)
  mark_as_advanced(WAKEPATH_CCACHE)
  if(WAKEPATH_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER "${WAKEPATH_CCACHE}")
  endif()
endif()

add_library(wakepath_flags INTERFACE)
target_compile_options(wakepath_flags INTERFACE -ffp-contract=off -Wall -Wextra -Wconversion -Wshadow)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(wakepath_flags INTERFACE -Wno-restrict)  # false alarms on std::string (GCC bug 105651)
endif()
# What runs for each event gains by more inlining than is usual (docs/performance.md); other code would only take longer to
# compile. g++ 12.2 then makes wrong code of a pair of pointers that it keeps in one vector register: no such pairs.
function(wakepath_inline_more)
  set(options -fno-tree-slp-vectorize --param=max-inline-insns-auto=200 --param=early-inlining-insns=60
              --param=inline-unit-growth=200 --param=large-function-growth=300)
  foreach(target IN LISTS ARGN)
    target_compile_options(${target} PRIVATE "$<$<AND:$<CXX_COMPILER_ID:GNU>,$<CONFIG:Release>>:${options}>")
  endforeach()
endfunction()
if(WAKEPATH_WERROR)
  target_compile_options(wakepath_flags INTERFACE -Werror)
endif()
if(WAKEPATH_SANITIZE)
  # GCC sees uninitialised values in the standard library where a sanitizer rearranges the code.
  target_compile_options(wakepath_flags INTERFACE -fsanitize=${WAKEPATH_SANITIZE} -fno-omit-frame-pointer
                                                  -fno-sanitize-recover=all -Wno-maybe-uninitialized)
  target_link_options(wakepath_flags INTERFACE -fsanitize=${WAKEPATH_SANITIZE})
endif()
# bench/pgo. What was not run while counting is optimised as ever; what was changed since is compiled without counts.
# Runs in several threads count past each other: -fprofile-correction.
if(WAKEPATH_PROFILE AND NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  message(FATAL_ERROR "WAKEPATH_PROFILE is for g++")
elseif(WAKEPATH_PROFILE STREQUAL "generate")
  target_compile_options(wakepath_flags INTERFACE -fprofile-generate)
  target_link_options(wakepath_flags INTERFACE -fprofile-generate)
elseif(WAKEPATH_PROFILE STREQUAL "use")
  target_compile_options(wakepath_flags INTERFACE -fprofile-use -fprofile-correction -fprofile-partial-training
                                                  -Wno-missing-profile -Wno-coverage-mismatch)
endif()
if(WAKEPATH_LTO)
  include(CheckIPOSupported)
  check_ipo_supported()
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
endif()
