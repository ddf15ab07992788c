// SPDX-License-Identifier: GPL-2.0-or-later
// Run control of one simulated node: the clock, the event queue, limits, progress and cancel hooks.
//
// Invariants: now() never goes back; an event runs when now() equals its time. try_advance moves the clock without an
// event where no event lies at or before the target, so a CPU segment that nothing can interrupt costs no queue
// operation.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "sim/engine/event_queue.h"
#include "sim/engine/time.h"

namespace wakepath::engine {

enum class Stop : std::uint8_t { none, time, events, wall, cancelled, asked };

// Chooses among events that are due at the same time; without one, they come in the order of arming.
struct TieBreaker {
  virtual ~TieBreaker() = default;
  virtual bool let_another_go() = 0;  // the first of them waits until the others have had their turn
};

class Engine {
 public:
  Engine() { queue_.arm(beyond_, 1); }
  void set_tie_breaker(TieBreaker* b) { ties_ = b; }
  [[nodiscard]] Time now() const { return now_; }
  void arm(Timer& t, Time at) { queue_.arm(t, at); }
  void arm_in(Timer& t, Time delay) { queue_.arm(t, now_ + delay); }
  void cancel(Timer& t) { queue_.cancel(t); }

  // Moves the clock to `t` if no event is due at or before it and the run does not end before it.
  bool try_advance(Time t) {
    if (t >= queue_.next_time()) return false;
    now_ = t;  // the queue learns of it with the next event
    ++steps_;
    return true;
  }

  // What goes forward with the next step: a cost counts, whether it is run by itself or with others.
  void count_step() { ++steps_; }

  struct Limits {
    std::int64_t max_events = 0;             // events and inline steps together; 0: none
    std::int64_t max_wall_ms = 0;            // 0: none
    std::function<bool(Time now)> progress;  // called every kCheckEvery events; false stops the run
  };
  static constexpr std::int64_t kCheckEvery = 16384;

  // Runs every event up to and including `until`; ends earlier by a limit, the hook, or stop().
  Stop run(Time until, const Limits& limits) {
    queue_.arm(beyond_, until + 1);
    stop_ = Stop::none;
    const bool timed = limits.max_wall_ms > 0;  // else nobody asks the clock: a fleet runs each node a window at a time
    const auto wall_start = timed ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point{};
    std::int64_t next_check = events_ + steps_ + kCheckEvery;
    while (stop_ == Stop::none) {
      if (queue_.next_time() > until) {
        now_ = until;
        queue_.advance_to(until);
        return Stop::time;
      }
      Timer* t = ties_ == nullptr ? queue_.pop() : pop_any();
      now_ = t->at;
      ++events_;
      t->fire(*t, now_);
      if (events_ + steps_ >= next_check) {
        next_check = events_ + steps_ + kCheckEvery;
        check(limits, wall_start);
      }
    }
    return stop_;
  }
  void stop() { stop_ = Stop::asked; }

  [[nodiscard]] std::int64_t events() const { return events_; }
  [[nodiscard]] std::int64_t steps() const { return steps_; }

 private:
  Timer* pop_any() {
    constexpr int kMostTurns = 8;
    Timer* t = queue_.pop();
    for (int i = 0; i < kMostTurns && queue_.next_time() == t->at && ties_->let_another_go(); ++i) {
      queue_.arm(*t, t->at);  // behind those that are due with it
      t = queue_.pop();
    }
    return t;
  }
  void check(const Limits& limits, std::chrono::steady_clock::time_point start) {
    if (limits.max_events > 0 && events_ + steps_ >= limits.max_events) stop_ = Stop::events;
    if (limits.max_wall_ms > 0) {
      const auto spent = std::chrono::steady_clock::now() - start;
      if (spent >= std::chrono::milliseconds(limits.max_wall_ms)) stop_ = Stop::wall;
    }
    if (limits.progress && !limits.progress(now_)) stop_ = Stop::cancelled;
  }

  Time now_ = 0;
  std::int64_t events_ = 0, steps_ = 0;
  TieBreaker* ties_ = nullptr;
  Stop stop_ = Stop::none;
  Timer beyond_;  // never pops: always armed just after the end of the run, so that next_time() is the one to look at
  EventQueue queue_;
};

}  // namespace wakepath::engine
