// SPDX-License-Identifier: GPL-2.0-or-later
// The pending events of one node. Order is (time, then arming order), exactly; re-arming counts as arming now.
//
// The earliest timers, sixteen at most, are kept in order (near_timers.h), all others in lists by time (far_timers.h):
//
//     near_   all due before block_
//     dense_  all due from block_ on, before limit_
//     far_    the rest; when the others have become empty they are filled again from there
//
// A timer that is armed for a time before block_ joins the near ones; where these are full, the later half of them goes
// back to the far ones, which lowers limit_. So what a simulated CPU arms and cancels all the time, the end of a
// segment a few microseconds ahead, never sees the lists. Where many are due within 256 ns, as with a hundred busy
// CPUs, they come as a block with a list for each nanosecond (dense_timers.h); else there is none, and block_ is
// kNever. Arm, cancel and pop are O(1) and nothing is allocated; next_time() is a load.
#pragma once

#include <cstddef>

#include "sim/engine/dense_timers.h"
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
  void find_first();
  void refill();
  void make_room();
  [[gnu::noinline]] void move(Timer& t, Time at);
  [[gnu::noinline, gnu::cold]] void make_room_and_arm(Timer& t, Time at);

  alignas(64) NearTimers near_;
  Time now_ = 0;
  Time first_at_ = kNever;  // near_'s or dense_'s, which are both empty only when there is no timer
  Time block_ = kNever;
  Time limit_ = kNever;  // without a block: kNever while far_ is empty
  std::size_t size_ = 0;
  DenseTimers dense_;
  FarTimers far_;
};

}  // namespace wakepath::engine
