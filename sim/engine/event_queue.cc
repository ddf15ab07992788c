// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/engine/event_queue.h"

#include <cstdint>
#include <exception>
#include <utility>

#include "sim/engine/check.h"

namespace wakepath::engine {
namespace {

// Of a crowd of timers each has an owner of its own, whose turn it is next: out of the near cache by now.
void fetch_owner(const Timer& t) {
  constexpr std::uintptr_t kLine = 64, kLines = 3;
  const auto owner = reinterpret_cast<std::uintptr_t>(t.context);
  for (std::uintptr_t i = 0; i < kLines; ++i) __builtin_prefetch(reinterpret_cast<const void*>(owner + i * kLine));
}

}  // namespace

void Timer::destroyed_armed() {
  WAKEPATH_CHECK_NOEXCEPT(std::uncaught_exceptions() > 0,
                          "an armed timer is destroyed: cancel it or clear the queue first");
  queue_->cancel(*this);
}

void EventQueue::arm(Timer& t, Time at) {
  WAKEPATH_CHECK(at >= now_, "a timer is armed in the past");
  WAKEPATH_CHECK(at != kNever, "a timer is armed for never");
  if (t.armed()) return move(t, at);
  if (at < block_ && at < limit_ && near_.full()) [[unlikely]]
    return make_room_and_arm(t, at);
  t.at = at;
  t.queue_ = this;
  ++size_;
  if (at >= limit_) return far_.add(t);
  if (at >= block_)
    dense_.add(t);
  else
    near_.add(t);
  if (at < first_at_) first_at_ = at;
}

// Apart, so that arm() calls nothing on its way and saves no registers.
void EventQueue::move(Timer& t, Time at) {
  cancel(t);
  arm(t, at);
}

void EventQueue::make_room_and_arm(Timer& t, Time at) {
  make_room();
  arm(t, at);
}

void EventQueue::cancel(Timer& t) {
  if (!t.armed()) return;
  WAKEPATH_CHECK(t.queue_ == this, "the timer is armed in another queue");
  t.queue_ = nullptr;
  --size_;
  if (t.slot_ == FarTimers::kFar) {
    far_.remove(t);
    if (far_.empty() && block_ == kNever) limit_ = kNever;
    return;
  }
  if (t.slot_ == DenseTimers::kDense)
    dense_.remove(t);
  else
    near_.remove(t);
  find_first();
}

Timer* EventQueue::pop() {
  if (size_ == 0) return nullptr;
  --size_;
  Timer* t;
  if (near_.empty()) {
    t = &dense_.first_of(first_at_);
    dense_.remove(*t);
  } else {
    t = near_.first();
    near_.remove_first();
  }
  t->queue_ = nullptr;
  now_ = t->at;
  find_first();
  if (block_ != kNever && near_.empty()) fetch_owner(dense_.first_of(first_at_));
  return t;
}

void EventQueue::find_first() {
  first_at_ = near_.first_at();
  if (first_at_ == kNever) first_at_ = dense_.first_at();
  if (first_at_ == kNever) refill();
}

void EventQueue::refill() {
  block_ = limit_ = kNever;
  if (far_.empty()) return;
  limit_ = far_.take_earliest(near_, dense_);
  if (!dense_.empty()) block_ = dense_.begin();
  first_at_ = near_.empty() ? dense_.first_at() : near_.first_at();
}

void EventQueue::make_room() {
  if (block_ != kNever) {
    for (limit_ = std::exchange(block_, kNever); !dense_.empty();) {
      Timer& t = dense_.last();
      dense_.remove(t);
      far_.add_first(t, now_);
    }
  }
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
  dense_.drain(disarm);
  far_.drain(disarm);
  size_ = 0;
  first_at_ = block_ = limit_ = kNever;
}

}  // namespace wakepath::engine
