// SPDX-License-Identifier: GPL-2.0-or-later
// Following a recorded kernel: where it decided otherwise, the model takes its decision and goes on from there; and
// state that a recording does not show is assumed. Only models/verify calls these.
#include <utility>

#include "models/sched/core_impl.h"
#include "models/sched/follow.h"

namespace wakepath::sched {

void Scheduler::follow_switch(int cpu, Task& next) {
  Rq& rq = impl_->rq_of(cpu);
  Task& curr = *rq.curr;
  rq.resched = rq.resched_lazy = rq.clock_skip_requested = false;
  if (&curr == &next) return;
  impl_->put_prev_task(rq, curr);
  impl_->set_next_task(rq, next);
  rq.curr = &next;
}

void Scheduler::follow_resched(int cpu, bool resched, bool skip_clock) {
  Rq& rq = impl_->rq_of(cpu);
  rq.resched = resched;
  rq.resched_lazy = false;
  rq.clock_skip_requested = resched && skip_clock && impl_->k.clock_skip_after_preempting_wakeup;
}

void Scheduler::follow_charge(int cpu, Time now) {
  Rq& rq = impl_->rq_of(cpu);
  impl_->update_rq_clock(rq, now);
  impl_->update_curr(rq);
  if (rq.curr->sched_class != Class::fair) return;
  for (Entity* se = rq.curr->se.parent; se != nullptr; se = se->parent) impl_->fair->update_curr(*se->cfs_rq);
}

void Scheduler::assume_vruntime(Entity& se, std::uint64_t vruntime) {
  const bool waits = se.on_rq && se.cfs_rq->curr != &se;
  if (waits) se.cfs_rq->timeline.erase(se);
  se.vruntime = vruntime;
  if (waits) se.cfs_rq->timeline.insert(se, vruntime);
}

void assume_deadline(Entity& se, std::uint64_t deadline) {
  const bool waits = se.on_rq && se.cfs_rq->curr != &se;
  if (waits) se.cfs_rq->timeline.erase(se);
  se.deadline = deadline;
  if (waits) se.cfs_rq->timeline.insert(se, deadline);
}

void assume_unprotected(Entity& se) { se.vlag = static_cast<std::int64_t>(se.deadline + 1); }

void Scheduler::assume_exec_start(Task& t, Time exec_start) {
  for (Entity* se = &t.se; se != nullptr; se = se->parent) se->exec_start = static_cast<std::uint64_t>(exec_start);
}

}  // namespace wakepath::sched
