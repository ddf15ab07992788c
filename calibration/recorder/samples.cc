// SPDX-License-Identifier: GPL-2.0-or-later
#include "calibration/recorder/samples.h"

namespace wakepath::recorder {
namespace {

std::int64_t at(const std::vector<std::int64_t>& sorted, std::size_t part, std::size_t parts) {
  return sorted.empty() ? 0 : sorted[(sorted.size() - 1) * part / parts];
}

}  // namespace

std::int64_t Samples::quantile(std::int64_t per_mille) const {
  std::vector<std::int64_t> sorted = ns_;
  std::sort(sorted.begin(), sorted.end());
  return at(sorted, static_cast<std::size_t>(per_mille), 1000);
}

std::vector<std::int64_t> Samples::quantiles() const {
  std::vector<std::int64_t> sorted = ns_, out;
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t i = 0; i < kQuantiles; ++i) out.push_back(at(sorted, i, kQuantiles - 1));
  return out;
}

std::vector<std::int64_t> Samples::block_medians() const {
  std::vector<std::int64_t> out;
  const std::size_t blocks = std::min(kBlocks, ns_.size());
  for (std::size_t b = 0; b < blocks; ++b) {
    std::vector<std::int64_t> block(ns_.begin() + static_cast<std::ptrdiff_t>(ns_.size() * b / blocks),
                                    ns_.begin() + static_cast<std::ptrdiff_t>(ns_.size() * (b + 1) / blocks));
    std::nth_element(block.begin(), block.begin() + static_cast<std::ptrdiff_t>(block.size() / 2), block.end());
    out.push_back(block[block.size() / 2]);
  }
  return out;
}

}  // namespace wakepath::recorder
