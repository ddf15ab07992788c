// SPDX-License-Identifier: GPL-2.0-or-later
// Cache flushes of a device with a volatile write cache: PREFLUSH and FUA of a bio as the steps flush, data, flush.
//
// Each step is issued by kblockd, not by who submitted: the flush is put on the requeue list, whose work runs in the
// high-priority worker of the CPU that asked; so is the data write once the flush has ended. Flushes that come while
// one is in the device, or the data write of one that has ended, share the next one. A device without a volatile cache
// drops both flags.
// Source: block/blk-flush.c (blk_insert_flush, blk_flush_complete_seq, blk_kick_flush), block/blk-mq.c
// (blk_mq_kick_requeue_list), 6.1 and 6.12. Not modelled: that a wait for such data ends after 5 s
// (FLUSH_PENDING_TIMEOUT); a queue of flushes for each hardware queue (here one of the device).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "models/block/queue.h"

namespace wakepath::block {

class Flusher {
 public:
  Flusher(Machine& m, Queue& q, workqueue::Workqueues& wqs);
  ~Flusher();
  // submit_bio of a bio that may carry `preflush` and `fua`; one without data is a flush alone (bytes = 0).
  Call<void> submit(KTask& t, Bio& bio, Plug* plug);
  struct Counters {
    std::uint64_t flushes = 0;
  } counters;

 private:
  struct FlushBio;
  struct RequeueWork;
  struct DataBio;
  Call<void> begin_flush(ExecContext& ctx);
  Call<void> flush_ended(ExecContext& ctx);
  Call<void> after_flush(ExecContext& ctx, DataBio& d);
  Call<void> requeue(ExecContext& ctx, Bio& bio);
  DataBio& take();

  Machine& machine_;
  Queue& queue_;
  workqueue::Workqueue& kblockd_;
  std::unique_ptr<RequeueWork> requeue_work_;
  std::unique_ptr<FlushBio> flush_;
  std::deque<Bio*> requeue_list_;
  std::deque<DataBio*> waiting_, running_;  // for the next flush; for the one in the device
  bool in_device_ = false;
  int data_in_flight_ = 0;  // data steps of what is being flushed
  std::deque<std::unique_ptr<DataBio>> all_;
  std::deque<DataBio*> free_;
};

}  // namespace wakepath::block
