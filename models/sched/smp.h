// SPDX-License-Identifier: GPL-2.0-or-later
// What tasks and run queues carry only because there are several CPUs: where a task may run and last did, whom it
// wakes, how much of a CPU it is estimated to use; a CPU's list of fair tasks for the balancer, its idle statistics.
//
// Source: include/linux/sched.h, kernel/sched/sched.h (task_struct, rq under CONFIG_SMP), 6.1 and 6.12.
#pragma once

#include <array>
#include <cstdint>

#include "models/machine/cpumask.h"
#include "models/sched/placement/wakee_flips.h"

namespace wakepath::sched {

struct Task;

// Why the balancer left a task where it was, in the order of its tests (can_migrate_task, detach_tasks).
enum class Refusal : std::uint8_t { throttled, delayed, ineligible, bound, affinity, running, hot, too_big };
inline constexpr int kRefusals = 8;
const char* refusal_name(Refusal r);

// Who else was on the CPU that a task was taken from; of several the last in this order.
enum class Beside : std::uint8_t {
  nobody,
  task,
  asleep,   // a kernel thread bound to that CPU, asleep already and still counted: its dequeue is delayed
  kthread,  // such a thread, running or waiting
  waker     // such a thread, which woke the task
};
inline constexpr int kBesides = 5;
const char* beside_name(Beside b);

struct SmpTask {
  const machine::CpuMask* allowed = nullptr;  // owned by whoever set it; null: every CPU
  int cpus_allowed = 0;                       // number of CPUs in it; 0: every CPU
  bool kthread = false;
  bool per_cpu_kthread = false;  // KTHREAD_IS_PER_CPU: the balancer leaves it alone
  int recent_used_cpu = -1;
  WakeeFlips flips;
  std::uint64_t util_est_enqueued = 0, util_est_ewma = 0;
  // Decision records: what the balancer did not do with it; its stopper asked to push it while it ran.
  std::array<std::uint32_t, kRefusals> refused{};
  std::uint32_t active_asked = 0;
  [[nodiscard]] bool may_use(int cpu) const { return allowed == nullptr || allowed->test(cpu); }
};

struct alignas(64) SmpRq {  // a cache line of what wakeups and switches touch
  // Fair tasks of the CPU, the most recently queued or picked first: the balancer takes from the end.
  Task *first = nullptr, *last = nullptr;
  std::uint64_t util_est = 0;  // sum over its queued fair tasks
  std::uint64_t capacity = 1024;
  bool ttwu_pending = false;  // wakeups were handed over and not yet done
  bool idle_balance = false;  // was idle at its last tick
  std::uint64_t idle_stamp = 0;
  std::uint64_t avg_idle = 1'000'000;  // twice the migration cost
  std::uint64_t max_idle_balance_cost = 500'000;
  std::int64_t next_balance = 0;  // jiffies; in the past: as soon as may be
  bool active_balance = false;    // the stopper was asked to push a task to push_cpu
  int push_cpu = 0;
  bool nohz_idle = false;                     // counted among the tickless idle CPUs
  unsigned nohz_pending = 0, nohz_flags = 0;  // what this CPU was kicked for: on its way, arrived
  bool has_blocked_load = false;
  bool refreshes_load = false;  // of sleeping CPUs, when it goes idle
  std::int64_t last_blocked_update = -1;
};

}  // namespace wakepath::sched
