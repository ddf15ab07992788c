// SPDX-License-Identifier: GPL-2.0-or-later
// The pending timers of one block of 256 ns, where more of them are due than can be kept in order cheaply: a list for
// each nanosecond, and a bit that says which of the lists hold any.
//
// So arming, removing and taking the first are a few instructions each whatever the number, and what is armed for the
// same time stays in the order of arming without being compared. The segments of a hundred busy CPUs end here.
//
// Invariants: a timer lies in the list of its time's last eight bits; a list is in the order of arming.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "sim/engine/timer.h"

namespace wakepath::engine {

class DenseTimers {
 public:
  static constexpr unsigned kBlockBits = 8;
  static constexpr Time kWidth = Time{1} << kBlockBits;
  static constexpr std::uint32_t kDense = ~std::uint32_t{0} - 1;  // Timer::slot_ of those here

  DenseTimers() {
    for (detail::TimerLink& head : heads_) head.next = head.prev = &head;
  }

  // The block that is armed from now on; only when empty.
  void begin_block(Time begin) { begin_ = begin; }
  [[nodiscard]] Time begin() const { return begin_; }
  [[nodiscard]] bool empty() const { return (used_[0] | used_[1] | used_[2] | used_[3]) == 0; }
  // t.at lies in the block.
  void add(Timer& t) {
    const unsigned slot = slot_of(t.at);
    t.slot_ = kDense;
    detail::link_last(heads_[slot], t);
    used_[slot / 64] |= std::uint64_t{1} << (slot % 64);
  }
  void remove(Timer& t) {
    if (detail::unlink(t)) {
      const unsigned slot = slot_of(t.at);
      used_[slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
    }
  }
  // kNever when empty.
  [[nodiscard]] Time first_at() const {
    const unsigned slot = first_slot();
    return slot < kWidth ? begin_ + slot : kNever;
  }
  // Of those that are due then the one armed first. There is one.
  [[nodiscard]] Timer& first_of(Time at) { return static_cast<Timer&>(*heads_[slot_of(at)].next); }
  // The latest, of equals the one armed last. Not when empty.
  [[nodiscard]] Timer& last() {
    unsigned word = kWords - 1;
    while (used_[word] == 0) --word;
    return static_cast<Timer&>(*heads_[word * 64 + static_cast<unsigned>(std::bit_width(used_[word])) - 1].prev);
  }
  // Hands out all, in order.
  template <class Receiver>
  void drain(Receiver&& receive) {
    while (!empty()) {
      Timer& t = first_of(first_at());
      remove(t);
      receive(t);
    }
  }

 private:
  static constexpr unsigned kWords = kWidth / 64;

  static unsigned slot_of(Time at) { return static_cast<unsigned>(at) % kWidth; }
  // kWidth when empty.
  [[nodiscard]] unsigned first_slot() const {
    unsigned word = 0;
    while (word < kWords && used_[word] == 0) ++word;
    return word == kWords ? kWidth : word * 64 + static_cast<unsigned>(std::countr_zero(used_[word]));
  }

  Time begin_ = 0;
  std::array<std::uint64_t, kWords> used_{};  // bit i: list i holds some
  std::array<detail::TimerLink, kWidth> heads_;
};

}  // namespace wakepath::engine
