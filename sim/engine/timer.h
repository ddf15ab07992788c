// SPDX-License-Identifier: GPL-2.0-or-later
// One pending event: a time and what to call then. Owned by the caller at a fixed address; it holds the queue's links,
// so arming allocates nothing.
//
// Invariant: an armed timer is in exactly one queue. Cancel it, or clear the queue, before it dies: destroying an
// armed timer aborts, but during an exception, which ends the run and destroys what it passes; then it is cancelled.
#pragma once

#include <cstdint>

#include "sim/engine/time.h"

namespace wakepath::engine {

class EventQueue;
class NearTimers;
class DenseTimers;
class FarTimers;

namespace detail {
struct TimerLink {
  TimerLink* next = nullptr;
  TimerLink* prev = nullptr;
};
// Lists are circles through a head that is no timer.
inline void link_last(TimerLink& head, TimerLink& t) {
  t.next = &head;
  t.prev = head.prev;
  head.prev->next = &t;
  head.prev = &t;
}
// True when only the head is left.
inline bool unlink(const TimerLink& t) {
  t.next->prev = t.prev;
  t.prev->next = t.next;
  return t.next == t.prev;
}
}  // namespace detail

struct Timer : private detail::TimerLink {
  using Callback = void (*)(Timer&, Time now);

  Timer() = default;
  explicit Timer(Callback callback, void* callback_context = nullptr) : fire(callback), context(callback_context) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() {
    if (armed()) [[unlikely]]
      destroyed_armed();
  }

  Callback fire = nullptr;  // for who pops; the queue does not call it
  void* context = nullptr;  // the owner, for fire
  Time at = kNever;         // while armed: when; after pop(): when it was due. Written by the queue only

  [[nodiscard]] bool armed() const { return queue_ != nullptr; }

 private:
  friend class EventQueue;
  friend class NearTimers;
  friend class DenseTimers;
  friend class FarTimers;
  void destroyed_armed();

  EventQueue* queue_ = nullptr;
  std::uint32_t slot_ = 0;  // its cell among the near timers, or that it is dense or far
};

}  // namespace wakepath::engine
