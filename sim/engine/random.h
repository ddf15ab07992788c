// SPDX-License-Identifier: GPL-2.0-or-later
// Named streams of random numbers from a counter-based generator.
//
// Number i of a stream is a function of (seed, name, index, i) and of nothing else: a new stream, or more draws from
// another, shifts no stream, so a change of one knob is compared on the same random numbers.
//
//     key      64 bits  mixed seed                             counter  64 bits  block number (two numbers each)
//                                                                       64 bits  stream: hash of name, mixed with index
//
// Source: Philox4x32-10 of J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1,
// 2, 3", SC '11; names are hashed by FNV-1a. Integers only but for unit().
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace wakepath::engine {

using PhiloxBlock = std::array<std::uint32_t, 4>;
using PhiloxKey = std::array<std::uint32_t, 2>;

[[nodiscard]] PhiloxBlock philox4x32_10(PhiloxBlock counter, PhiloxKey key);

// The stable identity of a stream: the same on every machine and in every version.
[[nodiscard]] std::uint64_t stream_id(std::string_view name, std::uint64_t index);

class RandomStream {
 public:
  // `name` says what is drawn ("device.service"), `index` which one of several (a device, a job).
  RandomStream(std::uint64_t seed, std::string_view name, std::uint64_t index = 0);

  std::uint64_t next_u64() {
    if (taken_ == ahead_.size()) draw_ahead();
    return ahead_[taken_++];
  }
  // Each of 0 .. n-1 equally likely; n > 0.
  std::uint64_t uniform(std::uint64_t n);
  // Each of low .. high equally likely; low <= high.
  std::int64_t uniform(std::int64_t low, std::int64_t high);
  // [0, 1) in steps of 2^-53, exact.
  double unit() { return static_cast<double>(next_u64() >> 11) * 0x1.0p-53; }
  // True in `numerator` of `denominator` cases; denominator > 0. Draws once whatever the ratio.
  bool chance(std::uint64_t numerator, std::uint64_t denominator) { return uniform(denominator) < numerator; }

 private:
  static constexpr std::size_t kBlocks = 4;  // are computed at once
  [[gnu::noinline]] void draw_ahead();

  PhiloxKey key_;
  std::uint64_t stream_;
  std::uint64_t block_ = 0;  // the next one
  std::array<std::uint64_t, 2 * kBlocks> ahead_{};
  std::size_t taken_ = ahead_.size();
};

}  // namespace wakepath::engine
