// SPDX-License-Identifier: GPL-2.0-or-later
// EEVDF through all levels: queueing, delayed dequeue, the pick, preemption at wakeups and ticks.
#include "models/sched/fair/eevdf.h"

#include <utility>

#include "models/sched/smp_rq.h"

namespace wakepath::sched {

void Eevdf::init_entity(Entity& se) {
  se.vruntime = se.cfs_rq->zero_vruntime;
  se.slice = static_cast<std::uint64_t>(tunables_.base_slice_ns);
}

void Eevdf::update_curr(CfsRq& cfs_rq) {
  Entity* const curr = cfs_rq.curr;
  if (curr == nullptr) return;
  const std::uint64_t delta = charge_curr(cfs_rq, *curr);
  if (delta == 0) return;
  const bool used_up = update_deadline(cfs_rq, *curr);
  report_curr(cfs_rq, *curr, delta);
  account_cfs_rq_runtime(cfs_rq, delta);
  if (cfs_rq.nr_running == 1) return;
  // 6.17 ends every run at the end of its protection; before, an unprotected one only where it is not eligible, so
  // that a shorter slice that cancelled the protection gets its turn.
  bool resched = used_up;
  if (!resched && k_.tick_unprotected) resched = !protect_slice(*curr);
  if (!resched && k_.preempt_short && !k_.tick_unprotected) {
    resched = !protect_slice(*curr) && !entity_eligible(cfs_rq, *curr);
  }
  if (!resched) return;
  resched_curr(*cfs_rq.rq);
  clear_buddies(*curr);
}

void Eevdf::set_delayed(Entity& se) {
  se.sched_delayed = true;
  if (!entity_is_task(se)) return;  // a delayed group has no tasks to count
  for (Entity* at = &se; at != nullptr; at = at->parent) {
    ++at->cfs_rq->h_nr_delayed;
    if (at->cfs_rq->throttle.off_queue) break;
  }
}

void Eevdf::clear_delayed(Entity& se) {
  se.sched_delayed = false;
  if (!entity_is_task(se)) return;
  for (Entity* at = &se; at != nullptr; at = at->parent) {
    --at->cfs_rq->h_nr_delayed;
    if (at->cfs_rq->throttle.off_queue) break;
  }
}

void Eevdf::enqueue_entity(CfsRq& cfs_rq, Entity& se, unsigned flags) {
  const bool curr = cfs_rq.curr == &se;
  if (curr) place_entity(cfs_rq, se, flags);
  update_curr(cfs_rq);
  update_load_avg(cfs_rq, se, kUpdateTg | kDoAttach);
  se_update_runnable(se);
  update_cfs_group(se);
  if (!curr) place_entity(cfs_rq, se, flags);
  account_entity_enqueue(cfs_rq, se);
  if ((flags & enqueue::kMigrated) != 0) se.exec_start = 0;
  if (!curr) enqueue_in_timeline(cfs_rq, se);
  se.on_rq = true;
  if (cfs_rq.nr_running != 1) return;
  check_enqueue_throttle(cfs_rq);
  if (throttles_tasks_) start_pelt_clock(cfs_rq);
}

// False: not eligible, so it stays and pays its lag back by waiting.
bool Eevdf::dequeue_entity(CfsRq& cfs_rq, Entity& se, unsigned flags) {
  const bool sleep = (flags & dequeue::kSleep) != 0;
  const bool delayed = (flags & dequeue::kDelayed) != 0;
  update_curr(cfs_rq);
  clear_buddies(se);
  const bool leaves_at_once = (flags & (dequeue::kSpecial | dequeue::kThrottle)) != 0;
  if (!delayed && k_.delay_dequeue && sleep && !leaves_at_once && !entity_eligible(cfs_rq, se)) {
    update_load_avg(cfs_rq, se, 0);
    set_delayed(se);
    return false;
  }
  const bool migrating = se.task != nullptr && se.task->on_rq == OnRq::migrating;
  update_load_avg(cfs_rq, se, kUpdateTg | (migrating ? kDoDetach : 0u));
  se_update_runnable(se);
  update_entity_lag(cfs_rq, se);
  if (k_.place_rel_deadline && !sleep) {
    se.deadline -= se.vruntime;
    se.rel_deadline = true;
  }
  if (cfs_rq.curr != &se) dequeue_from_timeline(cfs_rq, se);
  se.on_rq = false;
  account_entity_dequeue(cfs_rq, se);
  if (throttled_hierarchy(cfs_rq) && throttles_tasks_) [[unlikely]]
    task_left_throttled(cfs_rq, flags);
  return_cfs_rq_runtime(cfs_rq);
  update_cfs_group(se);
  if (delayed) {
    clear_delayed(se);
    if (k_.delay_zero && se.vlag > 0) se.vlag = 0;
  }
  return true;
}

// 6.18: the queue's averages stand from when nothing is left in it.
void Eevdf::task_left_throttled(CfsRq& cfs_rq, unsigned flags) {
  Throttle& t = cfs_rq.throttle;
  if ((flags & dequeue::kThrottle) != 0 && t.throttled && t.clock == 0) t.clock = cfs_rq.rq->clock;
  if (cfs_rq.nr_running == 0) stop_pelt_clock(cfs_rq);
}

// Woken while delayed. No accounting comes first: V is as old as the last update of the running entity.
void Eevdf::requeue_delayed_entity(Entity& se) {
  CfsRq& cfs_rq = *se.cfs_rq;
  if (k_.delay_zero) {
    update_entity_lag(cfs_rq, se);
    if (se.vlag > 0) {
      const bool curr = cfs_rq.curr == &se;
      --cfs_rq.nr_running;
      if (!curr) dequeue_from_timeline(cfs_rq, se);
      se.vlag = 0;
      place_entity(cfs_rq, se, 0);
      if (!curr) enqueue_in_timeline(cfs_rq, se);
      ++cfs_rq.nr_running;
    }
  }
  update_load_avg(cfs_rq, se, 0);
  clear_delayed(se);
}

// An ancestor that stays queued takes the least slice below it; its deadline follows at the next renewal.
void Eevdf::inherit_slice(CfsRq& cfs_rq, Entity& se, std::uint64_t slice) const {
  if (!k_.custom_slice || se.slice == slice) return;
  const std::uint64_t before = std::exchange(se.slice, slice);
  if (cfs_rq.curr != &se) cfs_rq.timeline.slice_changed(se, before);
}

void Eevdf::enqueue_task(Rq& rq, Task& p, unsigned flags) {
  if (p.throttled && enqueue_in_limbo(rq, p)) [[unlikely]]
    return;
  if ((flags & enqueue::kDelayed) != 0) {
    requeue_delayed_entity(p.se);
    return;
  }
  const bool is_new = (flags & enqueue::kWakeup) == 0;
  const std::uint32_t h_nr_delayed = is_new && p.se.sched_delayed ? 1 : 0;
  std::uint32_t idle_h_nr = p.policy == Policy::idle ? 1 : 0;
  const auto count = [&](CfsRq& cfs_rq) {
    ++cfs_rq.h_nr_running;
    cfs_rq.h_nr_delayed += h_nr_delayed;
    cfs_rq.idle_h_nr_running += idle_h_nr;
    if (cfs_rq.idle) idle_h_nr = 1;
  };
  std::uint64_t slice = 0;
  Entity* se = &p.se;
  for (; se != nullptr; se = se->parent) {
    if (se->on_rq) {
      if (se->sched_delayed) requeue_delayed_entity(*se);
      break;
    }
    CfsRq& cfs_rq = *se->cfs_rq;
    if (k_.custom_slice && slice != 0) {
      se->slice = slice;
      se->custom_slice = true;
    }
    enqueue_entity(cfs_rq, *se, flags);
    slice = min_slice(cfs_rq);
    count(cfs_rq);
    if (cfs_rq.throttle.off_queue) return;  // those above do not see it
    flags = enqueue::kWakeup;
  }
  for (; se != nullptr; se = se->parent) {
    CfsRq& cfs_rq = *se->cfs_rq;
    update_level(cfs_rq, *se);
    inherit_slice(cfs_rq, *se, slice);
    slice = min_slice(cfs_rq);
    count(cfs_rq);
    if (cfs_rq.throttle.off_queue) return;
  }
  ++rq.nr_running;
}

bool Eevdf::dequeue_task(Rq& rq, Task& p, unsigned flags) {
  if (!p.throttled) [[likely]]
    return dequeue_entities(rq, p.se, flags);
  dequeue_from_limbo(p, flags);
  if (p.on_rq == OnRq::migrating) detach_entity(p.se);
  return true;
}

// Also finishes a delayed dequeue, of a task or of an emptied group. False: the task itself became delayed.
bool Eevdf::dequeue_entities(Rq& rq, Entity& first, unsigned flags) {
  const bool sleep = (flags & dequeue::kSleep) != 0;
  const bool delayed = (flags & dequeue::kDelayed) != 0;
  const bool only_idle_before = sched_idle_cpu(rq);
  Task* const p = first.task;
  const std::uint32_t h_nr = p != nullptr ? 1 : 0;
  const std::uint32_t h_nr_delayed = p != nullptr && !sleep && !delayed && first.sched_delayed ? 1 : 0;
  std::uint32_t idle_h_nr = p != nullptr && p->policy == Policy::idle ? 1 : 0;
  const auto count = [&](CfsRq& cfs_rq) {
    cfs_rq.h_nr_running -= h_nr;
    cfs_rq.h_nr_delayed -= h_nr_delayed;
    cfs_rq.idle_h_nr_running -= idle_h_nr;
    if (cfs_rq.idle) idle_h_nr = h_nr;
  };
  const auto left = [p, delayed] {
    if (p != nullptr && delayed) p->on_rq = OnRq::no;
    return true;
  };
  std::uint64_t slice = 0;
  Entity* se = &first;
  while (se != nullptr) {
    CfsRq& cfs_rq = *se->cfs_rq;
    if (!dequeue_entity(cfs_rq, *se, flags)) {
      if (p != nullptr && se == &p->se) return false;
      slice = min_slice(cfs_rq);
      break;
    }
    count(cfs_rq);
    if (cfs_rq.throttle.off_queue) return left();
    se = se->parent;
    if (cfs_rq.load.weight != 0) {
      slice = min_slice(cfs_rq);
      if (sleep && se != nullptr && (throttles_tasks_ || !throttled_hierarchy(cfs_rq))) set_next_buddy(*se);
      break;
    }
    flags |= dequeue::kSleep;
    flags &= ~(dequeue::kDelayed | dequeue::kSpecial);
  }
  for (; se != nullptr; se = se->parent) {
    CfsRq& cfs_rq = *se->cfs_rq;
    update_level(cfs_rq, *se);
    inherit_slice(cfs_rq, *se, slice);
    slice = min_slice(cfs_rq);
    count(cfs_rq);
    if (cfs_rq.throttle.off_queue) return left();
  }
  tasks_left(rq, h_nr, only_idle_before);
  return left();
}

void Eevdf::put_prev_entity(CfsRq& cfs_rq, Entity& prev) {
  if (prev.on_rq) update_curr(cfs_rq);
  check_cfs_rq_runtime(cfs_rq);
  if (prev.on_rq) {
    enqueue_in_timeline(cfs_rq, prev);
    update_load_avg(cfs_rq, prev, 0);
  }
  cfs_rq.curr = nullptr;
}

void Eevdf::set_next_entity(CfsRq& cfs_rq, Entity& se) {
  clear_buddies(se);
  if (se.on_rq) {
    dequeue_from_timeline(cfs_rq, se);
    update_load_avg(cfs_rq, se, kUpdateTg);
    set_protect_slice(cfs_rq, se);
  }
  se.exec_start = cfs_rq.rq->clock_task;
  cfs_rq.curr = &se;
  se.prev_sum_exec_runtime = se.sum_exec_runtime;
}

// Null: what was picked was delayed and is gone now; start over.
Entity* Eevdf::pick_next_entity(Rq& rq, CfsRq& cfs_rq, bool protect) {
  const bool by_buddy = k_.pick_buddy || (k_.next_buddy_picks && k_.next_buddy);
  if (by_buddy && cfs_rq.next != nullptr && entity_eligible(cfs_rq, *cfs_rq.next)) return cfs_rq.next;
  Entity* const se = pick_eevdf(cfs_rq, protect);
  if (!se->sched_delayed) return se;
  dequeue_entities(rq, *se, dequeue::kSleep | dequeue::kDelayed);
  ++rq.taken_off;
  return nullptr;
}

Task* Eevdf::pick_task(Rq& rq) {
  CfsRq* cfs_rq = &rq.cfs;
  bool throttled = false;  // one on the way down: who is picked may go on in the kernel only
  while (cfs_rq->nr_running != 0) {
    if (cfs_rq->curr != nullptr && cfs_rq->curr->on_rq) update_curr(*cfs_rq);
    if (check_cfs_rq_runtime(*cfs_rq)) {
      if (!throttles_tasks_) {
        cfs_rq = &rq.cfs;
        continue;
      }
      throttled = true;
    }
    Entity* const se = pick_next_entity(rq, *cfs_rq, true);
    if (se == nullptr) {
      cfs_rq = &rq.cfs;
      throttled = false;
    } else if (se->my_q == nullptr) {
      if (throttled && !se->task->kthread) se->task->throttle_work = true;
      return se->task;
    } else {
      cfs_rq = se->my_q;
    }
  }
  return nullptr;
}

Task* Eevdf::pick_next_task(Rq& rq, Task& prev) {
  Task* const p = pick_task(rq);
  if (p == nullptr) return nullptr;
  if (prev.sched_class != Class::fair) {
    set_next_task(*p);
  } else if (p != &prev) {
    switch_entities(prev.se, p->se);
  }
  return p;
}

// A shorter request that could run now overrides the protection of the running one.
bool Eevdf::do_preempt_short(const CfsRq& cfs_rq, const Entity& pse, const Entity& se) const {
  if (!k_.preempt_short || pse.slice >= se.slice) return false;
  if (k_.protect_by_vruntime) return true;  // 6.17 leaves the rest to the pick
  if (!entity_eligible(cfs_rq, pse)) return false;
  return before(pse.deadline, se.deadline) || !entity_eligible(cfs_rq, se);
}

bool Eevdf::preempts_on_wakeup(Rq& rq, CfsRq& cfs_rq, Entity& se, Entity& pse) {
  const bool shorter = do_preempt_short(cfs_rq, pse, se);
  if (k_.wakeup_preempts_by_pick) {
    Entity* picked = nullptr;
    while (picked == nullptr && cfs_rq.nr_running != 0) picked = pick_next_entity(rq, cfs_rq, !shorter);
    if (picked == &pse) {
      if (shorter) cancel_protect_slice(se);
      return true;
    }
    if (k_.run_to_parity) update_protect_slice(cfs_rq, se);
    return false;
  }
  if (!k_.protect_by_vruntime) {
    if (shorter) cancel_protect_slice(se);
    return pick_eevdf(cfs_rq, true) == &pse;
  }
  if (pick_eevdf(cfs_rq, !shorter) == &pse) return true;
  if (k_.run_to_parity && shorter) update_protect_slice(cfs_rq, se);
  return false;
}

void Eevdf::wakeup_preempt(Rq& rq, Task& p, bool fork) {
  Task& curr = *rq.curr;
  Entity* se = &curr.se;
  Entity* pse = &p.se;
  if (se == pse || (throttles_tasks_ ? p.throttled : throttled_hierarchy(*pse->cfs_rq))) return;
  if (k_.next_buddy && !k_.wakeup_preempts_by_pick && !fork && !pse->sched_delayed) set_next_buddy(*pse);
  if (rq.resched) return;
  if (!k_.batch_test_after_idle) {
    if (curr.policy == Policy::idle && p.policy != Policy::idle) {
      resched_curr(rq);
      return;
    }
    if (p.policy != Policy::other) return;
  }
  if (!k_.wakeup_preemption) return;
  find_matching_se(se, pse);
  const bool cse_is_idle = entity_is_idle(*se);
  const bool pse_is_idle = entity_is_idle(*pse);
  if (cse_is_idle && !pse_is_idle) {
    if (k_.idle_loses_protection) cancel_protect_slice(*se);
    resched_curr(rq);
    return;
  }
  if (cse_is_idle != pse_is_idle || p.policy != Policy::other) return;
  CfsRq& cfs_rq = *se->cfs_rq;
  update_curr(cfs_rq);
  if (k_.wakeup_preempts_by_pick && !(k_.preempt_short && pse->slice < se->slice)) {
    if (fork) return;
    const bool earlier = cfs_rq.next == nullptr || !before(cfs_rq.next->deadline, pse->deadline);
    if (k_.next_buddy && earlier) set_next_buddy(*pse);
  }
  if (preempts_on_wakeup(rq, cfs_rq, *se, *pse)) resched_curr(rq);
}

void Eevdf::task_tick(Rq&, Task& curr) {
  for (Entity* se = &curr.se; se != nullptr; se = se->parent) {
    CfsRq& cfs_rq = *se->cfs_rq;
    update_curr(cfs_rq);
    update_load_avg(cfs_rq, *se, kUpdateTg);
    update_cfs_group(*se);
  }
}

void Eevdf::yield_task(Rq& rq) {
  Task& curr = *rq.curr;
  if (rq.nr_running == 1) return;
  Entity& se = curr.se;
  CfsRq& cfs_rq = *se.cfs_rq;
  clear_buddies(se);
  update_curr(cfs_rq);
  rq.clock_skip_requested = true;
  if (!k_.yield_if_eligible) {
    se.deadline += calc_delta_fair(se.slice, se.load);
  } else if (entity_eligible(cfs_rq, se)) {
    se.vruntime = se.deadline;
    update_deadline(cfs_rq, se);
  }
}

// Placement happens when the child is queued; nothing is owed for being born.
void Eevdf::task_fork(Rq&, Task* parent, Task& child) {
  child.se.vlag = 0;
  if (parent != nullptr && k_.custom_slice) {
    child.se.custom_slice = parent->se.custom_slice;
    child.se.slice = parent->se.slice;
  }
}

}  // namespace wakepath::sched
