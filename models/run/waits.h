// SPDX-License-Identifier: GPL-2.0-or-later
// Who is runnable while who runs, and why it is not the other way round: the delay of each switch-in is put down to the
// tasks that had the CPU meanwhile, and the cause read off what the scheduler compares of the two.
//
// Kept only where it is asked for (a fleet's nodes).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "models/machine/machine.h"

namespace wakepath::run {

class Waits {
 public:
  explicit Waits(machine::Machine& m) : machine_(m), cpus_(static_cast<std::size_t>(m.cpu_count())) {}
  // Before the delay of `next` is taken as seen. Null: idle.
  void on_switch(const machine::Cpu& cpu, const machine::KTask* next);
  void reset() { pairs_.clear(); }

  struct Row {
    std::string waiter, waiter_cgroup, runner, runner_cgroup;
    double ns_per_s;
    std::string cause, text;
  };
  // Pairs of at least `min_share` of one CPU's time, the longest first.
  [[nodiscard]] std::vector<Row> rows(std::int64_t window_ns, double min_share = 0.005) const;
  [[nodiscard]] nlohmann::ordered_json json(std::int64_t window_ns) const;

 private:
  struct Segment {  // somebody on a CPU, up to the next one's begin
    engine::Time from = 0;
    const machine::KTask* task = nullptr;
  };
  static constexpr std::size_t kRemembered = 64;
  struct History {
    std::array<Segment, kRemembered> ring{};
    std::size_t next = 0;
  };
  struct Pair {
    std::int64_t ns = 0;
    std::uint64_t times = 0, refused = 0;  // switch-ins; those whose wakeup did not ask for the CPU
  };
  [[nodiscard]] Row row(const machine::KTask& waiter, const machine::KTask& runner, const Pair& p) const;

  machine::Machine& machine_;
  std::vector<History> cpus_;
  std::map<std::pair<std::int32_t, std::int32_t>, Pair> pairs_;  // by tid: waiter, runner
};

}  // namespace wakepath::run
