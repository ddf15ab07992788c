// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/engine/event_queue.h"

#include <exception>

#include "sim/engine/check.h"

namespace wakepath::engine {

void Timer::destroyed_armed() {
  WAKEPATH_CHECK_NOEXCEPT(std::uncaught_exceptions() > 0,
                          "an armed timer is destroyed: cancel it or clear the queue first");
  queue_->cancel(*this);
}

void EventQueue::arm(Timer& t, Time at) {
  WAKEPATH_CHECK(at >= now_, "a timer is armed in the past");
  WAKEPATH_CHECK(at != kNever, "a timer is armed for never");
  if (t.armed()) cancel(t);
  t.at = at;
  t.queue_ = this;
  ++size_;
  if (at < limit_ && near_.full()) [[unlikely]]
    make_room();
  if (at >= limit_) return far_.add(t);
  near_.add(t);
  first_at_ = near_.first_at();
}

void EventQueue::cancel(Timer& t) {
  if (!t.armed()) return;
  WAKEPATH_CHECK(t.queue_ == this, "the timer is armed in another queue");
  t.queue_ = nullptr;
  --size_;
  if (t.slot_ == FarTimers::kFar) [[unlikely]] {
    far_.remove(t);
    if (far_.empty()) limit_ = kNever;
    return;
  }
  near_.remove(t);
  first_at_ = near_.first_at();
  if (first_at_ == kNever) [[unlikely]]
    refill();
}

Timer* EventQueue::pop() {
  if (size_ == 0) return nullptr;
  --size_;
  Timer* t = near_.first();
  near_.remove_first();
  t->queue_ = nullptr;
  now_ = t->at;
  first_at_ = near_.first_at();
  if (first_at_ == kNever) refill();
  return t;
}

void EventQueue::refill() {
  if (limit_ == kNever) return;  // there are none
  limit_ = far_.take_earliest(near_);
  first_at_ = near_.first_at();
}

void EventQueue::make_room() {
  for (std::size_t n = 0; n < NearTimers::kCapacity / 2; ++n) {
    Timer& t = near_.take_last();
    far_.add_first(t, now_);
    limit_ = t.at;
  }
}

void EventQueue::advance_to(Time now) {
  WAKEPATH_CHECK(now >= now_, "the clock goes back");
  WAKEPATH_CHECK(now <= next_time(), "the clock passes a pending timer");
  now_ = now;
}

void EventQueue::clear() {
  const auto disarm = [](Timer& t) { t.queue_ = nullptr; };
  near_.drain(disarm);
  far_.drain(disarm);
  size_ = 0;
  first_at_ = limit_ = kNever;
}

}  // namespace wakepath::engine
