// SPDX-License-Identifier: GPL-2.0-or-later
// analyze(): the event pattern of a trace file; compare_traces(): of two. As JSON text, without the GIL.
#include "python/bindings/bindings.h"

#include <nlohmann/json.hpp>

#include "sim/analysis/analyze.h"

namespace wakepath::bindings {

void register_trace(py::module_& m) {
  m.def(
      "analyze",
      [](const std::string& path) {
        auto result = [&] {
          py::gil_scoped_release release;
          return analysis::analyze_file(path);
        }();
        if (!result)
          raise_input_error(result.error().message, result.error().file, static_cast<int>(result.error().line), "");
        return result->dump();
      },
      py::arg("path"), "Transitions, ping-pong and counts of a trace, as JSON text.");
  m.def(
      "compare_traces",
      [](const std::string& a, const std::string& b) {
        auto result = [&] {
          py::gil_scoped_release release;
          return analysis::compare_files(a, b);
        }();
        if (!result)
          raise_input_error(result.error().message, result.error().file, static_cast<int>(result.error().line), "");
        return result->dump();
      },
      py::arg("a"), py::arg("b"), "The event patterns of two traces side by side, as JSON text.");
}

}  // namespace wakepath::bindings
