// SPDX-License-Identifier: GPL-2.0-or-later
// Checks of our own invariants; they stay on in release. A failed check is a defect of this program, never of the
// input: it throws std::logic_error with the place and the reason, which ends the run. Destructors, which must not
// throw, abort.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace wakepath::engine::detail {

[[noreturn, gnu::cold, gnu::noinline]] inline void check_failed(const char* file, int line, const char* message) {
  throw std::logic_error(std::string(file) + ":" + std::to_string(line) + ": " + message);
}

[[noreturn, gnu::cold, gnu::noinline]] inline void abort_failed(const char* file, int line, const char* message) {
  std::fprintf(stderr, "%s:%d: %s\n", file, line, message);
  std::abort();
}

// The file's name without the builder's folders: messages are the same wherever the program was built.
constexpr const char* file_name(const char* path) {
  const char* name = path;
  for (const char* p = path; *p != '\0'; ++p) {
    if (*p == '/') name = p + 1;
  }
  return name;
}

}  // namespace wakepath::engine::detail

#define WAKEPATH_CHECK(condition, message)                                                                          \
  do {                                                                                                              \
    if (!(condition)) [[unlikely]]                                                                                  \
      ::wakepath::engine::detail::check_failed(::wakepath::engine::detail::file_name(__FILE__), __LINE__, message); \
  } while (false)

#define WAKEPATH_CHECK_NOEXCEPT(condition, message)                                                                 \
  do {                                                                                                              \
    if (!(condition)) [[unlikely]]                                                                                  \
      ::wakepath::engine::detail::abort_failed(::wakepath::engine::detail::file_name(__FILE__), __LINE__, message); \
  } while (false)
