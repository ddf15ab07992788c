// SPDX-License-Identifier: GPL-2.0-or-later
// Scenario files: any text is a scenario or an error with a message, and a scenario's own text loads back to the same.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "models/scenario/scenario_io.h"

using namespace wakepath;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto s = scenario::load_text(text, "fuzz.toml");
  if (!s) {
    if (s.error().message.empty()) std::abort();
    return 0;
  }
  const std::string own = scenario::to_toml(*s);
  const auto again = scenario::load_text(own, "again.toml");
  if (!again || scenario::to_toml(*again) != own) std::abort();
  return 0;
}
