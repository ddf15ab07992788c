// SPDX-License-Identifier: GPL-2.0-or-later
// fio job files, fio command lines and pasted shell lines: a scenario, or an error with a message.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "models/scenario/scenario_io.h"

using namespace wakepath;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto job = scenario::from_fio(text, "fuzz.fio");
  if (!job && job.error().message.empty()) std::abort();
  const auto shell = scenario::from_shell(text, "fuzz.sh");
  if (!shell && shell.error().message.empty()) std::abort();
  return 0;
}
