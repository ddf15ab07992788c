// SPDX-License-Identifier: GPL-2.0-or-later
// Why a task moved between CPUs, and why it did not, in words with the counts behind them: from the decisions about it
// in a window (placements, refusals of the balancer, pushes), never from names.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/machine/task.h"
#include "models/sched/balance/balancer.h"

namespace wakepath::run {

struct Reason {
  std::string cause;  // a MigrationCause, or why it stayed
  std::uint64_t count = 0;
  std::string text;
};

// The decisions about one task.
struct TaskDecisions {
  machine::KTask::Moves moves;
  decltype(sched::SmpTask::refused) refused{};
  std::uint32_t active_asked = 0;
};

// The most frequent first. `all`: what the balancer did in the same window, about any task.
std::vector<Reason> why_it_moved(const TaskDecisions& t, const sched::Balancer::Counters& all);
std::vector<Reason> why_it_stayed(const TaskDecisions& t, const sched::Balancer::Counters& all);

}  // namespace wakepath::run
