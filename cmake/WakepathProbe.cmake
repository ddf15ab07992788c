# SPDX-License-Identifier: GPL-2.0-or-later
# The io-wq probe (calibration/iowq_probe): not part of anything else, silently absent where liburing is.
#   cmake --build build/release --target iowq_probe
find_path(WAKEPATH_LIBURING_INCLUDE liburing.h)
find_library(WAKEPATH_LIBURING uring)
mark_as_advanced(WAKEPATH_LIBURING_INCLUDE WAKEPATH_LIBURING)
if(WAKEPATH_LIBURING_INCLUDE AND WAKEPATH_LIBURING)
  add_executable(iowq_probe EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/calibration/iowq_probe/iowq_probe.cc")
  target_compile_features(iowq_probe PRIVATE cxx_std_20)
  target_include_directories(iowq_probe PRIVATE "${WAKEPATH_LIBURING_INCLUDE}")
  target_link_libraries(iowq_probe PRIVATE "${WAKEPATH_LIBURING}" Threads::Threads)
endif()
