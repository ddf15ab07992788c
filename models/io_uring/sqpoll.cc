// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/io_uring/sqpoll.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "models/kernel/switches.h"

namespace wakepath::io_uring {

using machine::CostId;
using machine::run_cost;
using sched::State;

SqThread::SqThread(Machine& m, Tctx& owner, const Setup& s)
    : machine_(m),
      task_(m.add_task(fmt::format("iou-sqp-{}", owner.task().st.pid), "iou_sqp", owner.task().cgroup,
                       owner.task().st.nice, s.sq_thread_cpu >= 0 ? s.sq_thread_cpu : owner.task().cpu->id(),
                       s.sq_thread_cpu >= 0, false)),
      tctx_(m, task_, owner.pools()),
      idle_ns_(s.sq_thread_idle_ns > 0 ? s.sq_thread_idle_ns : 1'000'000'000) {
  task_.body = body(task_);
  task_.resume_at = task_.body.handle();
}

void SqThread::add(Ring& r) {
  rings_.push_back(&r);
  idle_ns_ =
      std::max(idle_ns_, r.setup().sq_thread_idle_ns);  // a shared thread waits as long as any of its rings wants
}

Call<void> SqThread::wake(ExecContext& ctx) {
  if (task_.sleeping) co_await machine_.wake(ctx, task_);
}

Call<void> SqThread::wait_for_space(KTask& t, const Ring& ring) {
  while (ring.sq_full()) {
    space_waiters_.push_back(&t);
    t.set_state(State::interruptible);
    if (ring.sq_full() && !t.notify_signal) co_await t.schedule();
    t.set_state(State::running);
    std::erase(space_waiters_, &t);
    if (t.notify_signal) co_return;
  }
}

// One round over the rings, then the task work: was there anything?
Call<bool> SqThread::turn(KTask& t) {
  ++counters.turns;
  bool any = false;
  taken_.clear();
  for (Ring* r : rings_) {
    int n = r->sq_ready();
    if (rings_.size() > 1) n = std::min(n, kCapEntries);
    if (n > 0 || !r->iopoll_list_.empty()) {
      if (!r->iopoll_list_.empty()) co_await r->iopoll(t, true);
      if (n > 0) co_await r->submit_sqes(t, static_cast<unsigned>(n));
      any = any || n > 0 || !r->iopoll_list_.empty();
      for (KTask* w : std::exchange(space_waiters_, {})) co_await machine_.wake(t, *w);
    }
    taken_.push_back(n);
  }
  if (std::any_of(taken_.begin(), taken_.end(), [](int n) { return n > 0; })) last_turn = taken_;
  t.notify_signal = false;
  constexpr int kAll = 1 << 30;
  if (tctx_.pending()) {
    co_await tctx_.run_some(t, machine_.k.uring_sqpoll_work_cap ? kCapWork : kAll);
    any = true;
  }
  if (t.task_works != nullptr) {
    co_await machine::task_work_run(t);
    any = true;
  }
  co_return any;
}

// False: something came while it got ready to sleep.
Call<bool> SqThread::sleep(KTask& t) {
  t.set_state(State::interruptible);
  bool may_sleep = !tctx_.pending() && t.task_works == nullptr && !t.notify_signal;
  for (Ring* r : rings_) {
    r->need_wakeup_ = true;
    may_sleep = may_sleep && r->sq_ready() == 0 && r->iopoll_list_.empty();
  }
  if (may_sleep) {
    ++counters.sleeps;
    co_await t.schedule();
  }
  t.set_state(State::running);
  for (Ring* r : rings_) r->need_wakeup_ = false;
  co_return may_sleep;
}

machine::Body SqThread::body(KTask& t) {
  std::int64_t until = 0;
  const auto idle_jiffies = [&] { return idle_ns_ / machine_.tick_ns(); };
  for (;;) {
    const bool any = co_await turn(t);
    if (any || jiffies() <= until) {
      if (any) until = jiffies() + idle_jiffies();
      if (!any) co_await run_cost(machine_, t, CostId::uring_sqpoll_turn);
      if (t.cpu->need_resched()) co_await t.schedule(true);
      continue;
    }
    co_await sleep(t);
    until = jiffies() + idle_jiffies();
  }
}

}  // namespace wakepath::io_uring
