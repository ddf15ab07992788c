// SPDX-License-Identifier: GPL-2.0-or-later
// Bandwidth control (cpu.max): a group may run `quota` in each `period`, over all CPUs together.
//
// The group has a pool, filled by a timer each period. Each of its queues takes a slice from the pool when it starts to
// run and pays by running; one whose runtime is used up while the pool is empty is throttled: its entity leaves the
// parent's queue, the tasks stay in it. The timer gives every throttled queue just what brings it to +1 ns. Runtime is
// accounted where time is (ticks, wakeups, switches), so a queue overruns by up to a tick and pays the debt later.
//
// Since 6.18 (throttle_tasks) the entity of a throttled queue stays where it is: what runs in the kernel goes on, and
// who is picked below a throttled queue leaves at its next way to user mode, into the limbo of its queue. Whoever was
// woken meanwhile runs that far too. Kernel threads never get there.
//
// Invariants: a throttled queue is in its group's list and has no runtime; throttle_count counts the throttled queues
// from the root to this one; nothing below an off_queue one counts in the h_nr counters above it; a limbo is empty
// where nothing from the root down is throttled.
// Source: kernel/sched/fair.c (cfs_bandwidth), kernel/sched/core.c:tg_set_cfs_bandwidth (6.1, 6.12); spec §8.
#pragma once

#include <cstdint>
#include <vector>

namespace wakepath::sched {

struct CfsRq;
struct Task;
struct TaskGroup;

inline constexpr std::int64_t kRuntimeInf = -1;  // no limit

// What cpu.max, cpu.max.burst or cpu.cfs_{quota,period,burst}_us say, in ns.
struct BandwidthLimit {
  std::int64_t quota_ns = kRuntimeInf;
  std::int64_t period_ns = 100'000'000;
  std::int64_t burst_ns = 0;
};

struct CfsBandwidth {  // of one group
  BandwidthLimit limit;
  std::int64_t runtime_ns = 0;         // in the pool
  std::int64_t period_expires_ns = 0;  // next refill; while the timer rests, the phase of the refills
  bool period_active = false;          // the period timer is armed
  bool in_period_timer = false;        // ... or its handler runs
  bool idle = false;                   // nobody took anything since the last refill
  bool slack_started = false;          // the slack timer is armed
  int passes = 0;                      // of the running period timer
  CfsRq* first_throttled = nullptr;    // in order of throttling
  CfsRq* last_throttled = nullptr;
  std::uint64_t nr_periods = 0, nr_throttled = 0;  // cpu.stat
  std::int64_t throttled_time_ns = 0;
};

struct Throttle {                     // of one queue
  bool throttled = false;             // in the group's list
  bool off_queue = false;             // ... and its entity is off the parent's queue (before 6.18)
  bool pelt_stopped = false;          // its PELT clock stands
  bool unthrottle_queued = false;     // it waits for an interrupt on its own CPU
  std::uint32_t count = 0;            // throttled queues from the root down to this one
  std::uint64_t clock_pelt_time = 0;  // how long its PELT clock has stood in all
  std::uint64_t clock_pelt = 0;       // where it stopped
  std::int64_t runtime_remaining_ns = 0;
  std::uint64_t clock = 0;  // since when tasks wait because of it; 0: none does
  CfsRq* next = nullptr;
  CfsRq* prev = nullptr;
  std::vector<Task*> limbo;  // its tasks that left on their way to user mode, the last one at the end
};

// What bandwidth control needs of the machine.
class BandwidthHost {
 public:
  virtual ~BandwidthHost() = default;
  // A timer interrupt on `cpu` at `at` that calls Scheduler::period_timer, slack_timer. A group has one of each.
  virtual void arm_period_timer(TaskGroup& g, int cpu, std::int64_t at) = 0;
  virtual void arm_slack_timer(TaskGroup& g, int cpu, std::int64_t at) = 0;
  // An interrupt on `cpu` that calls Scheduler::unthrottle_queued.
  virtual void interrupt_to_unthrottle(int cpu) = 0;
};

}  // namespace wakepath::sched
