# SPDX-License-Identifier: GPL-2.0-or-later
# libFuzzer targets of the readers (clang only): fuzz_trace_text, fuzz_trace_binary, fuzz_scenario_toml, fuzz_fio_job. They have their own
# instrumented build of the parts they read with, and nothing of what simulates.
if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "WAKEPATH_FUZZ needs clang: cmake --preset fuzz")
endif()
# What a scenario is checked with: cost names, topologies, maps of CPUs to queues, owners of ublk slots.
set(fuzz_sources "${PROJECT_SOURCE_DIR}/models/machine/costs.cc" "${PROJECT_SOURCE_DIR}/models/machine/topology.cc"
                 "${PROJECT_SOURCE_DIR}/models/block/queue_map.cc" "${PROJECT_SOURCE_DIR}/models/ublk/owners.cc")
foreach(folder sim/trace sim/analysis models/scenario models/kernel)
  file(GLOB found CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${folder}/*.cc")
  list(APPEND fuzz_sources ${found})
endforeach()
add_library(wakepath_fuzzed STATIC EXCLUDE_FROM_ALL ${fuzz_sources})
target_include_directories(wakepath_fuzzed PUBLIC "${PROJECT_SOURCE_DIR}")
target_link_libraries(wakepath_fuzzed PUBLIC wakepath_flags fmt::fmt ZLIB::ZLIB LibLZMA::LibLZMA wakepath_zstd
                                             Boost::headers nlohmann_json::nlohmann_json wakepath_header_packages)
wakepath_formats(wakepath_fuzzed)
set(fuzz_flags -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
target_compile_options(wakepath_fuzzed PUBLIC ${fuzz_flags} -fsanitize=fuzzer-no-link)
target_link_options(wakepath_fuzzed PUBLIC ${fuzz_flags})
add_custom_target(fuzz)
foreach(name trace_text trace_binary scenario_toml fio_job)
  add_executable(fuzz_${name} EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/tests/fuzz/${name}.cc")
  target_link_libraries(fuzz_${name} PRIVATE wakepath_fuzzed)
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  add_dependencies(fuzz fuzz_${name})
endforeach()
