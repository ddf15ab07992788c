// SPDX-License-Identifier: GPL-2.0-or-later
// What the core does only because there are several CPUs: choosing a woken task's CPU, looking for work before idling,
// and the load figures that placement and balance compare.
//
// Source: kernel/sched/core.c:select_task_rq, kernel/sched/fair.c (task_h_load, util_est_*), 6.1 and 6.12.
#include <algorithm>

#include "models/sched/balance/balancer.h"
#include "models/sched/core_impl.h"
#include "models/sched/fair/eevdf.h"
#include "models/sched/placement/placement.h"

namespace wakepath::sched {

const char* cause_name(MigrationCause c) {
  switch (c) {
    case MigrationCause::wakeup:
      return "wakeup";
    case MigrationCause::periodic:
      return "periodic";
    case MigrationCause::newidle:
      return "newidle";
    case MigrationCause::nohz:
      return "nohz";
    case MigrationCause::active_balance:
      return "active_balance";
    case MigrationCause::affinity:
      return "affinity";
  }
  return "?";
}

const char* refusal_name(Refusal r) {
  constexpr std::array<const char*, kRefusals> kNames{"throttled", "delayed", "ineligible", "bound",
                                                      "affinity",  "running", "hot",        "too_big"};
  return kNames[static_cast<std::size_t>(r)];
}

const char* beside_name(Beside b) {
  constexpr std::array<const char*, kBesides> kNames{"nobody", "task", "sleeping_bound_kthread", "bound_kthread",
                                                     "waking_bound_kthread"};
  return kNames[static_cast<std::size_t>(b)];
}

Beside beside(const Rq& rq, const Task& t, const Task* waker) {
  if (waker != nullptr && waker == rq.curr && waker->smp.per_cpu_kthread) return Beside::waker;
  Beside found = Beside::nobody;
  const auto look = [&](const Task& other) {
    found = std::max(found, !other.smp.per_cpu_kthread ? Beside::task
                            : other.se.sched_delayed   ? Beside::asleep
                                                       : Beside::kthread);
  };
  if (rq.curr != &rq.idle && rq.curr != &t && rq.curr->sched_class != Class::stop) look(*rq.curr);
  for (const Task* other = rq.smp->first; other != nullptr; other = other->listed_after)
    if (other != &t) look(*other);
  return found;
}

void Scheduler::enable_smp(Domains& d, Balancer& b, BalanceHost& host, int hz) {
  impl_->domains = &d;
  impl_->balancer = &b;
  impl_->balance_host = &host;
  impl_->hz = hz;
  for (Rq& rq : impl_->rqs) {
    rq.smp = std::make_unique<SmpRq>();
    rq.smp->capacity = d.capacity(rq.cpu);
  }
}

// ---- figures -------------------------------------------------------------------------------------------------------

namespace {

// The load of a queue's tasks as seen from the root, at most once a jiffy.
std::uint64_t h_load(CfsRq& q, std::int64_t jiffies) {
  if (q.h_load_jiffy == jiffies) return q.h_load;
  q.h_load_jiffy = jiffies;
  if (q.tg->se.empty()) return q.h_load = q.avg.load_avg;
  const Entity& se = q.tg->se[static_cast<std::size_t>(q.rq->cpu)];
  return q.h_load = h_load(*se.cfs_rq, jiffies) * se.avg.load_avg / (se.cfs_rq->avg.load_avg + 1);
}

}  // namespace

std::uint64_t Scheduler::task_h_load(const Task& t, std::int64_t jiffies) {
  CfsRq& q = *t.se.cfs_rq;
  return t.se.avg.load_avg * h_load(q, jiffies) / (q.avg.load_avg + 1);
}

// A sleeper's utilisation becomes its estimate, once for each time that it changed: at once when it rose, by a quarter
// of the way when it fell, but not where the task had to wait and would have used more (6.8).
void util_est_update(const SmpRq& s, const kernel::Switches& k, Task& p) {
  constexpr std::int64_t kMargin = 1024 / 100;
  if (!p.se.avg.changed) return;
  const auto util = static_cast<std::int64_t>(p.se.avg.util_avg);
  const bool waited = util + kMargin < static_cast<std::int64_t>(p.se.avg.runnable_avg);
  SmpTask& e = p.smp;
  const auto ewma = static_cast<std::int64_t>(e.util_est_ewma), fall = ewma - util;
  if (fall < 0) {
    e.util_est_ewma = p.se.avg.util_avg;
  } else if (fall >= kMargin) {
    if (util > static_cast<std::int64_t>(s.capacity)) return;
    if (!k.util_est_waited || !waited) e.util_est_ewma = static_cast<std::uint64_t>((ewma * 4 - fall) / 4);
  } else if (!k.util_est_waited) {
    const std::int64_t change = static_cast<std::int64_t>(e.util_est_enqueued) - util;
    if (change < kMargin && change > -kMargin) return;
  }
  if (!k.util_est_waited) e.util_est_enqueued = p.se.avg.util_avg;
  p.se.avg.changed = false;
}

bool Scheduler::update_blocked_averages(int cpu, Time now) {
  Rq& rq = impl_->rq_of(cpu);
  impl_->update_rq_clock(rq, now);
  bool left = false;
  for (auto g = impl_->groups.rbegin(); g != impl_->groups.rend(); ++g)  // children were made after their parents
    left |= impl_->fair->update_blocked(*(*g)->cfs_rq[static_cast<std::size_t>(cpu)]);
  left |= impl_->fair->update_blocked(rq.cfs);
  return left;
}

void Scheduler::update_clock(int cpu, Time now) { impl_->update_rq_clock(impl_->rq_of(cpu), now); }

bool Scheduler::would_wait_on(const Task& t, int dst) const {
  if (!impl_->k.eevdf || !impl_->k.place_lag || t.sched_class != Class::fair) return false;
  const CfsRq& there = *t.group->cfs_rq[static_cast<std::size_t>(dst)];
  return there.nr_running != 0 && !Eevdf::entity_eligible(*t.se.cfs_rq, t.se);
}

// ---- placement -----------------------------------------------------------------------------------------------------

namespace {

struct RqView final : CpuView {
  RqView(Scheduler& scheduler, const Task& waker_task, const Task& wakee_task, std::int64_t now_jiffies)
      : s(scheduler), waker(waker_task), wakee(wakee_task), jiffies(now_jiffies) {}
  [[nodiscard]] bool idle(int c) const override { return idle_cpu(s.rq(c)); }
  [[nodiscard]] bool sched_idle(int c) const override { return sched_idle_cpu(s.rq(c)); }
  [[nodiscard]] unsigned nr_running(int c) const override { return s.rq(c).nr_running; }
  [[nodiscard]] unsigned nr_delayed(int c) const override { return s.rq(c).cfs.h_nr_delayed; }
  [[nodiscard]] std::uint64_t load(int c) const override { return cpu_load(s.rq(c)); }
  [[nodiscard]] std::uint64_t capacity(int c) const override { return s.rq(c).smp->capacity; }
  [[nodiscard]] std::uint64_t waker_load() const override { return s.task_h_load(waker, jiffies); }
  [[nodiscard]] std::uint64_t wakee_load() const override { return s.task_h_load(wakee, jiffies); }
  [[nodiscard]] bool wakeup_pending(int c) const override { return s.rq(c).smp->ttwu_pending; }
  [[nodiscard]] unsigned nr_fair(int c) const override { return s.rq(c).cfs.h_nr_running; }
  [[nodiscard]] std::uint64_t util(int c) const override { return cpu_util_cfs(s.rq(c)); }
  [[nodiscard]] std::uint64_t wakee_util() const override { return task_util_est(wakee); }
  Scheduler& s;
  const Task &waker, &wakee;
  std::int64_t jiffies;
};

}  // namespace

Placement Scheduler::select_task_rq(Task& t, int this_cpu, bool in_task, bool sync, Time now) {
  Placement out;
  out.cpu = t.cpu;
  out.step = Step::only_cpu;
  out.recent_used_cpu = t.smp.recent_used_cpu;
  Task& current = *impl_->rq_of(this_cpu).curr;
  const std::int64_t jiffies = now / impl_->tunables.tick_ns;
  if (t.smp.cpus_allowed == 1) return out;
  if (t.sched_class != Class::fair) return out;  // rt: stays; its own push and pull are not modelled
  current.smp.flips.record(&t, jiffies, impl_->hz);
  Wakeup w;
  w.this_cpu = this_cpu;
  w.prev_cpu = t.cpu;
  w.recent_used_cpu = t.smp.recent_used_cpu;
  w.allowed = t.smp.allowed;
  w.sync = sync;
  w.waker_in_task = in_task;
  w.waker_is_idle = &current == &impl_->rq_of(this_cpu).idle;
  w.waker_is_kthread = current.smp.kthread;
  w.waker_cpus_allowed = current.smp.cpus_allowed;
  w.waker_flips = current.smp.flips.flips;
  w.wakee_flips = t.smp.flips.flips;
  out = select_task_rq_fair(RqView(*this, current, t, jiffies), impl_->k, *impl_->domains, w);
  t.smp.recent_used_cpu = out.recent_used_cpu;
  if (impl_->k.recent_used_by_waker && out.wants_affine) current.smp.recent_used_cpu = this_cpu;
  if (out.clears_idle_cores)
    if (LlcShared* shared = impl_->domains->llc_shared(out.target)) shared->has_idle_cores = false;
  if (!t.smp.may_use(out.cpu)) out.cpu = t.smp.allowed->first();  // select_fallback_rq
  return out;
}

int Scheduler::select_task_rq_fork(const Task& t, int this_cpu, Time now) {
  if (t.sched_class == Class::fair) {
    Wakeup w;
    w.this_cpu = w.prev_cpu = this_cpu;
    w.allowed = t.smp.allowed;
    const Task& current = *impl_->rq_of(this_cpu).curr;
    const int cpu = vcpu_pack_fork(RqView(*this, current, t, now / impl_->tunables.tick_ns), impl_->k, w);
    if (cpu >= 0) return cpu;
  }
  return impl_->balancer->find_idlest_cpu(t, this_cpu);
}

// ---- before idling -------------------------------------------------------------------------------------------------

// Null: nothing came. prev is still current in its queues meanwhile: where what comes is of its groups, their entities
// go on as if nothing had happened, with their slice and their protection.
Task* Scheduler::Impl::pick_after_newidle(Rq& rq, Task& prev, Time now, Time& newidle_ns) {
  Effort e;
  const bool found = balancer->newidle(rq.cpu, now, e);
  newidle_ns = balance_host->effort_ns(e);
  return found ? pick_strong_or_fair(rq, prev) : nullptr;
}

}  // namespace wakepath::sched
