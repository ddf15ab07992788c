// SPDX-License-Identifier: GPL-2.0-or-later
// analyze(): the event pattern of a trace file, as JSON text, without the GIL.
#include "python/bindings/bindings.h"

#if __has_include("sim/analysis/analyze.h")
#include "sim/analysis/analyze.h"
#define WAKEPATH_HAS_IT 1
#endif

namespace wakepath::bindings {

void register_trace(py::module_& m) {
#ifdef WAKEPATH_HAS_IT
  m.def("analyze", [](const std::string& path) {
    auto result = [&] {
      py::gil_scoped_release release;
      return analysis::analyze_file(path);
    }();
    if (!result) raise_input_error(result.error().message, result.error().file, static_cast<int>(result.error().line), "");
    return result->dump();
  }, py::arg("path"), "Transitions, ping-pong and counts of a trace, as JSON text.");
#else
  (void)m;
#endif
}

}  // namespace wakepath::bindings
