// SPDX-License-Identifier: GPL-2.0-or-later
// Builds a machine from a scenario, runs it, and gives the figures of wakepath.result/1 (all but made_by, which the
// Python side completes with version, validity and the scenario's text).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "models/scenario/scenario.h"
#include "sim/trace/event.h"
#include "sim/trace/string_pool.h"

namespace wakepath::run {

// Another schedule of the same run (perturber.h).
struct Perturbation {
  std::uint64_t seed = 1;
  std::optional<std::vector<int>> only;  // acts that happen, by number; none given: all
  bool ties = true;                      // simultaneous events come in either order
  bool acts = true;                      // reschedules and pushes
};

struct Options {
  trace::Sink* sink = nullptr;        // gets every record of the measured window; null: none is built
  trace::StringPool* pool = nullptr;  // names of those records; required with sink
  // Called every few thousand events with the simulated share done (0..1); returns false to stop the run early.
  std::function<bool(double)> progress;
  const Perturbation* perturb = nullptr;
  bool check_accounting = true;  // design 3.6; cheap, stays on
  bool fio_json = false;         // also give the jobs in fio's own schema
  bool waits = false;            // also who waits for whose CPU time, and why ("waits")
};

enum class End : std::uint8_t { finished, limit, stopped, violation };

struct Outcome {
  End end = End::finished;
  std::string json;   // result object without made_by; "status": finished | limit | stopped | violation
  std::string limit;  // which limit, in words; which invariant of the kernel broke
  std::string fio;    // as `fio --output-format=json+`; "" unless asked for
};

// Throws std::logic_error when the accounting does not close or an invariant breaks: a defect of ours, never the
// user's.
Outcome run(const scenario::Scenario& s, const Options& o = {});

}  // namespace wakepath::run
