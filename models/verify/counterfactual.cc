// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/verify/counterfactual.h"

#include <nlohmann/json.hpp>
#include <tuple>

namespace wakepath::verify {

using nlohmann::json;

namespace {

// The two may judge different steps, and one may wait for a clock the other has; both keep the steps' order.
constexpr std::size_t kLookAhead = 8192;

bool same(const Decision& a, const Decision& b) { return a.kind == b.kind && a.line == b.line; }

}  // namespace

void Difference::compare(bool at_end) {
  if (!at_end && (base.size() < kLookAhead || changed.size() < kLookAhead)) return;
  std::size_t i = 0, j = 0;
  while (i < base.size() && j < changed.size()) {
    const Decision& a = base[i];
    const Decision& b = changed[j];
    if (!same(a, b)) {
      if (std::tie(a.line, a.kind) < std::tie(b.line, b.kind)) {
        ++only_one_[static_cast<std::size_t>(a.kind)], ++i;
      } else {
        ++only_one_[static_cast<std::size_t>(b.kind)], ++j;
      }
      continue;
    }
    ++i, ++j;
    ++both_[static_cast<std::size_t>(a.kind)];
    if (a.answer == b.answer) continue;
    ++differ_[static_cast<std::size_t>(a.kind)];
    Row& row = rows_[{a.kind, a.pid}];
    ++row.n;
    if (row.first.size() < kLinesKept) row.first.push_back({a.line, a.answer, b.answer});
  }
  base.erase(base.begin(), base.begin() + static_cast<std::ptrdiff_t>(i));
  changed.erase(changed.begin(), changed.begin() + static_cast<std::ptrdiff_t>(j));
}

json Difference::to_json(const Judge& of_changed, const std::function<std::string(std::int32_t)>& name_of_pid) const {
  const auto answer = [&](Kind kind, std::int64_t a) -> std::string {
    if (kind == Kind::vruntime) return std::to_string(static_cast<std::uint64_t>(a));
    if (kind == Kind::pick) return name_of_pid(static_cast<std::int32_t>(a));
    return a != 0 ? "preempts" : "does not preempt";
  };
  json out{{"agreement", of_changed.agreement()}, {"decisions", json::object()}, {"would_change", json::array()}};
  for (std::size_t i = 0; i < kKinds; ++i) {
    out["decisions"][name_of(static_cast<Kind>(i))] = {
        {"n", both_[i]}, {"would_change", differ_[i]}, {"judged_in_one_only", only_one_[i]}};
  }
  for (const auto& [key, row] : rows_) {
    json lines = json::array();
    for (const Change& c : row.first) {
      lines.push_back(
          {{"line", c.line}, {"before", answer(key.first, c.before)}, {"after", answer(key.first, c.after)}});
    }
    out["would_change"].push_back({{"kind", name_of(key.first)},
                                   {"pid", key.second},
                                   {"task", name_of_pid(key.second)},
                                   {"n", row.n},
                                   {"first", std::move(lines)}});
  }
  return out;
}

}  // namespace wakepath::verify
