// SPDX-License-Identifier: GPL-2.0-or-later
// Task work: callbacks that others queue to run in a task's own context, at its next way to user mode or at a wait that
// looks for them; and the two flags that say so. Source: kernel/task_work.c (task_work_add, task_work_run),
// include/linux/sched/signal.h (set_notify_signal), kernel/entry/common.c (exit_to_user_mode_loop), 6.1 and 6.12.
//
// Who queues decides how the task hears of it:
//   resume         flag; a reschedule interrupt if it runs on another CPU; a sleeper is not woken
//   signal         flag; wakes an interruptible sleeper, else that interrupt if it runs on another CPU
//   signal_no_ipi  the same without the interrupt: a running task sees it when it next leaves the kernel
// A flag that is set already has been heard of: nothing is sent again.
#pragma once

#include <cstdint>

#include "models/machine/context.h"

namespace wakepath::machine {

struct KTask;

// One callback: caller-owned, address-stable until it has run.
struct TaskWork {
  virtual ~TaskWork() = default;
  virtual Call<void> run(KTask& task) = 0;
  TaskWork* next_work = nullptr;
};

enum class Notify : std::uint8_t { none, resume, signal, signal_no_ipi };

// From any context; spends its costs there.
Call<void> task_work_add(ExecContext& ctx, KTask& task, TaskWork& work, Notify how);
// The flag and the wakeup alone (set_notify_signal).
Call<void> notify(ExecContext& ctx, KTask& task, Notify how);
// In the task's context: all that is queued, newest first, until nothing is.
Call<void> task_work_run(KTask& task);
// What every way to user mode does while something is pending: switch first, then task work. The caller tests
// KTask::work_at_user_exit() so that the common case costs no call.
Call<void> exit_to_user_mode_loop(KTask& task);

}  // namespace wakepath::machine
