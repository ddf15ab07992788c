// SPDX-License-Identifier: GPL-2.0-or-later
// The loop of fio's t/io_uring: prepare a batch while there is room, submit it, wait for a batch once the depth is
// reached, reap all. What is in flight counts what is only prepared, so that waiting begins one batch early.
// Source: fio t/io_uring.c:submitter_uring_fn as in the io_uring specification 4.3 and example 24.
#include <algorithm>

#include "models/workload/fio.h"

namespace wakepath::workload {

using io_uring::Ring;
using machine::CostId;
using machine::Mode;
using machine::run_cost;

machine::Body FioJob::t_io_uring_body(KTask& t) {
  Ring& ring = uring_->ring();
  const int depth = conf_.iodepth, batch_complete = std::max(1, complete_max_);
  for (;;) {
    if (failed_) co_return co_await end(t);
    const int prepared = std::min(depth - in_use_, batch_);
    for (int i = 0; i < prepared; ++i) {
      IoU& u = *free_.back();
      free_.pop_back();
      u.start = machine_.now();
      co_await run_cost(machine_, t, CostId::fio_uring_prep, Mode::user);
      fill(u, false, draw_write());
      uring_->queue({u.dio.id, u.dio.sector * 512, u.dio.write, false, u.file});
      queued_.push_back(&u);
    }
    in_use_ += prepared;
    const int wait = prepared > 0 && in_use_ + prepared <= depth ? 0 : std::min(in_use_ + prepared, batch_complete);
    const bool asleep = conf_.sqthread_poll && ring.needs_wakeup();
    ++window_.submit_calls;
    if (!conf_.sqthread_poll || asleep)
      co_await ring.enter(t, static_cast<unsigned>(prepared), static_cast<unsigned>(wait),
                          (wait > 0 ? Ring::kGetEvents : 0U) | (asleep ? Ring::kSqWakeup : 0U));
    for (IoU* u : queued_) u->issue = machine_.now();
    queued_.clear();
    submitted_ += static_cast<std::uint64_t>(prepared);
    int reaped = 0;
    do {
      for (; ring.cq_ready() > 0; ++reaped) {
        co_await run_cost(machine_, t, CostId::fio_uring_reap, Mode::user);
        const io_uring::Cqe cqe = ring.pop();
        if (cqe.res < 0) failed_ = true;
        count(*io_us_[cqe.user_data]);
      }
      if (conf_.sqthread_poll && reaped < wait) co_await run_cost(machine_, t, CostId::fio_reap_call, Mode::user);
    } while (conf_.sqthread_poll && reaped < wait);
  }
}

}  // namespace wakepath::workload
