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

void Pipe::put(int bytes, bool own_page) {
  assert(own_page ? !full() : has_room(bytes));
  if (own_page || pages_.empty() || pages_.back().written + bytes > kPageBytes) pages_.emplace_back();
  pages_.back().written += bytes;
}

void Pipe::take(int bytes) {
  assert(!empty());
  Page& first = pages_.front();
  assert(first.read + bytes <= first.written);  // messages of one length lie whole in a page
  first.read += bytes;
  if (first.read == first.written) pages_.pop_front();
}

// autoremove_wake_function: who is woken has left the queue.
Call<void> Pipe::wake_one(Machine& m, KTask& t, Waiters& waiters) {
  if (waiters.empty()) co_return;
  KTask& waiter = *waiters.front();
  waiters.pop_front();
  co_await m.wake(t, waiter, true);  // the sync variant of wake_up
}

// What is done under pipe->mutex is one moment here, the one in which the message is moved: whether the pipe was full
// or empty, and what is left, are seen then. (Seen earlier, a writer on another CPU could miss that the reader has
// emptied the pipe and gone to sleep.)
Call<void> Pipe::read(Machine& m, KTask& t, int bytes) {
  co_await run_cost(m, t, CostId::syscall_entry);
  bool slept = false;
  do {
    while (empty()) {
      co_await run_cost(m, t, CostId::pipe_wait);
      readers_.push_back(&t);
      t.set_state(State::interruptible);
      if (empty()) co_await t.schedule();
      t.set_state(State::running);
      std::erase(readers_, &t);
      slept = true;
    }
    co_await run_cost(m, t, slept ? CostId::pipe_resume : CostId::pipe_read);
  } while (empty());  // another reader was faster: what the kernel's pipe->mutex would have shown it at once
  const bool was_full = full();
  take(bytes);
  const bool wake_next_reader = slept && !empty();
  if (was_full) co_await wake_one(m, t, writers_);
  if (wake_next_reader) co_await wake_one(m, t, readers_);
  co_await leave(m, t);
}

Call<void> Pipe::write(Machine& m, KTask& t, int bytes) {
  co_await run_cost(m, t, CostId::syscall_entry);
  bool slept = false;
  // Who has slept wants a slot of its own, though the last page may have room by now.
  const auto must_wait = [&] { return slept ? full() : !has_room(bytes); };
  do {
    while (must_wait()) {
      co_await run_cost(m, t, CostId::pipe_wait);
      writers_.push_back(&t);
      t.set_state(State::interruptible);
      if (full()) co_await t.schedule();
      t.set_state(State::running);
      std::erase(writers_, &t);
      slept = true;
    }
    co_await run_cost(m, t, slept ? CostId::pipe_resume : CostId::pipe_write);
  } while (must_wait());  // another writer was faster
  const bool was_empty = empty();
  put(bytes, slept);
  const bool wake_next_writer = slept && !full();
  if (was_empty) co_await wake_one(m, t, readers_);
  if (wake_next_writer) co_await wake_one(m, t, writers_);
  co_await run_cost(m, t, CostId::pipe_write_end);
  co_await leave(m, t);
}

}  // namespace wakepath::workload
