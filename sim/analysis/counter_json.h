// SPDX-License-Identifier: GPL-2.0-or-later
// A Counter as JSON: n, mean, max and the histogram as [[value, count], …].
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "sim/analysis/counter.h"

namespace wakepath::analysis {

[[nodiscard]] inline nlohmann::json to_json(const Counter& c) {
  nlohmann::json histogram = nlohmann::json::array();
  for (std::size_t i = 0; i < c.counts().size(); ++i) {
    if (c.counts()[i] > 0) histogram.push_back({i, c.counts()[i]});
  }
  nlohmann::json out{{"n", c.n()}, {"mean", c.mean()}, {"max", c.max()}, {"histogram", std::move(histogram)}};
  if (c.beyond() > 0) out["beyond"] = c.beyond();
  return out;
}

}  // namespace wakepath::analysis
