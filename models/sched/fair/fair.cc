// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/sched/fair/fair.h"

#include "models/sched/smp_rq.h"

namespace wakepath::sched {

void Fair::resched_curr(Rq& rq) const {
  if (lazy_ && rq.curr != &rq.idle) {
    if (!rq.resched) rq.resched_lazy = true;
  } else {
    rq.resched = true;
  }
}

std::uint64_t Fair::charge_curr(CfsRq& cfs_rq, Entity& curr) {
  const std::uint64_t now = cfs_rq.rq->clock_task;
  const std::uint64_t delta = now - curr.exec_start;
  if (static_cast<std::int64_t>(delta) <= 0) return 0;
  curr.exec_start = now;
  curr.sum_exec_runtime += delta;
  curr.vruntime += calc_delta_fair(delta, curr.load);
  return delta;
}

void Fair::report_curr(const CfsRq& cfs_rq, const Entity& curr, std::uint64_t delta) const {
  if (curr.task == nullptr) return;
  curr.task->sum_exec_runtime_ns += static_cast<std::int64_t>(delta);
  if (observer_ != nullptr) {
    observer_->stat_runtime(cfs_rq.rq->cpu, *curr.task, static_cast<std::int64_t>(delta), curr.vruntime);
  }
}

void Fair::put_prev_task(Task& p) {
  for (Entity* se = &p.se; se != nullptr; se = se->parent) put_prev_entity(*se->cfs_rq, *se);
}

void Fair::set_next_task(Task& p) {
  for (Entity* se = &p.se; se != nullptr; se = se->parent) {
    set_next_entity(*se->cfs_rq, *se);
    account_cfs_rq_runtime(*se->cfs_rq, 0);  // it may begin only with something to spend
  }
}

// Levels that both have in common keep their current entity: its slice and its protection go on.
void Fair::switch_entities(Entity& prev, Entity& next) {
  Entity* pse = &prev;
  Entity* se = &next;
  while (se->cfs_rq != pse->cfs_rq) {
    const int se_depth = se->depth;
    const int pse_depth = pse->depth;
    if (se_depth <= pse_depth) {
      put_prev_entity(*pse->cfs_rq, *pse);
      pse = pse->parent;
    }
    if (se_depth >= pse_depth) {
      set_next_entity(*se->cfs_rq, *se);
      se = se->parent;
    }
  }
  CfsRq& common = *se->cfs_rq;
  put_prev_entity(common, *pse);
  set_next_entity(common, *se);
}

void Fair::account_entity_enqueue(CfsRq& cfs_rq, const Entity& se) {
  cfs_rq.load.add(se.load.weight);
  ++cfs_rq.nr_running;
  if (entity_is_idle(se)) ++cfs_rq.idle_nr_running;
  if (se.task != nullptr && cfs_rq.rq->smp) cfs_tasks_add(*cfs_rq.rq->smp, *se.task);
}

void Fair::account_entity_dequeue(CfsRq& cfs_rq, const Entity& se) {
  cfs_rq.load.sub(se.load.weight);
  --cfs_rq.nr_running;
  if (entity_is_idle(se)) --cfs_rq.idle_nr_running;
  if (se.task != nullptr && cfs_rq.rq->smp) cfs_tasks_del(*cfs_rq.rq->smp, *se.task);
}

void Fair::update_level(CfsRq& cfs_rq, Entity& se) {
  update_load_avg(cfs_rq, se, kUpdateTg);
  se_update_runnable(se);
  update_cfs_group(se);
}

// Where only SCHED_IDLE tasks are left it is time to look for better ones on other CPUs.
void Fair::tasks_left(Rq& rq, std::uint32_t tasks, bool only_idle_before) {
  rq.nr_running -= tasks;
  if (rq.smp && !only_idle_before && sched_idle_cpu(rq)) rq.smp->next_balance = 0;
}

// Moves both up to the level at which they compete.
void Fair::find_matching_se(Entity*& a, Entity*& b) {
  while (a->depth > b->depth) a = a->parent;
  while (b->depth > a->depth) b = b->parent;
  while (a->cfs_rq != b->cfs_rq) {
    a = a->parent;
    b = b->parent;
  }
}

void Fair::set_next_buddy(Entity& se) {
  for (Entity* at = &se; at != nullptr; at = at->parent) {
    if (!at->on_rq || entity_is_idle(*at)) return;
    at->cfs_rq->next = at;
  }
}

// A buddy is cleared on its level and on every higher one where the same chain was marked.
void Fair::clear_buddies(Entity& se) {
  const auto clear = [&se](Entity* CfsRq::*buddy) {
    for (Entity* at = &se; at != nullptr && at->cfs_rq->*buddy == at; at = at->parent) at->cfs_rq->*buddy = nullptr;
  };
  clear(&CfsRq::last);
  clear(&CfsRq::next);
  clear(&CfsRq::skip);
}

void Fair::reweight_task(Task& p, const LoadWeight& lw) {
  reweight_entity(*p.se.cfs_rq, p.se, lw.weight);
  p.se.load.inv_weight = lw.inv_weight;  // a task carries the table's inverse, rounded; reweight drops it
}

void Fair::migrate_task(Task& p, bool waking) {
  if (waking) remove_entity_load_avg(p.se);
  p.se.attached = false;
}

void Fair::task_dead(Task& p) {
  remove_entity_load_avg(p.se);
  p.se.attached = false;
}

void Fair::switched_from(Task& p) { detach_entity(p.se); }
void Fair::switched_to(Task& p) { attach_entity(p.se); }

}  // namespace wakepath::sched
