// SPDX-License-Identifier: GPL-2.0-or-later
// Times of one probe. Memory is taken before the first sample; summaries are made after the last one.
//
// A probe's samples follow each other closely, so neighbours resemble each other: what is kept for a bootstrap are the
// medians of kBlocks consecutive blocks, not single samples.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace wakepath::recorder {

class Samples {
 public:
  static constexpr std::size_t kBlocks = 16;     // medians kept
  static constexpr std::size_t kQuantiles = 17;  // as a cost table holds them

  Samples(std::string kind, std::size_t capacity) : kind_(std::move(kind)) { ns_.reserve(capacity); }
  // Beyond the capacity nothing is kept: a sample never allocates.
  void add(std::int64_t ns) {
    if (ns_.size() < ns_.capacity()) ns_.push_back(ns);
  }
  [[nodiscard]] bool full() const { return ns_.size() == ns_.capacity(); }
  [[nodiscard]] bool empty() const { return ns_.empty(); }
  [[nodiscard]] std::size_t size() const { return ns_.size(); }
  [[nodiscard]] const std::string& kind() const { return kind_; }

  // At share/1000 of the sorted samples.
  [[nodiscard]] std::int64_t quantile(std::int64_t per_mille) const;
  [[nodiscard]] std::vector<std::int64_t> quantiles() const;
  [[nodiscard]] std::vector<std::int64_t> block_medians() const;

 private:
  std::string kind_;
  std::vector<std::int64_t> ns_;
};

}  // namespace wakepath::recorder
