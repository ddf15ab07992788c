// SPDX-License-Identifier: GPL-2.0-or-later
// When a CPU balances: at ticks by interval, on its way to idle, and for those that sleep without a tick.
//
// Source: kernel/sched/fair.c (trigger_load_balance, rebalance_domains, newidle_balance, nohz_balancer_kick,
// _nohz_idle_balance), 6.1, 6.12.
#include <algorithm>
#include <utility>

#include "models/kernel/switches.h"
#include "models/sched/balance/balancer.h"
#include "models/sched/smp_rq.h"

namespace wakepath::sched {

namespace {

enum : unsigned { kNohzBalance = 1, kNohzStats = 2, kNohzNext = 4 };
constexpr unsigned kBusyFactor = 16;
constexpr int kLoadAvgPeriodMs = 32;
constexpr std::int64_t kFarAway = 60;  // s

}  // namespace

std::int64_t Balancer::interval_of(const Domain& d, bool busy) const {
  const std::int64_t ms = std::int64_t{d.balance_interval_ms} * (busy ? kBusyFactor : 1);
  std::int64_t jiffies = (ms * t_.hz + 999) / 1000;
  if (busy) --jiffies;
  return std::clamp<std::int64_t>(jiffies, 1, std::max<std::int64_t>(1, max_interval_));
}

void Balancer::update_next_balance(const Domain& d, bool busy, std::int64_t& next) const {
  next = std::min(next, d.last_balance + interval_of(d, busy));
}

namespace {

// How often newidle passes at this level pull something: the odds of trying (NI_RANDOM).
void count_newidle(Domain& d, unsigned success) {
  d.newidle_success += success;
  if (++d.newidle_call < 1024) return;
  d.newidle_ratio = d.newidle_success;
  d.newidle_call /= 2;
  d.newidle_success /= 2;
}

}  // namespace

// The greatest cost of a newidle pass at this level; it decays once a second.
bool Balancer::update_newidle_cost(Domain& d, std::uint64_t cost, Time now) const {
  const std::int64_t jiffy = jiffies(now);
  if (cost > d.max_newidle_lb_cost_ns) {
    d.max_newidle_lb_cost_ns = cost;
    d.last_decay_max_lb_cost = jiffy;
  } else if (jiffy > d.last_decay_max_lb_cost + t_.hz) {
    d.max_newidle_lb_cost_ns = d.max_newidle_lb_cost_ns * 253 / 256;
    d.last_decay_max_lb_cost = jiffy;
    return true;
  }
  return false;
}

void Balancer::update_blocked(int cpu, Time now) {
  Rq& rq = s_.rq(cpu);
  rq.smp->last_blocked_update = jiffies(now);
  rq.smp->has_blocked_load = s_.update_blocked_averages(cpu, now);
}

// ---- periodic ------------------------------------------------------------------------------------------------------

bool Balancer::tick(int cpu, Time now) {
  Rq& rq = s_.rq(cpu);
  rq.smp->idle_balance = idle_cpu(rq);
  if (domains_.lowest(cpu) == nullptr) return false;
  const bool due = jiffies(now) >= rq.smp->next_balance;
  nohz_balancer_kick(cpu, now);
  return due;
}

Balancer::Passes Balancer::softirq(int cpu) {
  SmpRq& smp = *s_.rq(cpu).smp;
  Passes p;
  p.cpu = cpu;
  p.idle = smp.idle_balance ? CpuIdle::idle : CpuIdle::not_idle;
  if (const unsigned flags = std::exchange(smp.nohz_flags, 0U); p.idle == CpuIdle::idle) p.flags = flags;
  return p;
}

bool Balancer::step(Passes& p, Time now, Effort& effort) {
  if (p.flags != 0) {
    on_behalf_ = true;
    const bool more = nohz_idle_balance(p, now, effort);
    on_behalf_ = false;
    return more;
  }
  update_blocked(p.cpu, now);
  effort = rebalance_domains(p.cpu, p.idle, now);
  return false;
}

Effort Balancer::rebalance_domains(int cpu, CpuIdle idle, Time now) {
  Effort e;
  Rq& rq = s_.rq(cpu);
  const std::int64_t now_j = jiffies(now);
  bool go_on = true, decayed = false;
  bool busy = idle != CpuIdle::idle && !sched_idle_cpu(rq);
  std::int64_t next = now_j + kFarAway * t_.hz;
  std::uint64_t max_cost = 0;
  for (Domain* d = domains_.lowest(cpu); d != nullptr; d = d->parent) {
    decayed = update_newidle_cost(*d, 0, now);
    max_cost += d->max_newidle_lb_cost_ns;
    if (!go_on) {
      if (decayed) continue;
      break;
    }
    if (now_j >= d->last_balance + interval_of(*d, busy)) {
      if (load_balance(cpu, *d, idle, go_on, e, now) > 0) {
        idle = idle_cpu(rq) ? CpuIdle::idle : CpuIdle::not_idle;
        busy = idle != CpuIdle::idle && !sched_idle_cpu(rq);
      }
      d->last_balance = now_j;
    }
    update_next_balance(*d, busy, next);
  }
  if (decayed) rq.smp->max_idle_balance_cost = std::max(static_cast<std::uint64_t>(t_.migration_cost_ns), max_cost);
  rq.smp->next_balance = next;
  return e;
}

// ---- on the way to idle --------------------------------------------------------------------------------------------

bool Balancer::newidle(int cpu, Time now, Effort& effort) {
  Rq& rq = s_.rq(cpu);
  SmpRq& smp = *rq.smp;
  if (smp.ttwu_pending) return false;
  smp.idle_stamp = rq.clock;
  Domain* const first = domains_.lowest(cpu);
  std::int64_t next = jiffies(now) + t_.hz;
  bool pulled = false;
  if (first != nullptr && overload && smp.avg_idle >= first->max_newidle_lb_cost_ns) {
    update_blocked(cpu, now);
    std::uint64_t cost = 0;
    bool go_on = true;
    for (Domain* d = first; d != nullptr && go_on && !pulled; d = d->parent) {
      update_next_balance(*d, false, next);
      if (smp.avg_idle < cost + d->max_newidle_lb_cost_ns) break;
      unsigned weight = 1;
      if (k_.newidle_random) {  // a level that seldom pulls is seldom tried
        weight = 1 + d->newidle_ratio;
        if (host_.random_1024(cpu) > weight) {
          count_newidle(*d, 0);
          continue;
        }
        weight = (1024 + weight / 2) / weight;
      }
      Effort e;
      pulled = load_balance(cpu, *d, CpuIdle::newly_idle, go_on, e, now) > 0;
      const auto took = static_cast<std::uint64_t>(host_.effort_ns(e));
      effort += e;
      cost += took;
      count_newidle(*d, pulled ? weight : 0);
      update_newidle_cost(*d, took, now);
      if (rq.nr_running > 0) break;
    }
    smp.max_idle_balance_cost = std::max(smp.max_idle_balance_cost, cost);
  } else if (first != nullptr) {
    update_next_balance(*first, false, next);
  }
  smp.next_balance = std::min(smp.next_balance, next);
  if (rq.nr_running == 0) {
    const bool idles_long = smp.avg_idle >= static_cast<std::uint64_t>(t_.migration_cost_ns);
    smp.refreshes_load |= idles_long && nohz_.has_blocked && jiffies(now) >= nohz_.next_blocked;
    return false;
  }
  smp.idle_stamp = 0;
  return true;
}

// nohz_newidle_balance, nohz_run_idle_balance: who idles for long anyway brings the load that sleeping CPUs were left
// with up to date, lest one of them is woken for it.
void Balancer::idle_entered(int cpu, Time now) {
  update_idle_core(cpu);
  SmpRq& smp = *s_.rq(cpu).smp;
  if (!std::exchange(smp.refreshes_load, false) || smp.nohz_pending != 0 || s_.need_resched(cpu)) return;
  Passes p;
  p.cpu = cpu;
  p.flags = kNohzStats;
  Effort none;
  nohz_idle_balance(p, now, none);
}

// The idle time that ended enters the average, an eighth of it, capped.
void Balancer::wakeup_after_idle(Rq& rq) {
  SmpRq& smp = *rq.smp;
  if (smp.idle_stamp == 0) return;
  const std::uint64_t most = 2 * smp.max_idle_balance_cost;
  const auto diff = static_cast<std::int64_t>(rq.clock - smp.idle_stamp) - static_cast<std::int64_t>(smp.avg_idle);
  smp.avg_idle += static_cast<std::uint64_t>(diff / 8);
  smp.avg_idle = std::min(smp.avg_idle, most);
  smp.idle_stamp = 0;
}

// ---- CPUs without a tick -------------------------------------------------------------------------------------------

void Balancer::enter_tickless_idle(int cpu) {
  SmpRq& smp = *s_.rq(cpu).smp;
  smp.has_blocked_load = true;
  nohz_.has_blocked = true;
  if (smp.nohz_idle || domains_.lowest(cpu) == nullptr) return;
  smp.nohz_idle = true;
  nohz_.idle_cpus.set(cpu);
  ++nohz_.nr;
  nohz_.needs_update = k_.nohz_joins_early;
  if (LlcShared* shared = domains_.llc_shared(cpu)) --shared->nr_busy_cpus;
}

void Balancer::update_idle_core(int cpu) {
  LlcShared* shared = domains_.llc_shared(cpu);
  if (!domains_.smt() || shared == nullptr || shared->has_idle_cores) return;
  const CpuMask& core = domains_.smt_siblings(cpu);
  for (int c = core.first(); c >= 0; c = core.next(c))
    if (c != cpu && !idle_cpu(s_.rq(c))) return;
  shared->has_idle_cores = true;
}

// At the first busy tick after it, not before.
void Balancer::leave_tickless_idle(int cpu) {
  SmpRq& smp = *s_.rq(cpu).smp;
  if (!smp.nohz_idle) return;
  smp.nohz_idle = false;
  nohz_.idle_cpus.clear(cpu);
  --nohz_.nr;
  if (LlcShared* shared = domains_.llc_shared(cpu)) ++shared->nr_busy_cpus;
}

// A busy CPU at its tick: is there reason to have an idle one look for work?
void Balancer::nohz_balancer_kick(int cpu, Time now) {
  const Rq& rq = s_.rq(cpu);
  if (rq.smp->idle_balance) return;
  leave_tickless_idle(cpu);
  if (nohz_.nr == 0) return;
  const std::int64_t now_j = jiffies(now);
  unsigned flags = nohz_.has_blocked && now_j > nohz_.next_blocked ? kNohzStats : 0U;
  if (now_j >= nohz_.next_balance) {
    const LlcShared* shared = domains_.llc_shared(cpu);
    if (rq.nr_running >= 2 || (shared != nullptr && shared->nr_busy_cpus > 1)) flags = kNohzStats | kNohzBalance;
  }
  if (nohz_.needs_update) flags |= kNohzNext;
  if (flags == 0) return;
  if ((flags & kNohzBalance) != 0) nohz_.next_balance = now_j + 1;
  for (int c = nohz_.idle_cpus.first(); c >= 0; c = nohz_.idle_cpus.next(c)) {
    if (c == cpu || !idle_cpu(s_.rq(c))) continue;
    SmpRq& target = *s_.rq(c).smp;
    ++counters.idle_kicks;
    const bool on_its_way = std::exchange(target.nohz_pending, target.nohz_pending | flags) != 0;
    if (!on_its_way) host_.kick_idle_balance(cpu, c);
    return;
  }
}

void Balancer::idle_balance_kicked(int cpu) {
  Rq& rq = s_.rq(cpu);
  const unsigned flags = std::exchange(rq.smp->nohz_pending, 0U);
  rq.smp->idle_balance = idle_cpu(rq);
  if (rq.smp->idle_balance) rq.smp->nohz_flags = flags;
}

// It has work of its own now.
void Balancer::leave_off(const Passes& p) {
  if ((p.flags & kNohzNext) != 0) nohz_.needs_update = true;
  nohz_.has_blocked = nohz_.has_blocked || p.has_blocked || (p.flags & kNohzStats) != 0;
}

// To the next CPU that is due, and its passes. The balancing CPU is the last.
bool Balancer::nohz_idle_balance(Passes& p, Time now, Effort& effort) {
  const std::int64_t now_j = jiffies(now);
  const int start = p.cpu + 1;
  const bool begins = p.at < 0;
  if (begins) {
    if ((p.flags & kNohzStats) != 0) nohz_.has_blocked = false;
    if ((p.flags & kNohzNext) != 0) nohz_.needs_update = false;
  }
  for (int c = begins ? nohz_.idle_cpus.wrap_first(start) : nohz_.idle_cpus.wrap_next(p.at, start); c >= 0;
       c = nohz_.idle_cpus.wrap_next(c, start)) {
    Rq& rq = s_.rq(c);
    if (!idle_cpu(rq)) continue;
    if (!idle_cpu(s_.rq(p.cpu)) && s_.need_resched(p.cpu)) {
      leave_off(p);
      return false;
    }
    if ((p.flags & kNohzStats) != 0 && rq.smp->has_blocked_load) {
      if (now_j > rq.smp->last_blocked_update) update_blocked(c, now);
      p.has_blocked = p.has_blocked || rq.smp->has_blocked_load;
    }
    if (now_j >= rq.smp->next_balance) {
      s_.update_clock(c, now);
      if ((p.flags & kNohzBalance) != 0) effort = rebalance_domains(c, CpuIdle::idle, now);
    }
    p.next = std::min(p.next, rq.smp->next_balance);
    p.at = c;
    if (effort.domains > 0) return true;
  }
  if (p.at >= 0) nohz_.next_balance = p.next;
  if ((p.flags & kNohzStats) != 0) nohz_.next_blocked = now_j + (kLoadAvgPeriodMs * t_.hz + 999) / 1000;
  nohz_.has_blocked = nohz_.has_blocked || p.has_blocked;
  return false;
}

}  // namespace wakepath::sched
