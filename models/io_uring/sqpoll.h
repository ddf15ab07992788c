// SPDX-License-Identifier: GPL-2.0-or-later
// The SQPOLL thread ("iou-sqp-PID"): takes SQEs from its rings and posts their completions, so that the application
// makes no system calls while it is awake. It spins until it has been idle for sq_thread_idle, then sleeps with the
// NEED_WAKEUP flag up. Source: io_uring/sqpoll.c (io_sq_thread, __io_sq_thread), 6.1 and 6.12.
#pragma once

#include <vector>

#include "models/io_uring/ring.h"

namespace wakepath::io_uring {

class SqThread {
 public:
  SqThread(Machine& m, Tctx& owner, const Setup& s);
  void add(Ring& r);
  Tctx& tctx() { return tctx_; }
  KTask& task() { return task_; }
  Call<void> wake(ExecContext& ctx);                      // IORING_ENTER_SQ_WAKEUP
  Call<void> wait_for_space(KTask& t, const Ring& ring);  // IORING_ENTER_SQ_WAIT
  struct Counters {
    std::uint64_t turns = 0, sleeps = 0;
  } counters;
  std::vector<int> last_turn;  // SQEs taken from each ring in the last turn that took any

 private:
  static constexpr int kCapEntries = 8;  // IORING_SQPOLL_CAP_ENTRIES_VALUE
  static constexpr int kCapWork = 32;    // IORING_TW_CAP_ENTRIES_VALUE
  machine::Body body(KTask& t);
  Call<bool> turn(KTask& t);
  Call<bool> sleep(KTask& t);
  [[nodiscard]] std::int64_t jiffies() const { return machine_.now() / machine_.tick_ns(); }

  Machine& machine_;
  KTask& task_;
  Tctx tctx_;
  std::vector<Ring*> rings_;
  std::vector<KTask*> space_waiters_;
  std::vector<int> taken_;
  Time idle_ns_;
};

}  // namespace wakepath::io_uring
