// SPDX-License-Identifier: GPL-2.0-or-later
// What is wrong with the user's input: where, what, and what to write instead. One line when printed.
#pragma once

#include <string>
#include <tl/expected.hpp>

namespace wakepath::scenario {

struct Error {
  std::string file;        // file name, "--set KEY=VALUE", "--kernel", "fio command line", ...
  int line = 0;            // 0: the whole of `file`
  std::string message;     // no full stop, no newline
  std::string suggestion;  // what to do about it; "" when there is nothing to say
};

// "file:line: message (suggestion)"
std::string to_string(const Error& e);

template <class T>
using Result = tl::expected<T, Error>;

}  // namespace wakepath::scenario
