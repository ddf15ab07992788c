// SPDX-License-Identifier: GPL-2.0-or-later
// Setting up and changing: run queues, groups and their shares, tasks, nice values, policies.
//
// Source: kernel/sched/core.c (set_user_nice, __sched_setscheduler, sched_init), kernel/sched/fair.c
// (init_tg_cfs_entry, __sched_group_set_shares); 6.1, 6.12.
#include <algorithm>
#include <stdexcept>
#include <utility>

#include "models/sched/core_impl.h"
#include "models/sched/fair/cfs.h"
#include "models/sched/fair/eevdf.h"

namespace wakepath::sched {

Class class_of(Policy policy) {
  switch (policy) {
    case Policy::stop:
      return Class::stop;
    case Policy::fifo:
      return Class::rt;
    default:
      return Class::fair;
  }
}

Scheduler::Impl::Impl(const kernel::Switches& switches, const Tunables& t, int cpus)
    : k(switches), tunables(t), rqs(static_cast<std::size_t>(cpus)) {
  if (k.eevdf) {
    fair = std::make_unique<Eevdf>(k, tunables);
  } else {
    fair = std::make_unique<Cfs>(k, tunables);
  }
  for (int cpu = 0; cpu < cpus; ++cpu) {
    Rq& rq = rqs[static_cast<std::size_t>(cpu)];
    rq.cpu = cpu;
    rq.cfs.rq = &rq;
    rq.cfs.tg = &root;
    root.cfs_rq.push_back(&rq.cfs);
    rq.idle.comm = "swapper/" + std::to_string(cpu);
    rq.idle.cpu = cpu;
    rq.idle.group = &root;
    rq.idle.sched_class = Class::idle;
    rq.idle.state = State::running;
    rq.idle.on_rq = OnRq::queued;  // the idle task counts as queued: waking an idle CPU skips the clock too
    rq.idle.se.task = &rq.idle;
    rq.curr = &rq.idle;
  }
}

Scheduler::Scheduler(const kernel::Switches& switches, const Tunables& tunables, int cpus)
    : impl_(std::make_unique<Impl>(switches, tunables, cpus)), rqs_(impl_->rqs) {}
Scheduler::~Scheduler() = default;

void Scheduler::set_observer(Observer* o) {
  impl_->observer = o;
  impl_->fair->set_observer(o);
}

void Scheduler::set_lazy(bool on) { impl_->fair->set_lazy(on); }

TaskGroup* Scheduler::root_group() { return &impl_->root; }

TaskGroup* Scheduler::create_group(const std::string& name, TaskGroup* parent, std::uint64_t shares, bool idle) {
  if (parent == nullptr) parent = &impl_->root;
  const std::size_t cpus = impl_->rqs.size();
  TaskGroup& g = *impl_->groups.emplace_back(std::make_unique<TaskGroup>());
  g.name = name;
  g.parent = parent;
  parent->children.push_back(&g);
  g.idle = idle;
  g.se = std::vector<Entity>(cpus);
  g.own_queues = std::vector<CfsRq>(cpus);
  for (std::size_t cpu = 0; cpu < cpus; ++cpu) {
    CfsRq& cfs_rq = g.own_queues[cpu];
    cfs_rq.rq = &impl_->rqs[cpu];
    cfs_rq.tg = &g;
    cfs_rq.idle = idle;
    cfs_rq.throttle.count = parent->cfs_rq[cpu]->throttle.count;
    cfs_rq.throttle.pelt_stopped = cfs_rq.throttle.count != 0;
    cfs_rq.throttle.clock_pelt = cfs_rq.rq->clock_pelt - cfs_rq.rq->lost_idle_time;
    g.cfs_rq.push_back(&cfs_rq);
    Entity& se = g.se[cpu];
    se.parent = parent->se.empty() ? nullptr : &parent->se[cpu];
    se.depth = se.parent != nullptr ? se.parent->depth + 1 : 0;
    se.cfs_rq = parent->cfs_rq[cpu];
    se.my_q = &cfs_rq;
    se.load.set(kNice0Load);
    impl_->fair->init_entity(se);
    impl_->fair->attach_entity(se);
  }
  set_shares(g, idle ? scale_load(kIdlePolicyWeight) : shares, 0);
  return &g;
}

void Scheduler::set_shares(TaskGroup& g, std::uint64_t shares, Time now) {
  if (g.parent == nullptr) throw std::logic_error("set_shares: the root group has no weight");
  shares = std::clamp(shares, scale_load(kMinShares), scale_load(kMaxShares));
  if (g.shares == shares) return;
  g.shares = shares;
  for (Rq& rq : impl_->rqs) {
    impl_->update_rq_clock(rq, now);
    impl_->fair->update_group_weights(g.se[static_cast<std::size_t>(rq.cpu)]);
  }
}

void Scheduler::set_idle(TaskGroup& g, bool idle, Time now) {
  if (g.parent == nullptr) throw std::logic_error("set_idle: the root group cannot be idle");
  if (g.idle == idle) return;
  g.idle = idle;
  for (Rq& rq : impl_->rqs) {
    CfsRq& own = *g.cfs_rq[static_cast<std::size_t>(rq.cpu)];
    own.idle = idle;
    Entity* se = &g.se[static_cast<std::size_t>(rq.cpu)];
    if (se->on_rq) se->cfs_rq->idle_nr_running += idle ? 1u : ~0u;
    // Its tasks that do not run idle by themselves change sides, up to the next idle group.
    std::uint32_t tasks = own.h_nr_running - own.idle_h_nr_running;
    if (!idle) tasks = 0u - tasks;
    for (; se != nullptr && se->on_rq; se = se->parent) {
      se->cfs_rq->idle_h_nr_running += tasks;
      if (se->cfs_rq->idle) break;
    }
  }
  set_shares(g, idle ? scale_load(kIdlePolicyWeight) : kNice0Load, now);
}

LoadWeight Scheduler::Impl::load_weight_of(const Task& t) {
  return t.policy == Policy::idle ? load_of_idle_policy() : load_of_nice(t.nice);
}

void Scheduler::Impl::set_task_cpu(Task& t, int cpu) const {
  const auto c = static_cast<std::size_t>(cpu);
  t.cpu = cpu;
  t.se.cfs_rq = t.group->cfs_rq.at(c);
  t.se.parent = t.group->se.empty() ? nullptr : &t.group->se[c];
  t.se.depth = t.se.parent != nullptr ? t.se.parent->depth + 1 : 0;
}

void Scheduler::init_task(Task& t, std::string comm, std::int32_t pid, Policy policy, int nice, int rt_priority,
                          TaskGroup* group, int cpu) {
  t.comm = std::move(comm);
  t.pid = pid;
  t.group = group != nullptr ? group : &impl_->root;
  t.policy = policy;
  t.sched_class = class_of(policy);
  t.nice = nice;
  t.rt_priority = rt_priority;
  t.state = State::interruptible;
  t.on_rq = OnRq::no;
  t.se.task = &t;
  impl_->set_task_cpu(t, cpu);
  t.se.load = impl_->load_weight_of(t);
  t.se.avg.load_avg = scale_load_down(t.se.load.weight);  // taken for a full load until it shows otherwise
  impl_->fair->init_entity(t.se);
  if (t.sched_class != Class::fair) t.se.vruntime = 0;  // outside the class it is relative
}

// What is common to changing nice and policy: off the queue, change, back, perhaps preempt.
template <class Change>
void Scheduler::Impl::change_task(Rq& rq, Task& t, unsigned dequeue_flags, unsigned enqueue_flags, Change change) {
  const bool queued = t.on_rq == OnRq::queued;
  const bool running = rq.curr == &t;
  if (queued) dequeue_task(rq, t, dequeue_flags);
  if (running) put_prev_task(rq, t);
  change();
  if (queued) enqueue_task(rq, t, enqueue_flags);
  if (running) set_next_task(rq, t);
}

void Scheduler::Impl::prio_changed(Rq& rq, Task& t, int old_prio) {
  if (t.on_rq != OnRq::queued) return;
  const bool running = rq.curr == &t;
  if (t.sched_class == Class::fair) {
    if (rq.cfs.nr_running == 1) return;
    if (!running) {
      wakeup_preempt(rq, t, false);
    } else if (t.prio() > old_prio) {
      rq.resched = true;
    }
  } else if (t.sched_class == Class::rt) {
    if (running ? rq.rt.head != &t : t.prio() < rq.curr->prio()) rq.resched = true;
  }
}

void Scheduler::set_slice(Task& t, Time slice_ns, Time now) {
  if (!impl_->k.eevdf || !impl_->k.custom_slice || t.sched_class != Class::fair) return;
  const auto slice = static_cast<std::uint64_t>(slice_ns != 0 ? std::clamp<Time>(slice_ns, 100'000, 100'000'000)
                                                              : impl_->tunables.base_slice_ns);
  if (t.se.slice == slice && t.se.custom_slice == (slice_ns != 0)) return;
  Rq& rq = impl_->rq_of(t);
  impl_->update_rq_clock(rq, now);
  impl_->change_task(rq, t, dequeue::kSave, enqueue::kRestore, [&] {
    t.se.custom_slice = slice_ns != 0;
    t.se.slice = slice;
  });
}

void Scheduler::set_nice(Task& t, int nice, Time now) {
  weight_of_nice(nice);  // range check
  if (t.nice == nice) return;
  Rq& rq = impl_->rq_of(t);
  impl_->update_rq_clock(rq, now);
  if (t.sched_class != Class::fair) {
    t.nice = nice;
    return;
  }
  const int old_prio = t.prio();
  impl_->change_task(rq, t, dequeue::kSave, enqueue::kRestore, [&] {
    t.nice = nice;
    impl_->fair->reweight_task(t, impl_->load_weight_of(t));
  });
  impl_->prio_changed(rq, t, old_prio);
}

void Scheduler::set_policy(Task& t, Policy p, int nice, int rt_priority, Time now) {
  weight_of_nice(nice);
  if (t.policy == p && (class_of(p) == Class::rt ? t.rt_priority == rt_priority : t.nice == nice)) return;
  Rq& rq = impl_->rq_of(t);
  impl_->update_rq_clock(rq, now);
  const Class old_class = t.sched_class;
  const Class new_class = class_of(p);
  const int old_prio = t.prio();
  if (new_class != old_class && t.se.sched_delayed) {
    impl_->dequeue_task(rq, t, dequeue::kSleep | dequeue::kDelayed);  // it sleeps; let it
  }
  // With the same priority it is put back where it was; with a lower one it comes before its new equals.
  const int new_prio = prio_of(new_class, nice, rt_priority);
  const unsigned moves = new_prio != old_prio ? dequeue::kMove : 0U, head = new_prio > old_prio ? enqueue::kHead : 0U;
  impl_->change_task(rq, t, dequeue::kSave | moves, enqueue::kRestore | head, [&] {
    t.policy = p;
    t.nice = nice;
    t.rt_priority = rt_priority;
    const LoadWeight lw = impl_->load_weight_of(t);
    if (old_class == Class::fair) {
      impl_->fair->reweight_task(t, lw);
    } else {
      t.se.load = lw;
    }
    t.sched_class = new_class;
  });
  if (new_class == old_class) {
    impl_->prio_changed(rq, t, old_prio);
    return;
  }
  if (old_class == Class::fair) impl_->fair->switched_from(t);
  if (new_class == Class::fair && !t.se.attached) impl_->fair->switched_to(t);
  if (t.on_rq != OnRq::queued) return;
  if (rq.curr == &t) {
    rq.resched = true;
  } else {
    impl_->wakeup_preempt(rq, t, false);
  }
}

// Who ran last before it slept was alone, so the queue's min_vruntime had gone along with it (update_min_vruntime).
void Scheduler::set_slept_vruntime(Task& t, Time vruntime_ns) {
  if (impl_->k.eevdf || t.sched_class != Class::fair || t.on_rq != OnRq::no) return;
  CfsRq& cfs_rq = *t.group->cfs_rq.at(static_cast<std::size_t>(t.cpu));
  constexpr std::uint64_t kSomewhere = 1ULL << 40;  // well above where queues begin: none of them is as old
  t.se.vruntime = kSomewhere + static_cast<std::uint64_t>(vruntime_ns);
  if (static_cast<std::int64_t>(cfs_rq.min_vruntime - t.se.vruntime) < 0) cfs_rq.min_vruntime = t.se.vruntime;
}

}  // namespace wakepath::sched
