// SPDX-License-Identifier: GPL-2.0-or-later
// Where a forked task starts: the idlest CPU of the idlest group, from the largest domain down.
//
// Source: kernel/sched/fair.c (find_idlest_cpu, find_idlest_group, find_idlest_group_cpu), 6.1 and 6.12; scheduler spec
// 6.6. Preferred nodes are not modelled.
#include <algorithm>
#include <limits>
#include <utility>

#include "models/sched/balance/balancer.h"
#include "models/sched/smp_rq.h"

namespace wakepath::sched {

namespace {

bool any_allowed(const Task& t, const Group& g) {
  return std::any_of(g.cpus.begin(), g.cpus.end(), [&](int c) { return t.smp.may_use(c); });
}

// Is `a` idler than `b`?
bool is_idler(const GroupStats& a, const GroupStats& b) {
  if (a.type != b.type) return a.type < b.type;
  if (a.type != GroupType::has_spare) return a.avg_load < b.avg_load;
  return a.idle_cpus != b.idle_cpus ? a.idle_cpus > b.idle_cpus : a.util < b.util;
}

// The own group keeps the task unless another is clearly better.
bool stays(const GroupStats& local, const GroupStats& idlest, const Span& span) {
  if (local.type != idlest.type) return local.type < idlest.type;
  if (local.type == GroupType::has_spare) {
    if ((span.flags & sd::kNuma) != 0) {
      const auto more = std::int64_t{idlest.idle_cpus} - std::int64_t{local.idle_cpus};
      if (adjust_numa_imbalance(more < 0 ? -more : more, local.nr_running + 1, span.imb_numa_nr) == 0) return true;
    }
    return local.idle_cpus >= idlest.idle_cpus;
  }
  const std::uint64_t margin = 1024 * (span.imbalance_pct - 100) / 100;
  if ((span.flags & sd::kNuma) != 0 && idlest.avg_load + margin >= local.avg_load) return true;
  if (idlest.avg_load >= local.avg_load + margin) return true;
  return 100 * local.avg_load <= span.imbalance_pct * idlest.avg_load;
}

}  // namespace

const Group* Balancer::find_idlest_group(const Domain& d, const Task& t) const {
  const Group *own = nullptr, *best = nullptr;
  GroupStats local, idlest;
  const auto& groups = d.span->groups;
  for (std::size_t i = 0; i < groups.size(); ++i) {  // from the own group on, in the order of the ring
    const Group& g = groups[(static_cast<std::size_t>(d.local) + i) % groups.size()];
    if (!any_allowed(t, g)) continue;
    GroupStats s;
    s.capacity = 0;
    for (const int c : g.cpus) {
      const Rq& rq = s_.rq(c);
      s.capacity += rq.smp->capacity;
      if (!t.smp.may_use(c)) continue;
      s.load += cpu_load(rq);
      s.util += cpu_util_cfs(rq);
      s.runnable += cpu_runnable(rq);
      s.nr_running += rq.nr_running;
      s.h_nr_running += rq.cfs.h_nr_running;
      if (idle_cpu(rq)) ++s.idle_cpus;
    }
    s.weight = static_cast<unsigned>(g.weight());
    s.imbalance = g.shared->imbalance;
    classify(s, d.span->imbalance_pct, CpuIdle::not_idle, k_);
    if (s.type == GroupType::fully_busy) s.avg_load = s.load * 1024 / s.capacity;
    if (i == 0) {
      own = &g;
      local = s;
    } else if (best == nullptr || is_idler(s, idlest)) {
      best = &g;
      idlest = s;
    }
  }
  if (best == nullptr || own == nullptr) return best;
  return stays(local, idlest, *d.span) ? nullptr : best;
}

// An idle CPU, the one that became so last; otherwise the least loaded.
int Balancer::find_idlest_cpu_in(const Group& g, const Task& t, int otherwise) const {
  int idle = -1, busy = otherwise;
  std::uint64_t latest = 0, least = std::numeric_limits<std::uint64_t>::max();
  for (const int c : g.cpus) {
    if (!t.smp.may_use(c)) continue;
    const Rq& rq = s_.rq(c);
    if (sched_idle_cpu(rq)) return c;
    if (idle_cpu(rq)) {
      if (idle < 0 || rq.smp->idle_stamp > latest) idle = c, latest = rq.smp->idle_stamp;
    } else if (idle < 0 && cpu_load(rq) < least) {
      least = cpu_load(rq);
      busy = c;
    }
  }
  return idle >= 0 ? idle : busy;
}

int Balancer::find_idlest_cpu(const Task& t, int cpu) const {
  const auto highest = [&](int of, int below_weight) {
    const Domain* found = nullptr;
    for (const Domain* d = std::as_const(domains_).lowest(of); d != nullptr && d->span->weight < below_weight;
         d = d->parent)
      if ((d->flags() & sd::kFork) != 0) found = d;
    return found;
  };
  for (const Domain* d = highest(cpu, std::numeric_limits<int>::max()); d != nullptr;) {
    const Group* g = find_idlest_group(*d, t);
    const int c = g != nullptr ? find_idlest_cpu_in(*g, t, cpu) : cpu;
    if (c == cpu) {
      d = d->child;
      continue;
    }
    cpu = c;
    d = highest(cpu, d->span->weight);
  }
  return t.smp.may_use(cpu) ? cpu : t.smp.allowed->first();
}

}  // namespace wakepath::sched
