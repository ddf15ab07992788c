// SPDX-License-Identifier: GPL-2.0-or-later
// What the parts of the core share: the run queues and the dispatch to scheduling classes. Private to models/sched.
#pragma once

#include <memory>
#include <vector>

#include "models/sched/fair/fair.h"
#include "models/sched/rt.h"
#include "models/sched/sched.h"
#include "models/sched/smp_rq.h"

namespace wakepath::sched {

struct Scheduler::Impl {
  Impl(const kernel::Switches& switches, const Tunables& t, int cpus);

  Rq& rq_of(const Task& t) { return rqs[static_cast<std::size_t>(t.cpu)]; }
  Rq& rq_of(int cpu) { return rqs.at(static_cast<std::size_t>(cpu)); }

  static void update_rq_clock(Rq& rq, Time now);
  void enqueue_task(Rq& rq, Task& p, unsigned flags);
  void unthrottle(CfsRq& q);
  void tasks_came(const Rq& rq, std::uint32_t nr_running_before) const;
  bool dequeue_task(Rq& rq, Task& p, unsigned flags);
  void put_prev_task(Rq& rq, Task& p);
  void set_next_task(Rq& rq, Task& p);
  void wakeup_preempt(Rq& rq, Task& p, bool fork);
  Task& pick_next_task(Rq& rq, Task& prev, Time now, Time& newidle_ns);
  Task* pick_strong_or_fair(Rq& rq, Task& prev);
  Task* pick_after_newidle(Rq& rq, Task& prev, Time now, Time& newidle_ns);
  void update_curr(Rq& rq);
  void set_task_cpu(Task& t, int cpu) const;  // queue pointers only
  static LoadWeight load_weight_of(const Task& t);
  void prio_changed(Rq& rq, Task& t, int old_prio);
  bool distribute_cfs_runtime(CfsBandwidth& b, int this_cpu, Time now);
  bool refill_period(CfsBandwidth& b, int cpu, Time overrun, Time now);
  template <class Change>
  void change_task(Rq& rq, Task& t, unsigned dequeue_flags, unsigned enqueue_flags, Change change);

  const kernel::Switches k;
  const Tunables tunables;
  std::vector<Rq> rqs;
  TaskGroup root;
  std::vector<std::unique_ptr<TaskGroup>> groups;
  std::unique_ptr<Fair> fair;
  Observer* observer = nullptr;
  Domains* domains = nullptr;  // null: one CPU
  Balancer* balancer = nullptr;
  BalanceHost* balance_host = nullptr;
  int hz = 250;
};

Class class_of(Policy policy);
int prio_of(Class c, int nice, int rt_priority);

}  // namespace wakepath::sched
