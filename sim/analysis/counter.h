// SPDX-License-Identifier: GPL-2.0-or-later
// How often each small number was seen: exact up to kExact, one bucket beyond; the mean is exact over all.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace wakepath::analysis {

// a / b, and 0 where there is nothing to divide by: a share or a mean of nothing.
inline double ratio(std::int64_t a, std::int64_t b) {
  return b == 0 ? 0.0 : static_cast<double>(a) / static_cast<double>(b);
}

class Counter {
 public:
  static constexpr std::int64_t kExact = 4096;

  void add(std::int64_t value) {
    ++n_;
    sum_ += value;
    max_ = std::max(max_, value);
    if (value < 0 || value >= kExact) {
      ++beyond_;
      return;
    }
    const auto i = static_cast<std::size_t>(value);
    if (i >= counts_.size()) counts_.resize(i + 1, 0);
    ++counts_[i];
  }

  [[nodiscard]] std::int64_t n() const { return n_; }
  [[nodiscard]] std::int64_t sum() const { return sum_; }
  [[nodiscard]] std::int64_t max() const { return max_; }
  [[nodiscard]] std::int64_t beyond() const { return beyond_; }
  [[nodiscard]] double mean() const { return ratio(sum_, n_); }
  [[nodiscard]] const std::vector<std::int64_t>& counts() const { return counts_; }  // by value

 private:
  std::int64_t n_ = 0, sum_ = 0, max_ = 0, beyond_ = 0;
  std::vector<std::int64_t> counts_;
};

}  // namespace wakepath::analysis
