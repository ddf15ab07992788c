// SPDX-License-Identifier: GPL-2.0-or-later
// What a reactor is made of and only its own files see: its timer, and a log file that is synced.
#pragma once

#include <vector>

#include "models/cluster/node.h"
#include "models/cluster/reactor.h"
#include "models/fs/page_cache.h"

namespace wakepath::cluster {

// A timerfd in the reactor's poll set.
struct Reactor::Timer final : machine::HrTimer {
  explicit Timer(Reactor& r) : reactor(r) { function_id = r.machine_.tp.name("timerfd_tmrproc"); }
  ~Timer() override { reactor.machine_.engine.cancel(timer); }
  machine::Call<void> expired(machine::ExecContext& irq) override {
    reactor.timer_due_ = true;
    if (std::exchange(reactor.poll_armed_, false)) co_await reactor.aio_.complete(irq, reactor.poll_);
  }
  void arm(Time at) {
    reactor.timer_due_ = false;
    reactor.machine_.local_timer(reactor.task_->cpu->id()).arm(*this, at);
  }
  Reactor& reactor;
};

// A partition's log in the page cache, used again from its start when it is full, and its aio fsync.
struct Reactor::Fsync final : workqueue::Work, aio::Iocb {
  Fsync(Reactor& r, int p);
  machine::Call<void> function(machine::KTask& worker) override;  // aio_fsync_work
  static Fsync* of(aio::Iocb* e) { return e->owner == nullptr ? static_cast<Fsync*>(e) : nullptr; }
  Reactor& reactor;
  int partition;
  fs::File& file;
  std::vector<Buffered> written;  // not covered by a sync yet
  std::vector<Buffered> covered;  // by the one under way
  bool under_way = false;
  Time began = 0, ended = 0;  // in the worker
};

}  // namespace wakepath::cluster
