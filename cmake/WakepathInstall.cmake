# SPDX-License-Identifier: GPL-2.0-or-later
# Libraries, headers and a CMake package: find_package(wakepath) gives wakepath::{engine,trace,analysis,models}.
# tests/cmake_consumer is built against it by `./test --all`.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

get_property(libraries GLOBAL PROPERTY WAKEPATH_LIBRARIES)
set(package_folder "${CMAKE_INSTALL_LIBDIR}/cmake/wakepath")
install(TARGETS ${libraries} wakepath_header_packages EXPORT wakepathTargets COMPONENT devel
        ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(TARGETS wakepath_zstd EXPORT wakepathTargets COMPONENT devel)
install(EXPORT wakepathTargets NAMESPACE wakepath:: DESTINATION "${package_folder}" COMPONENT devel)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/sim" "${PROJECT_SOURCE_DIR}/models"
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/wakepath" COMPONENT devel FILES_MATCHING PATTERN "*.h" PATTERN "*.def")

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/wakepathConfig.cmake.in"
                              "${PROJECT_BINARY_DIR}/wakepathConfig.cmake" INSTALL_DESTINATION "${package_folder}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/wakepathConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/wakepathConfig.cmake" "${PROJECT_BINARY_DIR}/wakepathConfigVersion.cmake"
        DESTINATION "${package_folder}" COMPONENT devel)
