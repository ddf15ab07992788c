// SPDX-License-Identifier: GPL-2.0-or-later
// The pending events of one node. Order is (time, then arming order), exactly; re-arming counts as arming now.
//
// The earliest timers, sixteen at most, are kept in order (near_timers.h), all others in lists by time (far_timers.h):
//
//     near_  all due before limit_, and of those due at limit_ some that were armed first
//     far_   the rest; when near_ has become empty it is filled again from there
//
// A timer that is armed for a time before limit_ joins the near ones; where these are full, the later half of them goes
// back to the far ones, which lowers limit_. So what a simulated CPU arms and cancels all the time, the end of a
// segment a few microseconds ahead, never sees the lists. Arm, cancel and pop are O(1) and nothing is allocated;
// next_time() is a load.
#pragma once

#include <cstddef>

#include "sim/engine/far_timers.h"
#include "sim/engine/near_timers.h"
#include "sim/engine/time.h"
#include "sim/engine/timer.h"

namespace wakepath::engine {

class EventQueue {
 public:
  EventQueue() = default;
  ~EventQueue() { clear(); }
  EventQueue(const EventQueue&) = delete;
  EventQueue& operator=(const EventQueue&) = delete;

  // Arms `t`, or moves it if it is armed, behind all timers armed for the same time. now() <= at < kNever.
  void arm(Timer& t, Time at);
  // Does nothing when `t` is not armed.
  void cancel(Timer& t);
  // Time of the earliest timer; kNever when there is none.
  [[nodiscard]] Time next_time() const { return first_at_; }
  // Takes the earliest timer out and moves the clock to its time; nullptr when empty.
  Timer* pop();
  // Moves the clock without an event: now() <= now <= next_time().
  void advance_to(Time now);
  // Cancels every timer; the clock stays. To be called before the owners of timers go.
  void clear();

  [[nodiscard]] Time now() const { return now_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

 private:
  void refill();
  void make_room();

  Time now_ = 0;
  Time first_at_ = kNever;  // near_'s, which is empty only when there is no timer
  Time limit_ = kNever;     // kNever while far_ is empty
  std::size_t size_ = 0;
  NearTimers near_;
  FarTimers far_;
};

}  // namespace wakepath::engine
