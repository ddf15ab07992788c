// SPDX-License-Identifier: GPL-2.0-or-later
// A pipe between tasks, for reads and writes of one byte.
//
// The kernel's ring of pages: a byte is appended to the last page while that page has room, else it takes a new slot;
// a slot is given back when its last byte is read. Full means that every slot is taken, whether or not the last page
// still has room, and a reader that finds it so wakes a writer, who may look in vain. Only the write into an empty pipe
// wakes a reader. Waits are exclusive: one wakeup, one task, first come first served; who was woken passes a wakeup on
// when there is more to do than it took.
//
// Source: fs/pipe.c:pipe_read, pipe_write; 6.1 and 6.12. Wakeups are sync ones (WF_SYNC), which on one CPU changes
// nothing.
#pragma once

#include <deque>

#include "models/machine/machine.h"

namespace wakepath::workload {

class Pipe {
 public:
  static constexpr int kSlots = 16;        // PIPE_DEF_BUFFERS
  static constexpr int kPageBytes = 4096;  // PAGE_SIZE

  // One system call each, from entry to exit. They return when the byte has been moved.
  machine::Call<void> read(machine::Machine& m, machine::KTask& t);
  machine::Call<void> write(machine::Machine& m, machine::KTask& t);

  void put();   // the state alone: a byte is appended (the pipe must have room for it)
  void take();  // ... or taken (there must be one)
  [[nodiscard]] bool empty() const { return pages_.empty(); }
  [[nodiscard]] bool full() const { return static_cast<int>(pages_.size()) >= kSlots; }
  [[nodiscard]] bool has_room() const { return !full() || pages_.back().written < kPageBytes; }
  [[nodiscard]] int bytes() const;

 private:
  struct Page {
    int written = 0, read = 0;
  };
  using Waiters = std::deque<machine::KTask*>;
  static machine::Call<void> wake_one(machine::Machine& m, machine::KTask& t, Waiters& waiters);

  std::deque<Page> pages_;
  Waiters readers_, writers_;
};

}  // namespace wakepath::workload
