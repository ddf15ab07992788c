// SPDX-License-Identifier: GPL-2.0-or-later
// One io_uring: its two rings, io_uring_enter, the submit loop, and who hears of a completion.
//
// A completion is posted (its CQE written) by the submitting task, in a pass of task work; by the submitter itself when
// the request ends inline; by the SQPOLL thread; by who polls (IOPOLL); or by an io-wq worker. How the submitter is
// told that a pass waits for it depends on the flags:
//   none            task work with TWA_SIGNAL: wakes it, or interrupts it on another CPU
//   COOP_TASKRUN    the same without the interrupt
//   DEFER_TASKRUN   a list of the ring, run only inside io_uring_enter with GETEVENTS; the wakeup is counted
//                   (uring_defer_wake_counted), before that the first completion on an empty list wakes
//   SQPOLL          the flag and a wakeup of its thread
// Invariants: at most cq_entries CQEs are visible, what does not fit waits in the overflow list in order; every
// submitted request is in flight until its CQE is posted or overflown.
// Not modelled: poll and network operations, provided buffers, cancellation, contention of the ring's locks (one task
// uses a ring). Source: io_uring/io_uring.c, rw.c, sqpoll.c, 6.1 and 6.12.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "models/io_uring/request.h"
#include "models/io_uring/task_work.h"
#include "models/machine/sleep.h"

namespace wakepath::io_uring {

struct Setup {
  static constexpr int kMaxEntries = 32768;
  int entries = 128;
  int cq_entries = 0;  // IORING_SETUP_CQSIZE; 0: twice the SQ ring
  bool iopoll = false, sqpoll = false;
  bool coop_taskrun = false, single_issuer = false, defer_taskrun = false;
  bool submit_all = false;
  bool registered_ring = false;  // the ring's descriptor is registered
  int sq_thread_cpu = -1;
  Time sq_thread_idle_ns = 1'000'000'000;
  class Ring* attach_wq = nullptr;  // IORING_SETUP_ATTACH_WQ: shares that ring's SQPOLL thread
};

// io_req_local_work_add, counted: each item knows how many wait with it, and the one that makes it enough wakes. A lazy
// item counts one; any other, or a member of a chain, is always enough.
struct CountedAdd {
  static constexpr std::uint32_t kNobodyWaits = 0xffffffff, kForceWake = 0x7fffffff;
  std::uint32_t count;  // of this item
  bool wakes;
  static constexpr CountedAdd of(std::uint32_t count_before, std::uint32_t wait_nr, bool lazy) {
    const std::uint32_t count = lazy ? count_before + 1 : kForceWake;
    return {count, count >= wait_nr && count_before < wait_nr};
  }
};

class SqThread;

class Ring {
 public:
  Ring(Machine& m, fs::Filesystem& fs, Tctx& owner, const Setup& s);
  ~Ring();

  // ---- user space ----
  [[nodiscard]] bool sq_full() const { return sq_.size() >= static_cast<std::size_t>(sq_entries_); }
  void push(const Sqe& sqe) { sq_.push_back(sqe); }
  [[nodiscard]] int sq_ready() const { return static_cast<int>(sq_.size()); }
  [[nodiscard]] int cq_ready() const { return static_cast<int>(tail_ - head_); }
  Cqe pop() { return cq_[head_++ & cq_mask_]; }
  [[nodiscard]] bool needs_wakeup() const { return need_wakeup_; }  // IORING_SQ_NEED_WAKEUP

  // ---- the system call ----
  enum : unsigned { kGetEvents = 1, kSqWakeup = 2, kSqWait = 4, kExtArg = 8, kRegisteredRing = 16 };
  // timeout_ns < 0: none. Result: how many were submitted, or -ETIME and the like of the wait.
  Call<int> enter(KTask& t, unsigned to_submit, unsigned min_complete, unsigned flags, Time timeout_ns = -1);

  // ---- for drivers with commands ----
  // io_uring_cmd_complete_in_task: its driver's command_task_work() runs in the task of the ring.
  Call<void> complete_in_task(ExecContext& ctx, Request& cmd) {
    return add_turn(ctx, cmd, Request::Turn::command, false);
  }
  // io_uring_cmd_done in a pass or a call of the ring's own task: posted at its end.
  void command_done(Request& cmd, int res) {
    cmd.res = res;
    add_completion(cmd);
  }

  struct Counters {
    std::uint64_t enters = 0, submitted = 0, completed = 0, inline_done = 0, punted = 0, overflows = 0, sleeps = 0,
                  local_passes = 0, local_items = 0, waiter_wakes = 0, polls = 0;
  } counters;
  [[nodiscard]] std::uint64_t in_flight() const { return counters.submitted - counters.completed; }
  [[nodiscard]] const Setup& setup() const { return setup_; }
  [[nodiscard]] int sq_entries() const { return sq_entries_; }
  [[nodiscard]] const std::shared_ptr<Hash>& hash() const { return hash_; }
  Tctx& tctx() { return *tctx_; }
  KTask* sq_task();  // of an SQPOLL ring
  SqThread& sq_thread() { return *sq_thread_; }
  Machine& machine() { return machine_; }
  static constexpr int kTimedOut = -62, kBusy = -16, kAgain = -11, kCancelled = -125, kInterrupted = -4,
                       kIoError = -5;  // as errno.h has them

 private:
  friend struct Request;
  friend class Tctx;
  friend class SqThread;
  enum class Issue : std::uint8_t { done, queued, again };
  struct Waiter {
    KTask* task;
    std::uint32_t tail;  // where the CQ's tail has to be
  };
  struct Submission {  // io_submit_state
    block::Plug plug;
    bool may_plug = false, plugged = false;
    Request *chain = nullptr, *chain_last = nullptr;
  };

  // submit.cc
  Call<int> submit_sqes(KTask& t, unsigned nr);
  Call<void> submit_sqe(KTask& t, Request& rq, Submission& s);
  Call<void> queue_sqe(KTask& t, Request& rq, Submission* s);
  Call<void> queue_fallback(KTask& t, Request& rq);
  Call<void> punt(KTask& t, Request& rq);
  void classify(Request& rq) const;
  void init_drain(Request& rq, Submission& s);
  [[nodiscard]] bool must_wait(const Request& rq) const { return rq.drain && rq.seq != cached_tail_; }
  Call<void> queue_deferred(KTask& t);
  Request& allocate();
  void release(Request& rq);
  // issue.cc
  Call<Issue> issue(KTask& t, Request& rq, bool nonblock, Submission* s);
  Call<Issue> issue_direct(KTask& t, Request& rq, bool nonblock, Submission* s);
  Call<Issue> issue_buffered(KTask& t, Request& rq, bool nonblock);
  Call<void> issue_from_worker(KTask& worker, Request& rq);
  // complete.cc
  void add_completion(Request& rq);
  Call<void> flush_completions(KTask& t);
  Call<void> post_from_worker(KTask& worker, Request& rq);
  void fill(const Request& rq);
  bool flush_overflow();  // true: nothing is left over
  Call<void> rw_done(ExecContext& ctx, Request& rq);
  Call<void> wake_waiters(ExecContext& ctx);
  Call<void> wake_submitter(ExecContext& ctx);
  Call<void> next_of_chain(ExecContext& ctx, Request& rq);
  Call<void> add_turn(ExecContext& ctx, Request& rq, Request::Turn turn, bool lazy);
  Call<void> add_local(ExecContext& ctx, Request& rq, bool lazy);
  Call<int> run_local(KTask& t, unsigned min_events, int most);
  Call<int> run_turns(KTask& t, Request*& list, int most);
  // wait.cc
  Call<int> wait(KTask& t, unsigned min_events, Time timeout_ns);
  void enqueue_waiter(KTask& t, std::uint32_t target);
  void leave_waiters(const KTask& t);
  Call<bool> run_all_work(KTask& t, unsigned min_events, int most);
  Call<int> iopoll_check(KTask& t, unsigned min);
  Call<int> iopoll(KTask& t, bool once);
  [[nodiscard]] bool has_work() const { return !overflow_.empty() || (setup_.defer_taskrun && local_work()); }
  [[nodiscard]] bool local_work() const { return newest_ != nullptr || kept_ != nullptr; }
  // At the start of a wait or after a submission a pass may do as many as this or as are waited for (6.13).
  static constexpr int kLocalWorkMax = 20;
  static constexpr int local_work_max(unsigned min_events) {
    return std::max(kLocalWorkMax, static_cast<int>(min_events));
  }
  [[nodiscard]] bool is_due(std::uint32_t tail) const { return static_cast<std::int32_t>(tail_ - tail) >= 0; }
  void check_not_stuck(const KTask& t, unsigned min_events) const;

  Machine& machine_;
  const kernel::Switches& k_;
  fs::Filesystem& fs_;
  Setup setup_;
  int sq_entries_, cq_entries_;
  std::uint32_t cq_mask_;
  std::uint64_t trace_id_;
  KTask* submitter_;  // of a DEFER_TASKRUN ring; else who made it
  Tctx* tctx_;        // whose task completes its requests: the submitter's, or the SQPOLL thread's
  std::shared_ptr<Hash> hash_ = std::make_shared<Hash>();
  std::deque<Sqe> sq_;
  std::uint32_t sq_head_ = 0;  // SQEs taken since the start
  std::vector<Cqe> cq_;
  std::uint32_t head_ = 0, tail_ = 0, cached_tail_ = 0;
  std::deque<Cqe> overflow_;
  std::vector<Waiter> waiters_;
  Request *done_first_ = nullptr, *done_last_ = nullptr;  // to be posted at the next flush
  Request* newest_ = nullptr;                             // DEFER_TASKRUN: local work, newest first
  Request* kept_ = nullptr;                               // what a pass left, oldest first
  std::uint32_t wait_nr_ = CountedAdd::kNobodyWaits;      // DEFER_TASKRUN: how much work the waiter wants
  std::deque<Request*> deferred_;                         // drained
  bool drain_active_ = false;
  bool drain_next_ = false;
  bool need_wakeup_ = false;  // IORING_SQ_NEED_WAKEUP
  std::deque<Request*> iopoll_list_;
  std::deque<Request> requests_;
  std::vector<Request*> free_;
  std::shared_ptr<SqThread> sq_thread_;
};

}  // namespace wakepath::io_uring
