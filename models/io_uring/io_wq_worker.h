// SPDX-License-Identifier: GPL-2.0-or-later
// One io-wq thread. Internal to io_wq*.cc.
//
// Flags as in the kernel: up (between its start and its end), running (counted in nr_running), free (on the free list;
// also before its first instruction).
#pragma once

#include "models/io_uring/io_wq.h"

namespace wakepath::io_uring {

struct IoWq::Worker final : machine::SleepHooks, machine::TaskWork {
  Worker(IoWq& pool, Account& a) : wq(&pool), account(&a), timeout(*this) {}

  engine::FrameStack& frames() { return task->frames(); }
  Call<void> task_sleeping(KTask&) override {  // io_wq_worker_sleeping
    if (!up || !running) return {};
    running = false;
    return wq->dec_running(*this);
  }
  void task_running(KTask&) override {  // io_wq_worker_running
    if (!up || running) return;
    running = true;
    ++account->nr_running;
  }
  Call<void> run(KTask& submitter) override { return wq->create_worker_cb(submitter, *this); }

  // schedule_timeout(WORKER_IDLE_TIMEOUT)
  struct Timeout final : machine::HrTimer {
    explicit Timeout(Worker& sleeper) : w(sleeper) { function_id = w.wq->machine_.tp.name("process_timeout"); }
    ~Timeout() override { w.wq->machine_.engine.cancel(timer); }
    Call<void> expired(ExecContext& irq) override {
      fired = true;
      co_await w.wq->machine_.wake(irq, *w.task);
    }
    Worker& w;
    bool fired = false;
  };

  IoWq* wq;
  Account* account;
  KTask* task = nullptr;
  IoWork* current = nullptr;
  bool alive = false;    // counted in nr_workers
  bool started = false;  // it has run its first instruction
  bool up = false, running = false, free = false;
  bool request_outstanding = false;  // create_state; until the callback has run to its end
  bool reservation = false;          // its request is counted in nr_running
  bool in_callback = false;          // the submitter is at it: too late to cancel
  bool ended = false;                // its thread is gone
  bool by_request = false;           // made by create_worker_cb
  Reason asks_because = Reason::needed;
  bool fresh = false;           // made, and has not slept yet
  bool expects_work = false;    // made or woken by somebody, and has not taken an item since
  bool woken_for_work = false;  // activated by somebody, and not run since
  Timeout timeout;
};

}  // namespace wakepath::io_uring
