// SPDX-License-Identifier: GPL-2.0-or-later
// Where the source tree and the build folder are. One file alone is compiled with their names, so that the tests'
// objects are the same in every checkout and a compiler cache serves them all.
#pragma once

#include <string>

namespace wakepath::tests {

[[nodiscard]] std::string source_dir();
[[nodiscard]] std::string binary_dir();

}  // namespace wakepath::tests
