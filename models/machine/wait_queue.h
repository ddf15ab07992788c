// SPDX-License-Identifier: GPL-2.0-or-later
// A wait queue (kernel/sched/wait.c): tasks that sleep until a condition holds.
//
//   for (;;) { q.prepare(t, state); if (condition) break; co_await t.schedule(); }
//   q.finish(t);
//
// Entries leave when they are woken (autoremove_wake_function). Order: first in, first woken.
#pragma once

#include <algorithm>
#include <vector>

#include "models/machine/machine.h"

namespace wakepath::machine {

class WaitQueue {
 public:
  void prepare(KTask& t, sched::State state) {
    if (std::find(tasks_.begin(), tasks_.end(), &t) == tasks_.end()) tasks_.push_back(&t);
    t.set_state(state);
  }
  void finish(KTask& t) {
    std::erase(tasks_, &t);
    t.set_state(sched::State::running);
  }
  [[nodiscard]] bool empty() const { return tasks_.empty(); }
  Call<void> wake_all(ExecContext& ctx) {
    while (!tasks_.empty()) {
      KTask& t = *tasks_.front();
      tasks_.erase(tasks_.begin());
      co_await t.machine->wake(ctx, t);
    }
  }

 private:
  std::vector<KTask*> tasks_;
};

}  // namespace wakepath::machine
