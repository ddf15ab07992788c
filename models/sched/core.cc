// SPDX-License-Identifier: GPL-2.0-or-later
// Waking, switching, ticking: the kernel's order of clock update, accounting, queueing, preemption test and pick.
//
// Source: kernel/sched/core.c (try_to_wake_up, __schedule, scheduler_tick, update_rq_clock); 6.1, 6.12.
#include <stdexcept>
#include <utility>

#include "models/sched/balance/balancer.h"
#include "models/sched/core_impl.h"

namespace wakepath::sched {

namespace {

bool any_resched(const Rq& rq) { return rq.resched || rq.resched_lazy; }

// sched_info: how long a task waited for the CPU, by the run queue's clock.
void sched_info_enqueue(const Rq& rq, Task& t) {
  if (t.last_queued_ns < 0) t.last_queued_ns = static_cast<Time>(rq.clock);
}

void sched_info_dequeue(const Rq& rq, Task& t) {
  if (t.last_queued_ns < 0) return;
  t.run_delay_ns += static_cast<Time>(rq.clock) - t.last_queued_ns;
  t.last_queued_ns = -1;
}

void sched_info_switch(Rq& rq, Task& prev, Task& next) {
  if (&prev != &rq.idle && prev.state == State::running) sched_info_enqueue(rq, prev);
  if (&next != &rq.idle) {
    sched_info_dequeue(rq, next);
    ++next.pcount;
  }
}

// The idle CPU's PELT clock catches up with its task clock; a CPU that was saturated had no idle time to lose.
void set_next_task_idle(Rq& rq) {
  constexpr std::uint32_t kSaturated = ((kPeltLoadAvgMax - 1024) << 10) - kPeltLoadAvgMax;
  if (rq.cfs.avg.util_sum >= kSaturated) rq.lost_idle_time += rq.clock_task - rq.clock_pelt;
  rq.clock_pelt = rq.clock_task;
  rq.clock_idle = rq.clock;
  rq.clock_pelt_idle = rq.clock_pelt - rq.lost_idle_time;
}

}  // namespace

int prio_of(Class c, int nice, int rt_priority) {
  switch (c) {
    case Class::stop:
      return 0;
    case Class::rt:
      return 99 - rt_priority;
    default:
      return 120 + nice;
  }
}

int Task::prio() const { return prio_of(sched_class, nice, rt_priority); }

void Scheduler::Impl::update_rq_clock(Rq& rq, Time now) {
  const auto at = static_cast<std::uint64_t>(now);
  if (at > rq.now) rq.now = at;
  if (at <= rq.clock) return;
  std::uint64_t delta = at - rq.clock;
  rq.clock = at;
  // Interrupt time is counted as it passes: take what fits, the rest comes off later.
  if (rq.irq_time != nullptr) {
    std::uint64_t irq = static_cast<std::uint64_t>(*rq.irq_time + *rq.softirq_time) - rq.irq_time_seen;
    if (irq > delta) irq = delta;
    rq.irq_time_seen += irq;
    delta -= irq;
  }
  rq.clock_task += delta;
  if (rq.curr == &rq.idle) {
    rq.clock_pelt = rq.clock_task;
    rq.clock_idle = rq.clock;
    rq.clock_pelt_idle = rq.clock_pelt - rq.lost_idle_time;
  } else {
    rq.clock_pelt += delta;
  }
}

// add_nr_running
void Scheduler::Impl::tasks_came(const Rq& rq, std::uint32_t nr_running_before) const {
  if (balancer != nullptr && nr_running_before < 2 && rq.nr_running >= 2) balancer->overload = true;
}

void Scheduler::Impl::enqueue_task(Rq& rq, Task& p, unsigned flags) {
  const std::uint32_t before = rq.nr_running;
  switch (p.sched_class) {
    case Class::fair: {
      const bool counts = rq.smp && (!p.se.sched_delayed || (flags & enqueue::kDelayed) != 0);
      fair->enqueue_task(rq, p, flags);
      if (counts && !p.throttled) util_est_enqueue(*rq.smp, p);
      break;
    }
    case Class::rt:
      enqueue_task_rt(rq, p, (flags & enqueue::kHead) != 0);
      break;
    case Class::stop:
      rq.stop = &p, ++rq.nr_running;
      break;
    case Class::idle:
      break;
  }
  if ((flags & enqueue::kRestore) == 0) sched_info_enqueue(rq, p);
  tasks_came(rq, before);
}

bool Scheduler::Impl::dequeue_task(Rq& rq, Task& p, unsigned flags) {
  if ((flags & dequeue::kSave) == 0) sched_info_dequeue(rq, p);
  switch (p.sched_class) {
    case Class::fair: {
      if (!rq.smp) return fair->dequeue_task(rq, p, flags);
      if (!p.se.sched_delayed && !p.throttled) util_est_dequeue(*rq.smp, p);
      const bool sleeps = (flags & dequeue::kSleep) != 0;
      if (sleeps && k.util_est_first) util_est_update(*rq.smp, k, p);
      const bool gone = fair->dequeue_task(rq, p, flags);
      if (sleeps && !k.util_est_first) util_est_update(*rq.smp, k, p);
      return gone;
    }
    case Class::rt:
      if (rq.curr == &p) update_curr_rt(rq, observer);
      dequeue_task_rt(rq, p);
      return true;
    case Class::stop:
      if (rq.curr == &p) update_curr_rt(rq, observer);
      rq.stop = nullptr, --rq.nr_running;
      return true;
    case Class::idle:
      break;
  }
  return true;
}

void Scheduler::Impl::update_curr(Rq& rq) {
  Task& curr = *rq.curr;
  if (curr.sched_class == Class::fair) {
    fair->update_curr(*curr.se.cfs_rq);
  } else if (curr.sched_class != Class::idle) {
    update_curr_rt(rq, observer);
  }
}

void Scheduler::Impl::put_prev_task(Rq& rq, Task& p) {
  if (p.sched_class == Class::fair) {
    fair->put_prev_task(p);
  } else if (p.sched_class != Class::idle) {
    update_curr_rt(rq, observer);
  }
}

void Scheduler::Impl::set_next_task(Rq& rq, Task& p) {
  switch (p.sched_class) {
    case Class::fair:
      fair->set_next_task(p);
      break;
    case Class::idle:
      set_next_task_idle(rq);
      break;
    default:
      set_next_task_rt(rq, p);
  }
}

void Scheduler::Impl::wakeup_preempt(Rq& rq, Task& p, bool fork) {
  const Task& curr = *rq.curr;
  if (p.sched_class == curr.sched_class) {
    if (p.sched_class == Class::fair) {
      fair->wakeup_preempt(rq, p, fork);
    } else if (p.sched_class == Class::rt && wakeup_preempts_rt(curr, p)) {
      rq.resched = true;
    }
  } else if (p.sched_class < curr.sched_class) {
    rq.resched = true;
  }
  // The switch is near: its clock update is saved, and whoever comes next pays for the way there (spec §2.1b).
  if (k.clock_skip_after_preempting_wakeup && curr.on_rq == OnRq::queued && rq.resched) {
    rq.clock_skip_requested = true;
  }
}

// Null: neither has one. A fair prev is put by what is picked only.
Task* Scheduler::Impl::pick_strong_or_fair(Rq& rq, Task& prev) {
  Task* const p = rq.stop != nullptr ? rq.stop : rq.rt.head;
  if (p == nullptr) return fair->pick_next_task(rq, prev);
  if (prev.sched_class == Class::fair) put_prev_task(rq, prev);
  set_next_task(rq, *p);
  return p;
}

Task& Scheduler::Impl::pick_next_task(Rq& rq, Task& prev, Time now, Time& newidle_ns) {
  if (prev.sched_class < Class::fair) put_prev_task(rq, prev);
  Task* p = pick_strong_or_fair(rq, prev);
  if (p == nullptr && balancer != nullptr) p = pick_after_newidle(rq, prev, now, newidle_ns);
  if (p != nullptr) {
    if (rq.smp && p->sched_class == Class::fair) cfs_tasks_to_front(*rq.smp, *p);
    return *p;
  }
  if (prev.sched_class == Class::fair) put_prev_task(rq, prev);
  set_next_task_idle(rq);
  return rq.idle;
}

WakeResult Scheduler::wake_up(Task& t, int cpu, Time now) {
  WakeResult result;
  if (t.state == State::running || t.state == State::dead) return result;
  result.woken = true;
  ++t.wakeups;
  if (Rq& own = impl_->rq_of(t); own.curr == &t) {  // it is on its way to sleep: just stay
    t.state = State::running;
    return result;
  }
  const bool queued = t.on_rq == OnRq::queued;
  if (!queued && cpu != t.cpu) {
    if (t.sched_class == Class::fair) impl_->fair->migrate_task(t, true);
    impl_->set_task_cpu(t, cpu);
  } else if (!queued) {
    cpu = -1;  // no migration
  }
  Rq& rq = impl_->rq_of(t);
  impl_->update_rq_clock(rq, now);
  const bool before_wakeup = any_resched(rq);
  if (queued) {
    result.was_delayed = t.se.sched_delayed;
    if (result.was_delayed) impl_->enqueue_task(rq, t, enqueue::kDelayed);
  } else {
    impl_->enqueue_task(rq, t, enqueue::kWakeup | (cpu >= 0 ? enqueue::kMigrated : 0u));
    t.on_rq = OnRq::queued;
  }
  impl_->wakeup_preempt(rq, t, false);
  t.state = State::running;
  if (impl_->balancer != nullptr && !queued) impl_->balancer->wakeup_after_idle(rq);
  result.preempts = !before_wakeup && any_resched(rq);
  result.taken_off = std::exchange(rq.taken_off, 0);
  return result;
}

void Scheduler::wake_up_new(Task& t, Task* parent, int cpu, Time now) {
  if (t.on_rq != OnRq::no) throw std::logic_error("wake_up_new: " + t.comm + " is queued already");
  t.state = State::running;
  if (t.sched_class == Class::fair) {
    // The child is prepared on its parent's CPU, whose run queue is accounted for it.
    Rq& parent_rq = parent != nullptr ? impl_->rq_of(*parent) : impl_->rq_of(cpu);
    impl_->update_rq_clock(parent_rq, now);
    impl_->set_task_cpu(t, parent_rq.cpu);
    impl_->fair->task_fork(parent_rq, parent, t);
  }
  impl_->set_task_cpu(t, cpu);
  Rq& rq = impl_->rq_of(cpu);
  impl_->update_rq_clock(rq, now);
  if (t.sched_class == Class::fair) impl_->fair->post_init_entity_util_avg(t.se);
  impl_->enqueue_task(rq, t, enqueue::kInitial);
  t.on_rq = OnRq::queued;
  impl_->wakeup_preempt(rq, t, true);
}

SwitchResult Scheduler::schedule(int cpu, bool preempt, Time now) {
  Rq& rq = impl_->rq_of(cpu);
  Task& prev = *rq.curr;
  if (std::exchange(rq.clock_skip_requested, false)) {
    if (static_cast<std::uint64_t>(now) > rq.now) rq.now = static_cast<std::uint64_t>(now);
  } else {
    impl_->update_rq_clock(rq, now);
  }
  SwitchResult result;
  result.prev = &prev;
  result.prev_state = preempt ? std::uint16_t{256} : static_cast<std::uint16_t>(prev.state);
  const bool blocks = !preempt && prev.state != State::running && &prev != &rq.idle;
  if (blocks) {
    const unsigned special = prev.state == State::dead ? dequeue::kSpecial : 0u;
    result.prev_delayed = !impl_->dequeue_task(rq, prev, dequeue::kSleep | special);
    if (!result.prev_delayed) prev.on_rq = OnRq::no;
  }
  const bool stays_idle = impl_->k.idle_reenters_fast && &prev == &rq.idle && rq.nr_running == 0;
  Task& next = stays_idle ? prev : impl_->pick_next_task(rq, prev, now, result.newidle_ns);
  rq.resched = rq.resched_lazy = false;
  result.taken_off = std::exchange(rq.taken_off, 0);
  result.next = &next;
  if (&next == &prev) return result;
  ++rq.nr_switches;
  ++(blocks ? prev.nvcsw : prev.nivcsw);
  sched_info_switch(rq, prev, next);
  rq.curr = &next;
  if (blocks && prev.state == State::dead && prev.sched_class == Class::fair) impl_->fair->task_dead(prev);
  return result;
}

void Scheduler::set_state(Task& t, State s) { t.state = s; }

void Scheduler::tick(int cpu, Time now) {
  Rq& rq = impl_->rq_of(cpu);
  impl_->update_rq_clock(rq, now);
  if (rq.resched_lazy) rq.resched = true;  // what was lazy had its chance
  if (rq.curr->sched_class == Class::fair) {
    impl_->fair->task_tick(rq, *rq.curr);
  } else {
    impl_->update_curr(rq);
  }
}

void Scheduler::yield(int cpu, Time now) {
  Rq& rq = impl_->rq_of(cpu);
  Task& curr = *rq.curr;
  if (curr.sched_class == Class::rt) {
    requeue_task_rt(rq, curr);
  } else if (curr.sched_class == Class::fair) {
    // The class decides whether anything is accounted; the clock itself may move without harm.
    if (rq.nr_running > 1 && (impl_->k.eevdf || curr.policy != Policy::batch)) impl_->update_rq_clock(rq, now);
    impl_->fair->yield_task(rq);
  }
}

void Scheduler::update_curr(int cpu, Time now) {
  Rq& rq = impl_->rq_of(cpu);
  impl_->update_rq_clock(rq, now);
  impl_->update_curr(rq);
}

void Scheduler::exit_current(int cpu) { impl_->rq_of(cpu).curr->state = State::dead; }

void Scheduler::migrate_queued(Task& t, int dst, Time now, MigrationCause cause) {
  detach_queued(t, dst, now, cause);
  attach_queued(t, now);
}

void Scheduler::detach_queued(Task& t, int dst, Time now, MigrationCause cause) {
  Rq& src = impl_->rq_of(t);
  if (t.on_rq != OnRq::queued || src.curr == &t) {
    throw std::logic_error("detach_queued: " + t.comm + " is not waiting on a run queue");
  }
  impl_->update_rq_clock(src, now);
  t.on_rq = OnRq::migrating;
  impl_->dequeue_task(src, t, 0);
  if (impl_->observer != nullptr) impl_->observer->migrate_task(t, src.cpu, dst, cause);
  if (t.sched_class == Class::fair) impl_->fair->migrate_task(t, false);
  impl_->set_task_cpu(t, dst);
}

void Scheduler::attach_queued(Task& t, Time now) {
  Rq& rq = impl_->rq_of(t);
  impl_->update_rq_clock(rq, now);
  impl_->enqueue_task(rq, t, enqueue::kMigrated);
  t.on_rq = OnRq::queued;
  impl_->wakeup_preempt(rq, t, false);
}

void Scheduler::watch_irq_time(int cpu, const Time& hard, const Time& soft) {
  impl_->rq_of(cpu).irq_time = &hard;
  impl_->rq_of(cpu).softirq_time = &soft;
}

Task& Scheduler::idle_task(int cpu) { return impl_->rq_of(cpu).idle; }
Task& Scheduler::current(int cpu) { return *impl_->rq_of(cpu).curr; }
bool Scheduler::need_resched(int cpu) const { return any_resched(impl_->rq_of(cpu)); }
bool Scheduler::resched_is_lazy(int cpu) const {
  const Rq& rq = impl_->rq_of(cpu);
  return rq.resched_lazy && !rq.resched;
}
int Scheduler::nr_running(int cpu) const { return static_cast<int>(impl_->rq_of(cpu).nr_running); }
const kernel::Switches& Scheduler::switches() const { return impl_->k; }
const Tunables& Scheduler::tunables() const { return impl_->tunables; }

}  // namespace wakepath::sched
