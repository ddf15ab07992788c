// SPDX-License-Identifier: GPL-2.0-or-later
// A pipe between tasks, for reads and writes of one message: a byte unless said otherwise, a page at most. The messages
// of a pipe have one length.
//
// The kernel's ring of pages: a message is appended to the last page while that page has room for it, else it takes a
// new slot; a slot is given back when its last byte is read. Full means that every slot is taken, whether or not the
// last page still has room, and a reader that finds it so wakes a writer, who may look in vain. Only the write into an
// empty pipe wakes a reader. Waits are exclusive: one wakeup, one task, first come first served; who was woken passes a
// wakeup on when there is more to do than it took. A writer that has slept for a slot takes one, and shares no page.
//
// Not modelled: waiting for pipe->mutex, which several CPUs at one pipe would do.
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

  // One system call each, from entry to exit. They return when the message has been moved.
  machine::Call<void> read(machine::Machine& m, machine::KTask& t, int bytes = 1);
  machine::Call<void> write(machine::Machine& m, machine::KTask& t, int bytes = 1);

  // The state alone: a message is appended (the pipe must have room for it; `own_page`: in a slot of its own), or
  // taken.
  void put(int bytes = 1, bool own_page = false);
  void take(int bytes = 1);
  [[nodiscard]] bool empty() const { return pages_.empty(); }
  [[nodiscard]] bool full() const { return static_cast<int>(pages_.size()) >= kSlots; }
  [[nodiscard]] bool has_room(int bytes = 1) const { return !full() || pages_.back().written + bytes <= kPageBytes; }
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
