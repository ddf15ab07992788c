// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/engine/far_timers.h"

#include "sim/engine/near_timers.h"

namespace wakepath::engine {

using detail::TimerLink;

FarTimers::FarTimers() {
  for (TimerLink& head : heads_) head.next = head.prev = &head;
}

void FarTimers::add(Timer& t) {
  const Slot slot = slot_of(t.at);
  TimerLink& head = heads_[slot.index()];
  t.slot_ = kFar;
  t.next = &head;
  t.prev = head.prev;
  head.prev->next = &t;
  head.prev = &t;
  mark_used(slot);
}

void FarTimers::remove(Timer& t) {
  t.next->prev = t.prev;
  t.prev->next = t.next;
  if (t.next != t.prev) return;
  const auto index = static_cast<unsigned>(t.next - heads_.data());  // only the head is left
  mark_empty({index / kSlotsPerLevel, index % kSlotsPerLevel});
}

void FarTimers::add_first(Timer& t, Time now) {
  if (empty())
    base_ = now;
  else if (t.at < base_) [[unlikely]]
    lower_base(now);
  const Slot slot = slot_of(t.at);
  TimerLink& head = heads_[slot.index()];
  t.slot_ = kFar;
  t.prev = &head;
  t.next = head.next;
  head.next->prev = &t;
  head.next = &t;
  mark_used(slot);
}

TimerLink* FarTimers::detach(Slot slot) {
  TimerLink& head = heads_[slot.index()];
  TimerLink* first = head.next;
  head.next = head.prev = &head;
  mark_empty(slot);
  return first;
}

Time FarTimers::take_earliest(NearTimers& near) {
  for (;;) {
    const Slot slot = lowest_slot();
    TimerLink& head = heads_[slot.index()];
    unsigned n = 0;
    for (TimerLink* l = head.next; l != &head && n <= kFew; l = l->next) ++n;
    const unsigned shift = slot.level * kDigitBits;
    const auto above = ~std::uint64_t{0} << shift << kDigitBits;  // the digits that are the base's
    const std::uint64_t begin = (static_cast<std::uint64_t>(base_) & above) | (std::uint64_t{slot.digit} << shift);
    if (n <= kFew) [[likely]] {
      for (TimerLink *l = detach(slot), *next; l != &head; l = next) {
        next = l->next;
        near.add(static_cast<Timer&>(*l));
      }
      if (levels_used_ == 0) return kNever;
      return static_cast<Time>(begin + (std::uint64_t{1} << shift));  // something is later, so it does not overflow
    }
    if (slot.level == 0) {  // many of one time
      for (n = 0; n < kFew; ++n) {
        auto& t = static_cast<Timer&>(*head.next);
        remove(t);
        near.add(t);
      }
      return static_cast<Time>(begin);
    }
    spread(slot, static_cast<Time>(begin));
  }
}

void FarTimers::spread(Slot slot, Time begin) {
  const TimerLink* const end = &heads_[slot.index()];
  base_ = begin;
  for (TimerLink *l = detach(slot), *next; l != end; l = next) {
    next = l->next;
    add(static_cast<Timer&>(*l));
  }
}

// Below the level where the two bases differ, all times have the old base's digit there: they go into its slot, which
// is empty, in order of time.
void FarTimers::lower_base(Time base) {
  const auto differing = static_cast<std::uint64_t>(base ^ base_);
  const unsigned level = (static_cast<unsigned>(std::bit_width(differing)) - 1) / kDigitBits;
  const Slot slot{level, static_cast<unsigned>(base_ >> (level * kDigitBits)) % kSlotsPerLevel};
  TimerLink& head = heads_[slot.index()];
  while (levels_used_ != 0 && lowest_slot().level < level) {
    const Slot from = lowest_slot();
    TimerLink* const last = heads_[from.index()].prev;
    TimerLink* const first = detach(from);
    first->prev = head.prev;
    head.prev->next = first;
    last->next = &head;
    head.prev = last;
  }
  if (head.next != &head) mark_used(slot);
  base_ = base;
}

}  // namespace wakepath::engine
