# SPDX-License-Identifier: GPL-2.0-or-later
# The recorder of `wakepath record` (calibration/recorder): a program of its own, the only part beside the io-wq probe
# that uses liburing. Where liburing is absent there is no such target, and `wakepath record` says what to install.
#   cmake --build build/release --target wakepath_recorder
find_path(WAKEPATH_LIBURING_INCLUDE liburing.h)
find_library(WAKEPATH_LIBURING uring)
mark_as_advanced(WAKEPATH_LIBURING_INCLUDE WAKEPATH_LIBURING)
if(WAKEPATH_LIBURING_INCLUDE AND WAKEPATH_LIBURING)
  file(GLOB recorder_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/calibration/recorder/*.cc")
  add_executable(wakepath_recorder EXCLUDE_FROM_ALL ${recorder_sources})
  target_include_directories(wakepath_recorder PRIVATE "${PROJECT_SOURCE_DIR}")
  target_include_directories(wakepath_recorder SYSTEM PRIVATE "${WAKEPATH_LIBURING_INCLUDE}")
  target_link_libraries(wakepath_recorder PRIVATE wakepath_flags "${WAKEPATH_LIBURING}" Threads::Threads)
endif()
