# SPDX-License-Identifier: GPL-2.0-or-later
# wakepath._core, the thin pybind11 layer. Installed (component `python`) it lies inside the package beside the scenarios.
find_package(Python 3.11 REQUIRED COMPONENTS Interpreter Development.Module)
set(PYBIND11_FINDPYTHON ON)
find_package(pybind11 2.11 CONFIG REQUIRED)

file(GLOB binding_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/python/bindings/*.cc")
if(binding_sources)
  pybind11_add_module(_core MODULE NO_EXTRAS ${binding_sources})
  target_link_libraries(_core PRIVATE wakepath_flags wakepath::models wakepath::analysis wakepath::trace)
  target_compile_options(_core PRIVATE -Wno-conversion -Wno-shadow)  # pybind11's templates are not clean
  target_compile_definitions(_core PRIVATE WAKEPATH_VERSION="${PROJECT_VERSION}")
  # A few files to the compiler at once: pybind11's templates cost 6 s each time they are instantiated, and the first
  # result of a fresh checkout is waited for.
  set_target_properties(_core PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 4 CXX_VISIBILITY_PRESET hidden
                                         LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/python")
  install(TARGETS _core LIBRARY DESTINATION wakepath COMPONENT python)
  add_custom_target(wakepath_package DEPENDS _core)  # what `pip install .` builds: all that is installed with the package
endif()
install(DIRECTORY "${PROJECT_SOURCE_DIR}/scenarios" DESTINATION wakepath/_data COMPONENT python)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/calibration/record" DESTINATION wakepath/_data COMPONENT python)
