// SPDX-License-Identifier: GPL-2.0-or-later
// One pass over one domain: who balances, which group and queue is busiest, what follows when nothing could be moved.
#include "models/sched/balance/balancer.h"

#include <algorithm>
#include <limits>

#include "models/kernel/switches.h"
#include "models/sched/balance/balance_pass.h"
#include "models/sched/smp_rq.h"

namespace wakepath::sched {

Balancer::Balancer(Scheduler& s, Domains& d, BalanceHost& host, const Tunables& t)
    : s_(s),
      domains_(d),
      host_(host),
      t_(t),
      tick_ns_(s.tunables().tick_ns),
      k_(s.switches()),
      max_interval_(std::int64_t{t.hz} * d.cpus() / 10),
      scratch_(d.cpus()) {
  nohz_.idle_cpus = CpuMask(d.cpus());
}

// The first idle CPU of the own group balances for it, or its first CPU when none is idle.
bool Balancer::should_we_balance(const Pass& p) const {
  if (p.idle == CpuIdle::newly_idle) {
    const Rq& rq = s_.rq(p.dst);
    return rq.nr_running == 0 && !rq.smp->ttwu_pending;
  }
  const Group& local = p.d->local_group();
  const bool by_core = k_.balance_prefers_idle_core && (p.d->flags() & sd::kShareCpuCapacity) == 0 && domains_.smt();
  int on_busy_core = -1;
  for (int c = local.balance_mask.first(); c >= 0; c = local.balance_mask.next(c)) {
    if (!p.cpus->test(c) || !idle_cpu(s_.rq(c))) continue;
    if (by_core) {
      const CpuMask& core = domains_.smt_siblings(c);
      bool core_idle = true;
      for (int o = core.first(); o >= 0; o = core.next(o)) core_idle = core_idle && idle_cpu(s_.rq(o));
      if (!core_idle) {
        if (on_busy_core < 0) on_busy_core = c;
        continue;
      }
    }
    return c == p.dst;
  }
  if (on_busy_core >= 0) return on_busy_core == p.dst;
  return local.balance_mask.first() == p.dst;
}

GroupStats Balancer::group_stats(const Pass& p, const Group& g, bool& overloaded) {
  GroupStats out;
  out.capacity = 0;
  for (const int c : g.cpus) {
    const Rq& rq = s_.rq(c);
    out.capacity += rq.smp->capacity;
    if (!p.cpus->test(c)) continue;
    ++p.effort->cpus;
    out.load += cpu_load(rq);
    out.util += cpu_util_cfs(rq);
    out.runnable += cpu_runnable(rq);
    out.h_nr_running += rq.cfs.h_nr_running;
    out.nr_running += rq.nr_running;
    if (rq.nr_running > 1) overloaded = true;
    if (idle_cpu(rq)) ++out.idle_cpus;
  }
  out.weight = static_cast<unsigned>(g.weight());
  out.cores = g.cores;
  out.smt = (g.flags & sd::kShareCpuCapacity) != 0;
  out.imbalance = g.shared->imbalance;
  return out;
}

void Balancer::update_idle_scan(const Pass& p, const DomainStats& stats) {
  if (p.idle == CpuIdle::newly_idle || !k_.sis_util) return;
  LlcShared* shared = domains_.llc_shared(p.dst);
  if (shared == nullptr || p.d->span->weight != domains_.llc_size(p.dst)) return;
  shared->nr_idle_scan = nr_idle_scan(stats.total_util, p.d->span->weight, p.d->span->imbalance_pct);
}

const Group* Balancer::find_busiest_group(Pass& p) {
  const Span& span = *p.d->span;
  DomainStats stats;
  bool overloaded = false;
  GroupStats nobody;  // less busy than any group with a task
  nobody.idle_cpus = std::numeric_limits<unsigned>::max();
  const std::size_t n = span.groups.size();
  for (std::size_t i = 0; i < n; ++i) {  // from the own group on, in the order of the ring
    const Group& g = span.groups[(static_cast<std::size_t>(p.d->local) + i) % n];
    GroupStats one = group_stats(p, g, overloaded);
    classify(one, span.imbalance_pct, i == 0 ? CpuIdle::not_idle : p.idle, k_);
    stats.total_load += one.load;
    stats.total_capacity += one.capacity;
    stats.total_util += one.util;
    if (i == 0) {
      stats.local = one;
    } else if (is_busier(one, stats.busiest.value_or(nobody), k_)) {
      stats.busiest = one;
      stats.busiest_group = &g;
    }
  }
  if (k_.balance_by_cores) {
    stats.prefer_sibling = stats.busiest && (stats.busiest_group->flags & sd::kPreferSibling) != 0;
  } else {
    stats.prefer_sibling = p.d->child != nullptr && (p.d->child->flags() & sd::kPreferSibling) != 0;
  }
  if (p.d->parent == nullptr) overload = overloaded;
  update_idle_scan(p, stats);
  p.imbalance = find_imbalance(stats, span, p.idle, k_);
  return p.imbalance.amount != 0 ? stats.busiest_group : nullptr;
}

Rq* Balancer::find_busiest_queue(const Pass& p, const Group& g) {
  Rq* busiest = nullptr;
  std::uint64_t most = 0, most_capacity = 1;
  for (const int c : g.cpus) {
    if (!p.cpus->test(c)) continue;
    Rq& rq = s_.rq(c);
    const std::uint64_t nr = rq.cfs.h_nr_running;
    if (nr == 0) continue;
    std::uint64_t value = nr, capacity = 1;
    if (p.imbalance.type == MigrationType::load) {
      value = cpu_load(rq);
      capacity = rq.smp->capacity;
      if (nr == 1 && static_cast<std::int64_t>(value) > p.imbalance.amount) continue;
    } else if (p.imbalance.type == MigrationType::util) {
      if (nr <= 1) continue;
      value = cpu_util_cfs(rq, k_.balance_util_boost);
    }
    if (value * most_capacity > most * capacity) most = value, most_capacity = capacity, busiest = &rq;
  }
  return busiest;
}

bool Balancer::needs_active_balance(const Pass& p) const {
  const bool kind = p.imbalance.type == MigrationType::task || k_.active_balance_any_imbalance;
  return kind && p.d->nr_balance_failed > p.d->span->cache_nice_tries + 2;
}

// Asks the busiest CPU's stopper to push its running task here. False: not asked (again).
bool Balancer::start_active_balance(Pass& p, bool& refused) {
  SmpRq& smp = *p.src->smp;
  const Task& curr = *p.src->curr;  // the idle task and the stopper stay on their CPU
  refused = curr.sched_class == Class::idle || curr.sched_class == Class::stop || !curr.smp.may_use(p.this_cpu);
  if (refused) return false;
  p.all_pinned = false;
  if (smp.active_balance) return false;
  smp.active_balance = true;
  ++counters.active_asked;
  ++p.src->curr->smp.active_asked;
  smp.push_cpu = p.this_cpu;
  host_.queue_active_balance(p.src->cpu);
  return true;
}

void Balancer::settle_interval(Pass& p, bool all_pinned) const {
  constexpr unsigned kMaxPinnedInterval = 512;
  if (p.idle == CpuIdle::newly_idle) return;
  Domain& d = *p.d;
  if ((all_pinned && d.balance_interval_ms < kMaxPinnedInterval) || d.balance_interval_ms < d.max_interval_ms)
    d.balance_interval_ms *= 2;
}

int Balancer::load_balance(int cpu, Domain& d, CpuIdle idle, bool& go_on, Effort& e, Time now) {
  Pass p;
  p.this_cpu = p.dst = cpu;
  p.d = &d;
  p.idle = idle;
  p.now = now;
  p.effort = &e;
  scratch_ = d.span->cpus;
  p.cpus = &scratch_;
  p.cause = idle == CpuIdle::newly_idle ? MigrationCause::newidle
            : on_behalf_                ? MigrationCause::nohz
                                        : MigrationCause::periodic;
  ++e.domains;
  const auto balanced = [&](bool pinned) {
    if (d.parent != nullptr && !pinned) d.parent->local_group().shared->imbalance = false;
    counters.failures_forgotten += d.nr_balance_failed > 0;
    d.nr_balance_failed = 0;
    settle_interval(p, pinned);
    return 0;
  };
  int moved = 0;
  for (;;) {
    if (!should_we_balance(p)) {
      go_on = false;
      return balanced(p.all_pinned);
    }
    const Group* group = find_busiest_group(p);
    if (group == nullptr) return balanced(p.all_pinned);
    p.src = find_busiest_queue(p, *group);
    if (p.src == nullptr) return balanced(p.all_pinned);
    p.all_pinned = true;
    ++counters.unbalanced;
    if (p.src->nr_running <= 1) break;
    moved = move_tasks(p);
    if (d.parent != nullptr && p.some_pinned && p.imbalance.amount > 0)
      d.parent->local_group().shared->imbalance = true;
    if (!p.all_pinned) break;
    p.cpus->clear(p.src->cpu);
    if (p.cpus->subset_of(d.local_group().balance_mask)) {  // nobody else to take from
      d.nr_balance_failed = 0;
      settle_interval(p, true);
      return 0;
    }
  }
  e.moved += moved;
  bool started = false;
  if (moved > 0) {
    d.nr_balance_failed = 0;
  } else {
    if (idle != CpuIdle::newly_idle) ++d.nr_balance_failed;
    if (needs_active_balance(p)) {
      bool refused = false;
      started = start_active_balance(p, refused);
      if (refused) {
        settle_interval(p, p.all_pinned || k_.active_balance_backs_off);
        return 0;
      }
      if (k_.active_balance_backs_off) d.nr_balance_failed = d.span->cache_nice_tries + 1;
    }
  }
  if (!started || needs_active_balance(p)) {
    d.balance_interval_ms = d.min_interval_ms;
  } else if (k_.active_balance_backs_off && d.balance_interval_ms < d.max_interval_ms) {
    d.balance_interval_ms *= 2;
  }
  return moved;
}

}  // namespace wakepath::sched
