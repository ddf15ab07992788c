// SPDX-License-Identifier: GPL-2.0-or-later
// analyze(): the event pattern of a trace file, as JSON text, without the GIL.
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
}

}  // namespace wakepath::bindings
