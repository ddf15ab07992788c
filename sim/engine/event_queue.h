// SPDX-License-Identifier: GPL-2.0-or-later
// The pending events of one node. Order is (time, then arming order), exactly; re-arming counts as arming now.
//
// Few timers (a tick, the device, the end of a segment) are kept in a small array, many in a timing wheel; the queue
// moves between the two at 16 and 8 pending. Arm and cancel are O(1) and nothing is allocated. next_time() is a
// compare and a load unless the wheel's first timer has left since it was asked last.
#pragma once

#include <cstddef>

#include "sim/engine/near_timers.h"
#include "sim/engine/time.h"
#include "sim/engine/timer.h"
#include "sim/engine/timing_wheel.h"

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
  // Time of the earliest timer; kNever when there is none. Does not change what follows.
  [[nodiscard]] Time next_time() const {
    if (first_at_ == kUnknown) [[unlikely]]
      find_first();
    return first_at_;
  }
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
  static constexpr Time kUnknown = -1;  // no time is less, so arm() leaves an unknown first unknown
  static constexpr std::size_t kFewTimers = NearTimers::kCapacity / 2;

  void find_first() const;
  void to_wheel();
  void to_near();

  Time now_ = 0;
  mutable Time first_at_ = kNever;  // kNever: there is none; in the wheel it is found when asked for
  mutable Timer* first_ = nullptr;  // in the wheel only
  std::size_t size_ = 0;
  bool in_wheel_ = false;
  NearTimers near_;
  mutable TimingWheel wheel_;  // first() remembers what it found
};

}  // namespace wakepath::engine
