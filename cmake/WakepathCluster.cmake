# SPDX-License-Identifier: GPL-2.0-or-later
# Fleets (models/cluster) on SimGrid: a library and the program wakepath_cluster, silently absent where SimGrid is.
find_path(WAKEPATH_SIMGRID_INCLUDE simgrid/s4u.hpp)
find_library(WAKEPATH_SIMGRID simgrid)
mark_as_advanced(WAKEPATH_SIMGRID_INCLUDE WAKEPATH_SIMGRID)
if(WAKEPATH_SIMGRID_INCLUDE AND WAKEPATH_SIMGRID)
  file(GLOB cluster_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/models/cluster/*.cc")
  add_executable(wakepath_cluster ${cluster_sources})
  if(WAKEPATH_UNITY)
    wakepath_group_by_folder(wakepath_cluster)
  endif()
  target_include_directories(wakepath_cluster SYSTEM PRIVATE "${WAKEPATH_SIMGRID_INCLUDE}")
  target_link_libraries(wakepath_cluster PRIVATE wakepath_flags wakepath::models "${WAKEPATH_SIMGRID}"
                                                 Threads::Threads)
  set_target_properties(wakepath_cluster PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/python")
  install(TARGETS wakepath_cluster RUNTIME DESTINATION wakepath COMPONENT python)
  if(TARGET wakepath_package)
    add_dependencies(wakepath_package wakepath_cluster)
  endif()
  if(WAKEPATH_TESTS)
    add_executable(network_twin "${PROJECT_SOURCE_DIR}/tests/cluster/network_twin.cc"
                                "${PROJECT_SOURCE_DIR}/models/cluster/message.cc"
                                "${PROJECT_SOURCE_DIR}/models/cluster/network.cc"
                                "${PROJECT_SOURCE_DIR}/models/cluster/sharing.cc"
                                "${PROJECT_SOURCE_DIR}/models/cluster/solver.cc"
                                "${PROJECT_SOURCE_DIR}/models/cluster/change_dates.cc")
    target_include_directories(network_twin SYSTEM PRIVATE "${WAKEPATH_SIMGRID_INCLUDE}")
    target_link_libraries(network_twin PRIVATE wakepath_flags wakepath::models "${WAKEPATH_SIMGRID}")
    set_target_properties(network_twin PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/python")
  endif()
else()
  message(STATUS "wakepath: no fleets (SimGrid was not found; Debian: libsimgrid-dev)")
endif()
