// SPDX-License-Identifier: GPL-2.0-or-later
// From the end of an operation to its CQE: who is told, who writes it, who is woken, what follows in a chain.
// Source: io_uring/io_uring.c (io_req_local_work_add, __io_run_local_work, __io_submit_flush_completions,
// io_req_complete_post, io_cqring_wake), rw.c (io_complete_rw, io_req_rw_complete), 6.1 and 6.12; the limit of a pass
// (f46b9cdb22f7, 6.13) beside traces of 6.18.
#include <limits>
#include <utility>

#include "models/io_uring/ring.h"
#include "models/kernel/switches.h"
#include "sim/engine/reversed.h"

namespace wakepath::io_uring {

using machine::CostId;
using machine::Notify;
using machine::run_cost;
using sched::State;
using trace::EventType;

// io_complete_rw, in the completing context; io_complete_rw_iopoll only leaves a mark.
Call<void> Request::ki_complete(ExecContext& ctx) {
  if (in_iopoll) {
    polled_done = true;
    return {};
  }
  return ring.rw_done(ctx, *this);
}

Call<void> Ring::rw_done(ExecContext& ctx, Request& rq) {
  if (rq.dio.failed) [[unlikely]] {
    rq.res = kIoError;
    rq.failed = true;
  }
  co_await run_cost(machine_, ctx, CostId::uring_rw_done, ctx.mode);
  co_await add_turn(ctx, rq, Request::Turn::rw_complete, true);
}

// __io_req_task_work_add
Call<void> Ring::add_turn(ExecContext& ctx, Request& rq, Request::Turn turn, bool lazy) {
  rq.turn = turn;
  return setup_.defer_taskrun ? add_local(ctx, rq, lazy) : tctx_->add(ctx, rq);
}

Call<void> Ring::add_local(ExecContext& ctx, Request& rq, bool lazy) {
  const Request* before = newest_;
  rq.next_turn = newest_;
  newest_ = &rq;
  if (!k_.uring_defer_wake_counted) return before == nullptr ? wake_waiters(ctx) : Call<void>{};
  const auto add = CountedAdd::of(before != nullptr ? before->work_count : 0, wait_nr_, lazy && rq.link == nullptr);
  rq.work_count = add.count;
  return add.wakes ? wake_submitter(ctx) : Call<void>{};
}

Call<void> Ring::wake_submitter(ExecContext& ctx) {
  if (!submitter_->sleeping || submitter_->st.state != State::interruptible) co_return;
  counters.waiter_wakes += co_await machine_.wake(ctx, *submitter_);
}

// __io_run_local_work_loop: from the front of the list, `most` of them, but one at least.
Call<int> Ring::run_turns(KTask& t, Request*& list, int most) {
  int ran = 0;
  while (list != nullptr) {
    Request& rq = *list;
    list = rq.next_turn;
    co_await rq.run_turn(t);
    if (++ran >= most) break;
  }
  co_return ran;
}

// __io_run_local_work: what is there, and what comes meanwhile while it is fewer than asked for (6.1: until it stays
// empty). Since 6.13 a pass ends after `most`, and the next begins with what it left.
Call<int> Ring::run_local(KTask& t, unsigned min_events, int most) {
  if (!local_work()) co_return 0;
  t.set_state(State::running);
  ++counters.local_passes;
  co_await run_cost(machine_, t, CostId::uring_task_work);
  if (!k_.uring_local_work_cap) most = std::numeric_limits<int>::max();
  int count = 0;
  const auto go_on = [&] {
    return local_work() && (!k_.uring_defer_wake_counted || count < static_cast<int>(min_events));
  };
  do {
    do {
      int ran = 0;
      if (kept_ != nullptr) {
        ran = co_await run_turns(t, kept_, most);
        count += ran;
        if (kept_ != nullptr) break;
      }
      Request* list = std::exchange(newest_, nullptr);
      if (k_.uring_task_work_fifo) list = engine::reversed<&Request::next_turn>(list);
      count += co_await run_turns(t, list, most - ran);
      kept_ = list;
    } while (go_on());
    if (done_first_ != nullptr) co_await flush_completions(t);
  } while (k_.uring_defer_wake_counted && go_on());
  counters.local_items += static_cast<std::uint64_t>(count);
  machine_.tp.uring_pass(*t.cpu, EventType::io_uring_local_work_run, trace_id_, count);
  co_return count;
}

Call<void> Request::run_turn(KTask& t) {
  Machine& m = ring.machine();
  co_await run_cost(m, t, CostId::uring_task_work_item);
  switch (turn) {
    case Turn::rw_complete:
      if (dio.by_caller) co_await dio.fs->finish(t, dio);
      ring.add_completion(*this);
      break;
    case Turn::fail:
      res = Ring::kCancelled;
      failed = true;
      ring.add_completion(*this);
      break;
    case Turn::complete:
      ring.add_completion(*this);
      break;
    case Turn::command:
      co_await sqe.file->commands->command_task_work(t, *this);
      break;
    case Turn::submit:
      if (force_async)
        co_await ring.punt(t, *this);
      else
        co_await ring.queue_sqe(t, *this, nullptr);
      break;
  }
}

// ---- posting -------------------------------------------------------------------------------------------------------

void Ring::add_completion(Request& rq) {
  rq.next_turn = nullptr;
  (done_last_ != nullptr ? done_last_->next_turn : done_first_) = &rq;
  done_last_ = &rq;
}

void Ring::fill(const Request& rq) {
  const Cqe cqe{rq.sqe.user_data, rq.res};
  ++counters.completed;
  if (!overflow_.empty() || cached_tail_ - head_ >= static_cast<std::uint32_t>(cq_entries_)) {
    ++counters.overflows;
    overflow_.push_back(cqe);
    return;
  }
  cq_[cached_tail_++ & cq_mask_] = cqe;
}

bool Ring::flush_overflow() {
  while (!overflow_.empty() && cached_tail_ - head_ < static_cast<std::uint32_t>(cq_entries_)) {
    cq_[cached_tail_++ & cq_mask_] = overflow_.front();
    overflow_.pop_front();
  }
  tail_ = cached_tail_;
  return overflow_.empty();
}

// One store of the tail for all; then those who wait, and only then what follows in chains.
Call<void> Ring::flush_completions(KTask& t) {
  Request* list = std::exchange(done_first_, nullptr);
  done_last_ = nullptr;
  if (list == nullptr) co_return;
  co_await run_cost(machine_, t, CostId::uring_flush);
  for (Request* rq = list; rq != nullptr; rq = rq->next_turn) {
    co_await run_cost(machine_, t, CostId::uring_cqe);
    if (rq->skip_cqe) continue;
    if (rq->sqe.cqe_skip && !rq->failed) {
      ++counters.completed;
      continue;
    }
    fill(*rq);
    machine_.tp.uring_complete(*t.cpu, trace_id_, rq->sqe.user_data, rq->res);
  }
  tail_ = cached_tail_;
  if (drain_active_) co_await queue_deferred(t);
  // In the waiter's own context nobody waits: DEFER_TASKRUN and IOPOLL callers do not look.
  if (!setup_.defer_taskrun && !(setup_.iopoll && !setup_.sqpoll) && !waiters_.empty()) co_await wake_waiters(t);
  while (list != nullptr) {
    Request& rq = *list;
    list = rq.next_turn;
    if (--rq.refs > 0) continue;
    if (rq.link != nullptr) co_await next_of_chain(t, rq);
    release(rq);
  }
}

// io_req_find_next: an error breaks a chain but for its hard links.
Call<void> Ring::next_of_chain(ExecContext& ctx, Request& rq) {
  Request& next = *std::exchange(rq.link, nullptr);
  const bool broken = rq.failed && !rq.sqe.hardlink;
  if (broken)
    for (Request* r = &next; r != nullptr; r = r->link) r->failed = true;
  return add_turn(ctx, next, broken ? Request::Turn::fail : Request::Turn::submit, false);
}

// __io_cqring_wake: those for whom there is enough, or work that they have to run.
Call<void> Ring::wake_waiters(ExecContext& ctx) {
  for (std::size_t i = 0; i < waiters_.size();) {
    const Waiter w = waiters_[i];
    if (!is_due(w.tail) && !has_work()) {
      ++i;
      continue;
    }
    waiters_.erase(waiters_.begin() + static_cast<std::ptrdiff_t>(i));  // autoremove
    counters.waiter_wakes += co_await machine_.wake(ctx, *w.task);
  }
}

// ---- by a worker ---------------------------------------------------------------------------------------------------

// io_req_complete_post. Rings whose completions belong to one task get them by task work.
Call<void> Ring::post_from_worker(KTask& worker, Request& rq) {
  const bool to_submitter = (setup_.defer_taskrun && !k_.uring_worker_posts_deferred) || setup_.iopoll;
  if (to_submitter) co_return co_await add_turn(worker, rq, Request::Turn::complete, false);
  co_await run_cost(machine_, worker, CostId::uring_flush);
  co_await run_cost(machine_, worker, CostId::uring_cqe);
  fill(rq);
  machine_.tp.uring_complete(*worker.cpu, trace_id_, rq.sqe.user_data, rq.res);
  tail_ = cached_tail_;
  --rq.refs;
  if (drain_active_) co_await queue_deferred(worker);
  co_await wake_waiters(worker);
}

// io_wq_free_work: the worker drops its reference; a linked successor may go on in it.
IoWork* Request::put() {
  if (--refs > 0) return nullptr;
  to_free = true;
  if (link == nullptr || failed) return nullptr;
  return std::exchange(link, nullptr);
}

Call<void> Request::free(KTask& worker) {
  if (!std::exchange(to_free, false)) co_return;
  if (link != nullptr) co_await ring.next_of_chain(worker, *this);
  if (!ring.machine().k.iowq_free_by_task_work) {
    ring.release(*this);
    co_return;
  }
  skip_cqe = true;
  refs = 1;
  co_await ring.add_turn(worker, *this, Turn::complete, false);
}

}  // namespace wakepath::io_uring
