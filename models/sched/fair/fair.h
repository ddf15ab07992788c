// SPDX-License-Identifier: GPL-2.0-or-later
// The fair class: what CFS and EEVDF have in common. Group entities and their weights, load averages, the walk that
// puts the outgoing and sets the incoming entities, buddies, the accounting of the running entity.
//
// Every method works on clocks that its caller has updated. Methods named *_task act on all levels of a task, methods
// named *_entity on one level.
//
// Source: kernel/sched/fair.c (6.1, 6.12); scheduler spec §1-4.
#pragma once

#include <cstdint>

#include "models/kernel/switches.h"
#include "models/sched/entity.h"
#include "models/sched/sched.h"

namespace wakepath::sched {

// Why an entity enters or leaves its queue.
namespace enqueue {
inline constexpr unsigned kWakeup = 1, kRestore = 2, kInitial = 4, kMigrated = 8, kDelayed = 16, kHead = 32;
}
namespace dequeue {
inline constexpr unsigned kSleep = 1, kSave = 2, kMove = 4, kSpecial = 8, kDelayed = 16, kThrottle = 32;
}

class Fair {
 public:
  Fair(const kernel::Switches& switches, const Tunables& tunables) : k_(switches), tunables_(tunables) {}
  virtual ~Fair() = default;
  Fair(const Fair&) = delete;
  Fair& operator=(const Fair&) = delete;

  virtual void enqueue_task(Rq& rq, Task& p, unsigned flags) = 0;
  virtual bool dequeue_task(Rq& rq, Task& p, unsigned flags) = 0;  // false: stays queued, delayed
  // Chooses, puts prev and sets the choice; null: no fair task can run, and prev is still to be put.
  virtual Task* pick_next_task(Rq& rq, Task& prev) = 0;
  virtual void wakeup_preempt(Rq& rq, Task& p, bool fork) = 0;
  virtual void task_tick(Rq& rq, Task& curr) = 0;
  virtual void yield_task(Rq& rq) = 0;
  virtual void task_fork(Rq& parent_rq, Task* parent, Task& child) = 0;
  virtual void init_entity(Entity& se) = 0;  // a new task's first vruntime and slice
  virtual void update_curr(CfsRq& cfs_rq) = 0;

  // A sleeping task is about to belong to another CPU (waking) or a queued one was taken off (not waking).
  virtual void migrate_task(Task& p, bool waking);
  void task_dead(Task& p);              // after the last switch away from it
  virtual void switched_from(Task& p);  // leaves the class, already off the queue
  virtual void switched_to(Task& p);
  void put_prev_task(Task& p);
  void set_next_task(Task& p);
  void reweight_task(Task& p, const LoadWeight& lw);  // off the queue

  // Load averages and group weights (load.cc).
  void post_init_entity_util_avg(Entity& se);
  void attach_entity(Entity& se);  // with propagation; a new group's entity too
  void detach_entity(Entity& se);
  void update_group_weights(Entity& se);  // after its group's shares changed: this entity and its ancestors
  static std::uint64_t calc_group_shares(const CfsRq& grq);
  bool update_blocked(CfsRq& cfs_rq);  // the queue and its entity to now; true: load of sleepers is left
  void update_tg_load_avg(CfsRq& cfs_rq) const;
  static void find_matching_se(Entity*& a, Entity*& b);

  // Bandwidth control (bandwidth.cc).
  void set_bandwidth_host(BandwidthHost* host) { host_ = host; }
  [[nodiscard]] BandwidthHost* host() const { return host_; }
  void start_cfs_bandwidth(CfsBandwidth& b, TaskGroup& g, const Rq& rq) const;  // arms the period timer unless it is
  void unthrottle_cfs_rq(CfsRq& cfs_rq);
  bool throttle_task(Rq& rq, Task& p);  // on its way to user mode; true: into limbo, it must not go on
  [[nodiscard]] bool slack_is_useful(const CfsBandwidth& b, std::int64_t now) const;

  void set_observer(Observer* o) { observer_ = o; }
  void set_lazy(bool on) { lazy_ = on; }
  void resched_curr(Rq& rq) const;  // the fair class's own kind of resched: lazy where that model is on

 protected:
  enum : unsigned { kUpdateTg = 1, kDoAttach = 2, kDoDetach = 4 };

  virtual void enqueue_entity(CfsRq& cfs_rq, Entity& se, unsigned flags) = 0;
  virtual bool dequeue_entity(CfsRq& cfs_rq, Entity& se, unsigned flags) = 0;  // false: stays queued, delayed
  virtual void put_prev_entity(CfsRq& cfs_rq, Entity& prev) = 0;
  virtual void set_next_entity(CfsRq& cfs_rq, Entity& se) = 0;
  virtual void reweight_entity(CfsRq& cfs_rq, Entity& se, std::uint64_t weight) = 0;

  // Accounts the time since exec_start to the running entity, vruntime included; 0: nothing passed.
  std::uint64_t charge_curr(CfsRq& cfs_rq, Entity& curr);
  void report_curr(const CfsRq& cfs_rq, const Entity& curr, std::uint64_t delta) const;
  void switch_entities(Entity& prev, Entity& next);  // puts and sets only the levels that differ
  void account_entity_enqueue(CfsRq& cfs_rq, const Entity& se);
  void account_entity_dequeue(CfsRq& cfs_rq, const Entity& se);
  void update_level(CfsRq& cfs_rq, Entity& se);  // an ancestor that stays queued: averages, runnable, weight
  static void tasks_left(Rq& rq, std::uint32_t tasks, bool only_idle_before);  // from all queues of a CPU
  static void set_next_buddy(Entity& se);
  static void clear_buddies(Entity& se);

  void update_load_avg(CfsRq& cfs_rq, Entity& se, unsigned flags);
  void update_cfs_group(Entity& se);
  void set_entity_weight(CfsRq& cfs_rq, Entity& se, std::uint64_t weight);  // load and load_avg, not the queue's sum
  static void se_update_runnable(Entity& se);

  void account_cfs_rq_runtime(CfsRq& cfs_rq, std::uint64_t delta) const {
    if (cfs_rq.runtime_enabled) pay_runtime(cfs_rq, delta);
  }
  // Before the pick and when the running entity is put: true when the queue was throttled.
  bool check_cfs_rq_runtime(CfsRq& cfs_rq) { return cfs_rq.runtime_enabled && throttle_used_up(cfs_rq); }
  void check_enqueue_throttle(CfsRq& cfs_rq);
  static bool enqueue_in_limbo(Rq& rq, Task& p);  // of a throttled task; false: it has to be queued
  static void dequeue_from_limbo(Task& p, unsigned flags);
  static void stop_pelt_clock(CfsRq& cfs_rq);
  static void start_pelt_clock(CfsRq& cfs_rq);
  void return_cfs_rq_runtime(CfsRq& cfs_rq) const {
    if (cfs_rq.runtime_enabled && cfs_rq.nr_running == 0) return_runtime(cfs_rq);
  }

  const kernel::Switches k_;
  const Tunables tunables_;
  const bool throttles_tasks_ = k_.throttle_tasks && k_.eevdf;  // 6.18; else whole groups

 private:
  bool update_cfs_rq_load_avg(CfsRq& cfs_rq, std::uint64_t now);
  bool propagate_entity_load_avg(CfsRq& cfs_rq, Entity& se);
  void attach_entity_load_avg(CfsRq& cfs_rq, Entity& se);
  void detach_entity_load_avg(CfsRq& cfs_rq, Entity& se);
  void remove_entity_load_avg(Entity& se);
  void propagate_from_parent(Entity& se);

  bool assign_cfs_rq_runtime(CfsRq& cfs_rq, std::int64_t target) const;
  void pay_runtime(CfsRq& cfs_rq, std::uint64_t delta) const;
  bool throttle_used_up(CfsRq& cfs_rq);
  bool throttle_cfs_rq(CfsRq& cfs_rq);
  void throttle_down(TaskGroup& g, const Rq& rq);
  void unthrottle_up(TaskGroup& g, Rq& rq);
  void dequeue_throttled_group(CfsRq& cfs_rq);
  void enqueue_unthrottled_group(CfsRq& cfs_rq);
  void return_runtime(CfsRq& cfs_rq) const;
  static bool refills_within(const CfsBandwidth& b, std::int64_t now, std::int64_t ns);

  BandwidthHost* host_ = nullptr;
  Observer* observer_ = nullptr;
  bool lazy_ = false;
};

inline bool throttled_hierarchy(const CfsRq& cfs_rq) { return cfs_rq.throttle.count != 0; }
inline bool before(std::uint64_t a, std::uint64_t b) { return static_cast<std::int64_t>(a - b) < 0; }

}  // namespace wakepath::sched
