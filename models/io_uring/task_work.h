// SPDX-License-Identifier: GPL-2.0-or-later
// The task side of io_uring (struct io_uring_task): the list of requests whose completion waits for the task to run
// it, how the task hears of it, and the task's io-wq.
//
// Only the add that finds the list empty tells the task; what is added until it has taken the list rides along.
// DEFER_TASKRUN rings have a list of their own (ring.h). Source: io_uring/io_uring.c (io_req_normal_work_add,
// tctx_task_work), io_uring/tctx.c, 6.1 and 6.12.
#pragma once

#include <cstdint>
#include <memory>

#include "models/io_uring/io_wq.h"
#include "models/machine/task_work.h"

namespace wakepath::io_uring {

class Ring;
struct Request;

class Tctx final : public machine::TaskWork {
 public:
  Tctx(Machine& m, KTask& task, IoWqs& pools) : machine_(m), task_(task), pools_(pools) {}

  // io_req_normal_work_add, from any context.
  Call<void> add(ExecContext& ctx, Request& rq);
  Call<void> run(KTask& t) override;  // tctx_task_work
  // One pass over at most `most` requests: how many.
  Call<int> run_some(KTask& t, int most);
  [[nodiscard]] bool pending() const { return newest_ != nullptr || kept_ != nullptr; }
  // io_run_task_work: at a wait or in the SQPOLL thread, not on the way out.
  // False where there was nothing. Its context is the task's own.
  Call<bool> run_task_work(KTask& t);

  KTask& task() { return task_; }
  IoWqs& pools() { return pools_; }

  // The pool is made with the first ring the task submits to, and keeps that ring's hash and limits.
  IoWq& io_wq(Ring& first);
  [[nodiscard]] IoWq* existing_io_wq() { return io_wq_; }
  std::pair<int, int> max_workers{0, 0};  // IORING_REGISTER_IOWQ_MAX_WORKERS: bound, unbound; 0: the kernel's own

  struct Counters {
    std::uint64_t passes = 0, items = 0, adds = 0, notifications = 0;
  } counters;

 private:
  static constexpr int kRlimitNproc = 1 << 16;  // what a machine of a few hundred GB gives; nobody comes near
  Machine& machine_;
  KTask& task_;
  IoWqs& pools_;
  IoWq* io_wq_ = nullptr;
  Request* newest_ = nullptr;  // the list, newest first
  Request* kept_ = nullptr;    // the SQPOLL thread's retry list, in order
};

}  // namespace wakepath::io_uring
