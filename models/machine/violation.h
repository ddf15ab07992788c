// SPDX-License-Identifier: GPL-2.0-or-later
// An invariant of the modelled kernel that broke in a run: what a real kernel would meet as a crash, a hang or a lost
// request. Not a defect of the simulator: the run ends and says so (`wakepath explore` looks for them).
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace wakepath::machine {

struct Violation : std::runtime_error {
  Violation(std::string rule_name, const std::string& text, std::vector<std::string> fact_lines = {})
      : std::runtime_error(text), rule(std::move(rule_name)), facts(std::move(fact_lines)) {}
  std::string rule;                // which invariant
  std::int32_t pid = 0;            // of the task in whose context it broke; 0: not known
  std::vector<std::string> facts;  // what led there, one line each
  struct Mark {                    // says something about the last record of a request, found by its sector
    std::uint64_t sector;
    std::string text;
  };
  std::vector<Mark> marks;
};

}  // namespace wakepath::machine
