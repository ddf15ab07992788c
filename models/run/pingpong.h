// SPDX-License-Identifier: GPL-2.0-or-later
// Ping-pong from the run's own decision records: a task that wakes another, is preempted by that very wakeup, and gets
// the CPU back when the other sleeps. Counted as it happens; the cause is read off the decision (what the preemption
// test compared), never off names.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "models/machine/machine.h"

namespace wakepath::run {

// Weight of the entity that stands for the task in the root queue: its own, or its outermost group's.
[[nodiscard]] std::uint64_t top_weight(const machine::KTask& t);

class PingPong {
 public:
  explicit PingPong(machine::Machine& m) : machine_(m) {}
  void on_switch(machine::KTask* prev, std::uint16_t prev_state, machine::KTask* next);
  void reset() { pairs_.clear(), last_pair_ = nullptr, switches_ = 0; }

  struct Row {
    std::vector<std::string> cycle;  // comms: who is preempted, by whom
    double switches_per_s, share;
    std::string cause, text;
  };
  // Pairs that make up at least `min_share` of all switches, the largest first. `window_ns`: since reset().
  [[nodiscard]] std::vector<Row> rows(std::int64_t window_ns, double min_share = 0.05) const;

 private:
  struct Pair {
    std::uint64_t preempted = 0, returned = 0;
    std::uint64_t waker_weight = 0, wakee_weight = 0;  // of the two entities that were compared
  };
  using Pairs = std::map<std::pair<std::int32_t, std::int32_t>, Pair>;  // by tid: waker, wakee
  Pair& pair_of(const machine::KTask& waker, const machine::KTask& wakee);

  machine::Machine& machine_;
  Pairs pairs_;
  Pairs::value_type* last_pair_ = nullptr;  // a ping-pong asks for the same one each time
  machine::KTask* last_preempted_ = nullptr;
  machine::KTask* last_preemptor_ = nullptr;
  std::uint64_t switches_ = 0;
};

}  // namespace wakepath::run
