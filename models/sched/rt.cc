// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/sched/rt.h"

namespace wakepath::sched {

void enqueue_task_rt(Rq& rq, Task& p, bool at_head) {
  Task* prev = nullptr;
  Task* at = rq.rt.head;
  while (at != nullptr && (at->prio() < p.prio() || (!at_head && at->prio() == p.prio()))) {
    prev = at;
    at = at->rt_next;
  }
  p.rt_prev = prev;
  p.rt_next = at;
  (prev != nullptr ? prev->rt_next : rq.rt.head) = &p;
  if (at != nullptr) at->rt_prev = &p;
  ++rq.rt.nr_running;
  ++rq.nr_running;
}

void dequeue_task_rt(Rq& rq, Task& p) {
  (p.rt_prev != nullptr ? p.rt_prev->rt_next : rq.rt.head) = p.rt_next;
  if (p.rt_next != nullptr) p.rt_next->rt_prev = p.rt_prev;
  p.rt_next = p.rt_prev = nullptr;
  --rq.rt.nr_running;
  --rq.nr_running;
}

void requeue_task_rt(Rq& rq, Task& p) {
  dequeue_task_rt(rq, p);
  enqueue_task_rt(rq, p, false);
}

void set_next_task_rt(Rq& rq, Task& p) { p.se.exec_start = rq.clock_task; }

void update_curr_rt(Rq& rq, Observer* observer) {
  Task& curr = *rq.curr;
  const std::uint64_t delta = rq.clock_task - curr.se.exec_start;
  if (static_cast<std::int64_t>(delta) <= 0) return;
  curr.se.exec_start = rq.clock_task;
  curr.se.sum_exec_runtime += delta;
  curr.sum_exec_runtime_ns += static_cast<std::int64_t>(delta);
  if (observer != nullptr) observer->stat_runtime(rq.cpu, curr, static_cast<std::int64_t>(delta), 0);
}

bool wakeup_preempts_rt(const Task& curr, const Task& p) { return p.prio() < curr.prio(); }

}  // namespace wakepath::sched
