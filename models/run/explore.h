// SPDX-License-Identifier: GPL-2.0-or-later
// Many schedules of one scenario (perturber.h): stops at the first in which an invariant breaks, cut down to the acts
// that it takes; and says how much the figures depend on the schedule.
//
// The outcome depends on the seeds alone, not on the number of threads: of several broken schedules the one with the
// lowest seed is reported.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>

#include "models/run/run.h"

namespace wakepath::run {

struct Exploration {
  std::uint64_t first_seed = 1, seeds = 1000;
  int threads = 1;
  std::function<bool(double)> progress;  // share done; false stops
};

// {"schedules", "iops": {...}, "p99_ns": {...}, "violation": null or {"seed", "rule", "text", "facts", "only", "ties",
// "acts", "at_ns", "runs"}}
nlohmann::ordered_json explore(const scenario::Scenario& s, const Exploration& e);

}  // namespace wakepath::run
