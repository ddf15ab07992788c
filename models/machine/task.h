// SPDX-License-Identifier: GPL-2.0-or-later
// A task of the machine: the scheduler's part, the coroutine that is its body, and the kernel's entry points that a
// body uses (sleep, preemption points).
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "models/machine/context.h"
#include "models/machine/task_work.h"
#include "models/sched/placement/placement.h"
#include "models/sched/sched.h"
#include "sim/engine/stats.h"

namespace wakepath::machine {

class Machine;
struct KTask;

// Told when its task leaves the CPU because it sleeps, and when it is back (sched_submit_work, sched_update_worker);
// preemption tells nothing. sleeping() runs in the task's context before the switch and may spend time.
struct SleepHooks {
  virtual ~SleepHooks() = default;
  virtual Call<void> task_sleeping(KTask& t) = 0;
  virtual void task_running(KTask& t) = 0;
};

struct alignas(64) KTask : ExecContext {
  static constexpr std::size_t kFrameBytes = 2048;
  explicit KTask(std::pmr::memory_resource& memory)
      : ExecContext(Kind::task, own_frames, own_pieces), own_frames(kFrameBytes, memory) {}

  // What every wakeup and switch touches lies together: among many tasks each is out of the caches when its turn comes.
  engine::FrameStack own_frames;  // its top is in the context's line
  Machine* machine = nullptr;
  SleepHooks* sleep_hooks = nullptr;
  // Task work (task_work.h). A flag that is set makes the next way to user mode run what is queued.
  TaskWork* task_works = nullptr;
  bool notify_signal = false, notify_resume = false;
  bool sleeping = true;         // a wakeup would find it asleep (the kernel's state test)
  bool wake_preempted = false;  // decision record: the last wakeup asked for the CPU
  int ran_on = -1;              // the CPU whose caches know it
  KTask* woken_by = nullptr;    // and the task whose context woke it (null: an interrupt's own doing, or seen already)
  Time idle_seen = 0;           // that CPU's idle time when it began to run there last
  std::uint64_t switch_count = 0;
  std::int64_t run_delay_seen_ns = 0;
  engine::BatchedHistogram run_delays;  // one entry a switch-in
  sched::Task st;
  Pieces own_pieces;

  std::string cgroup;         // path, "" is the root
  std::string group_name;     // for results: fio, kworker, ...
  std::uint32_t comm_id = 0;  // in the trace's string pool
  bool fatal_signal = false;  // SIGKILL is pending: sleeps that it interrupts return, its body has to end
  int bound_cpu = -1;         // the only CPU it may run on; -1: any
  Body body;                  // kept alive here; resumed by the CPU
  Body user_return;           // the exit loop after an interrupt of user mode; Cpu::continue_active starts it
  std::unique_ptr<TaskWork> throttle_work;  // cpu.max since 6.18 (bandwidth_timers.h); made when first needed
  std::uint64_t migrations = 0;
  // Decision records: its moves, by cause and by who else was on the CPU it left; its wakeups by the step that chose
  // the CPU, and those of them that moved it.
  struct Moves {
    std::array<std::array<std::uint32_t, sched::kBesides>, sched::kMigrationCauses> by_cause{};
    std::array<std::uint32_t, sched::kPlacementSteps> placements{}, by_step{};
  } moves;

  // Sleep: set the state first, test the condition, then schedule(); a wakeup in between makes schedule() return.
  void set_state(sched::State s);
  ScheduleAwaiter schedule(bool preempt = false);
  Call<void> schedule_with_hooks();

  // Preemption points, by model. `if (t.resched_at_...()) co_await t.schedule(true)` keeps the common case free of a
  // call.
  [[nodiscard]] bool resched_at_cond_resched() const;  // none, voluntary
  [[nodiscard]] bool resched_at_might_sleep() const;   // voluntary
  [[nodiscard]] bool resched_at_user_exit() const;     // every model: loop schedule() until clear
  [[nodiscard]] bool notified() const { return notify_signal || notify_resume; }
  [[nodiscard]] bool work_at_user_exit() const { return notified() || resched_at_user_exit(); }
  // might_sleep(): no switch is due. Behind what is owed that shows when its time comes.
  [[nodiscard]] bool passes_might_sleep();
  // The same of the way to user mode; else exit_to_user_mode_loop() is to be run.
  [[nodiscard]] bool passes_user_exit();
};

}  // namespace wakepath::machine
