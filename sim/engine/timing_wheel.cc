// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/engine/timing_wheel.h"

namespace wakepath::engine {

using detail::TimerLink;

TimingWheel::TimingWheel() {
  for (Slot& s : slots_) s.head.next = s.head.prev = &s.head;
}

void TimingWheel::add(Timer& t) {
  const auto differing = static_cast<std::uint64_t>(t.at ^ base_);
  const unsigned level = (static_cast<unsigned>(std::bit_width(differing | 1)) - 1) / kDigitBits;
  const unsigned digit = static_cast<unsigned>(t.at >> (level * kDigitBits)) % kSlotsPerLevel;
  const unsigned index = level * kSlotsPerLevel + digit;
  Slot& s = slots_[index];
  t.slot_ = index;
  t.next = &s.head;
  t.prev = s.head.prev;
  s.head.prev->next = &t;
  s.head.prev = &t;
  slots_used_[level] |= std::uint64_t{1} << digit;
  levels_used_ |= std::uint32_t{1} << level;
  if (t.at < s.first_at) {
    s.first_at = t.at;
    s.first = &t;
  }
}

void TimingWheel::mark_empty(unsigned index) {
  const unsigned level = index / kSlotsPerLevel;
  slots_used_[level] &= ~(std::uint64_t{1} << (index % kSlotsPerLevel));
  if (slots_used_[level] == 0) levels_used_ &= ~(std::uint32_t{1} << level);
  slots_[index].first_at = kNever;
}

void TimingWheel::remove(Timer& t) {
  Slot& s = slots_[t.slot_];
  t.next->prev = t.prev;
  t.prev->next = t.next;
  if (s.head.next == &s.head) {
    mark_empty(t.slot_);
  } else if (s.first == &t) {
    s.first_at = kUnknown;
  }
}

void TimingWheel::take_first(Timer& t) {
  const unsigned index = t.slot_;
  base_ = t.at;
  // A slot of level 0 holds one time: the place of the others stays.
  if (index < kSlotsPerLevel) return remove(t);
  Slot& s = slots_[index];
  t.next->prev = t.prev;
  t.prev->next = t.next;
  TimerLink* l = s.head.next;
  s.head.next = s.head.prev = &s.head;
  mark_empty(index);
  while (l != &s.head) {
    auto& moved = static_cast<Timer&>(*l);
    l = l->next;
    add(moved);
  }
}

Timer* TimingWheel::first() {
  const unsigned index = lowest_slot();
  Slot& s = slots_[index];
  if (s.first_at == kUnknown) {
    auto* first = static_cast<Timer*>(s.head.next);
    // The first of the earliest in list order, which is arming order. On level 0 all are equal.
    for (TimerLink* l = first->next; index >= kSlotsPerLevel && l != &s.head; l = l->next) {
      auto* t = static_cast<Timer*>(l);
      if (t->at < first->at) first = t;
    }
    s.first = first;
    s.first_at = first->at;
  }
  return s.first;
}

}  // namespace wakepath::engine
