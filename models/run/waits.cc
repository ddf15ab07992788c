// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/run/waits.h"

#include <fmt/format.h>

#include <algorithm>

#include "models/run/pingpong.h"

namespace wakepath::run {

using engine::Time;
using machine::KTask;

void Waits::on_switch(const machine::Cpu& cpu, const KTask* next) {
  History& h = cpus_[static_cast<std::size_t>(cpu.id())];
  const Time now = machine_.now();
  const Time delay = next == nullptr ? 0 : next->st.run_delay_ns - next->run_delay_seen_ns;
  if (delay > 0) {
    const Time since = now - delay;
    Time until = now;
    for (std::size_t back = 1; back <= kRemembered && until > since; ++back) {
      const Segment& s = h.ring[(h.next + kRemembered - back) % kRemembered];
      const Time from = std::max(s.from, since);
      if (s.task != nullptr && s.task != next && until > from) {
        Pair& p = pairs_[{next->st.pid, s.task->st.pid}];
        p.ns += until - from;
        if (until == now) {
          ++p.times;
          p.refused += !next->wake_preempted;
        }
      }
      until = std::min(until, from);
      if (s.from <= since) break;
    }
  }
  h.ring[h.next] = {now, next};
  h.next = (h.next + 1) % kRemembered;
}

Waits::Row Waits::row(const KTask& waiter, const KTask& runner, const Pair& p) const {
  Row r;
  r.waiter = waiter.st.comm, r.waiter_cgroup = waiter.cgroup;
  r.runner = runner.st.comm, r.runner_cgroup = runner.cgroup;
  const std::uint64_t mine = top_weight(waiter), theirs = top_weight(runner);
  const std::string head = fmt::format("{} is runnable while {} runs", r.waiter, r.runner);
  const std::uint64_t refused = p.times > 0 ? 100 * p.refused / p.times : 0;
  if (runner.st.sched_class != waiter.st.sched_class) {
    r.cause = "class";
    r.text = head + ", which is of a higher scheduling class";
  } else if (theirs > mine) {
    r.cause = "weight";
    r.text = fmt::format(
        "{}, whose entity weighs {} against {} in the root queue: {} % of such wakeups do not preempt it, and its "
        "share "
        "of the CPU is {:.1f} % while both want it",
        head, theirs, mine, refused, 100.0 * static_cast<double>(mine) / static_cast<double>(mine + theirs));
  } else {
    r.cause = "sharing";
    r.text = fmt::format("{}, whose entity weighs no more ({} against {}): they take turns", head, theirs, mine);
  }
  return r;
}

std::vector<Waits::Row> Waits::rows(std::int64_t window_ns, double min_share) const {
  std::map<std::int32_t, const KTask*> tasks;
  for (const KTask& t : machine_.tasks()) tasks[t.st.pid] = &t;
  std::vector<Row> out;
  for (const auto& [who, p] : pairs_) {
    const auto waiter = tasks.find(who.first), runner = tasks.find(who.second);
    const double share = static_cast<double>(p.ns) / static_cast<double>(std::max<std::int64_t>(1, window_ns));
    if (share < min_share || waiter == tasks.end() || runner == tasks.end()) continue;
    out.push_back(row(*waiter->second, *runner->second, p));
    out.back().ns_per_s = share * 1e9;
  }
  std::stable_sort(out.begin(), out.end(), [](const Row& a, const Row& b) { return a.ns_per_s > b.ns_per_s; });
  return out;
}

nlohmann::ordered_json Waits::json(std::int64_t window_ns) const {
  auto out = nlohmann::ordered_json::array();
  for (const Row& w : rows(window_ns))
    out.push_back({{"waiter", w.waiter},
                   {"waiter_cgroup", w.waiter_cgroup},
                   {"runner", w.runner},
                   {"runner_cgroup", w.runner_cgroup},
                   {"ns_per_s", w.ns_per_s},
                   {"cause", w.cause},
                   {"text", w.text}});
  return out;
}

}  // namespace wakepath::run
