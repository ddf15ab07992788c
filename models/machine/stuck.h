// SPDX-License-Identifier: GPL-2.0-or-later
// A simulated program waits for what can never come: the user's input, not a defect. Ends the run with status 3.
#pragma once

#include <stdexcept>

namespace wakepath::machine {

struct Stuck : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace wakepath::machine
