// SPDX-License-Identifier: GPL-2.0-or-later
// io_uring_enter and the wait for completions.
// Source: io_uring/io_uring.c (io_uring_enter, io_cqring_wait, io_iopoll_check), rw.c (io_do_iopoll), 6.1 and 6.12.
#include <fmt/format.h>

#include <bit>

#include "models/io_uring/ring.h"
#include "models/io_uring/sqpoll.h"
#include "models/kernel/switches.h"
#include "models/machine/stuck.h"

namespace wakepath::io_uring {

using machine::CostId;
using machine::Mode;
using machine::run_cost;
using sched::State;
using trace::EventType;

Ring::Ring(Machine& m, fs::Filesystem& fs, Tctx& owner, const Setup& s)
    : machine_(m),
      k_(m.k),
      fs_(fs),
      setup_(s),
      sq_entries_(static_cast<int>(std::bit_ceil(static_cast<unsigned>(s.entries)))),
      cq_entries_(s.cq_entries > 0 ? static_cast<int>(std::bit_ceil(static_cast<unsigned>(s.cq_entries)))
                                   : 2 * sq_entries_),
      cq_mask_(static_cast<std::uint32_t>(cq_entries_) - 1),
      trace_id_(0xffff888000000000ULL + 0x1000 * static_cast<std::uint64_t>(owner.task().st.pid)),
      submitter_(&owner.task()),
      tctx_(&owner),
      cq_(static_cast<std::size_t>(cq_entries_)) {
  if (s.sqpoll) {
    sq_thread_ = s.attach_wq != nullptr ? s.attach_wq->sq_thread_ : std::make_shared<SqThread>(m, owner, s);
    sq_thread_->add(*this);
    tctx_ = &sq_thread_->tctx();
  }
}

Ring::~Ring() = default;

KTask* Ring::sq_task() { return sq_thread_ != nullptr ? &sq_thread_->task() : nullptr; }

Call<int> Ring::enter(KTask& t, unsigned to_submit, unsigned min_complete, unsigned flags, Time timeout_ns) {
  ++counters.enters;
  co_await run_cost(machine_, t, CostId::syscall_entry);
  if (setup_.registered_ring) flags |= kRegisteredRing;
  machine_.tp.uring_enter(*t.cpu, to_submit, min_complete, flags);
  co_await run_cost(machine_, t, CostId::uring_enter);
  int ret = 0;
  bool failed = false;
  if (setup_.sqpoll) {
    if ((flags & kSqWakeup) != 0) co_await sq_thread_->wake(t);
    if ((flags & kSqWait) != 0) co_await sq_thread_->wait_for_space(t, *this);
    ret = static_cast<int>(to_submit);
  } else if (to_submit > 0) {
    if (t.resched_at_might_sleep()) co_await t.schedule(true);  // uring_lock
    ret = co_await submit_sqes(t, to_submit);
    failed = ret != static_cast<int>(to_submit);
    if (!failed && (flags & kGetEvents) != 0 && setup_.defer_taskrun)
      co_await run_local(t, min_complete, local_work_max(min_complete));
  }
  if (!failed && (flags & kGetEvents) != 0) {
    co_await run_cost(machine_, t, CostId::uring_getevents);
    min_complete = std::min(min_complete, static_cast<unsigned>(cq_entries_));
    const bool polls = setup_.iopoll && !setup_.sqpoll;
    int got = 0;
    if (polls)
      got = co_await iopoll_check(t, min_complete);
    else
      got = co_await wait(t, min_complete, timeout_ns);
    if (ret == 0) ret = got;
  }
  machine_.tp.uring_enter_exit(*t.cpu, ret);
  if (t.work_at_user_exit()) co_await exit_to_user_mode_loop(t);
  co_await run_cost(machine_, t, CostId::syscall_exit, Mode::irqs_off);
  co_return ret;
}

// io_run_local_work, then io_run_task_work: did anything run?
Call<bool> Ring::run_all_work(KTask& t, unsigned min_events, int most) {
  bool any = false;
  if (setup_.defer_taskrun && local_work()) {
    co_await run_local(t, min_events, most);
    any = true;
  }
  t.notify_signal = false;
  if (t.task_works != nullptr) {
    t.set_state(State::running);
    co_await machine::task_work_run(t);
    any = true;
  }
  co_return any;
}

namespace {
// The timeout of a wait.
struct WaitTimer final : machine::HrTimer {
  WaitTimer(Machine& machine, KTask& t) : m(machine), task(t) { function_id = m.tp.name("hrtimer_wakeup"); }
  ~WaitTimer() override { m.engine.cancel(timer); }
  Call<void> expired(ExecContext& irq) override {
    fired = true;
    co_await m.wake(irq, task);
  }
  Machine& m;
  KTask& task;
  bool fired = false;
};
}  // namespace

Call<int> Ring::wait(KTask& t, unsigned min_events, Time timeout_ns) {
  const bool counted = setup_.defer_taskrun && k_.uring_defer_wake_counted;
  bool ran = false;
  do {  // 6.1 goes round while something ran
    ran = co_await run_all_work(t, min_events, local_work_max(min_events));
    if (!overflow_.empty()) flush_overflow();
    if (cq_ready() >= static_cast<int>(min_events)) co_return 0;
  } while (ran && !k_.uring_task_work_fifo);
  machine_.tp.uring_pass(*t.cpu, EventType::io_uring_cqring_wait, trace_id_, static_cast<int>(min_events));
  const std::uint32_t target = head_ + min_events;
  WaitTimer timer(machine_, t);
  if (timeout_ns >= 0) machine_.local_timer(t.cpu->id()).arm(timer, machine_.now() + timeout_ns);
  int ret = 0;
  for (;;) {
    if (!overflow_.empty() && !flush_overflow()) {
      ret = k_.uring_task_work_fifo ? 0 : kBusy;  // no room: it takes the application to change that
      break;
    }
    const std::uint32_t missing = target - tail_;
    if (counted)
      wait_nr_ = missing;
    else
      enqueue_waiter(t, target);
    t.set_state(State::interruptible);
    co_await run_cost(machine_, t, CostId::uring_wait_arm);
    const bool go_on = has_work() || t.task_works != nullptr || t.notify_signal || is_due(target) || timer.fired;
    if (!go_on) {
      if (timeout_ns < 0) check_not_stuck(t, min_events);
      ++counters.sleeps;
      co_await t.schedule();
    }
    t.set_state(State::running);
    if (counted) wait_nr_ = CountedAdd::kNobodyWaits;
    if (!go_on) co_await run_cost(machine_, t, CostId::uring_wait_disarm);
    co_await run_all_work(t, missing, static_cast<int>(missing));
    if (is_due(target)) break;
    if (t.fatal_signal) {
      ret = kInterrupted;
      break;
    }
    if (timer.fired) {
      ret = kTimedOut;
      break;
    }
    if (t.resched_at_cond_resched()) co_await t.schedule(true);
  }
  if (!counted) leave_waiters(t);
  co_return head_ == tail_ ? ret : 0;
}

void Ring::enqueue_waiter(KTask& t, std::uint32_t target) {
  leave_waiters(t);
  waiters_.push_back({&t, target});
}

void Ring::leave_waiters(const KTask& t) {
  std::erase_if(waiters_, [&](const Waiter& w) { return w.task == &t; });
}

// Without a timeout nothing but a completion ends this wait: with nothing in flight it would never end.
void Ring::check_not_stuck(const KTask& t, unsigned min_events) const {
  if (in_flight() > 0 || !sq_.empty() || setup_.sqpoll) return;
  throw machine::Stuck(
      fmt::format("task {} (pid {}) waits for {} completions; {} are there and no request is in flight", t.st.comm,
                  t.st.pid, min_events, cq_ready()));
}

// ---- IOPOLL --------------------------------------------------------------------------------------------------------

// io_do_iopoll: the head of the list says which queue is looked at; what is done at its head is posted, in order.
Call<int> Ring::iopoll(KTask& t, bool once) {
  int done = 0;
  for (;;) {
    if (iopoll_list_.empty()) break;
    Request& head = *iopoll_list_.front();
    ++counters.polls;
    if (!head.polled_done) {
      if (head.dio.polled)
        co_await fs_.queue().poll(t, *head.dio.hctx);
      else
        co_await run_cost(machine_, t, CostId::uring_poll);
    }
    while (!iopoll_list_.empty() && iopoll_list_.front()->polled_done) {
      Request& rq = *iopoll_list_.front();
      iopoll_list_.pop_front();
      if (rq.dio.by_caller) co_await rq.dio.fs->finish(t, rq.dio);
      add_completion(rq);
      ++done;
    }
    if (done > 0 || once || t.cpu->need_resched()) break;
  }
  co_await flush_completions(t);
  co_return done;
}

Call<int> Ring::iopoll_check(KTask& t, unsigned min) {
  if (!overflow_.empty()) flush_overflow();
  if (cq_ready() > 0) co_return 0;
  unsigned events = 0;
  do {
    if (iopoll_list_.empty() || local_work() || t.task_works != nullptr) {
      const std::uint32_t tail = cached_tail_;
      co_await run_all_work(t, min, local_work_max(min));
      if (tail != cached_tail_ || iopoll_list_.empty()) break;
    }
    const int done = co_await iopoll(t, min == 0);
    events += static_cast<unsigned>(done);
    if (t.cpu->need_resched()) break;
  } while (events < min);
  co_return 0;
}

}  // namespace wakepath::io_uring
