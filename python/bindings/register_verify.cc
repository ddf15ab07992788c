// SPDX-License-Identifier: GPL-2.0-or-later
// verify(): the scheduler model in lockstep with a trace file. As JSON text, without the GIL.
#include "python/bindings/bindings.h"

#include <nlohmann/json.hpp>

#include "models/verify/verify.h"

namespace wakepath::bindings {

void register_verify(py::module_& m) {
  m.def(
      "verify",
      [](const std::string& path, const std::string& setting) {
        auto result = [&] {
          py::gil_scoped_release release;
          return verify::verify_file(path, setting);
        }();
        if (!result)
          raise_input_error(result.error().message, result.error().file, static_cast<int>(result.error().line), "");
        return result->dump();
      },
      py::arg("path"), py::arg("setting"),
      "Agreement of the model's decisions with a trace's; the setting and the result are JSON text.");
}

}  // namespace wakepath::bindings
