// SPDX-License-Identifier: GPL-2.0-or-later
// What an EEVDF kernel may have been in when a recording begins: for each entity the lag it slept with, or, where it
// was queued, how much of its request was used up and whether it is protected; whether a sleeper was still queued
// (delayed); and how far the clocks that are only
// estimated were off. None of it is printed; search.h finds which starts a trace leaves possible.
//
// A value is a fraction of the most there can be, in 2^24ths, of either sign. Values that nobody asked for are not
// drawn: which tasks there are comes out as the trace is followed. Seed 0: nothing owed, clocks as estimated.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace wakepath::verify {

// splitmix64: as good as a start needs, and the same everywhere.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  std::uint64_t below(std::uint64_t n) { return next() % n; }

 private:
  std::uint64_t state_;
};

class Start {
 public:
  static constexpr std::int64_t kWhole = 1 << 24;
  enum What : std::uint64_t { lag = 0, used_up = 1, unprotected = 2, delayed = 3 };
  using Key = std::uint64_t;
  static Key task(std::int32_t pid, int epoch, What what) {
    return (static_cast<Key>(static_cast<std::uint8_t>(epoch)) << 40) |
           (static_cast<Key>(static_cast<std::uint32_t>(pid)) << 4) | what;
  }
  static Key group(std::size_t index, int epoch, What what) {
    return (Key{1} << 63) | task(static_cast<std::int32_t>(index), epoch, what);
  }

  Start() = default;
  explicit Start(std::uint64_t seed) : seed_(seed), jitter_(seed % 2 == 0 ? 0 : seed) {}

  // Between -limit and limit.
  [[nodiscard]] std::int64_t value(Key k, std::int64_t limit);
  // What an estimated clock is off at the step of `line`.
  [[nodiscard]] std::int64_t clock_error(std::int64_t line, std::int64_t spread) const;

  // From `a` towards or past `b`, or `a` with something else in it.
  static Start between(const Start& a, const Start& b, Dice& dice);
  static Start near(const Start& a, Dice& dice);
  // Half way, in all values or in one of them (the one that `which` falls on).
  static Start middle(const Start& a, const Start& b, std::uint64_t which, Dice& dice);
  [[nodiscard]] bool same_values(const Start& other) const { return values_ == other.values_; }
  [[nodiscard]] std::size_t values() const { return values_.size(); }

 private:
  [[nodiscard]] std::int64_t draw(Key k) const;
  [[nodiscard]] const std::int64_t* find(Key k) const;

  std::uint64_t seed_ = 0, jitter_ = 0;
  std::vector<std::pair<Key, std::int64_t>> values_;  // by key
};

}  // namespace wakepath::verify
