// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/block/flush.h"

namespace wakepath::block {

using machine::CostId;
using machine::run_cost;

struct Flusher::FlushBio final : Bio {
  explicit FlushBio(Flusher& f) : flusher(f) {
    bytes = 0;
    flush = true;
  }
  Call<void> end_io(ExecContext& ctx) override { return flusher.flush_ended(ctx); }
  Flusher& flusher;
};

struct Flusher::RequeueWork final : workqueue::Work {
  explicit RequeueWork(Flusher& f) : flusher(f) {}
  Call<void> function(KTask& worker) override {
    while (!flusher.requeue_list_.empty()) {
      Bio& bio = *flusher.requeue_list_.front();
      flusher.requeue_list_.pop_front();
      co_await flusher.queue_.submit(worker, bio, nullptr);
    }
  }
  Flusher& flusher;
};

// The data step of a caller's bio.
struct Flusher::DataBio final : Bio {
  Call<void> end_io(ExecContext& ctx) override {
    --flusher->data_in_flight_;
    if (post_flush) {  // the device has no FUA: once more
      post_flush = false;
      data_done = true;
      flusher->waiting_.push_back(this);
      co_await flusher->begin_flush(ctx);
      co_return;
    }
    Bio& mine = *caller;
    flusher->free_.push_back(this);
    co_await mine.end_io(ctx);
    co_await flusher->begin_flush(ctx);
  }
  Flusher* flusher = nullptr;
  Bio* caller = nullptr;
  bool post_flush = false, data_done = false;
};

Flusher::Flusher(Machine& m, Queue& q, workqueue::Workqueues& wqs)
    : machine_(m),
      queue_(q),
      kblockd_(wqs.create("kblockd", {.highpri = true})),
      requeue_work_(std::make_unique<RequeueWork>(*this)),
      flush_(std::make_unique<FlushBio>(*this)) {
  requeue_work_->persistent = true;
  requeue_work_->function_id = m.tp.name("blk_mq_requeue_work");
}

Flusher::~Flusher() = default;

Flusher::DataBio& Flusher::take() {
  if (free_.empty()) {
    all_.push_back(std::make_unique<DataBio>());
    free_.push_back(all_.back().get());
  }
  DataBio& d = *free_.front();
  free_.pop_front();
  d.flusher = this;
  d.data_done = false;
  return d;
}

Call<void> Flusher::submit(KTask& t, Bio& bio, Plug* plug) {
  const auto& device = machine_.scenario.device;
  const bool post = bio.fua && !device.fua;
  if (!device.write_cache || (!bio.preflush && !post)) {
    if (bio.bytes == 0) co_return co_await bio.end_io(t);  // an empty flush of a device without a cache
    co_return co_await queue_.submit(t, bio, plug);
  }
  DataBio& d = take();
  d.caller = &bio;
  d.sector = bio.sector;
  d.bytes = bio.bytes;
  d.write = bio.write;
  d.post_flush = post && bio.bytes > 0;
  if (!bio.preflush) {
    ++data_in_flight_;
    co_return co_await queue_.submit(t, d, plug);
  }
  waiting_.push_back(&d);
  co_await begin_flush(t);
}

Call<void> Flusher::begin_flush(ExecContext& ctx) {
  if (in_device_ || data_in_flight_ > 0 || waiting_.empty()) co_return;
  in_device_ = true;
  running_.swap(waiting_);
  ++counters.flushes;
  co_await requeue(ctx, *flush_);
}

Call<void> Flusher::requeue(ExecContext& ctx, Bio& bio) {
  requeue_list_.push_back(&bio);
  co_await kblockd_.queue(ctx, *requeue_work_);
}

Call<void> Flusher::flush_ended(ExecContext& ctx) {
  in_device_ = false;
  std::deque<DataBio*> ended;
  ended.swap(running_);
  for (DataBio* d : ended) co_await after_flush(ctx, *d);
  co_await begin_flush(ctx);
}

Call<void> Flusher::after_flush(ExecContext& ctx, DataBio& d) {
  if (d.bytes > 0 && !d.data_done) {
    ++data_in_flight_;
    co_return co_await requeue(ctx, d);
  }
  Bio& mine = *d.caller;
  free_.push_back(&d);
  co_await mine.end_io(ctx);
}

}  // namespace wakepath::block
