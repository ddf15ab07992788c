// SPDX-License-Identifier: GPL-2.0-or-later
// Up to 24 pending timers in a sorted array: the event queue's structure while few timers are pending.
//
// The earliest is last, so that the timers of a simulation, most of which are armed close to the front and fire or are
// cancelled there, move nothing. Invariants: times never increase with the index; of equals, the one armed first is behind;
// entry 0 is a sentinel later than every timer, which ends the search for a place and is the "first" of an empty array.
#pragma once

#include <array>
#include <cstddef>
#include <utility>

#include "sim/engine/timer.h"

namespace wakepath::engine {

class NearTimers {
 public:
  static constexpr std::size_t kCapacity = 24;

  void add(Timer& t) {
    std::size_t i = ++size_;
    for (; entries_[i - 1].at <= t.at; --i) entries_[i] = entries_[i - 1];
    entries_[i] = {t.at, &t};
  }
  void remove(const Timer& t) {
    // Looks for it and closes the gap in one pass: what is carried goes one place down.
    std::size_t i = size_--;
    Entry carried = entries_[i];
    while (carried.timer != &t) std::swap(carried, entries_[--i]);
  }
  void remove_first() { --size_; }
  // The earliest, of equals the one armed first; nullptr and kNever when empty.
  [[nodiscard]] Timer* first() const { return entries_[size_].timer; }
  [[nodiscard]] Time first_at() const { return entries_[size_].at; }
  [[nodiscard]] bool full() const { return size_ == kCapacity; }
  // Hands out all, in order.
  template <class Receiver>
  void drain(Receiver&& receive) {
    while (size_ > 0) receive(*entries_[size_--].timer);
  }

 private:
  struct Entry {
    Time at = kNever;
    Timer* timer = nullptr;
  };
  std::size_t size_ = 0;
  std::array<Entry, kCapacity + 1> entries_;
};

}  // namespace wakepath::engine
