// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/sched/fair/cfs.h"

#include <algorithm>

#include "models/sched/smp_rq.h"

namespace wakepath::sched {

namespace {

bool entity_before(const Entity& a, const Entity& b) { return before(a.vruntime, b.vruntime); }

bool sched_idle_cfs_rq(const CfsRq& cfs_rq) {
  return cfs_rq.nr_running != 0 && cfs_rq.nr_running == cfs_rq.idle_nr_running;
}

// Asleep so long that the comparison of vruntimes may have wrapped (about 104 days).
bool is_long_sleeper(const CfsRq& cfs_rq, const Entity& se) {
  if (se.exec_start == 0 || cfs_rq.rq->clock_task <= se.exec_start) return false;
  return cfs_rq.rq->clock_task - se.exec_start > (1ull << 63) / 1024;
}

}  // namespace

void Cfs::init_entity(Entity& se) { se.vruntime = se.cfs_rq->min_vruntime; }

void Cfs::update_curr(CfsRq& cfs_rq) {
  Entity* const curr = cfs_rq.curr;
  if (curr == nullptr) return;
  const std::uint64_t delta = charge_curr(cfs_rq, *curr);
  if (delta == 0) return;
  update_min_vruntime(cfs_rq);
  report_curr(cfs_rq, *curr, delta);
  account_cfs_rq_runtime(cfs_rq, delta);
}

void Cfs::update_min_vruntime(CfsRq& cfs_rq) {
  const Entity* const curr = cfs_rq.curr != nullptr && cfs_rq.curr->on_rq ? cfs_rq.curr : nullptr;
  const Entity* const leftmost = cfs_rq.timeline.first();
  std::uint64_t v = cfs_rq.min_vruntime;
  if (curr != nullptr) v = curr->vruntime;
  if (leftmost != nullptr && (curr == nullptr || entity_before(*leftmost, *curr))) v = leftmost->vruntime;
  if (before(cfs_rq.min_vruntime, v)) cfs_rq.min_vruntime = v;
}

void Cfs::place_entity(CfsRq& cfs_rq, Entity& se, bool initial) const {
  std::uint64_t v = cfs_rq.min_vruntime;
  if (initial) {
    if (k_.start_debit) v += calc_delta_fair(sched_slice(cfs_rq, se), se.load);
  } else {
    const bool little = k_.idle_sleeper_credit && entity_is_idle(se);
    auto credit = static_cast<std::uint64_t>(little ? tunables_.min_granularity_ns : tunables_.latency_ns);
    if (k_.gentle_fair_sleepers) credit >>= 1;
    v -= credit;
  }
  if (is_long_sleeper(cfs_rq, se) || before(se.vruntime, v)) se.vruntime = v;
}

// The entity's part of the period, through all levels, never below the granularity.
std::uint64_t Cfs::sched_slice(CfsRq& cfs_rq, Entity& se) const {
  std::uint64_t nr = k_.alt_period ? cfs_rq.rq->cfs.h_nr_running : cfs_rq.nr_running;
  if (!se.on_rq) ++nr;
  std::uint64_t slice = nr > static_cast<std::uint64_t>(tunables_.nr_latency)
                            ? nr * static_cast<std::uint64_t>(tunables_.min_granularity_ns)
                            : static_cast<std::uint64_t>(tunables_.latency_ns);
  for (Entity* at = &se; at != nullptr; at = at->parent) {
    if (at->on_rq) {
      slice = calc_delta(slice, at->load.weight, at->cfs_rq->load);
    } else {
      LoadWeight with_it = at->cfs_rq->load;
      with_it.add(at->load.weight);
      slice = calc_delta(slice, at->load.weight, with_it);
    }
  }
  if (!k_.base_slice_floor) return slice;
  const bool idle_among_others = entity_is_idle(se) && !sched_idle_cfs_rq(cfs_rq);
  const Time floor = idle_among_others ? tunables_.idle_min_granularity_ns : tunables_.min_granularity_ns;
  return std::max(slice, static_cast<std::uint64_t>(floor));
}

void Cfs::enqueue_entity(CfsRq& cfs_rq, Entity& se, unsigned flags) {
  const bool renorm = (flags & enqueue::kWakeup) == 0 || (flags & enqueue::kMigrated) != 0;
  const bool curr = cfs_rq.curr == &se;
  // The running entity must be absolute before it is accounted; others join the present min_vruntime, after it.
  if (renorm && curr) se.vruntime += cfs_rq.min_vruntime;
  update_curr(cfs_rq);
  if (renorm && !curr) se.vruntime += cfs_rq.min_vruntime;
  update_load_avg(cfs_rq, se, kUpdateTg | kDoAttach);
  se_update_runnable(se);
  update_cfs_group(se);
  account_entity_enqueue(cfs_rq, se);
  if ((flags & enqueue::kWakeup) != 0) place_entity(cfs_rq, se, false);
  if ((flags & enqueue::kMigrated) != 0) se.exec_start = 0;
  if (!curr) cfs_rq.timeline.insert(se, se.vruntime);
  se.on_rq = true;
  if (cfs_rq.nr_running == 1) check_enqueue_throttle(cfs_rq);
}

bool Cfs::dequeue_entity(CfsRq& cfs_rq, Entity& se, unsigned flags) {
  update_curr(cfs_rq);
  const bool migrating = se.task != nullptr && se.task->on_rq == OnRq::migrating;
  update_load_avg(cfs_rq, se, kUpdateTg | (migrating ? kDoDetach : 0u));
  se_update_runnable(se);
  clear_buddies(se);
  if (cfs_rq.curr != &se) cfs_rq.timeline.erase(se);
  se.on_rq = false;
  account_entity_dequeue(cfs_rq, se);
  if ((flags & dequeue::kSleep) == 0) se.vruntime -= cfs_rq.min_vruntime;
  return_cfs_rq_runtime(cfs_rq);
  update_cfs_group(se);
  // A task only saved comes back at once: moving min_vruntime now would put it back too far.
  if ((flags & (dequeue::kSave | dequeue::kMove)) != dequeue::kSave) update_min_vruntime(cfs_rq);
  return true;
}

void Cfs::enqueue_task(Rq& rq, Task& p, unsigned flags) {
  std::uint32_t idle_h_nr = p.policy == Policy::idle ? 1 : 0;
  const auto count = [&idle_h_nr](CfsRq& cfs_rq) {
    ++cfs_rq.h_nr_running;
    cfs_rq.idle_h_nr_running += idle_h_nr;
    if (cfs_rq.idle) idle_h_nr = 1;
  };
  Entity* se = &p.se;
  for (; se != nullptr && !se->on_rq; se = se->parent) {
    enqueue_entity(*se->cfs_rq, *se, flags);
    count(*se->cfs_rq);
    if (se->cfs_rq->throttle.off_queue) return;  // those above do not see it
    flags = enqueue::kWakeup;                    // ancestors are placed as wakers whatever brought the task
  }
  for (; se != nullptr; se = se->parent) {
    update_level(*se->cfs_rq, *se);
    count(*se->cfs_rq);
    if (se->cfs_rq->throttle.off_queue) return;
  }
  ++rq.nr_running;
}

bool Cfs::dequeue_task(Rq& rq, Task& p, unsigned flags) {
  const bool only_idle_before = sched_idle_cpu(rq);
  const bool sleep = (flags & dequeue::kSleep) != 0;
  std::uint32_t idle_h_nr = p.policy == Policy::idle ? 1 : 0;
  const auto count = [&idle_h_nr](CfsRq& cfs_rq) {
    --cfs_rq.h_nr_running;
    cfs_rq.idle_h_nr_running -= idle_h_nr;
    if (cfs_rq.idle) idle_h_nr = 1;
  };
  Entity* se = &p.se;
  while (se != nullptr) {
    CfsRq& cfs_rq = *se->cfs_rq;
    dequeue_entity(cfs_rq, *se, flags);
    count(cfs_rq);
    if (cfs_rq.throttle.off_queue) return true;
    se = se->parent;
    if (cfs_rq.load.weight != 0) {
      // Others of the group wait: the next pick leans to them.
      if (sleep && se != nullptr && !throttled_hierarchy(cfs_rq)) set_next_buddy(*se);
      break;
    }
    flags |= dequeue::kSleep;
  }
  for (; se != nullptr; se = se->parent) {
    update_level(*se->cfs_rq, *se);
    count(*se->cfs_rq);
    if (se->cfs_rq->throttle.off_queue) return true;
  }
  tasks_left(rq, 1, only_idle_before);
  return true;
}

void Cfs::put_prev_entity(CfsRq& cfs_rq, Entity& prev) {
  if (prev.on_rq) update_curr(cfs_rq);
  check_cfs_rq_runtime(cfs_rq);
  if (prev.on_rq) {
    cfs_rq.timeline.insert(prev, prev.vruntime);
    update_load_avg(cfs_rq, prev, 0);
  }
  cfs_rq.curr = nullptr;
}

void Cfs::set_next_entity(CfsRq& cfs_rq, Entity& se) {
  clear_buddies(se);
  if (se.on_rq) {
    cfs_rq.timeline.erase(se);
    update_load_avg(cfs_rq, se, kUpdateTg);
  }
  se.exec_start = cfs_rq.rq->clock_task;
  cfs_rq.curr = &se;
  se.prev_sum_exec_runtime = se.sum_exec_runtime;
}

void Cfs::reweight_entity(CfsRq& cfs_rq, Entity& se, std::uint64_t weight) {
  if (se.on_rq) {
    if (cfs_rq.curr == &se) update_curr(cfs_rq);
    cfs_rq.load.sub(se.load.weight);
  }
  set_entity_weight(cfs_rq, se, weight);
  if (se.on_rq) cfs_rq.load.add(se.load.weight);
}

int Cfs::wakeup_preempt_entity(const Entity& curr, Entity& se) const {
  const auto vdiff = static_cast<std::int64_t>(curr.vruntime - se.vruntime);
  if (vdiff <= 0) return -1;
  const auto gran = calc_delta_fair(static_cast<std::uint64_t>(tunables_.wakeup_granularity_ns), se.load);
  return vdiff > static_cast<std::int64_t>(gran) ? 1 : 0;
}

Entity* Cfs::pick_next_entity(CfsRq& cfs_rq, Entity* curr) const {
  Entity* left = cfs_rq.timeline.first();
  if (left == nullptr || (curr != nullptr && entity_before(*curr, *left))) left = curr;
  Entity* se = left;
  if (cfs_rq.skip != nullptr && cfs_rq.skip == se) {
    Entity* second = nullptr;
    if (se == curr) {
      second = cfs_rq.timeline.first();
    } else {
      second = cfs_rq.timeline.second();
      if (second == nullptr || (curr != nullptr && entity_before(*curr, *second))) second = curr;
    }
    if (second != nullptr && wakeup_preempt_entity(*second, *left) < 1) se = second;
  }
  if (cfs_rq.next != nullptr && wakeup_preempt_entity(*cfs_rq.next, *left) < 1) return cfs_rq.next;
  if (cfs_rq.last != nullptr && wakeup_preempt_entity(*cfs_rq.last, *left) < 1) return cfs_rq.last;
  return se;
}

Task* Cfs::pick_next_task(Rq& rq, Task& prev) {
  const bool prev_fair = prev.sched_class == Class::fair;
  bool anew = !prev_fair;
  Entity* se = nullptr;
  for (CfsRq* cfs_rq = &rq.cfs; !anew && rq.cfs.nr_running != 0 && cfs_rq != nullptr; cfs_rq = se->my_q) {
    Entity* curr = cfs_rq->curr;
    if (curr != nullptr) {
      if (curr->on_rq) {
        update_curr(*cfs_rq);
      } else {
        curr = nullptr;
      }
      if (check_cfs_rq_runtime(*cfs_rq)) {  // throttled: begin anew, without prev
        anew = true;
        break;
      }
    }
    se = pick_next_entity(*cfs_rq, curr);
  }
  if (rq.cfs.nr_running == 0) return nullptr;
  if (!anew) {
    if (se->task != &prev) switch_entities(prev.se, *se);
    return se->task;
  }
  if (prev_fair) put_prev_task(prev);
  for (CfsRq* cfs_rq = &rq.cfs; cfs_rq != nullptr; cfs_rq = se->my_q) {
    se = pick_next_entity(*cfs_rq, nullptr);
    set_next_entity(*cfs_rq, *se);
  }
  return se->task;
}

void Cfs::wakeup_preempt(Rq& rq, Task& p, bool fork) {
  Task& curr = *rq.curr;
  Entity* se = &curr.se;
  Entity* pse = &p.se;
  if (se == pse || throttled_hierarchy(*pse->cfs_rq)) return;
  const bool scale = se->cfs_rq->nr_running >= static_cast<std::uint32_t>(tunables_.nr_latency);
  bool next_marked = false;
  if (k_.next_buddy && scale && !fork) {
    set_next_buddy(*pse);
    next_marked = true;
  }
  if (rq.resched) return;
  bool preempt = false;
  if (curr.policy == Policy::idle && p.policy != Policy::idle) {
    preempt = true;
  } else if (p.policy == Policy::other && k_.wakeup_preemption) {
    find_matching_se(se, pse);
    const bool cse_is_idle = entity_is_idle(*se);
    const bool pse_is_idle = entity_is_idle(*pse);
    if (cse_is_idle && !pse_is_idle) {
      preempt = true;
    } else if (cse_is_idle == pse_is_idle) {
      update_curr(*se->cfs_rq);
      const int behind = wakeup_preempt_entity(*se, *pse);
      const bool favoured = k_.preempt_for_bound_kthread && p.smp.per_cpu_kthread && !curr.smp.per_cpu_kthread;
      preempt = behind == 1 || (favoured && behind == 0);
      if (preempt && !next_marked) set_next_buddy(*pse);
    }
  }
  if (!preempt) return;
  resched_curr(rq);
  if (k_.last_buddy && scale && se->on_rq && entity_is_task(*se) && !entity_is_idle(*se)) {
    for (Entity* at = se; at != nullptr && at->on_rq && !entity_is_idle(*at); at = at->parent) at->cfs_rq->last = at;
  }
}

void Cfs::task_tick(Rq&, Task& curr) {
  for (Entity* se = &curr.se; se != nullptr; se = se->parent) entity_tick(*se->cfs_rq, *se);
}

void Cfs::entity_tick(CfsRq& cfs_rq, Entity& curr) {
  update_curr(cfs_rq);
  update_load_avg(cfs_rq, curr, kUpdateTg);
  update_cfs_group(curr);
  if (cfs_rq.nr_running > 1) check_preempt_tick(cfs_rq, curr);
}

void Cfs::check_preempt_tick(CfsRq& cfs_rq, Entity& curr) {
  const std::uint64_t ideal = sched_slice(cfs_rq, curr);
  const std::uint64_t ran = curr.sum_exec_runtime - curr.prev_sum_exec_runtime;
  if (ran > ideal) {
    resched_curr(*cfs_rq.rq);
    clear_buddies(curr);  // the same entity must not be re-elected by a buddy
    return;
  }
  if (ran < static_cast<std::uint64_t>(tunables_.min_granularity_ns)) return;
  const auto ahead = static_cast<std::int64_t>(curr.vruntime - cfs_rq.timeline.first()->vruntime);
  if (ahead >= 0 && static_cast<std::uint64_t>(ahead) > ideal) resched_curr(*cfs_rq.rq);
}

void Cfs::yield_task(Rq& rq) {
  Task& curr = *rq.curr;
  if (rq.nr_running == 1) return;
  clear_buddies(curr.se);
  if (curr.policy != Policy::batch) {
    update_curr(*curr.se.cfs_rq);
    rq.clock_skip_requested = true;
  }
  for (Entity* se = &curr.se; se != nullptr; se = se->parent) se->cfs_rq->skip = se;
}

// Runs on the parent's CPU; the child's vruntime is relative until it is queued.
void Cfs::task_fork(Rq& parent_rq, Task* parent, Task& child) {
  Entity& se = child.se;
  CfsRq& cfs_rq = *child.group->cfs_rq[static_cast<std::size_t>(parent_rq.cpu)];
  if (parent != nullptr && cfs_rq.curr != nullptr) {
    update_curr(cfs_rq);
    se.vruntime = cfs_rq.curr->vruntime;
  }
  place_entity(cfs_rq, se, true);
  se.vruntime -= cfs_rq.min_vruntime;
}

void Cfs::migrate_task(Task& p, bool waking) {
  // A sleeper's vruntime is absolute in its old queue; a queued task's was made relative when it was taken off.
  if (waking) p.se.vruntime -= p.se.cfs_rq->min_vruntime;
  Fair::migrate_task(p, waking);
}

void Cfs::switched_from(Task& p) {
  if (p.on_rq == OnRq::no) {  // asleep; a queued one was made relative when it was taken off
    place_entity(*p.se.cfs_rq, p.se, false);
    p.se.vruntime -= p.se.cfs_rq->min_vruntime;
  }
  Fair::switched_from(p);
}

void Cfs::switched_to(Task& p) {
  Fair::switched_to(p);
  if (p.on_rq == OnRq::no) p.se.vruntime += p.se.cfs_rq->min_vruntime;
}

}  // namespace wakepath::sched
