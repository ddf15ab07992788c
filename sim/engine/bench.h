// SPDX-License-Identifier: GPL-2.0-or-later
// Measures the event queue on the machine at hand, for `wakepath bench` and bench/engine_bench.cc. The thread's CPU
// clock is read here; nothing of it reaches a simulation.
//
// The hold model: a queue of constant size; each step takes the first timer and arms it again at its time plus an
// increment. With cancels, each step besides cancels a timer chosen at random and arms it anew, as a preemption does
// with the end of a segment. Source: D. W. Jones, "An empirical comparison of priority-queue and event-set
// implementations", CACM 29 (1986).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "sim/engine/event_queue.h"

namespace wakepath::engine {

enum class Increments : std::uint8_t { exponential, uniform };

// The hold model. Increments (mean 10 us) and choices are drawn beforehand, so that a step is little but queue work.
class HoldModel {
 public:
  HoldModel(int pending, Increments law, std::uint64_t seed = 1);
  ~HoldModel() { queue_.clear(); }

  void hold() {
    Timer* t = queue_.pop();
    queue_.arm(*t, t->at + next().increment);
  }
  void hold_cancel() {
    hold();
    const Draw& d = next();
    Timer& t = timers_[d.choice];
    queue_.cancel(t);
    queue_.arm(t, queue_.now() + d.increment);
  }
  [[nodiscard]] Time now() const { return queue_.now(); }

 private:
  struct Draw {
    Time increment;
    std::uint32_t choice;
  };
  static constexpr std::size_t kDraws = std::size_t{1} << 14;  // 256 kB: more would measure the cache of the draws
  const Draw& next() { return draws_[position_++ % kDraws]; }

  EventQueue queue_;
  std::vector<Timer> timers_;
  std::vector<Draw> draws_;
  std::size_t position_ = 0;
};

struct QueueBench {
  double hold_ns = 0;         // one pop and one push
  double hold_cancel_ns = 0;  // one pop and push, one cancel and push
};

inline constexpr std::array<int, 3> kBenchPending = {16, 256, 4096};

// Medians of `repetitions` runs of `steps` steps, which are warmed up; about 0.1 s by default.
QueueBench bench_queue(int pending, Increments law = Increments::exponential, int repetitions = 11,
                       int steps = 100'000);

}  // namespace wakepath::engine
