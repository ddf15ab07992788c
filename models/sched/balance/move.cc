// SPDX-License-Identifier: GPL-2.0-or-later
// Which tasks may move, and moving them.
//
// Source: kernel/sched/fair.c (can_migrate_task, task_hot, detach_tasks, active_load_balance_cpu_stop), 6.1, 6.12.
#include <algorithm>
#include <utility>

#include "models/kernel/switches.h"
#include "models/sched/balance/balance_pass.h"
#include "models/sched/fair/fair.h"
#include "models/sched/smp_rq.h"

namespace wakepath::sched {

bool Balancer::is_hot(const Task& t, const Pass& p) const {
  if (t.sched_class != Class::fair || t.policy == Policy::idle) return false;
  if ((p.d->flags() & sd::kShareCpuCapacity) != 0) return false;  // siblings share the cache
  const CfsRq& q = *t.se.cfs_rq;
  if (s_.rq(p.dst).nr_running != 0 && (q.next == &t.se || q.last == &t.se)) return true;
  if (t_.migration_cost_ns < 0) return true;
  const auto ran = static_cast<std::int64_t>(p.src->clock_task - t.se.exec_start);
  return ran < t_.migration_cost_ns;
}

bool Balancer::refuse(Task& t, Refusal why) {
  ++t.smp.refused[static_cast<std::size_t>(why)];
  ++counters.refused[static_cast<std::size_t>(why)];
  return false;
}

bool Balancer::can_migrate(Task& t, Pass& p) {
  const auto throttled = [&](int cpu) { return throttled_hierarchy(*t.group->cfs_rq[static_cast<std::size_t>(cpu)]); };
  if (throttled(p.dst) || (!(k_.throttle_tasks && k_.eevdf) && throttled(p.src->cpu)))
    return refuse(t, Refusal::throttled);
  // 6.14: a task that would wait longest over there stays, as long as there is no other way.
  if (k_.migrate_refuses_delayed && t.se.sched_delayed && p.imbalance.type != MigrationType::load)
    return refuse(t, Refusal::delayed);
  if (k_.migrate_refuses_ineligible && p.d->nr_balance_failed == 0 && !p.active && s_.would_wait_on(t, p.dst))
    return refuse(t, Refusal::ineligible);
  if (t.smp.per_cpu_kthread && k_.balance_ignores_percpu_kthreads) return refuse(t, Refusal::bound);
  if (!t.smp.may_use(p.dst)) {
    p.some_pinned = true;
    refuse(t, t.smp.per_cpu_kthread ? Refusal::bound : Refusal::affinity);
    if (p.idle == CpuIdle::newly_idle || p.dst_pinned || p.active) return false;
    const CpuMask& group = p.d->local_group().balance_mask;
    for (int c = group.first(); c >= 0; c = group.next(c)) {
      if (!p.cpus->test(c) || !t.smp.may_use(c)) continue;
      p.dst_pinned = true;
      p.new_dst = c;
      break;
    }
    return false;
  }
  p.all_pinned = false;
  if (p.src->curr == &t) return refuse(t, Refusal::running);
  if (p.active || !is_hot(t, p) || p.d->nr_balance_failed > p.d->span->cache_nice_tries) return true;
  return refuse(t, Refusal::hot);
}

// Takes the task's size off the imbalance, unless it is more than is wanted.
bool Balancer::too_big(Task& t, Pass& p) {
  std::int64_t& left = p.imbalance.amount;
  if (p.imbalance.type == MigrationType::task) {
    --left;
    return false;
  }
  const std::uint64_t size = p.imbalance.type == MigrationType::load
                                 ? std::max<std::uint64_t>(1, s_.task_h_load(t, jiffies(p.now)))
                                 : task_util_est(t);
  if (static_cast<std::int64_t>(size >> std::min(p.d->nr_balance_failed, 63U)) > left)
    return !refuse(t, Refusal::too_big);
  left -= static_cast<std::int64_t>(size);
  return false;
}

int Balancer::detach_tasks(Pass& p) {
  SmpRq& list = *p.src->smp;
  if (p.src->nr_running <= 1) {
    p.all_pinned = false;
    return 0;
  }
  if (p.imbalance.amount <= 0) return 0;
  Task* detached = nullptr;  // the last one first, as they are attached
  int moved = 0;
  for (int loop = 1; list.last != nullptr && loop <= p.loop_max; ++loop) {
    if (p.idle != CpuIdle::not_idle && p.src->nr_running <= 1) break;
    Task& t = *list.last;
    if (!can_migrate(t, p) || too_big(t, p)) {
      cfs_tasks_to_front(list, t);
      continue;
    }
    s_.detach_queued(t, p.dst, p.now, p.cause);
    t.listed_after = std::exchange(detached, &t);
    ++moved;
    if (p.idle == CpuIdle::newly_idle && t_.newidle_takes_one) break;
    if (p.imbalance.amount <= 0) break;
  }
  while (detached != nullptr) s_.attach_queued(*std::exchange(detached, detached->listed_after), p.now);
  return moved;
}

int Balancer::move_tasks(Pass& p) {
  p.loop_max = std::min(t_.nr_migrate, static_cast<int>(p.src->nr_running));
  s_.update_clock(p.src->cpu, p.now);
  int moved = detach_tasks(p);
  while (p.dst_pinned && p.imbalance.amount > 0) {  // affinity sends them to another CPU of the group
    p.cpus->clear(p.dst);
    p.dst = p.new_dst;
    p.dst_pinned = false;
    moved += detach_tasks(p);
  }
  return moved;
}

// In migration/N: whatever ran is queued now.
void Balancer::active_balance_stop(int cpu, Time now) {
  Rq& src = s_.rq(cpu);
  SmpRq& smp = *src.smp;
  if (!smp.active_balance) return;
  smp.active_balance = false;
  if (src.nr_running <= 1) return;
  const int dst = smp.push_cpu;
  Domain* d = domains_.lowest(dst);
  while (d != nullptr && !d->span->cpus.test(cpu)) d = d->parent;
  if (d == nullptr) return;
  Pass p;
  p.this_cpu = p.dst = dst;
  p.d = d;
  p.now = now;
  p.src = &src;
  p.active = true;
  p.imbalance.type = MigrationType::load;  // left at its first value: what counts tasks refuses more
  p.cause = MigrationCause::active_balance;
  scratch_ = d->span->cpus;
  p.cpus = &scratch_;
  s_.update_clock(cpu, now);
  for (Task* t = smp.last; t != nullptr; t = t->listed_before) {
    if (!can_migrate(*t, p)) continue;
    s_.migrate_queued(*t, dst, now, p.cause);
    d->nr_balance_failed = 0;
    ++counters.active_pushed;
    return;
  }
}

}  // namespace wakepath::sched
