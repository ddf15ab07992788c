// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/tree.h"

namespace wakepath::tests {

std::string source_dir() { return WAKEPATH_SOURCE_DIR; }
std::string binary_dir() { return WAKEPATH_BINARY_DIR; }

}  // namespace wakepath::tests
