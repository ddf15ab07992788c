// SPDX-License-Identifier: GPL-2.0-or-later
// The scheduler's decisions as plain functions over plain structs: no engine, no costs, no coroutines. Who calls says
// what time it is; what comes back is a decision. models/machine spends the CPU time and drives this.
//
// Source: kernel/sched/{core,fair,rt,stop_task}.c as specified, 6.1 to 6.19 by kernel::Switches.
// All times int64 ns, vruntimes u64 that wrap (compare with (s64)(a-b) < 0).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/sched/entity.h"

namespace wakepath::kernel {
struct Switches;
}

namespace wakepath::sched {

using Time = std::int64_t;

// Policy, State and the structs are in entity.h.

struct Tunables {  // in force (already scaled); see Tunables::defaults
  Time latency_ns = 0, min_granularity_ns = 0, wakeup_granularity_ns = 0, idle_min_granularity_ns = 750000;  // CFS
  int nr_latency = 8;
  Time base_slice_ns = 0;                 // EEVDF
  Time normalized_base_slice_ns = 0;      // EEVDF, unscaled (6.17+ without RUN_TO_PARITY)
  Time tick_ns = 4000000;                 // TICK_NSEC = 1e9 / HZ
  Time cfs_bandwidth_slice_ns = 5000000;  // what a queue takes from its group's pool at once
  static Tunables defaults(const kernel::Switches& k, int cpus, int hz);  // factor 1 + floor(log2(min(cpus, 8)))
};

// Why a task is on another CPU than before.
enum class MigrationCause : std::uint8_t { wakeup, periodic, newidle, nohz, active_balance, affinity };
inline constexpr int kMigrationCauses = 6;
const char* cause_name(MigrationCause c);

// What the decisions tell to whoever watches; null when nobody does.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void stat_runtime(int cpu, const Task& t, Time delta_ns, std::uint64_t vruntime) = 0;
  virtual void migrate_task(Task&, int /*orig*/, int /*dest*/, MigrationCause) {}  // set_task_cpu, t.cpu still the old
};

struct WakeResult {
  bool woken = false;        // false: it was runnable already (nop-wake)
  bool was_delayed = false;  // EEVDF: requeued, not placed
  bool preempts = false;     // this wakeup set need_resched on the target CPU
  int taken_off = 0;         // EEVDF: delayed entities that its test for preemption found and dequeued
};

class Balancer;
class BalanceHost;
class Domains;
struct Placement;

struct SwitchResult {
  Task* prev = nullptr;          // never null: the idle task is a Task
  Task* next = nullptr;          // == prev: no switch record, need_resched cleared
  std::uint16_t prev_state = 0;  // as sched_switch prints it: 0 R, 1 S, 2 D, 128 I, 256 R+
  Time newidle_ns = 0;           // spent looking for work on other CPUs
  bool prev_delayed = false;     // EEVDF: prev sleeps and stays queued; the pick may have taken it off at once
  int taken_off = 0;             // EEVDF: delayed entities that the pick found and dequeued
};

class Scheduler {
 public:
  Scheduler(const kernel::Switches& switches, const Tunables& tunables, int cpus);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Groups. `shares` is tg->shares (scaled: weight << 10). parent == nullptr: the root group.
  TaskGroup* root_group();
  TaskGroup* create_group(const std::string& name, TaskGroup* parent, std::uint64_t shares, bool idle = false);
  void set_shares(TaskGroup& g, std::uint64_t shares, Time now);  // not while the group is idle
  void set_idle(TaskGroup& g, bool idle, Time now);               // cpu.idle; leaving it gives the default shares

  // Bandwidth control (fair/bandwidth.h). The host has the timers; needed before the first limit.
  void set_bandwidth_host(BandwidthHost* host);
  void set_bandwidth_phase(TaskGroup& g, Time phase);  // refills happen at phase + n periods; before the first limit
  void set_bandwidth(TaskGroup& g, const BandwidthLimit& limit, Time now);
  bool period_timer(TaskGroup& g, int cpu, Time now);  // one look; true: time has passed meanwhile, look again
  void slack_timer(TaskGroup& g, int cpu, Time now);
  void unthrottle_queued(int cpu, Time now);
  // 6.18: the running task, for which throttle_work was set, is on its way to user mode. True: it waits for a refill,
  // call schedule().
  bool throttle_current(int cpu, Time now);

  // Tasks: the owner allocates (address stable). init leaves it sleeping (not on a run queue).
  void init_task(Task& t, std::string comm, std::int32_t pid, Policy policy, int nice, int rt_priority,
                 TaskGroup* group, int cpu);
  void set_nice(Task& t, int nice, Time now);  // renice, queued or not, running or not
  void set_policy(Task& t, Policy p, int nice, int rt_priority, Time now);
  void set_slice(Task& t, Time slice_ns, Time now = 0);  // EEVDF: own request, clamped to 0.1..100 ms; 0: default

  Rq& rq(int cpu) { return rqs_[static_cast<std::size_t>(cpu)]; }
  Task& idle_task(int cpu);
  Task& current(int cpu);
  [[nodiscard]] bool need_resched(int cpu) const;
  [[nodiscard]] bool resched_is_lazy(int cpu) const;  // only the lazy flag is set (preempt = lazy)
  [[nodiscard]] int nr_running(int cpu) const;        // rq.nr_running, delayed tasks included

  void set_lazy(bool on);  // preemption model lazy: fair preemption sets the lazy flag

  // clock_task: where the machine counts the time of hard and soft interrupts; with irq_time_accounting off, never
  // called.
  void watch_irq_time(int cpu, const Time& hard, const Time& soft);

  // CFS: the vruntime a sleeping task has from before the run; its queue is as far as the furthest of them.
  void set_slept_vruntime(Task& t, Time vruntime_ns);

  // try_to_wake_up on `cpu` (already chosen) at `now`: clock update, enqueue or requeue, preemption check, clock skip.
  WakeResult wake_up(Task& t, int cpu, Time now);
  void wake_up_new(Task& t, Task* parent, int cpu, Time now);
  // __schedule. preempt: entered from a preemption point in the kernel (R+, never blocks). Otherwise, current blocks if
  // its state is not running. Tasks set their state with set_state before they call schedule.
  SwitchResult schedule(int cpu, bool preempt, Time now);
  static void set_state(Task& t, State s);
  void tick(int cpu, Time now);
  void yield(int cpu, Time now);        // sched_yield up to, not including, schedule()
  void update_curr(int cpu, Time now);  // clock update, accounting of current: for readers of times
  void exit_current(int cpu);           // mark current dead; the next schedule() drops it
  // A queued task that does not run goes to another CPU (load balance, affinity). A delayed one stays delayed.
  void migrate_queued(Task& t, int dst, Time now, MigrationCause cause = MigrationCause::affinity);
  void detach_queued(Task& t, int dst, Time now, MigrationCause cause);  // its first half: off the queue it is on
  void attach_queued(Task& t, Time now);                                 // ... and onto the one that it belongs to now
  void update_clock(int cpu, Time now);

  // Several CPUs (core_smp.cc). Without it every CPU is alone: nothing is placed or balanced.
  void enable_smp(Domains& d, Balancer& b, BalanceHost& host, int hz);
  // select_task_rq of a wakeup by whatever runs on this_cpu; in_task: not an interrupt there.
  Placement select_task_rq(Task& t, int this_cpu, bool in_task, bool sync, Time now);
  // select_task_rq of a fork there.
  int select_task_rq_fork(const Task& t, int this_cpu, Time now);
  std::uint64_t task_h_load(const Task& t, std::int64_t jiffies);
  bool update_blocked_averages(int cpu, Time now);                 // true: load of sleepers is left
  [[nodiscard]] bool would_wait_on(const Task& t, int dst) const;  // EEVDF: not eligible, and others are there

  // Following a recording (core_follow.cc): the recorded decision replaces the model's; state nobody saw is assumed.
  void follow_switch(int cpu, Task& next);  // `next` is queued
  void follow_resched(int cpu, bool resched, bool skip_clock);
  void follow_charge(int cpu, Time now);  // the running task at all levels, as leaving the CPU does
  static void assume_vruntime(Entity& se, std::uint64_t vruntime);  // CFS
  static void assume_exec_start(Task& t, Time exec_start);          // of a running task and its groups

  void set_observer(Observer* o);
  [[nodiscard]] const kernel::Switches& switches() const;
  [[nodiscard]] const Tunables& tunables() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::span<Rq> rqs_;  // its own
};

// nice -> weight and inverse (kernel/sched/core.c tables), cgroup files -> shares.
std::uint64_t weight_of_nice(int nice);
std::uint64_t shares_of_cpu_shares(std::uint64_t cpu_shares);            // v1 cpu.shares
std::uint64_t shares_of_cpu_weight(std::uint64_t weight);                // v2 cpu.weight 1..10000
std::uint64_t cpu_weight_of_shares(std::uint64_t shares, bool clamped);  // read back; clamped to 1..10000 in 6.12
int cpu_weight_nice_of_shares(std::uint64_t shares);                     // v2 cpu.weight.nice read back

}  // namespace wakepath::sched
