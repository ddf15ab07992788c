// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/io_uring/task_work.h"

#include <utility>

#include "models/io_uring/ring.h"
#include "models/kernel/switches.h"
#include "sim/engine/reversed.h"

namespace wakepath::io_uring {

using machine::CostId;
using machine::Notify;
using machine::run_cost;

Call<void> Tctx::add(ExecContext& ctx, Request& rq) {
  ++counters.adds;
  const bool first = newest_ == nullptr;
  rq.next_turn = newest_;
  newest_ = &rq;
  if (!first) co_return;
  ++counters.notifications;
  const Setup& s = rq.ring.setup();
  if (s.sqpoll) co_return co_await machine::notify(ctx, task_, Notify::signal_no_ipi);  // its thread looks by itself
  co_await machine::task_work_add(ctx, task_, *this, s.coop_taskrun ? Notify::signal_no_ipi : Notify::signal);
}

// handle_tw_list: the requests of one ring after the other; its completions are flushed where the ring changes, where
// the CPU is wanted, and at the end.
Call<int> Tctx::run_some(KTask& t, int most) {
  Request* list = kept_;
  kept_ = nullptr;
  if (list == nullptr) {
    list = std::exchange(newest_, nullptr);
    if (machine_.k.uring_task_work_fifo) list = engine::reversed<&Request::next_turn>(list);
  }
  if (list == nullptr) co_return 0;
  ++counters.passes;
  co_await run_cost(machine_, t, CostId::uring_task_work);
  Ring* ring = nullptr;
  int count = 0;
  while (list != nullptr && count < most) {
    Request& rq = *list;
    list = rq.next_turn;  // it may be freed
    if (&rq.ring != ring) {
      if (ring != nullptr) co_await ring->flush_completions(t);
      ring = &rq.ring;
    }
    ++count;
    co_await rq.run_turn(t);
    if (!t.resched_at_cond_resched()) continue;
    co_await ring->flush_completions(t);
    co_await t.schedule(true);
  }
  kept_ = list;
  if (ring != nullptr) co_await ring->flush_completions(t);
  counters.items += static_cast<std::uint64_t>(count);
  machine_.tp.uring_pass(*t.cpu, trace::EventType::io_uring_task_work_run, 0, count);
  co_return count;
}

Call<void> Tctx::run(KTask& t) {
  constexpr int kAll = 1 << 30;
  do {
    co_await run_some(t, kAll);
  } while (!machine_.k.uring_task_work_fifo && newest_ != nullptr);  // 6.1 goes on until the list stays empty
}

Call<bool> Tctx::run_task_work(KTask& t) {
  t.notify_signal = false;
  if (t.task_works == nullptr) co_return false;
  t.set_state(sched::State::running);
  co_await machine::task_work_run(t);
  co_return true;
}

IoWq& Tctx::io_wq(Ring& first) {
  if (io_wq_ != nullptr) return *io_wq_;
  IoWq::Config c = IoWq::default_config(first.sq_entries(), machine_.cpu_count(), kRlimitNproc);
  if (max_workers.first > 0) c.max_bound = max_workers.first;
  if (max_workers.second > 0) c.max_unbound = max_workers.second;
  io_wq_ = &pools_.create(task_, first.hash(), std::move(c));
  return *io_wq_;
}

}  // namespace wakepath::io_uring
