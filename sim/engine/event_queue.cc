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
  if (!in_wheel_) {
    if (!near_.full()) [[likely]] {
      near_.add(t);
      first_at_ = near_.first_at();
      return;
    }
    to_wheel();
  }
  wheel_.add(t);
  if (at < first_at_) {
    first_at_ = at;
    first_ = &t;
  }
}

void EventQueue::cancel(Timer& t) {
  if (!t.armed()) return;
  WAKEPATH_CHECK(t.queue_ == this, "the timer is armed in another queue");
  t.queue_ = nullptr;
  --size_;
  if (!in_wheel_) {
    near_.remove(t);
    first_at_ = near_.first_at();
    return;
  }
  if (first_ == &t) first_at_ = kUnknown;
  wheel_.remove(t);
  if (size_ == kFewTimers) [[unlikely]]
    to_near();
}

Timer* EventQueue::pop() {
  if (size_ == 0) return nullptr;
  --size_;
  if (!in_wheel_) {
    Timer* t = near_.first();
    near_.remove_first();
    first_at_ = near_.first_at();
    t->queue_ = nullptr;
    now_ = t->at;
    return t;
  }
  if (first_at_ == kUnknown) find_first();
  Timer* t = first_;
  t->queue_ = nullptr;
  now_ = t->at;
  wheel_.take_first(*t);
  first_at_ = kUnknown;
  if (size_ == kFewTimers) [[unlikely]]
    to_near();
  return t;
}

void EventQueue::find_first() const {
  first_ = wheel_.first();
  first_at_ = first_->at;
}

void EventQueue::advance_to(Time now) {
  WAKEPATH_CHECK(now >= now_, "the clock goes back");
  WAKEPATH_CHECK(now <= next_time(), "the clock passes a pending timer");
  now_ = now;
}

void EventQueue::clear() {
  const auto disarm = [](Timer& t) { t.queue_ = nullptr; };
  near_.drain(disarm);
  wheel_.drain(disarm);
  in_wheel_ = false;
  size_ = 0;
  first_at_ = kNever;
}

void EventQueue::to_wheel() {
  wheel_.start(now_);
  near_.drain([this](Timer& t) { wheel_.add(t); });
  in_wheel_ = true;
  first_at_ = kUnknown;
}

void EventQueue::to_near() {
  wheel_.drain([this](Timer& t) { near_.add(t); });
  in_wheel_ = false;
  first_at_ = near_.first_at();
}

}  // namespace wakepath::engine
