// SPDX-License-Identifier: GPL-2.0-or-later
// A bio whose submitter sleeps until it ends (submit_bio_wait, and direct I/O of a synchronous call: the end wakes the
// sleeper from the completing context, the rest runs in the sleeper). Source: block/bio.c, fs/iomap/direct-io.c.
#pragma once

#include "models/block/queue.h"

namespace wakepath::fs {

struct SyncBio final : block::Bio {
  explicit SyncBio(machine::Machine& machine) : m(machine) {}
  machine::Call<void> end_io(machine::ExecContext& ctx) override {
    done = true;
    if (ctx.kind == machine::ExecContext::Kind::task && &ctx == waiter) co_return;  // ended while it was submitted
    co_await m.wake(ctx, *waiter);
  }
  machine::Call<void> wait(machine::KTask& t) {
    for (;;) {
      t.set_state(sched::State::uninterruptible);
      if (done) break;
      co_await t.schedule();
    }
    t.set_state(sched::State::running);
    done = false;
  }
  machine::Machine& m;
  machine::KTask* waiter = nullptr;
  bool done = false;
};

}  // namespace wakepath::fs
