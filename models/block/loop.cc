// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/block/loop.h"

#include <utility>

#include "models/block/completion.h"

namespace wakepath::block {

Loop::Loop(Machine& m, Queue& q, workqueue::Workqueues& wqs, const std::string& disk)
    : queue_(q), wq_(wqs.create(disk, {.unbound = true, .mem_reclaim = false})) {
  persistent = true;
  id = 1;
  function_id = m.tp.name("loop_rootcg_workfn");
}

Call<void> Loop::queue_rq(ExecContext& ctx, Request& rq) {
  ++queue_.in_device;
  rq.next = nullptr;
  (first_ == nullptr ? first_ : last_->next) = &rq;
  last_ = &rq;
  return wq_.queue(ctx, *this);
}

Call<void> Loop::function(KTask& worker) {
  while (first_ != nullptr) {
    Request& rq = *std::exchange(first_, first_->next);
    co_await worker.run_ns(queue_.law_.service_time(*rq.bio));
    --queue_.in_device;
    --rq.hctx->in_ring;
    const Steer how = queue_.completions_->steer(worker.cpu->id(), rq);
    if (how == Steer::direct)
      co_await queue_.end_request(worker, rq);
    else
      co_await queue_.completions_->hand_over(worker, rq, how);
    if (worker.resched_at_cond_resched()) co_await worker.schedule(true);
  }
}

}  // namespace wakepath::block
