// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/run/events.h"

#include <fnmatch.h>

#include "models/scenario/event.h"

namespace wakepath::run {

using machine::KTask;
using machine::Machine;
using scenario::Event;

bool task_matches(const std::string& glob, const KTask& t) {
  if (glob == "kworker") return t.group_name == "kworker" && t.bound_cpu >= 0 && t.st.comm.back() != 'H';
  return fnmatch(glob.c_str(), t.st.comm.c_str(), 0) == 0;
}

void change_task(Machine& m, KTask& t, const scenario::TaskRule& change) {
  if (change.nice) m.sched.set_nice(t.st, *change.nice, m.now());
  if (change.slice_ns) m.sched.set_slice(t.st, *change.slice_ns, m.now());
  if (change.policy.empty()) return;
  const sched::Policy policy = change.policy == "batch"  ? sched::Policy::batch
                               : change.policy == "idle" ? sched::Policy::idle
                                                         : sched::Policy::other;
  m.sched.set_policy(t.st, policy, t.st.nice, 0, m.now());
}

namespace {

void change_group(Machine& m, const Event& e) {
  sched::TaskGroup& g = m.group(e.group.path);
  const auto shares = [&](std::uint64_t value) {
    if (!g.idle) m.sched.set_shares(g, value, m.now());  // the kernel refuses it (EINVAL)
  };
  switch (e.what) {
    case Event::What::cpu_weight:
      shares(sched::shares_of_cpu_weight(static_cast<std::uint64_t>(*e.group.cpu_weight)));
      break;
    case Event::What::cpu_shares:
      shares(sched::shares_of_cpu_shares(static_cast<std::uint64_t>(*e.group.cpu_shares)));
      break;
    case Event::What::cpu_idle:
      m.sched.set_idle(g, e.group.cpu_idle, m.now());
      break;
    case Event::What::cpu_max:
    case Event::What::cpu_max_burst: {
      scenario::CpuMax max = e.group.max;
      const sched::BandwidthLimit& now = g.bandwidth.limit;
      if (e.what == Event::What::cpu_max_burst) {
        if (now.quota_ns != sched::kRuntimeInf) max.quota_us = now.quota_ns / 1000;
        max.period_us = now.period_ns / 1000;
        max.burst_us = *e.group.cpu_max_burst;
      } else {
        max.burst_us = now.burst_ns / 1000;
      }
      if (max.quota_us && max.burst_us > *max.quota_us) break;  // refused
      m.bandwidth().set_limit(g, max);
      break;
    }
    case Event::What::task:
      break;
  }
}

}  // namespace

struct Events::Pending {
  Pending(Machine& machine, const Event& e) : m(machine), event(e) {
    timer.context = this;
    timer.fire = [](engine::Timer& t, engine::Time) { static_cast<Pending*>(t.context)->happen(); };
  }
  ~Pending() { m.engine.cancel(timer); }
  void happen() {
    if (event.set == scenario::kRecorderOn) return m.tp.charge(true);
    if (event.what != Event::What::task) return change_group(m, event);
    for (KTask& t : m.tasks())
      if (task_matches(event.task.glob, t)) change_task(m, t, event.task);
  }
  Machine& m;
  const Event& event;
  engine::Timer timer;
};

Events::Events(Machine& m, const std::vector<Event>& events) {
  for (const Event& e : events) pending_.push_back(std::make_unique<Pending>(m, e));
}
Events::~Events() = default;

void Events::arm() {
  for (auto& p : pending_) p->m.engine.arm(p->timer, p->event.at_ns);
}

}  // namespace wakepath::run
