// SPDX-License-Identifier: GPL-2.0-or-later
// From the tallies of PingPong to rows with causes, and to JSON.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "sim/analysis/counter.h"
#include "sim/analysis/pingpong.h"

namespace wakepath::analysis {
namespace {

using nlohmann::json;

// The labels of a cycle, turned so that the alphabetically first one leads: ids depend on the order of appearance.
std::string label(std::vector<std::string> names) {
  auto best = names;
  for (std::size_t i = 1; i < names.size(); ++i) {
    std::rotate(names.begin(), names.begin() + 1, names.end());
    best = std::min(best, names);
  }
  std::string out;
  for (const std::string& n : best) out += (out.empty() ? "" : " > ") + n;
  return out;
}

bool frequent(const PingPongRow& r, std::int64_t all_switches) {
  return r.switches >= PingPong::kSwitchesLeast && r.switches * 100 >= all_switches * PingPong::kShareLeastPercent;
}

std::string cause_of(const PingPongRow& r, std::int64_t all_switches) {
  if (!frequent(r, all_switches) || r.preempting_rounds * 2 < r.switches) return "";
  const std::string vain =
      r.vain_rounds * 2 > r.judged_rounds ? "; in vain: it sleeps again, min_nr completions are not there" : "";
  if (r.proven_rounds >= PingPong::kSwitchesLeast)
    return "wakeup preemption: the wakee's entity outweighs the waker's" + vain;
  return "wakeup preemption: the waker is preempted by the task that it woke" + vain;
}

json reasons_json(const std::array<std::int64_t, static_cast<std::size_t>(SwitchReason::count_)>& reasons) {
  json out = json::object();
  for (std::size_t i = 0; i < reasons.size(); ++i) {
    if (reasons[i] > 0) out[std::string(name_of(static_cast<SwitchReason>(i)))] = reasons[i];
  }
  return out;
}

json row_json(const PingPongRow& r, const PingPongResult& all) {
  json out{{"cycle", r.cycle},
           {"length", r.length},
           {"switches", r.switches},
           {"switches_per_s",
            all.duration_ns == 0 ? 0.0 : static_cast<double>(r.switches) * 1e9 / static_cast<double>(all.duration_ns)},
           {"share", ratio(r.switches, all.switches)},
           {"reasons", reasons_json(r.reasons)},
           {"cause", r.cause}};
  if (!r.is_pingpong()) return out;
  out["preempting_share"] = ratio(r.preempting_rounds, r.switches);
  out["vain_share"] = ratio(r.vain_rounds, r.judged_rounds);
  out["wakee_run_ns"] = r.wakee_run_ns;
  out["waker_run_ns"] = r.waker_run_ns;
  out["run_time_ratio"] = ratio(r.wakee_run_ns, r.waker_run_ns);
  out["lead_ns"] = r.lead_ns;
  out["proven_rounds"] = r.proven_rounds;
  return out;
}

}  // namespace

PingPongRow PingPong::row(std::uint64_t key, const Tally& t) const {
  PingPongRow r;
  std::vector<std::string> names;
  for (; key != 0; key >>= 16U) names.push_back(family_names_[key & 0xffffU]);
  std::reverse(names.begin(), names.end());
  r.length = static_cast<int>(names.size());
  r.cycle = label(std::move(names));
  r.switches = t.switches;
  r.reasons = t.reasons;
  r.preempting_rounds = t.preempting_rounds;
  r.judged_rounds = t.judged_rounds;
  r.vain_rounds = t.vain_rounds;
  r.wakee_run_ns = t.wakee_run_ns;
  r.waker_run_ns = t.waker_run_ns;
  r.lead_ns = t.lead_ns;
  r.proven_rounds = t.proven_rounds;
  r.cause = cause_of(r, switches_);
  return r;
}

PingPongResult PingPong::result() const {
  PingPongResult out;
  out.switches = switches_;
  out.duration_ns = duration_ns_;
  out.reasons = reasons_;
  for (const auto& [key, tally] : tallies_) out.rows.push_back(row(key, tally));
  // The order must not hang on the hash table, nor on the ids behind it.
  std::sort(out.rows.begin(), out.rows.end(), [](const PingPongRow& a, const PingPongRow& b) {
    if (a.switches != b.switches) return a.switches > b.switches;
    return a.cycle < b.cycle;
  });
  return out;
}

json to_json(const PingPongResult& r) {
  json pingpong = json::array(), others = json::array();
  for (const PingPongRow& row : r.rows) {
    if (row.is_pingpong()) {
      pingpong.push_back(row_json(row, r));
    } else if (frequent(row, r.switches)) {
      others.push_back(row_json(row, r));
    }
  }
  return {{"pingpong", std::move(pingpong)},
          {"alternations", std::move(others)},
          {"switch_reasons", reasons_json(r.reasons)}};
}

}  // namespace wakepath::analysis
