# SPDX-License-Identifier: GPL-2.0-or-later
# Micro-benchmarks; silently absent where Google Benchmark or their sources are.
find_package(benchmark QUIET)
file(GLOB bench_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/*.cc")
if(benchmark_FOUND AND bench_sources)
  add_executable(wakepath_bench ${bench_sources})
  target_link_libraries(wakepath_bench PRIVATE wakepath_flags wakepath::models wakepath::analysis
                                               benchmark::benchmark benchmark::benchmark_main)
else()
  message(STATUS "wakepath: no benchmarks built (Google Benchmark found: ${benchmark_FOUND})")
endif()
# What bench/ratchet/count.py counts the instructions of.
add_executable(wakepath_ratchet EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/bench/ratchet/main.cc")
target_link_libraries(wakepath_ratchet PRIVATE wakepath_flags wakepath::models wakepath::analysis)
target_compile_definitions(wakepath_ratchet PRIVATE WAKEPATH_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
