// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/verify/judge.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

namespace wakepath::verify {

using nlohmann::json;

namespace {

// What must hold (docs/accuracy.md); shares in parts of a thousand.
constexpr std::int64_t kVruntimeBar = 999, kDecisionBar = 995, kRarerBar = 980;

double share(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 1.0 : static_cast<double>(part) / static_cast<double>(whole);
}

json to_json(const Tally& t) {
  return {{"n", t.n},
          {"equal", t.equal},
          {"equal_share", t.n == 0 ? json() : json(share(t.equal, t.n))},
          {"naive_share", t.n == 0 ? json() : json(share(t.naive, t.n))}};
}

bool holds(const Tally& t, std::int64_t bar) { return t.equal * 1000 >= bar * t.n; }

}  // namespace

const char* name_of(Kind k) {
  constexpr std::array<const char*, kKinds> kNames = {"vruntime", "wakeup_preemption", "pick", "tick_preemption",
                                                      "placement"};
  return kNames.at(static_cast<std::size_t>(k));
}

void Judge::vruntime(bool equal, bool naive, bool after_placement, bool niced) {
  vruntime_.add(equal, naive);
  if (after_placement) after_placement_.add(equal, naive);
  if (niced) niced_.add(equal, naive);
}

void Judge::yes_no(Kind k, bool trace, bool model) {
  YesNo& t = k == Kind::tick_preemption ? tick_ : wakeup_;
  (trace ? t.yes : t.no).add(trace == model, false);
}

void Judge::pick(bool equal, bool naive) { pick_.add(equal, naive); }

void Judge::keep(Divergence d) {
  ++kept_[static_cast<std::size_t>(d.kind)];
  divergences_.push_back(std::move(d));
}

json Judge::yes_no_json(const YesNo& t) const {
  const Tally all{t.yes.n + t.no.n, t.yes.equal + t.no.equal, t.yes.n > t.no.n ? t.yes.n : t.no.n};
  json out = to_json(all);
  const bool rarer_is_yes = t.yes.n <= t.no.n;
  out["rarer_answer"] = to_json(rarer_is_yes ? t.yes : t.no);
  out["rarer_answer"]["answer"] = rarer_is_yes ? "preempts" : "does not preempt";
  return out;
}

json Judge::agreement() const {
  json out;
  out["vruntime"] = to_json(vruntime_);
  out["vruntime"]["after_placement"] = to_json(after_placement_);
  out["vruntime"]["niced"] = to_json(niced_);
  out["wakeup_preemption"] = yes_no_json(wakeup_);
  out["pick"] = to_json(pick_);
  out["tick_preemption"] = yes_no_json(tick_);
  out["placement"] = to_json(Tally{});  // placement.h counts it
  for (std::size_t i = 0; i < kKinds; ++i) out[name_of(static_cast<Kind>(i))]["not_judged"] = not_judged_[i];
  return out;
}

std::int64_t Judge::judged() const {
  return vruntime_.n + pick_.n + wakeup_.yes.n + wakeup_.no.n + tick_.yes.n + tick_.no.n;
}

std::vector<std::string> Judge::below_bars() const {
  std::vector<std::string> out;
  const auto check = [&out](const char* what, const Tally& t, std::int64_t bar) {
    if (!holds(t, bar)) {
      out.push_back(fmt::format("{}: {} of {} agree, {}.{} % are asked for", what, t.equal, t.n, bar / 10, bar % 10));
    }
  };
  const auto both = [](const YesNo& t) { return Tally{t.yes.n + t.no.n, t.yes.equal + t.no.equal, 0}; };
  const auto rarer = [](const YesNo& t) { return t.yes.n <= t.no.n ? t.yes : t.no; };
  check("vruntime", vruntime_, kVruntimeBar);
  check("vruntime after a placement", after_placement_, kVruntimeBar);
  check("vruntime of tasks with nice != 0", niced_, kVruntimeBar);
  check("wakeup preemption", both(wakeup_), kDecisionBar);
  check("wakeup preemption, rarer answer", rarer(wakeup_), kRarerBar);
  check("pick", pick_, kDecisionBar);
  check("tick preemption", both(tick_), kDecisionBar);
  return out;
}

}  // namespace wakepath::verify
