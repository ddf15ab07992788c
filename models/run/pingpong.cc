// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/run/pingpong.h"

#include <fmt/format.h>

#include <algorithm>

namespace wakepath::run {

using machine::KTask;

std::uint64_t top_weight(const KTask& t) {
  const sched::TaskGroup* top = nullptr;
  for (const sched::TaskGroup* g = t.st.group; g->parent != nullptr; g = g->parent) top = g;
  return top == nullptr ? sched::weight_of_nice(t.st.nice) : top->shares >> 10U;
}

PingPong::Pair& PingPong::pair_of(const KTask& waker, const KTask& wakee) {
  const std::pair who(waker.st.pid, wakee.st.pid);
  if (last_pair_ == nullptr || last_pair_->first != who) last_pair_ = &*pairs_.try_emplace(who).first;
  return last_pair_->second;
}

void PingPong::on_switch(KTask* prev, std::uint16_t prev_state, KTask* next) {
  ++switches_;
  const bool runnable = prev_state == trace::kStateRunning || prev_state == trace::kStatePreempted;
  if (prev != nullptr && next != nullptr && runnable && next->woken_by == prev && next->wake_preempted) {
    Pair& p = pair_of(*prev, *next);
    if (p.preempted++ == 0) p.waker_weight = top_weight(*prev), p.wakee_weight = top_weight(*next);
    last_preempted_ = prev, last_preemptor_ = next;
  } else if (next != nullptr && next == last_preempted_ && prev == last_preemptor_ && !runnable) {
    ++pair_of(*next, *prev).returned;
    last_preempted_ = nullptr;
  }
  if (next != nullptr) next->woken_by = nullptr;
}

std::vector<PingPong::Row> PingPong::rows(std::int64_t window_ns, double min_share) const {
  const auto comm = [&](std::int32_t pid) {
    for (KTask& t : machine_.tasks())
      if (t.st.pid == pid) return t.st.comm;
    return std::string("?");
  };
  std::vector<Row> out;
  for (const auto& [who, p] : pairs_) {
    const auto moves = p.preempted + p.returned;
    const double share = switches_ > 0 ? static_cast<double>(moves) / static_cast<double>(switches_) : 0.0;
    if (share < min_share || p.returned == 0) continue;
    Row r;
    r.cycle = {comm(who.first), comm(who.second)};
    r.switches_per_s = static_cast<double>(moves) * 1e9 / static_cast<double>(window_ns);
    r.share = share;
    const bool heavier = p.wakee_weight > p.waker_weight;
    r.cause = heavier ? "weight" : "wakeup_preemption";
    r.text = heavier ? fmt::format(
                           "{} wakes {}, whose entity weighs {} against {} in the root queue, and is preempted by that "
                           "wakeup each time",
                           r.cycle[0], r.cycle[1], p.wakee_weight, p.waker_weight)
                     : fmt::format(
                           "{} wakes {} and is preempted by that wakeup: the wakee is behind in virtual time at equal "
                           "or lower weight",
                           r.cycle[0], r.cycle[1]);
    out.push_back(std::move(r));
  }
  std::sort(out.begin(), out.end(),
            [](const Row& a, const Row& b) { return a.share > b.share || (a.share == b.share && a.cycle < b.cycle); });
  return out;
}

}  // namespace wakepath::run
