// SPDX-License-Identifier: GPL-2.0-or-later
// The submit loop: SQE to request, chains, drained requests, and what goes to io-wq instead of being issued here.
// Source: io_uring/io_uring.c (io_submit_sqes, io_submit_sqe, io_drain_req, io_queue_iowq), 6.1 and 6.12.
#include <algorithm>
#include <utility>

#include "models/io_uring/ring.h"
#include "models/kernel/switches.h"

namespace wakepath::io_uring {

using machine::CostId;
using machine::run_cost;
using trace::EventType;

Request& Ring::allocate() {
  if (free_.empty()) {
    requests_.emplace_back(*this);
    free_.push_back(&requests_.back());
  }
  Request& rq = *free_.back();
  free_.pop_back();
  rq.link = nullptr;
  rq.refs = 1;
  rq.res = 0;
  rq.force_async = rq.drain = rq.failed = rq.skip_cqe = rq.polled_done = rq.file_looked_up = rq.in_iopoll = false;
  rq.cancel = false;
  rq.alive = true;
  return rq;
}

void Ring::release(Request& rq) {
  rq.alive = false;
  free_.push_back(&rq);
}

Call<int> Ring::submit_sqes(KTask& t, unsigned nr) {
  constexpr unsigned kPlugThreshold = 2;  // IO_PLUG_THRESHOLD
  const auto n = std::min<std::size_t>(nr, sq_.size());
  if (n == 0) co_return 0;
  Submission s;
  s.may_plug = n > kPlugThreshold;
  s.plug.expected = static_cast<int>(std::min<std::size_t>(n, block::Plug::kMaxRequests));
  for (std::size_t i = 0; i < n; ++i) {
    Request& rq = allocate();
    rq.sqe = sq_.front();
    sq_.pop_front();
    ++sq_head_;
    ++counters.submitted;
    co_await run_cost(machine_, t, CostId::uring_sqe);
    co_await submit_sqe(t, rq, s);
  }
  if (s.chain != nullptr) co_await queue_fallback(t, *s.chain);  // a chain without an end
  if (done_first_ != nullptr) co_await flush_completions(t);
  if (s.plugged) co_await fs_.queue().flush_plug(t, s.plug, false);
  if (s.plug.cached != nullptr) fs_.queue().give_back(s.plug);
  co_return static_cast<int>(n);
}

// Everything after a drained request waits for it, so all of it takes the slow way until the list is empty again.
void Ring::init_drain(Request& rq, Submission& s) {
  if (rq.sqe.drain) {
    drain_active_ = true;
    rq.drain = rq.force_async = true;
    if (s.chain != nullptr) {
      s.chain->drain = s.chain->force_async = true;
      drain_next_ = true;
    }
  }
  if (!drain_active_) return;
  rq.force_async = true;
  if (drain_next_ && s.chain == nullptr) {
    drain_next_ = false;
    rq.drain = true;
  }
}

Call<void> Ring::submit_sqe(KTask& t, Request& rq, Submission& s) {
  rq.force_async = rq.sqe.async || rq.sqe.op == Op::fsync;
  rq.seq = sq_head_ - 1;
  if (rq.sqe.drain || drain_active_) init_drain(rq, s);
  machine_.tp.uring_request(*t.cpu, EventType::io_uring_submit_req, trace_id_, rq.sqe.user_data,
                            kernel_opcode(rq.sqe.op), rq.force_async);
  Request* first = &rq;
  if (s.chain != nullptr) {
    s.chain_last->link = &rq;
    s.chain_last = &rq;
    if (rq.linked()) return {};
    first = std::exchange(s.chain, nullptr);
  } else if (rq.linked()) {
    s.chain = s.chain_last = &rq;
    return {};
  }
  return first->force_async ? queue_fallback(t, *first) : queue_sqe(t, *first, &s);
}

Call<void> Ring::queue_fallback(KTask& t, Request& rq) {
  if (!drain_active_) return punt(t, rq);
  if (!must_wait(rq) && deferred_.empty()) {
    drain_active_ = false;
    return add_turn(t, rq, Request::Turn::submit, false);
  }
  deferred_.push_back(&rq);
  return {};
}

// io_queue_deferred: after completions, what waited for them.
Call<void> Ring::queue_deferred(KTask& t) {
  while (!deferred_.empty() && !must_wait(*deferred_.front())) {
    Request& rq = *deferred_.front();
    deferred_.pop_front();
    co_await add_turn(t, rq, Request::Turn::submit, false);
  }
  if (deferred_.empty()) drain_active_ = false;
}

Call<void> Ring::queue_sqe(KTask& t, Request& rq, Submission* s) {
  const Issue got = co_await issue(t, rq, true, s);
  switch (got) {
    case Issue::done:
      ++counters.inline_done;
      add_completion(rq);
      break;
    case Issue::queued:
      break;
    case Issue::again:
      if (rq.sqe.nowait) {
        rq.res = kAgain;
        rq.failed = true;
        add_completion(rq);
      } else {
        co_await punt(t, rq);
      }
      break;
  }
}

// ---- io-wq ---------------------------------------------------------------------------------------------------------

// io_prep_async_work. Later members of a chain are classified with the head, before their files are looked up.
void Ring::classify(Request& rq) const {
  const bool file_known = rq.file_looked_up || k_.uring_early_file_lookup;
  const File* f = file_known ? rq.sqe.file : nullptr;
  rq.concurrent = rq.force_async;
  rq.bucket = -1;
  rq.unbound = false;
  const bool writes = rq.sqe.op == Op::write;
  if (f != nullptr && !f->block_device) {
    const bool parallel = k_.uring_dio_parallel_unhashed && f->direct && fs_.takes_parallel_dio_writes();
    if ((writes && !parallel) || setup_.iopoll) rq.bucket = Hash::bucket_of(f->inode.address);
  } else if (f == nullptr) {
    rq.unbound = writes || rq.sqe.op == Op::read;  // what may wait for ever where it is not a regular file
  }
}

Call<void> Ring::punt(KTask& t, Request& rq) {
  ++counters.punted;
  co_await run_cost(machine_, t, CostId::uring_punt);
  classify(rq);
  for (Request* member = rq.link; member != nullptr; member = member->link) {
    classify(*member);
    member->bucket = -1;
    member->unbound = member->sqe.op == Op::write || member->sqe.op == Op::read;
  }
  machine_.tp.uring_request(*t.cpu, EventType::io_uring_queue_async_work, trace_id_, rq.sqe.user_data,
                            kernel_opcode(rq.sqe.op), rq.hashed());
  co_await tctx_->io_wq(*this).enqueue(t, rq);
}

}  // namespace wakepath::io_uring
