// SPDX-License-Identifier: GPL-2.0-or-later
// Up to 16 pending timers in order: the event queue's next ones.
//
// Timers lie in 16 cells in any order; their order in time is one word of 16 nibbles, each the number of a cell:
//
//     order_  ... 7 0 c 3     first the timer of cell 3, then of cell c, 0, 7; nibbles past the last are 0
//
// So arming is a count of the times not later and a shift of the word's upper part, removing is a search for a nibble
// and a shift back: hardly a jump that depends on the data, and nothing is moved in memory. (Measured against a sorted
// array, which is as fast in the usual case and a third slower where timers are cancelled at random.)
//
// Invariants: the cell of a timer is its slot_; a free cell's time is kNever; cell numbers in order_ are in order of
// time, equal times in order of arming.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "sim/engine/timer.h"

namespace wakepath::engine {

class NearTimers {
 public:
  static constexpr std::size_t kCapacity = 16;

  NearTimers() { at_.fill(kNever); }

  // Not when full.
  void add(Timer& t) {
    const auto cell = static_cast<unsigned>(std::countr_zero(free_));
    free_ &= free_ - 1;
    if (t.at < first_at()) {  // so is the end of a running segment: most arms of a simulation
      order_ = order_ << 4 | cell;
    } else {
      const std::uint64_t below = nibbles_below(not_later(t.at));
      order_ = (order_ & below) | ((order_ & ~below) << 4) | ((below + 1) * cell);
    }
    at_[cell] = t.at;
    timer_[cell] = &t;
    t.slot_ = cell;
  }
  void remove(const Timer& t) {
    const unsigned cell = t.slot_;
    const std::uint64_t below = nibbles_below(place_of(cell));
    order_ = (order_ & below) | ((order_ >> 4) & ~below);
    free_cell(cell);
  }
  void remove_first() {
    const unsigned cell = first_cell();
    order_ >>= 4;
    free_cell(cell);
  }
  // Takes the latest out, of equals the one armed last. Not when empty.
  Timer& take_last() {
    const unsigned place = size() - 1;
    const auto cell = static_cast<unsigned>(order_ >> (4 * place)) & 15;
    order_ &= nibbles_below(place);
    free_cell(cell);
    return *timer_[cell];
  }
  // The earliest, of equals the one armed first. Not when empty.
  [[nodiscard]] Timer* first() const { return timer_[first_cell()]; }
  // kNever when empty: then the first nibble is 0, and cell 0 is free.
  [[nodiscard]] Time first_at() const { return at_[first_cell()]; }
  [[nodiscard]] bool full() const { return free_ == 0; }
  [[nodiscard]] bool empty() const { return free_ == kAllFree; }
  [[nodiscard]] unsigned size() const { return kCapacity - static_cast<unsigned>(std::popcount(free_)); }
  // Hands out all, in order.
  template <class Receiver>
  void drain(Receiver&& receive) {
    while (free_ != kAllFree) {
      Timer& t = *first();
      remove_first();
      receive(t);
    }
  }

 private:
  static constexpr std::uint32_t kAllFree = 0xFFFF;
  static constexpr std::uint64_t kOnes = 0x1111'1111'1111'1111ULL;

  // A mask of the first n < 16 nibbles.
  static std::uint64_t nibbles_below(unsigned n) { return (std::uint64_t{1} << (4 * n)) - 1; }
  [[nodiscard]] unsigned first_cell() const { return static_cast<unsigned>(order_ & 15); }
  // How many timers are due at `at` or before: free cells are not. The first free cell is always the next to be used,
  // so that few timers lie in the first few.
  [[nodiscard]] unsigned not_later(Time at) const {
    unsigned n = 0;
    for (unsigned cell = 0; (kAllFree & ~free_) >> cell != 0; cell += 4)
      for (unsigned i = cell; i < cell + 4; ++i) n += at_[i] <= at;
    return n;
  }
  // Where the cell's number stands in the order. Subtracting 1 borrows into the top bit of a nibble that is 0, and
  // first so in the lowest of them; the cell stands once, below the zeros past the last.
  [[nodiscard]] unsigned place_of(unsigned cell) const {
    const std::uint64_t differing = order_ ^ (kOnes * cell);
    const std::uint64_t zero = (differing - kOnes) & ~differing & (kOnes << 3);
    return static_cast<unsigned>(std::countr_zero(zero)) / 4;
  }
  void free_cell(unsigned cell) {
    at_[cell] = kNever;
    free_ |= std::uint32_t{1} << cell;
  }

  // Times and timers in whole cache lines; what follows shares one with the queue's own times.
  std::array<Time, kCapacity> at_;
  std::array<Timer*, kCapacity> timer_{};
  std::uint64_t order_ = 0;
  std::uint32_t free_ = kAllFree;  // bit i: cell i is free
};

}  // namespace wakepath::engine
