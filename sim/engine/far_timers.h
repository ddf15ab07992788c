// SPDX-License-Identifier: GPL-2.0-or-later
// The pending timers whose turn is not near: lists by time, taken out a block at a time, when their turn comes.
//
// 14 levels of 16 slots. A slot of level L is 256 * 16^L ns wide; a timer lies on the level of the highest hexadecimal
// digit in which its time differs from `base_`, in the slot of that digit, the last two digits left out:
//
//     base_   . . . b4 b3 b2 xx      at  . . . b4 b3 x2 xx   x2 > b2: level 0, slot x2
//                                    at  . . . b4 x3 xx xx   x3 > b3: level 1, slot x3, after everything of level 0
//
// The lowest slot of the lowest level that is in use holds the earliest. take_earliest() hands it out whole if it holds
// few or is a block of 256 ns; else the base moves to its beginning and its timers are spread over the levels below,
// until one is. So what is handed out is as wide as suits the number of timers, and what is in order is no more than is
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

#include "sim/engine/dense_timers.h"
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
  // Moves the earliest to `near` where they are few, else to `dense`; both are empty, and there is one here. Returns
  // the end of what was handed out: what is armed for that time or later belongs here.
  Time take_earliest(NearTimers& near, DenseTimers& dense);
  // Hands out all, in order of time.
  template <class Receiver>
  void drain(Receiver&& receive);

 private:
  static constexpr unsigned kDigitBits = 4;
  static constexpr unsigned kSlotsPerLevel = 1U << kDigitBits;
  static constexpr unsigned kBlockBits = DenseTimers::kBlockBits;
  static constexpr unsigned kLevels = (64 - kBlockBits) / kDigitBits;
  static constexpr unsigned kFew = 12;  // are near: that leaves room for what is armed meanwhile

  [[nodiscard]] unsigned slot_of(Time at) const {
    const unsigned level = level_of(static_cast<std::uint64_t>(at ^ base_));
    return level * kSlotsPerLevel + static_cast<unsigned>(at >> shift_of(level)) % kSlotsPerLevel;
  }
  static unsigned level_of(std::uint64_t differing) {
    return (static_cast<unsigned>(std::bit_width(differing >> kBlockBits | 1)) - 1) / kDigitBits;
  }
  static unsigned shift_of(unsigned level) { return kBlockBits + level * kDigitBits; }
  void add_to(unsigned slot, Timer& t) {
    t.slot_ = kFar;
    detail::link_last(slots_[slot], t);
    mark_used(slot, 1);
  }
  void mark_used(unsigned slot, std::uint64_t more) {
    slots_[slot].added += more;
    slots_used_[slot / kSlotsPerLevel] |= 1U << (slot % kSlotsPerLevel);
    levels_used_ |= 1U << (slot / kSlotsPerLevel);
  }
  void mark_empty(unsigned slot) {
    slots_[slot].added = 0;
    auto& used = slots_used_[slot / kSlotsPerLevel];
    used &= ~(1U << (slot % kSlotsPerLevel));
    if (used == 0) levels_used_ &= ~(1U << (slot / kSlotsPerLevel));
  }
  [[nodiscard]] unsigned lowest_slot() const {
    const auto level = static_cast<unsigned>(std::countr_zero(levels_used_));
    return level * kSlotsPerLevel + static_cast<unsigned>(std::countr_zero(slots_used_[level]));
  }
  [[nodiscard]] bool holds_few(unsigned slot) const;
  // Unlinks the whole list: its timers are linked among themselves, the last one's next is the head.
  detail::TimerLink* detach(unsigned slot);
  template <class Receiver>
  void take_all(unsigned slot, Receiver&& receive) {
    const detail::TimerLink* const head = &slots_[slot];
    for (detail::TimerLink *l = detach(slot), *next; l != head; l = next) {
      next = l->next;
      receive(static_cast<Timer&>(*l));
    }
  }
  void spread(unsigned slot, Time begin);
  void lower_base(Time base);

 public:
  static constexpr std::uint32_t kFar = ~std::uint32_t{0};  // Timer::slot_ of those here

 private:
  Time base_ = 0;
  std::uint32_t levels_used_ = 0;                    // bit L: level L has a slot in use
  std::array<std::uint32_t, kLevels> slots_used_{};  // per level, bit i: slot i is not empty
  struct alignas(32) Slot : detail::TimerLink {      // the head of its list
    std::uint64_t added = 0;                         // since it was empty
  };
  std::array<Slot, kLevels * kSlotsPerLevel> slots_;
};

template <class Receiver>
void FarTimers::drain(Receiver&& receive) {
  while (levels_used_ != 0) {
    detail::TimerLink& head = slots_[lowest_slot()];
    auto& t = static_cast<Timer&>(*head.next);
    remove(t);
    receive(t);
  }
}

}  // namespace wakepath::engine
