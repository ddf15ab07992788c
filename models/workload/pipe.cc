// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/workload/pipe.h"

#include <algorithm>
#include <cassert>

#include "models/machine/task_work.h"

namespace wakepath::workload {

using machine::Call;
using machine::CostId;
using machine::KTask;
using machine::Machine;
using machine::Mode;
using machine::run_cost;
using sched::State;

namespace {

// The way to user mode; what leaving through schedule() costs beyond the plain exit.
Call<void> leave(Machine& m, KTask& t) {
  if (t.work_at_user_exit()) {
    co_await machine::exit_to_user_mode_loop(t);
    co_await run_cost(m, t, CostId::resched_user_exit, Mode::irqs_off);
  }
  co_await run_cost(m, t, CostId::syscall_exit, Mode::irqs_off);
}

}  // namespace

int Pipe::bytes() const {
  int n = 0;
  for (const Page& p : pages_) n += p.written - p.read;
  return n;
}

void Pipe::put() {
  assert(has_room());
  if (pages_.empty() || pages_.back().written == kPageBytes) pages_.emplace_back();
  ++pages_.back().written;
}

void Pipe::take() {
  assert(!empty());
  if (++pages_.front().read == pages_.front().written) pages_.pop_front();
}

// autoremove_wake_function: who is woken has left the queue.
Call<void> Pipe::wake_one(Machine& m, KTask& t, Waiters& waiters) {
  if (waiters.empty()) co_return;
  KTask& waiter = *waiters.front();
  waiters.pop_front();
  co_await m.wake(t, waiter, true);  // the sync variant of wake_up
}

Call<void> Pipe::read(Machine& m, KTask& t) {
  co_await run_cost(m, t, CostId::syscall_entry);
  bool was_full = full(), slept = false;
  do {
    while (empty()) {
      co_await run_cost(m, t, CostId::pipe_wait);
      readers_.push_back(&t);
      t.set_state(State::interruptible);
      if (empty()) co_await t.schedule();
      t.set_state(State::running);
      std::erase(readers_, &t);
      was_full = full();
      slept = true;
    }
    co_await run_cost(m, t, slept ? CostId::pipe_resume : CostId::pipe_read);
  } while (empty());  // another reader was faster: what the kernel's pipe->mutex would have shown it at once
  take();
  if (was_full) co_await wake_one(m, t, writers_);
  if (slept && !empty()) co_await wake_one(m, t, readers_);
  co_await leave(m, t);
}

Call<void> Pipe::write(Machine& m, KTask& t) {
  co_await run_cost(m, t, CostId::syscall_entry);
  bool was_empty = empty(), slept = false;
  do {
    while (!has_room()) {
      co_await run_cost(m, t, CostId::pipe_wait);
      writers_.push_back(&t);
      t.set_state(State::interruptible);
      if (full()) co_await t.schedule();  // it waits for a free slot, though bytes of the first page may be gone
      t.set_state(State::running);
      std::erase(writers_, &t);
      was_empty = empty();
      slept = true;
    }
    co_await run_cost(m, t, slept ? CostId::pipe_resume : CostId::pipe_write);
  } while (!has_room());  // another writer was faster
  put();
  if (was_empty) co_await wake_one(m, t, readers_);
  if (slept && !full()) co_await wake_one(m, t, writers_);
  co_await run_cost(m, t, CostId::pipe_write_end);
  co_await leave(m, t);
}

}  // namespace wakepath::workload
