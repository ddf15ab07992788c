// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/engine/event_queue.h"

#include <bit>
#include <exception>

#include "sim/engine/check.h"

namespace wakepath::engine {

namespace {

using detail::TimerLink;

void unlink(TimerLink& l) {
  l.next->prev = l.prev;
  l.prev->next = l.next;
}

}  // namespace

void Timer::destroyed_armed() {
  // An exception that ends a run destroys what it passes, armed or not; the queue's lists must survive that for clear().
  if (std::uncaught_exceptions() > 0) {
    unlink(*this);
    return;
  }
  WAKEPATH_CHECK_NOEXCEPT(!armed(), "an armed timer is destroyed: cancel it or clear the queue first");
}

EventQueue::EventQueue() {
  for (Slot& s : slots_) s.head.next = s.head.prev = &s.head;
}

EventQueue::~EventQueue() { clear(); }

void EventQueue::clear() {
  // By list, not by bitmap: see Timer::destroyed_armed.
  for (Slot& s : slots_) {
    for (TimerLink* l = s.head.next; l != &s.head;) {
      auto* t = static_cast<Timer*>(l);
      l = l->next;
      t->slot_ = Timer::kUnarmed;
    }
    s.head.next = s.head.prev = &s.head;
    s.first_at = kNever;
  }
  slots_used_.fill(0);
  levels_used_ = 0;
  size_ = 0;
  first_at_ = kNever;
}

void EventQueue::arm(Timer& t, Time at) {
  WAKEPATH_CHECK(at >= now_, "a timer is armed in the past");
  WAKEPATH_CHECK(at != kNever, "a timer is armed for never");
  if (t.armed()) cancel(t);
  t.at = at;
  place(t);
  ++size_;
  if (at < first_at_) {
    first_at_ = at;
    first_ = &t;
  }
}

void EventQueue::cancel(Timer& t) {
  if (!t.armed()) return;
  remove(t);
  t.slot_ = Timer::kUnarmed;
  --size_;
  if (first_ == &t) first_at_ = size_ == 0 ? kNever : kUnknown;
}

Timer* EventQueue::pop() {
  if (next_time() == kNever) return nullptr;
  Timer* t = first_;
  remove(*t);
  t->slot_ = Timer::kUnarmed;
  --size_;
  first_at_ = size_ == 0 ? kNever : kUnknown;
  now_ = t->at;
  move_base(t->at);
  return t;
}

void EventQueue::advance_to(Time now) {
  WAKEPATH_CHECK(now >= now_, "the clock goes back");
  WAKEPATH_CHECK(now <= next_time(), "the clock passes a pending timer");
  now_ = now;
}

// Appends to the slot that (t.at, base_) says.
void EventQueue::place(Timer& t) {
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

void EventQueue::remove(Timer& t) {
  Slot& s = slots_[t.slot_];
  unlink(t);
  if (s.head.next == &s.head) {
    const unsigned level = t.slot_ / kSlotsPerLevel;
    s.first_at = kNever;
    slots_used_[level] &= ~(std::uint64_t{1} << (t.slot_ % kSlotsPerLevel));
    if (slots_used_[level] == 0) levels_used_ &= ~(std::uint32_t{1} << level);
  } else if (s.first == &t) {
    s.first_at = kUnknown;
  }
}

// base_ <= to <= every pending time. Only the slot that `to` falls into holds timers whose place changes: the levels below
// it are empty, for their times were before that slot.
void EventQueue::move_base(Time to) {
  const auto differing = static_cast<std::uint64_t>(to ^ base_);
  const unsigned level = (static_cast<unsigned>(std::bit_width(differing | 1)) - 1) / kDigitBits;
  base_ = to;
  if (level == 0) return;  // a slot of level 0 has one time: the place stays
  const unsigned digit = static_cast<unsigned>(to >> (level * kDigitBits)) % kSlotsPerLevel;
  const std::uint64_t bit = std::uint64_t{1} << digit;
  if ((slots_used_[level] & bit) == 0) return;
  slots_used_[level] &= ~bit;
  if (slots_used_[level] == 0) levels_used_ &= ~(std::uint32_t{1} << level);
  Slot& s = slots_[level * kSlotsPerLevel + digit];
  TimerLink* l = s.head.next;
  s.head.next = s.head.prev = &s.head;
  s.first_at = kNever;
  while (l != &s.head) {
    auto* t = static_cast<Timer*>(l);
    l = l->next;
    place(*t);
  }
}

void EventQueue::find_first() const {
  const auto level = static_cast<unsigned>(std::countr_zero(levels_used_));
  const auto digit = static_cast<unsigned>(std::countr_zero(slots_used_[level]));
  Slot& s = slots_[level * kSlotsPerLevel + digit];
  if (s.first_at == kUnknown) find_first_of(s);
  first_ = s.first;
  first_at_ = s.first_at;
}

// The first of the earliest, in list order, which is arming order.
void EventQueue::find_first_of(Slot& s) const {
  auto* first = static_cast<Timer*>(s.head.next);
  const bool one_time = &s < &slots_[kSlotsPerLevel];  // level 0
  for (TimerLink* l = first->next; l != &s.head && !one_time; l = l->next) {
    auto* t = static_cast<Timer*>(l);
    if (t->at < first->at) first = t;
  }
  s.first = first;
  s.first_at = first->at;
}

}  // namespace wakepath::engine
