// SPDX-License-Identifier: GPL-2.0-or-later
// CFS: the entity with the least vruntime runs; a sleeper is placed at most half a latency behind min_vruntime; a
// wakee preempts when it is behind by more than its virtual wakeup granularity; a slice is the entity's part of the
// period and ends at a tick.
//
// Invariants: min_vruntime never decreases; an entity off its queue for another reason than sleep has its vruntime
// relative to min_vruntime.
// Source: kernel/sched/fair.c (6.1); scheduler spec §3.1-3.4, 4.1, 4.3.
#pragma once

#include "models/sched/fair/fair.h"

namespace wakepath::sched {

class Cfs final : public Fair {
 public:
  using Fair::Fair;

  void enqueue_task(Rq& rq, Task& p, unsigned flags) override;
  bool dequeue_task(Rq& rq, Task& p, unsigned flags) override;
  Task* pick_next_task(Rq& rq, Task& prev) override;
  void wakeup_preempt(Rq& rq, Task& p, bool fork) override;
  void task_tick(Rq& rq, Task& curr) override;
  void yield_task(Rq& rq) override;
  void task_fork(Rq& parent_rq, Task* parent, Task& child) override;
  void init_entity(Entity& se) override;
  void update_curr(CfsRq& cfs_rq) override;
  void migrate_task(Task& p, bool waking) override;
  void switched_from(Task& p) override;
  void switched_to(Task& p) override;

  // Parts of the rules, public for tests.
  std::uint64_t sched_slice(CfsRq& cfs_rq, Entity& se) const;
  void place_entity(CfsRq& cfs_rq, Entity& se, bool initial) const;
  int wakeup_preempt_entity(const Entity& curr, Entity& se) const;  // -1, 0: not far enough ahead, 1: preempt
  static void update_min_vruntime(CfsRq& cfs_rq);

 protected:
  void enqueue_entity(CfsRq& cfs_rq, Entity& se, unsigned flags) override;
  bool dequeue_entity(CfsRq& cfs_rq, Entity& se, unsigned flags) override;
  void put_prev_entity(CfsRq& cfs_rq, Entity& prev) override;
  void set_next_entity(CfsRq& cfs_rq, Entity& se) override;
  void reweight_entity(CfsRq& cfs_rq, Entity& se, std::uint64_t weight) override;

 private:
  void entity_tick(CfsRq& cfs_rq, Entity& curr);
  void check_preempt_tick(CfsRq& cfs_rq, Entity& curr);
  Entity* pick_next_entity(CfsRq& cfs_rq, Entity* curr) const;
};

}  // namespace wakepath::sched
