// SPDX-License-Identifier: GPL-2.0-or-later
// A hierarchical timing wheel with exact order: the event queue's structure while many timers are pending.
//
// 11 levels of 64 slots. A slot of level L is 64^L ns wide; a timer lies on the level of the highest base-64 digit in
// which its time differs from `base_`, in the slot of that digit:
//
//     base_   . . . b3 b2 b1 b0        at  . . . b3 b2 x1 x0   x1 > b1: level 1, slot x1, after everything of level 0
//
// Invariants:
//   - base_ <= every pending time; base_ moves only when the first timer is taken, to its time.
//   - The place of a timer is a function of (at, base_) alone. When base_ moves into a slot, the timers of that slot,
//     and of no other, are placed anew, in list order: so timers of equal time stay in arming order, all in one slot.
//   - Slots of one level follow each other in time, and levels do: the first timer is in the lowest non-empty slot of
//     the lowest non-empty level. On level 0 a slot is one ns; on the others the slot remembers its earliest timer.
//
// Cost: adding and removing O(1); a timer is placed anew at most once per level. Finding the first is a few bit
// operations, or one walk over one slot after the earliest timer of that slot was removed before its time.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "sim/engine/timer.h"

namespace wakepath::engine {

class TimingWheel {
 public:
  TimingWheel();

  // For an empty wheel: no later add is before `base`.
  void start(Time base) { base_ = base; }
  void add(Timer& t);
  void remove(Timer& t);
  // Removes first() and moves the base to its time.
  void take_first(Timer& t);
  // The earliest, of equals the one armed first. Not empty.
  [[nodiscard]] Timer* first();
  // Hands out all, in order.
  template <class Receiver>
  void drain(Receiver&& receive) {
    while (levels_used_ != 0) {
      Slot& s = slots_[lowest_slot()];
      while (s.head.next != &s.head) {
        auto& t = static_cast<Timer&>(*s.head.next);
        remove(t);
        receive(t);
      }
    }
  }

 private:
  static constexpr unsigned kDigitBits = 6;
  static constexpr unsigned kSlotsPerLevel = 1U << kDigitBits;
  static constexpr unsigned kLevels = (63 + kDigitBits - 1) / kDigitBits;
  static constexpr Time kUnknown = -1;  // no time is less

  // A circular list through its head. `first` is the earliest where `first_at` is a time; kNever: the slot is empty.
  struct Slot {
    detail::TimerLink head;
    Time first_at = kNever;
    Timer* first = nullptr;
  };

  [[nodiscard]] unsigned lowest_slot() const {
    const auto level = static_cast<unsigned>(std::countr_zero(levels_used_));
    return level * kSlotsPerLevel + static_cast<unsigned>(std::countr_zero(slots_used_[level]));
  }
  void mark_empty(unsigned index);

  Time base_ = 0;
  std::uint32_t levels_used_ = 0;                    // bit L: level L has a non-empty slot
  std::array<std::uint64_t, kLevels> slots_used_{};  // per level, bit i: slot i is not empty
  std::array<Slot, kLevels * kSlotsPerLevel> slots_;
};

}  // namespace wakepath::engine
