// SPDX-License-Identifier: GPL-2.0-or-later
// The Python extension wakepath._core: one register_*.cc per concept, all thin. Private to the package: the typed API
// is python/wakepath, the stub python/wakepath/_core.pyi. Everything that takes long releases the GIL; every mistake of
// the user's becomes wakepath.InputError, which the package defines so that it pickles and is documented in one place.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>
#include <utility>

#include "models/scenario/error.h"

namespace wakepath::bindings {

namespace py = pybind11;

void register_scenario(py::module_& m);
void register_costs(py::module_& m);
void register_kernel(py::module_& m);
void register_records(py::module_& m);
void register_run(py::module_& m);
void register_explore(py::module_& m);
void register_trace(py::module_& m);
void register_formats(py::module_& m);
void register_verify(py::module_& m);
void register_bench(py::module_& m);

// Raises wakepath.InputError(message, file, line, suggestion).
[[noreturn]] void raise_input_error(const std::string& message, const std::string& file, int line,
                                    const std::string& suggestion);

// The value, or the error as a Python exception. Call it with the GIL held.
template <class T>
T value_or_raise(scenario::Result<T>&& result) {
  if (!result) {
    const scenario::Error& e = result.error();
    raise_input_error(e.message, e.file, e.line, e.suggestion);
  }
  return std::move(*result);
}

}  // namespace wakepath::bindings
