# SPDX-License-Identifier: GPL-2.0-or-later
# What the libraries need, all of it packaged by Debian 12 (packages/debian-run.txt). The same list is found again for
# whoever uses the installed package, by wakepathConfig.cmake.
find_package(Threads REQUIRED)
find_package(fmt 9 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(LibLZMA REQUIRED)
find_package(zstd REQUIRED)
find_package(nlohmann_json 3.10 REQUIRED)
find_package(Boost 1.74 REQUIRED)

# zstd's own target is named by how it was built; ours hides that.
add_library(wakepath_zstd INTERFACE)
if(TARGET zstd::libzstd_shared)
  target_link_libraries(wakepath_zstd INTERFACE zstd::libzstd_shared)
elseif(TARGET zstd::libzstd)
  target_link_libraries(wakepath_zstd INTERFACE zstd::libzstd)
else()
  target_link_libraries(wakepath_zstd INTERFACE zstd::libzstd_static)
endif()

# toml++ and tl::expected are used as headers; in /usr/include their folders need no flag.
add_library(wakepath_header_packages INTERFACE)
foreach(header IN ITEMS "toml++/toml.h" "tl/expected.hpp")
  string(MAKE_C_IDENTIFIER "WAKEPATH_DIR_${header}" folder)
  find_path(${folder} "${header}" REQUIRED)
  mark_as_advanced(${folder})
  if(NOT ${folder} STREQUAL "/usr/include")
    target_include_directories(wakepath_header_packages SYSTEM INTERFACE "$<BUILD_INTERFACE:${${folder}}>")
  endif()
endforeach()
