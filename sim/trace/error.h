// SPDX-License-Identifier: GPL-2.0-or-later
// What a trace reader, writer or analysis gives back instead of a result: one clear line for the person who named the
// file. `line` counts from 1; 0 means the whole file.
#pragma once

#include <cstdint>
#include <string>

namespace wakepath::trace {

struct Error {
  std::string file;
  std::int64_t line = 0;
  std::string message;
};

// "file:line: message", or "file: message" when no line is to blame.
[[nodiscard]] inline std::string to_string(const Error& e) {
  return e.line > 0 ? e.file + ":" + std::to_string(e.line) + ": " + e.message : e.file + ": " + e.message;
}

}  // namespace wakepath::trace
