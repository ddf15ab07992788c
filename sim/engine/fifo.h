// SPDX-License-Identifier: GPL-2.0-or-later
// A queue, first in first out, in one block of memory that grows to the most it ever held and is then used round and
// round: no allocation per element, which a std::deque makes for every 512 bytes that pass through it.
//
//     first_ ->  [ c d . . . . a b ]    size_ 4: a b c d; the capacity is a power of two
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "sim/engine/check.h"

namespace wakepath::engine {

template <class T>
class Fifo {
 public:
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const T& front() const {
    WAKEPATH_CHECK(size_ > 0, "the first of an empty queue");
    return slots_[first_];
  }
  [[nodiscard]] T& operator[](std::size_t i) {  // from the first
    WAKEPATH_CHECK(i < size_, "one that is not in the queue");
    return slots_[(first_ + i) & (capacity_ - 1)];
  }
  void push_back(T value) {
    if (size_ == capacity_) [[unlikely]]
      grow();
    slots_[(first_ + size_++) & (capacity_ - 1)] = std::move(value);
  }
  void pop_front() {
    WAKEPATH_CHECK(size_ > 0, "the first of an empty queue leaves");
    first_ = --size_ == 0 ? 0 : (first_ + 1) & (capacity_ - 1);  // what is often empty stays in few cache lines
  }
  T take_front() {
    WAKEPATH_CHECK(size_ > 0, "the first of an empty queue is taken");
    T value = std::move(slots_[first_]);
    pop_front();
    return value;
  }

 private:
  void grow() {
    WAKEPATH_CHECK(capacity_ < kMost, "a queue of more than 2^31");
    const std::uint32_t capacity = capacity_ == 0 ? kFirst : 2 * capacity_;
    auto more = std::make_unique<T[]>(capacity);
    for (std::uint32_t i = 0; i < size_; ++i) more[i] = std::move(slots_[(first_ + i) & (capacity_ - 1)]);
    slots_ = std::move(more);
    capacity_ = capacity;
    first_ = 0;
  }

  static constexpr std::uint32_t kFirst = 16, kMost = std::uint32_t{1} << 31;
  std::unique_ptr<T[]> slots_;
  std::uint32_t capacity_ = 0, first_ = 0, size_ = 0;
};

}  // namespace wakepath::engine
