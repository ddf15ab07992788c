// SPDX-License-Identifier: GPL-2.0-or-later
// Entities, run queues, groups and the scheduler's part of a task.
//
// An entity is a task or a group on one CPU; a CfsRq is one fair queue: the root queue of a CPU or a group's queue
// there. The running entity of a queue (`curr`) is not in its timeline but counts in nr_running and load.
// Who may write: models/sched only. Everybody may read.
//
// Source: include/linux/sched.h, kernel/sched/sched.h (6.1, 6.12); scheduler spec §0.3.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "models/machine/cpumask.h"
#include "models/sched/fair/bandwidth.h"
#include "models/sched/pelt.h"
#include "models/sched/smp.h"
#include "models/sched/timeline.h"
#include "models/sched/weight.h"

namespace wakepath::sched {

enum class Policy : std::uint8_t { other, batch, idle, fifo, stop };
enum class State : std::uint16_t { running = 0, interruptible = 1, uninterruptible = 2, dead = 16, idle = 128 };
enum class Class : std::uint8_t { stop, rt, fair, idle };  // strict order, strongest first
enum class OnRq : std::uint8_t { no, queued, migrating };

struct CfsRq;
struct Rq;
struct Task;
struct TaskGroup;

struct alignas(64) Entity {
  std::uint64_t queued_key = 0, queued_order = 0;  // the timeline's
  std::uint64_t vruntime = 0;
  std::uint64_t slice = 0;
  LoadWeight load;
  int depth = 0;
  std::uint64_t exec_start = 0;  // clock_task of the last accounting
  std::uint64_t sum_exec_runtime = 0;
  std::uint64_t prev_sum_exec_runtime = 0;  // at the last real switch to it
  // EEVDF. vlag holds the lag while off the queue; while current, before 6.17, the deadline seen at the switch-in
  // ("stamp"): protected from preemption while stamp and deadline agree.
  std::uint64_t deadline = 0;
  std::int64_t vlag = 0;
  std::uint64_t vprot = 0;  // 6.17: protected until this vruntime
  bool custom_slice = false;
  bool rel_deadline = false;   // deadline is relative to vruntime, to survive a move
  bool sched_delayed = false;  // sleeping, still queued until eligible
  bool on_rq = false;
  bool attached = false;  // its averages are part of cfs_rq's (kernel: last_update_time != 0)
  Entity* parent = nullptr;
  CfsRq* cfs_rq = nullptr;            // queued here
  CfsRq* my_q = nullptr;              // a group's own queue; null: a task
  Task* task = nullptr;               // null: a group
  std::uint64_t runnable_weight = 0;  // group: runnable tasks below, as of the last queueing
  Pelt avg;
};

inline std::uint64_t Timeline::vruntime_of(const Entity& e) { return e.vruntime; }

// It may soon be picked or woken: asks the caches for it and, if it is a task's, for what lies in front of it.
inline constexpr std::ptrdiff_t kCacheLine = 64, kLinesInFront = 8;
inline void fetch(const Entity& e) {
  const auto* const at = reinterpret_cast<const char*>(&e);
  for (std::ptrdiff_t p = -kLinesInFront * kCacheLine; p < std::ptrdiff_t{sizeof(Entity)}; p += kCacheLine)
    __builtin_prefetch(at + p);
}
inline void Timeline::fetch(const Entity& e) { sched::fetch(e); }

struct alignas(64) CfsRq {  // what wakeups and switches touch is in its first four cache lines
  LoadWeight load;
  std::uint32_t nr_running = 0;    // entities of this level, current and delayed ones included
  std::uint32_t h_nr_running = 0;  // tasks below, delayed ones included
  std::uint32_t h_nr_delayed = 0;
  std::uint32_t idle_nr_running = 0;  // SCHED_IDLE tasks and cpu.idle groups of this level
  std::uint32_t idle_h_nr_running = 0;
  bool idle = false;             // cpu.idle
  bool runtime_enabled = false;  // its group has a limit
  bool propagate = false;
  bool has_removed = false;                         // `removed` is not all 0
  std::uint64_t min_vruntime = 0ull - (1u << 20);   // CFS; monotonic
  std::uint64_t zero_vruntime = 0ull - (1u << 20);  // EEVDF: origin of the sums below; moves
  std::int64_t avg_vruntime = 0;                    // EEVDF: sum over the timeline of (vruntime - zero) * weight
  std::uint64_t avg_load = 0;                       // EEVDF: sum over the timeline of weights (scaled down)
  Entity* curr = nullptr;
  Entity* next = nullptr;  // buddies
  Entity* last = nullptr;
  Entity* skip = nullptr;
  Timeline timeline;
  Pelt avg;
  Rq* rq = nullptr;
  TaskGroup* tg = nullptr;
  std::uint64_t tg_load_avg_contrib = 0;
  std::uint64_t last_update_tg_load_avg = 0ull - 1000000;
  Throttle throttle;
  std::int64_t prop_runnable_sum = 0;
  struct {  // averages of tasks that left by waking elsewhere, not yet subtracted
    std::uint64_t load_avg = 0, util_avg = 0, runnable_avg = 0;
  } removed;
  std::uint64_t h_load = 0;  // load as seen from the root, as of h_load_jiffy
  std::int64_t h_load_jiffy = -1;
};

struct TaskGroup {
  std::string name;
  TaskGroup* parent = nullptr;  // null: root
  std::vector<TaskGroup*> children;
  std::uint64_t shares = kNice0Load;
  std::int64_t load_avg = 0;  // sum of the contributions of its queues
  bool idle = false;
  std::vector<Entity> se;         // by CPU; empty for the root
  std::vector<CfsRq> own_queues;  // by CPU; empty for the root, whose queues are in the Rqs
  std::vector<CfsRq*> cfs_rq;     // by CPU
  CfsBandwidth bandwidth;
};

// What every wakeup and switch touches comes first: among many tasks each is out of the caches when its turn comes.
struct Task {
  void* owner = nullptr;  // the machine's task
  TaskGroup* group = nullptr;
  int cpu = 0;  // where it runs, waits, or last did
  Policy policy = Policy::other;
  Class sched_class = Class::fair;
  State state = State::interruptible;
  OnRq on_rq = OnRq::no;
  bool kthread = false;        // never returns to user mode
  bool throttle_work = false;  // picked below a throttled queue: to leave on its way to user mode (bandwidth.h)
  bool throttled = false;      // ... and it has: off the queue, in limbo, though on_rq says queued
  std::int32_t pid = 0;
  std::int64_t last_queued_ns = -1;  // rq clock since when it waits; -1: it does not
  // Counters, always kept:
  std::uint64_t wakeups = 0;
  std::int64_t sum_exec_runtime_ns = 0;                    // charged time
  std::int64_t run_delay_ns = 0;                           // time runnable and waiting (sched_info)
  std::uint64_t nvcsw = 0, nivcsw = 0;                     // switches away: blocked, still runnable
  std::uint64_t pcount = 0;                                // times switched in
  Task *listed_before = nullptr, *listed_after = nullptr;  // in SmpRq's list
  Entity se;

  int nice = 0;
  int rt_priority = 0;      // 1..99 for fifo
  Task* rt_next = nullptr;  // rt queue
  Task* rt_prev = nullptr;
  std::string comm;

  SmpTask smp;  // placement and balance: machines with several CPUs

  [[nodiscard]] int prio() const;  // as traces print it
};

// Runnable rt tasks, best priority first, FIFO within one; the running one stays at its place.
struct RtRq {
  Task* head = nullptr;
  std::uint32_t nr_running = 0;
};

struct alignas(64) Rq {
  int cpu = 0;
  int taken_off = 0;             // EEVDF: delayed entities that the pick (or test) under way has found and dequeued
  std::uint64_t now = 0;         // latest time anybody named to this CPU
  std::uint64_t clock = 0;       // as of the last clock update
  std::uint64_t clock_task = 0;  // without interrupt time
  std::uint64_t clock_pelt = 0;
  std::uint64_t lost_idle_time = 0;  // clock_pelt's: idle time a saturated CPU could not have had
  std::unique_ptr<SmpRq> smp;        // null on a machine with one CPU
  Task* stop = nullptr;              // queued stopper, if any
  const std::int64_t *irq_time = nullptr, *softirq_time = nullptr;  // the machine's counts; null: not accounted
  std::uint64_t irq_time_seen = 0;
  bool clock_skip_requested = false;  // the next schedule() keeps the clock (spec §2.1b)
  bool resched = false;               // current must go at the next preemption point
  bool resched_lazy = false;          // ... at the return to user mode or the next tick
  std::uint32_t nr_running = 0;       // all classes, delayed tasks included
  std::uint64_t nr_switches = 0;
  Task* curr = nullptr;
  RtRq rt;
  CfsRq cfs;
  Task idle;
  std::uint64_t clock_idle = 0, clock_pelt_idle = 0;  // when the CPU last went idle
  std::vector<CfsRq*> to_unthrottle;                  // an interrupt is on its way
};

inline bool entity_is_task(const Entity& se) { return se.task != nullptr; }

// A SCHED_IDLE task or the entity of a cpu.idle group.
inline bool entity_is_idle(const Entity& se) {
  return se.task != nullptr ? se.task->policy == Policy::idle : se.my_q->idle;
}

}  // namespace wakepath::sched
