// SPDX-License-Identifier: GPL-2.0-or-later
// The loop driver: a work item of an unbound workqueue does the requests one after the other and ends each by
// blk_mq_complete_request where its worker runs. There is no device beside it: what a request takes, the worker takes
// of a CPU (device.service_ns; beyond 4 KiB by device.bytes_per_s; a flush device.flush_ns).
//
//     issue -> list -> kworker/u (service) -> steering: IPI and BLOCK softirq, or the softirq here
//
// Not here: a worker for each blkcg with I/O control, direct I/O to the backing file, and waits for the backing file.
// Source: drivers/block/loop.c:loop_queue_rq, loop_queue_work, loop_process_work; 6.1 and 6.12.
#pragma once

#include "models/block/queue.h"

namespace wakepath::block {

class Loop final : public workqueue::Work {
 public:
  Loop(Machine& m, Queue& q, workqueue::Workqueues& wqs, const std::string& disk);
  Call<void> queue_rq(ExecContext& ctx, Request& rq);
  Call<void> function(KTask& worker) override;

 private:
  Queue& queue_;
  workqueue::Workqueue& wq_;
  Request *first_ = nullptr, *last_ = nullptr;
};

}  // namespace wakepath::block
