// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/machine/task_work.h"

#include <utility>

#include "models/machine/machine.h"

namespace wakepath::machine {

Call<void> notify(ExecContext& ctx, KTask& task, Notify how) {
  Machine& m = *task.machine;
  if (how == Notify::none) co_return;
  bool& flag = how == Notify::resume ? task.notify_resume : task.notify_signal;
  if (std::exchange(flag, true)) co_return;
  const bool may_wake = how != Notify::resume;
  // wake_up_state(TASK_INTERRUPTIBLE): an uninterruptible sleeper keeps its work until it wakes by itself.
  if (may_wake && task.sleeping && task.st.state == sched::State::interruptible && co_await m.wake(ctx, task))
    co_return;
  if (how != Notify::signal_no_ipi) co_await m.kick(ctx, task);
}

Call<void> task_work_add(ExecContext& ctx, KTask& task, TaskWork& work, Notify how) {
  co_await run_cost(*task.machine, ctx, CostId::task_work_add, ctx.mode);
  work.next_work = task.task_works;
  task.task_works = &work;
  co_await notify(ctx, task, how);
}

Call<void> task_work_run(KTask& task) {
  while (task.task_works != nullptr) {
    TaskWork* work = std::exchange(task.task_works, nullptr);
    while (work != nullptr) {
      TaskWork* next = work->next_work;  // running it may free or queue it again
      co_await work->run(task);
      work = next;
      if (task.resched_at_cond_resched()) co_await task.schedule(true);
    }
  }
}

Call<void> exit_to_user_mode_loop(KTask& task) {
  co_await task.settle();
  while (task.work_at_user_exit()) {
    if (task.resched_at_user_exit()) co_await task.schedule();
    if (!task.notify_signal && !task.notify_resume) continue;
    co_await run_cost(*task.machine, task, CostId::task_work_exit);
    task.notify_signal = task.notify_resume = false;
    co_await task_work_run(task);
  }
}

}  // namespace wakepath::machine
