// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/engine/far_timers.h"

#include <algorithm>

#include "sim/engine/near_timers.h"

namespace wakepath::engine {

using detail::TimerLink;

FarTimers::FarTimers() {
  for (TimerLink& head : slots_) head.next = head.prev = &head;
}

void FarTimers::add(Timer& t) { add_to(slot_of(t.at), t); }

void FarTimers::remove(Timer& t) {
  if (detail::unlink(t)) mark_empty(static_cast<unsigned>(static_cast<Slot*>(t.next) - slots_.data()));
}

void FarTimers::add_first(Timer& t, Time now) {
  if (empty())
    base_ = now;
  else if (t.at < base_) [[unlikely]]
    lower_base(now);
  const unsigned slot = slot_of(t.at);
  TimerLink& head = slots_[slot];
  t.slot_ = kFar;
  t.prev = &head;
  t.next = head.next;
  head.next->prev = &t;
  head.next = &t;
  mark_used(slot, 1);
}

TimerLink* FarTimers::detach(unsigned slot) {
  TimerLink& head = slots_[slot];
  TimerLink* first = head.next;
  head.next = head.prev = &head;
  mark_empty(slot);
  return first;
}

bool FarTimers::holds_few(unsigned slot) const {
  if (slots_[slot].added <= kFew) return true;
  const TimerLink* const head = &slots_[slot];
  unsigned n = 0;  // some may have been removed
  for (const TimerLink* l = head->next; l != head && n <= kFew; l = l->next) ++n;
  return n <= kFew;
}

Time FarTimers::take_earliest(NearTimers& near, DenseTimers& dense) {
  for (;;) {
    const unsigned slot = lowest_slot(), level = slot / kSlotsPerLevel, shift = shift_of(level);
    const bool few = holds_few(slot);
    const auto above = ~std::uint64_t{0} << shift << kDigitBits;  // the digits that are the base's
    const auto begin = static_cast<Time>((static_cast<std::uint64_t>(base_) & above) |
                                         (std::uint64_t{slot % kSlotsPerLevel} << shift));
    if (!few && level > 0) {
      spread(slot, begin);
      continue;
    }
    if (!few) {
      base_ = begin;
      dense.begin_block(begin);
      take_all(slot, [&](Timer& t) { dense.add(t); });
      return std::min(begin, kNever - DenseTimers::kWidth) + DenseTimers::kWidth;
    }
    take_all(slot, [&](Timer& t) { near.add(t); });
    if (empty()) return kNever;
    return begin + static_cast<Time>(std::uint64_t{1} << shift);  // something is later, so it does not overflow
  }
}

void FarTimers::spread(unsigned slot, Time begin) {
  base_ = begin;
  take_all(slot, [this](Timer& t) { add_to(slot_of(t.at), t); });
}

// Below the level where the two bases differ, all times have the old base's digit there: they go into its slot, which
// is empty, in order of time.
void FarTimers::lower_base(Time base) {
  const unsigned level = level_of(static_cast<std::uint64_t>(base ^ base_));
  const unsigned slot = level * kSlotsPerLevel + static_cast<unsigned>(base_ >> shift_of(level)) % kSlotsPerLevel;
  TimerLink& head = slots_[slot];
  while (levels_used_ != 0 && lowest_slot() < level * kSlotsPerLevel) {
    const unsigned from = lowest_slot();
    mark_used(slot, slots_[from].added);
    TimerLink* const last = slots_[from].prev;
    TimerLink* const first = detach(from);
    first->prev = head.prev;
    head.prev->next = first;
    last->next = &head;
    head.prev = last;
  }
  base_ = base;
}

}  // namespace wakepath::engine
