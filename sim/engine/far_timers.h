// SPDX-License-Identifier: GPL-2.0-or-later
// The pending timers that are not near: lists by time, put into order a few at a time, when their turn comes.
//
// 16 levels of 16 slots. A slot of level L is 16^L ns wide; a timer lies on the level of the highest hexadecimal digit
// in which its time differs from `base_`, in the slot of that digit:
//
//     base_   . . . b3 b2 b1 b0        at  . . . b3 b2 x1 x0   x1 > b1: level 1, slot x1, after everything of level 0
//
// The lowest slot of the lowest level that is in use holds the earliest. take_earliest() hands it out whole if it holds
// few; else the base moves to its beginning and its timers are spread over the levels below, until one holds few. So
// the slots that are handed out are as wide as suits the number of timers, and what is in order is no more than is
// near. Source of the idea: W. T. Tang, R. S. M. Goh, I. L.-J. Thng, "Ladder queue", ACM TOMACS 15 (2005).
//
// Invariants:
//   - base_ <= every time here. The place of a timer is a function of (time, base_) alone.
//   - In the list of a slot, timers of equal time are in arming order.
//
// Cost: adding and removing O(1); a timer is placed anew at most once per level, and again after base_ had to go back
// (for timers that came late and are due before it), which moves whole lists.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "sim/engine/timer.h"

namespace wakepath::engine {

class NearTimers;

class FarTimers {
 public:
  FarTimers();

  [[nodiscard]] bool empty() const { return levels_used_ == 0; }
  // Behind those of the same time. When empty, `now` becomes the base; otherwise t.at >= base.
  void add(Timer& t);
  // Before all that are here: none of them is earlier. now <= t.at.
  void add_first(Timer& t, Time now);
  void remove(Timer& t);
  // Moves some of the earliest to `near`, which is empty. Returns the time from which on timers are here and not there:
  // one that is due then comes after all of that time that were handed out. kNever: none is left.
  Time take_earliest(NearTimers& near);
  // Hands out all, in order of time.
  template <class Receiver>
  void drain(Receiver&& receive);

 private:
  static constexpr unsigned kDigitBits = 4;
  static constexpr unsigned kSlotsPerLevel = 1U << kDigitBits;
  static constexpr unsigned kLevels = 64 / kDigitBits;
  static constexpr unsigned kFew = 12;  // are taken at once: that leaves room for what is armed meanwhile

  struct Slot {
    unsigned level, digit;
    [[nodiscard]] unsigned index() const { return level * kSlotsPerLevel + digit; }
  };
  [[nodiscard]] Slot slot_of(Time at) const {
    const auto differing = static_cast<std::uint64_t>(at ^ base_);
    const unsigned level = (static_cast<unsigned>(std::bit_width(differing | 1)) - 1) / kDigitBits;
    return {level, static_cast<unsigned>(at >> (level * kDigitBits)) % kSlotsPerLevel};
  }
  void mark_used(Slot slot) {
    slots_used_[slot.level] |= 1U << slot.digit;
    levels_used_ |= 1U << slot.level;
  }
  void mark_empty(Slot slot) {
    auto& used = slots_used_[slot.level];
    used &= ~(1U << slot.digit);
    if (used == 0) levels_used_ &= ~(1U << slot.level);
  }
  [[nodiscard]] Slot lowest_slot() const {
    const auto level = static_cast<unsigned>(std::countr_zero(levels_used_));
    return {level, static_cast<unsigned>(std::countr_zero(slots_used_[level]))};
  }
  // Unlinks the whole list: its timers are linked among themselves, the last one's next is the head.
  detail::TimerLink* detach(Slot slot);
  void spread(Slot slot, Time begin);
  void lower_base(Time base);

 public:
  static constexpr std::uint32_t kFar = ~std::uint32_t{0};  // Timer::slot_ of those here

 private:
  Time base_ = 0;
  std::uint32_t levels_used_ = 0;                    // bit L: level L has a slot in use
  std::array<std::uint32_t, kLevels> slots_used_{};  // per level, bit i: slot i is not empty
  std::array<detail::TimerLink, kLevels * kSlotsPerLevel> heads_;
};

template <class Receiver>
void FarTimers::drain(Receiver&& receive) {
  while (levels_used_ != 0) {
    detail::TimerLink& head = heads_[lowest_slot().index()];
    auto& t = static_cast<Timer&>(*head.next);
    remove(t);
    receive(t);
  }
}

}  // namespace wakepath::engine
