// SPDX-License-Identifier: GPL-2.0-or-later
// Two transition tables side by side: the same figures of both, and by how much the second differs from the first.
// Meant for "measured against simulated": `a` is what is to be met.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "sim/analysis/transitions.h"

namespace wakepath::analysis {

struct Figure {
  std::string name;             // "transitions.kworker>fio.R+.share", "workers.kworker.items_per_activation.mean"
  std::optional<double> value;  // none: the trace cannot tell (no latency columns, no syscalls recorded)
  bool minor = false;           // a transition below kMinorShare of the switches: noise in a short trace
};

inline constexpr double kMinorShare = 0.01;

// The figures that tell an event pattern, in a fixed order. Rates per second are included; shares and means do not
// depend on how long a trace is, nor (much) on how slow tracing made it.
[[nodiscard]] std::vector<Figure> figures_of(const TransitionTable& t);

struct ComparisonRow {
  std::string name;
  std::optional<double> a, b;
  std::optional<double> difference;  // (b - a) / a; none where a is 0 or either side cannot tell, unless both are equal
  bool minor = false;                // minor on both sides
};

[[nodiscard]] std::vector<ComparisonRow> compare(const TransitionTable& a, const TransitionTable& b);
// The greatest |difference| among rows that are not minor; a row only one side has counts as 1.
[[nodiscard]] double worst_difference(const std::vector<ComparisonRow>& rows);

[[nodiscard]] nlohmann::json to_json(const std::vector<ComparisonRow>& rows);
// A plain table for a terminal, a row a line.
[[nodiscard]] std::string to_text(const std::vector<ComparisonRow>& rows);

}  // namespace wakepath::analysis
