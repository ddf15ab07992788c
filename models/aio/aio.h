// SPDX-License-Identifier: GPL-2.0-or-later
// fs/aio.c: the completion ring, io_getevents and whom a completion wakes.
//
// Up to 6.7 the first completion after a waiter parked wakes it, whatever it waits for, and it sleeps again after any
// drain that is not enough; from 6.8 (71eb6b6b0ba9) a waiter is woken when min_nr events are there, and sleeps only
// after a drain that found nothing new. Switch: aio_obey_min_nr.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "models/machine/machine.h"
#include "sim/engine/fifo.h"

namespace wakepath::aio {

using machine::Call;
using machine::ExecContext;
using machine::KTask;
using machine::Machine;
using machine::Time;

struct Iocb {
  void* owner = nullptr;      // the submitter's io_u
  bool in_work_item = false;  // whose end follows its completion
};

// The allocation of the kiocb within io_submit_iocb, in thousandths of it: what precedes it is the way back from the
// iocb before. From the same traces as fs_dio_submit's: 616 ns before the inode's lock, in 6.1 and 6.12.
inline constexpr std::array kIocbPoints{468};

class Context {
 public:
  explicit Context(Machine& m) : machine_(m) {}

  // aio_complete, any context: publishes the event, wakes the waiter by the version's rule.
  Call<void> complete(ExecContext& ctx, Iocb& iocb);

  // io_getevents without the syscall's entry and exit; appends to `out`, returns how many. Waits for min_nr, no
  // timeout.
  Call<int> read_events(KTask& t, int min_nr, int nr, std::vector<Iocb*>& out);

  // The system call from entry to exit; `ctx_id` stands in its records.
  Call<int> sys_io_getevents(KTask& t, std::uint64_t ctx_id, int min_nr, int nr, std::vector<Iocb*>& out);

  // The ring is mapped: what is there, without the kernel.
  int take(int nr, std::vector<Iocb*>& out);

  struct Counters {
    std::uint64_t waiter_wakes = 0, sleeps = 0, calls = 0, events = 0;
  } counters;

 private:
  struct Waiter {
    KTask* task;
    int min_nr;
    std::uint64_t id;  // of this sleep: who wakes it may finish after it sleeps again
  };
  std::uint64_t next_waiter_ = 0;
  Call<void> wake_waiters(ExecContext& ctx);
  // iocb_put: the last a completion costs, after the waiters are woken.
  Call<void> put(ExecContext& ctx, const Iocb& iocb);
  void link(KTask& t, int min_nr);
  void unlink(KTask& t);

  Machine& machine_;
  engine::Fifo<Iocb*> ring_;
  std::vector<Waiter> waiters_;
};

}  // namespace wakepath::aio
