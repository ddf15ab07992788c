// SPDX-License-Identifier: GPL-2.0-or-later
// nanosleep(): a task sleeps until its hrtimer's interrupt wakes it. The timer lies on the CPU where it was armed.
#pragma once

#include <algorithm>

#include "models/machine/machine.h"

namespace wakepath::machine {

struct SleepTimer final : HrTimer {
  explicit SleepTimer(Machine& machine) : m(machine) { function_id = m.tp.name("hrtimer_wakeup"); }
  ~SleepTimer() override { m.engine.cancel(timer); }
  Call<void> expired(ExecContext& irq) override {
    done = true;
    co_await m.wake(irq, *task);
  }
  Machine& m;
  bool done = false;
};

// An uninterruptible wait inside the kernel for something that takes until `at`.
inline Call<void> block_until(KTask& t, SleepTimer& timer, Time at) {
  timer.task = &t;
  timer.done = false;
  t.machine->local_timer(t.cpu->id()).arm(timer, at);
  for (;;) {
    t.set_state(sched::State::uninterruptible);
    if (timer.done) break;
    co_await t.schedule();
  }
  t.set_state(sched::State::running);
}

// A clock event is programmed no nearer than this (kernel/time/clockevents.c:cev_delta2ns), so that a time that has
// passed finds the sleeper on its way through schedule().
inline constexpr Time kClockEventMinNs = 1000;

// nanosleep: with what the system call of that name does around the sleep.
inline Call<void> sleep_until(KTask& t, SleepTimer& timer, Time at, bool nanosleep = false) {
  Machine& m = *t.machine;
  if (nanosleep) {
    co_await run_cost(m, t, CostId::nanosleep_arm);
    at = std::max(at, m.now() + kClockEventMinNs);
  }
  co_await run_cost(m, t, CostId::syscall_entry);
  timer.task = &t;
  timer.done = false;
  m.local_timer(t.cpu->id()).arm(timer, std::max(at, m.now()));  // it may have passed on the way into the kernel
  for (;;) {
    t.set_state(sched::State::interruptible);
    if (timer.done) break;
    if (!t.notify_signal) co_await t.schedule();
    if (!t.notify_signal) continue;
    // Interrupted: the task work runs on the way out, and the call is restarted.
    t.set_state(sched::State::running);
    co_await exit_to_user_mode_loop(t);
    co_await run_cost(m, t, CostId::syscall_exit, Mode::irqs_off);
    co_await run_cost(m, t, CostId::syscall_entry);
  }
  t.set_state(sched::State::running);
  if (t.work_at_user_exit()) co_await exit_to_user_mode_loop(t);
  co_await run_cost(m, t, CostId::syscall_exit, Mode::irqs_off);
  if (nanosleep) co_await run_cost(m, t, CostId::nanosleep_resume);
}

// The system call of a program.
inline Call<void> clock_nanosleep(KTask& t, SleepTimer& timer, Time at) { return sleep_until(t, timer, at, true); }

}  // namespace wakepath::machine
