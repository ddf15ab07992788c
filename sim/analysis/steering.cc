// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/analysis/steering.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "sim/analysis/counter.h"
#include "sim/analysis/damaged_input.h"

namespace wakepath::analysis {

using trace::Event;
using trace::EventType;

void Steering::on_event(const Event& e) {
  if (e.type == EventType::lost_events) {
    open_.clear();
  } else if (e.type == EventType::block_rq_issue) {
    if (open_.size() < kOpenKept) open_[key_of(e.u.rq)] = e.cpu;
  } else if (e.type == EventType::block_rq_complete) {
    const auto it = open_.find(key_of(e.u.rq));
    if (it == open_.end()) return;
    const std::pair where(it->second, e.cpu);
    open_.erase(it);
    ++ios_;
    elsewhere_ += where.first != where.second;
    if (pairs_.size() >= kPairsKept && !pairs_.contains(where)) return;
    Ends& ends = pairs_[where];
    ++ends.n;
    ends.in_softirq += e.has_flags && (e.flags & trace::kSoftirq) != 0 && (e.flags & trace::kHardirq) == 0;
  }
}

std::string Steering::cause() const {
  std::map<std::int16_t, std::int64_t> issued;
  for (const auto& [where, ends] : pairs_) issued[where.first] += ends.n;
  std::string out;
  std::int64_t most = 0;
  for (const auto& [where, ends] : pairs_) {
    const std::int64_t all = issued[where.first];
    if (where.first == where.second || all < kLeast || ends.n * 2 <= all || ends.n <= most) continue;
    most = ends.n;
    out = fmt::format("steering: {:.0f}% of the I/Os issued on CPU {} end on CPU {}, {}", 100 * ratio(ends.n, all),
                      where.first, where.second, ends.in_softirq * 2 > ends.n ? "in its softirq" : "in its interrupt");
  }
  return out;
}

nlohmann::json Steering::json() const {
  nlohmann::json rows = nlohmann::json::array();
  for (const auto& [where, ends] : pairs_)
    rows.push_back(
        {{"issued_on", where.first}, {"completed_on", where.second}, {"n", ends.n}, {"in_softirq", ends.in_softirq}});
  return {{"ios", ios_}, {"elsewhere_share", ratio(elsewhere_, ios_)}, {"rows", std::move(rows)}, {"cause", cause()}};
}

}  // namespace wakepath::analysis
