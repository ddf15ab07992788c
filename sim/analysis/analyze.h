// SPDX-License-Identifier: GPL-2.0-or-later
// Everything that is computed from one trace, in one pass: event pattern, ping-pong, wake graph, the critical path of
// its I/Os, who waits for whom, where CPU time went, and what the reader has to say about the file. The same for a
// simulated and a recorded trace.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "sim/analysis/cpu_time.h"
#include "sim/analysis/io_path.h"
#include "sim/analysis/migrations.h"
#include "sim/analysis/pingpong.h"
#include "sim/analysis/run_delay.h"
#include "sim/analysis/shortest.h"
#include "sim/analysis/steering.h"
#include "sim/analysis/transitions.h"
#include "sim/analysis/wake_graph.h"
#include "sim/trace/error.h"
#include "sim/trace/event.h"
#include "sim/trace/reader.h"
#include "sim/trace/string_pool.h"

namespace wakepath::analysis {

// A sink for a run or a reader; `pool` is the one the records' names are in, and must outlive it.
class Analyzer final : public trace::Sink {
 public:
  explicit Analyzer(const trace::StringPool& pool)
      : transitions_(pool),
        pingpong_(pool),
        run_delay_(pool),
        io_path_(run_delay_),
        wake_graph_(pool),
        migrations_(pool) {}
  void on_event(const trace::Event& e) override { on_event(e, {}); }
  // `chain`: the record's call chain where it has one.
  void on_event(const trace::Event& e, const std::vector<trace::StringId>& chain) {
    transitions_.on_event(e);
    pingpong_.on_event(e);
    cpu_time_.on_event(e);
    run_delay_.on_event(e);
    io_path_.on_event(e);
    wake_graph_.on_event(e);
    migrations_.on_event(e, chain);
    steering_.on_event(e);
    shortest_.on_event(e);
  }
  [[nodiscard]] const TransitionTable& transitions() const { return transitions_.table(); }
  [[nodiscard]] PingPongResult pingpong() const { return pingpong_.result(); }
  // {"io", "totals", "cpus", "tasks", "pingpong"} as a result has them, as far as a trace tells; then "alternations",
  // "switch_reasons", "wake_graph", "critical_path", "run_delay", "migrations", "steering", "cpu_time", "pattern".
  [[nodiscard]] nlohmann::json json() const;

 private:
  Transitions transitions_;
  PingPong pingpong_;
  CpuTime cpu_time_;
  RunDelay run_delay_;
  IoPath io_path_;
  WakeGraph wake_graph_;
  Migrations migrations_;
  Steering steering_;
  Shortest shortest_;
};

// What was read and what was not: {"records", "by_event", "unknown_events", "bad_lines", "lost", "precision_ns", …}
[[nodiscard]] nlohmann::json to_json(const trace::Report& r);

// Reads a trace file (any that trace::Reader reads) and analyses it: Analyzer::json() with "schema" and "trace" (the
// report). A damaged or truncated file is an error: no figure is given for part of a trace.
[[nodiscard]] tl::expected<nlohmann::json, trace::Error> analyze_file(const std::string& path);

// Two trace files side by side, by sim/analysis/compare.h; likewise an error when either cannot be read whole.
[[nodiscard]] tl::expected<nlohmann::json, trace::Error> compare_files(const std::string& a, const std::string& b);

}  // namespace wakepath::analysis
