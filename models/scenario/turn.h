// SPDX-License-Identifier: GPL-2.0-or-later
// One turn of a replayed task, as text in a scenario: "AT_NS RUN_NS softirq" or "AT_NS RUN_NS hardirq".
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace wakepath::scenario {

struct Turn {
  std::int64_t at_ns = 0;   // when it is woken, from the start of the run
  std::int64_t run_ns = 0;  // how long it runs then
  bool in_softirq = false;  // who wakes it: a softirq after an interrupt, or that interrupt itself
};

[[nodiscard]] std::optional<Turn> parse_turn(std::string_view text);

}  // namespace wakepath::scenario
