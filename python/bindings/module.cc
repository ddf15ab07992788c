// SPDX-License-Identifier: GPL-2.0-or-later
// The module wakepath._core and the way errors leave it.
#include "python/bindings/bindings.h"

#ifndef WAKEPATH_VERSION
#define WAKEPATH_VERSION "0+unknown"
#endif

namespace wakepath::bindings {

void raise_input_error(const std::string& message, const std::string& file, int line, const std::string& suggestion) {
  const py::object cls = py::module_::import("wakepath.errors").attr("InputError");
  const py::object error = cls(message, file, line, suggestion);
  PyErr_SetObject(cls.ptr(), error.ptr());
  throw py::error_already_set();
}

}  // namespace wakepath::bindings

PYBIND11_MODULE(_core, m) {
  m.doc() = "wakepath's C++ core; private, use the package wakepath";
  m.attr("version") = WAKEPATH_VERSION;
  wakepath::bindings::register_costs(m);
  wakepath::bindings::register_scenario(m);
  wakepath::bindings::register_kernel(m);
  wakepath::bindings::register_records(m);
  wakepath::bindings::register_run(m);
  wakepath::bindings::register_explore(m);
  wakepath::bindings::register_trace(m);
  wakepath::bindings::register_formats(m);
  wakepath::bindings::register_verify(m);
  wakepath::bindings::register_bench(m);
}
