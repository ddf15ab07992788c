// SPDX-License-Identifier: GPL-2.0-or-later
// EEVDF: of the entities whose lag is not negative (vruntime <= V, the weighted average) the one with the earliest
// virtual deadline runs. A sleeper takes its lag along; one that ran ahead stays queued ("delayed") until it is
// eligible again; the running entity is protected from wakeups for a part of its slice.
//
// Invariants: avg_vruntime and avg_load are the exact sums over the timeline; |lag| after dequeue is within the limit.
// Source: kernel/sched/fair.c (6.12; what older and newer versions do otherwise is behind switches); scheduler spec
// §3.5-3.10, 4.4.
#pragma once

#include "models/sched/fair/fair.h"

namespace wakepath::sched {

class Eevdf final : public Fair {
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

  // Parts of the rules (eevdf_rules.cc), public for tests.
  static std::uint64_t avg_vruntime(CfsRq& cfs_rq);  // V; moves the origin to it
  static bool entity_eligible(const CfsRq& cfs_rq, const Entity& se);
  std::int64_t entity_lag(const CfsRq& cfs_rq, std::uint64_t avg_vruntime, Entity& se) const;
  void place_entity(CfsRq& cfs_rq, Entity& se, unsigned flags) const;
  bool update_deadline(CfsRq& cfs_rq, Entity& se) const;
  Entity* pick_eevdf(CfsRq& cfs_rq, bool protect) const;
  void set_protect_slice(CfsRq& cfs_rq, Entity& se) const;
  [[nodiscard]] bool protect_slice(const Entity& se) const;
  void cancel_protect_slice(Entity& se) const;
  void update_protect_slice(const CfsRq& cfs_rq, Entity& se) const;
  void reweight_eevdf(const CfsRq& cfs_rq, Entity& se, std::uint64_t avg_vruntime, std::uint64_t weight) const;
  static std::uint64_t min_slice(const CfsRq& cfs_rq);
  static std::uint64_t max_slice(const CfsRq& cfs_rq);
  static void enqueue_in_timeline(CfsRq& cfs_rq, Entity& se);
  static void dequeue_from_timeline(CfsRq& cfs_rq, Entity& se);

 protected:
  void enqueue_entity(CfsRq& cfs_rq, Entity& se, unsigned flags) override;
  bool dequeue_entity(CfsRq& cfs_rq, Entity& se, unsigned flags) override;
  void put_prev_entity(CfsRq& cfs_rq, Entity& prev) override;
  void set_next_entity(CfsRq& cfs_rq, Entity& se) override;
  void reweight_entity(CfsRq& cfs_rq, Entity& se, std::uint64_t weight) override;

 private:
  bool dequeue_entities(Rq& rq, Entity& se, unsigned flags);
  void requeue_delayed_entity(Entity& se);
  static void task_left_throttled(CfsRq& cfs_rq, unsigned flags);
  Entity* pick_next_entity(Rq& rq, CfsRq& cfs_rq, bool protect);
  Task* pick_task(Rq& rq);
  bool preempts_on_wakeup(Rq& rq, CfsRq& cfs_rq, Entity& se, Entity& pse);
  bool do_preempt_short(const CfsRq& cfs_rq, const Entity& pse, const Entity& se) const;
  void inherit_slice(CfsRq& cfs_rq, Entity& se, std::uint64_t slice) const;
  void update_entity_lag(CfsRq& cfs_rq, Entity& se) const {
    const std::uint64_t v = avg_vruntime(cfs_rq);
    se.vlag = entity_lag(cfs_rq, v, se);
  }
  static void set_delayed(Entity& se);
  static void clear_delayed(Entity& se);
};

}  // namespace wakepath::sched
