// SPDX-License-Identifier: GPL-2.0-or-later
// The pending events of one node: caller-owned timers in a hierarchical timing wheel with exact order.
//
// Order is (time, then arming order); re-arming counts as arming now. Nothing is allocated: a Timer holds its own links.
//
// The wheel has 11 levels of 64 slots. A slot of level L is 64^L ns wide; a timer lies on the level of the highest base-64
// digit in which its time differs from `base_`, in the slot of that digit:
//
//     base_   . . . b3 b2 b1 b0        at  . . . b3 b2 x1 x0   x1 > b1: level 1, slot x1, after everything of level 0
//
// Invariants:
//   - base_ <= now_ <= every pending time; base_ moves only when a timer is popped (or the clock has passed it).
//   - The place of a timer is a function of (at, base_) alone. When base_ moves into a slot, the timers of that slot, and of
//     no other, are placed anew, in list order: so timers of equal time stay in arming order, and all lie in one slot.
//   - Slots of one level follow each other in time, and levels do: the first timer is in the lowest non-empty slot of the
//     lowest non-empty level. On level 0 a slot is one ns; on the others the slot remembers its earliest timer.
//
// Cost: arm and cancel O(1); a timer is placed anew at most once per level. next_time() is a compare and a load unless the
// first timer has left since; then it is a few bit operations, or one walk over one slot if that slot's earliest was cancelled.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "sim/engine/time.h"

namespace wakepath::engine {

namespace detail {
struct TimerLink {
  TimerLink* next = nullptr;
  TimerLink* prev = nullptr;
};
}  // namespace detail

// Owned by the caller at a fixed address; cancel it, or clear the queue, before it dies: destroying an armed timer aborts.
struct Timer : private detail::TimerLink {
  using Callback = void (*)(Timer&, Time now);

  Timer() = default;
  explicit Timer(Callback callback, void* callback_context = nullptr) : fire(callback), context(callback_context) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() {
    if (armed()) [[unlikely]] destroyed_armed();
  }

  Callback fire = nullptr;  // called by the engine, not by the queue, after pop()
  void* context = nullptr;  // the owner, for fire
  Time at = kNever;         // while armed: when; after pop(): when it fired. Written by EventQueue only

  [[nodiscard]] bool armed() const { return slot_ != kUnarmed; }

 private:
  friend class EventQueue;
  static constexpr std::uint32_t kUnarmed = ~std::uint32_t{0};
  void destroyed_armed();

  std::uint32_t slot_ = kUnarmed;  // index of the slot it is listed in
};

class EventQueue {
 public:
  EventQueue();
  ~EventQueue();
  EventQueue(const EventQueue&) = delete;
  EventQueue& operator=(const EventQueue&) = delete;

  // Arms `t`, or moves it if it is armed (in this queue), behind all timers armed for the same time. now() <= at < kNever.
  void arm(Timer& t, Time at);
  // Does nothing when `t` is not armed.
  void cancel(Timer& t);
  // Time of the earliest timer; kNever when there is none. Does not change what follows.
  [[nodiscard]] Time next_time() const {
    if (first_at_ == kUnknown) [[unlikely]] find_first();
    return first_at_;
  }
  // Takes the earliest timer out and moves the clock to its time; nullptr when empty.
  Timer* pop();
  // Moves the clock without an event: now() <= now <= next_time().
  void advance_to(Time now);
  // Cancels every timer; the clock stays.
  void clear();

  [[nodiscard]] Time now() const { return now_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

 private:
  static constexpr unsigned kDigitBits = 6;
  static constexpr unsigned kSlotsPerLevel = 1U << kDigitBits;
  static constexpr unsigned kLevels = (63 + kDigitBits - 1) / kDigitBits;
  static constexpr Time kUnknown = -1;  // as an earliest time: not known; no time compares less

  // A circular list through its head. `first` is the earliest timer where `first_at` is a time; kNever: the slot is empty.
  struct Slot {
    detail::TimerLink head;
    Timer* first = nullptr;
    Time first_at = kNever;
  };

  void place(Timer& t);
  void remove(Timer& t);
  void move_base(Time to);
  void find_first() const;
  void find_first_of(Slot& slot) const;

  Time base_ = 0;
  Time now_ = 0;
  // The earliest timer of the queue; like Slot::first. Found when asked for.
  mutable Time first_at_ = kNever;
  mutable Timer* first_ = nullptr;
  std::size_t size_ = 0;
  std::uint32_t levels_used_ = 0;                     // bit L: level L has a non-empty slot
  std::array<std::uint64_t, kLevels> slots_used_{};   // per level, bit i: slot i is not empty
  mutable std::array<Slot, kLevels * kSlotsPerLevel> slots_;
};

}  // namespace wakepath::engine
