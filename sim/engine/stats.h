// SPDX-License-Identifier: GPL-2.0-or-later
// A histogram of times, for the percentiles of results: exact count, sum, least and greatest, and log-linear buckets
// as fio and HdrHistogram have them.
//
// 64 buckets per power of two: exact below 128 ns, above it a bucket is at most 1/64 of its values wide and percentiles
// interpolate in it. Integers only. At most 3712 buckets, of which only the powers of two that occur are held: a task's
// waits fall into a few, and ten thousand tasks have a histogram each.
//
//     value 1 b5 b4 b3 b2 b1 b0 x x x     shift 3, bucket 3 * 64 + 64 + b, which starts at (64 + b) << 3
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "sim/engine/check.h"
#include "sim/engine/time.h"
#include "sim/engine/wide.h"

namespace wakepath::engine {

class Histogram {
 public:
  void record(Time value) {
    WAKEPATH_CHECK(value >= 0, "a negative time in a histogram");
    const std::size_t bucket = bucket_of(value);
    if (place_[bucket / kBuckets] == kAbsent) [[unlikely]]
      hold(bucket / kBuckets);
    ++counts_[place_[bucket / kBuckets] * kBuckets + bucket % kBuckets];
    ++count_;
    WAKEPATH_CHECK(!__builtin_add_overflow(sum_, value, &sum_), "the sum of a histogram passes 2^63");
    if (value < min_) min_ = value;
    if (value > max_) max_ = value;
  }

  void merge(const Histogram& other) {
    for (std::size_t octave = 0; octave < kOctaves; ++octave) {
      if (other.place_[octave] == kAbsent) continue;
      if (place_[octave] == kAbsent) hold(octave);
      for (std::size_t i = 0; i < kBuckets; ++i)
        counts_[place_[octave] * kBuckets + i] += other.counts_[other.place_[octave] * kBuckets + i];
    }
    count_ += other.count_;
    WAKEPATH_CHECK(!__builtin_add_overflow(sum_, other.sum_, &sum_), "the sum of a histogram passes 2^63");
    min_ = std::min(min_, other.min_);
    max_ = std::max(max_, other.max_);
  }

  [[nodiscard]] std::int64_t count() const { return count_; }
  [[nodiscard]] Time sum() const { return sum_; }
  // These are 0 when nothing was recorded.
  [[nodiscard]] Time min() const { return count_ > 0 ? min_ : 0; }
  [[nodiscard]] Time max() const { return max_; }
  [[nodiscard]] Time mean() const { return count_ > 0 ? (sum_ / count_ + (sum_ % count_ >= count_ - count_ / 2)) : 0; }
  // The value of nearest rank ceil(count * numerator / denominator): percentile(999, 1000). The first and last are
  // exact.
  [[nodiscard]] Time percentile(std::int64_t numerator, std::int64_t denominator) const {
    WAKEPATH_CHECK(0 <= numerator && numerator <= denominator && denominator > 0, "a percentile outside 0 to 1");
    if (count_ == 0) return 0;
    const auto d = static_cast<std::uint64_t>(denominator);
    const Wide scaled = Wide{static_cast<std::uint64_t>(count_)} * static_cast<std::uint64_t>(numerator);
    const auto rank = static_cast<std::int64_t>((scaled + d - 1) / d);
    if (rank <= 1) return min_;
    return rank == count_ ? max_ : value_of_rank(rank);
  }

 private:
  static constexpr unsigned kBucketBits = 6;
  static constexpr std::size_t kBuckets = std::size_t{1} << kBucketBits;
  static constexpr std::size_t kOctaves = 64 - kBucketBits;
  static constexpr std::uint8_t kAbsent = 0xFF;

  static unsigned shift_of(std::size_t bucket) {
    return bucket < kBuckets ? 0 : static_cast<unsigned>(bucket / kBuckets - 1);
  }
  static std::size_t bucket_of(Time value) {
    const auto v = static_cast<std::uint64_t>(value);
    const unsigned shift = static_cast<unsigned>(std::bit_width(v | kBuckets)) - 1 - kBucketBits;
    return shift * kBuckets + static_cast<std::size_t>(v >> shift);
  }
  static Time start_of(std::size_t bucket) {
    const unsigned shift = shift_of(bucket);
    return static_cast<Time>(static_cast<std::uint64_t>(bucket - shift * kBuckets) << shift);
  }

  void hold(std::size_t octave) {
    place_[octave] = static_cast<std::uint8_t>(counts_.size() / kBuckets);
    counts_.reserve(counts_.size() + kBuckets);  // not twice as many
    counts_.resize(counts_.size() + kBuckets);
  }
  static std::array<std::uint8_t, kOctaves> none_held() {
    std::array<std::uint8_t, kOctaves> place{};
    place.fill(kAbsent);
    return place;
  }

  [[nodiscard]] std::int64_t count_of(std::size_t bucket) const {
    const std::uint8_t place = place_[bucket / kBuckets];
    return place == kAbsent ? 0 : counts_[place * kBuckets + bucket % kBuckets];
  }

  // The n values of a bucket are taken to lie in the middle of n equal parts of it.
  [[nodiscard]] Time value_of_rank(std::int64_t rank) const {
    std::int64_t before = 0;
    std::size_t bucket = 0;
    while (before + count_of(bucket) < rank) before += count_of(bucket++);
    const Wide width = Wide{1} << shift_of(bucket);
    const auto part = static_cast<std::uint64_t>(2 * (rank - before) - 1);
    const auto parts = static_cast<std::uint64_t>(2 * count_of(bucket));
    const Time value = start_of(bucket) + static_cast<Time>(width * part / parts);
    return std::clamp(value, min_, max_);
  }

  std::vector<std::int64_t> counts_;  // kBuckets for each octave that is held
  std::int64_t count_ = 0;
  Time sum_ = 0;
  Time min_ = kNever;
  Time max_ = 0;
  std::array<std::uint8_t, kOctaves> place_ = none_held();  // of each octave there
};

// A histogram that is one of many: its latest values wait in one line of the cache until there is a line of them.
class alignas(64) BatchedHistogram {
 public:
  void record(Time value) {
    latest_[waiting_++] = value;
    if (waiting_ == kLatest) sort_in();
  }
  [[nodiscard]] const Histogram& sorted() const {
    sort_in();
    return sorted_;
  }

 private:
  static constexpr std::size_t kLatest = 7;

  void sort_in() const {
    for (std::size_t i = 0; i < waiting_; ++i) sorted_.record(latest_[i]);
    waiting_ = 0;
  }

  mutable std::size_t waiting_ = 0;
  std::array<Time, kLatest> latest_{};
  mutable Histogram sorted_;
};

}  // namespace wakepath::engine
