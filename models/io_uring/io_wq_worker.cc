// SPDX-License-Identifier: GPL-2.0-or-later
// The worker's side: its main loop, how it takes work, and what the scheduler's hooks make of its sleeping.
#include "models/io_uring/io_wq_worker.h"

#include <algorithm>

#include "models/kernel/switches.h"

namespace wakepath::io_uring {

using machine::CostId;
using machine::run_cost;
using sched::State;

namespace {
constexpr Time kIdleTimeoutNs = 5'000'000'000;  // WORKER_IDLE_TIMEOUT, 5 * HZ
}  // namespace

machine::Body IoWq::worker_main(KTask& t, Worker& w) {
  co_await run_cost(machine_, t, CostId::iowq_worker_start);
  Account& a = *w.account;
  w.started = w.up = w.running = true;
  bool last_timeout = false, exit_mask = false;
  while (!exiting_) {
    t.set_state(State::interruptible);
    w.woken_for_work = false;
    co_await run_cost(machine_, t, CostId::iowq_look);
    while (a.run_queue()) co_await handle_work(t, w);
    if (last_timeout && (exit_mask || a.nr_workers > 1) && !(k_.iowq_retire_recheck && w.request_outstanding)) {
      --a.nr_workers;
      w.alive = false;
      leave_free_list(w);
      t.set_state(State::running);
      if (!k_.iowq_retire_recheck || retire(w)) break;
      last_timeout = false;
      continue;
    }
    enter_free_list(w);
    last_timeout = co_await idle_sleep(t, w);
    if (last_timeout) exit_mask = !allowed_on(t.cpu->id());
  }
  if (exiting_ && a.run_queue()) co_await handle_work(t, w);
  if (w.reservation && !w.in_callback) w.reservation = false, --a.nr_running;  // its request is cancelled
  leave_free_list(w);
  if (w.alive) --a.nr_workers;  // the pool ends
  w.alive = false;
  if (w.up) --a.nr_running;  // io_wq_dec_running: a worker that is going asks for no other
  w.up = w.running = false;
  note_live(a, -1);
  ++counters_.exited;
  co_await run_cost(machine_, t, CostId::iowq_worker_exit);
  w.ended = true;
  if (!w.request_outstanding) ended_.push_back(&w);
  co_await machine_.exit_task(t);
}

// The sleep in which a worker waits for an activation: true when the timeout passed. Straight after work its state is
// still running, so that this only yields, and the list is looked at once more, now as a member of the free list.
Call<bool> IoWq::idle_sleep(KTask& t, Worker& w) {
  const bool yields = !t.sleeping;
  if (!yields) {
    if (w.expects_work) ++counters_.wakeups_without_work;
    if (w.expects_work && w.fresh && w.by_request) ++counters_.empty;
    w.fresh = false;
  }
  w.timeout.fired = false;
  machine_.local_timer(t.cpu->id())
      .arm(w.timeout, machine::timer_wheel_expiry(machine_.now(), kIdleTimeoutNs, machine_.tick_ns()));
  note_idle(1);
  co_await t.schedule();
  note_idle(-1);
  machine_.engine.cancel(w.timeout.timer);
  if (!yields) w.expects_work = !w.timeout.fired;
  if (w.timeout.fired) ++counters_.timeouts;
  co_return w.timeout.fired;
}

bool IoWq::allowed_on(int cpu) const {
  return config_.cpu_mask.empty() || std::ranges::find(config_.cpu_mask, cpu) != config_.cpu_mask.end();
}

// It has given up its place, and looks once more: who enqueued may have counted on it. False: it stays.
bool IoWq::retire(Worker& w) {
  Account& a = *w.account;
  w.up = w.running = false;
  --a.nr_running;
  if (!a.run_queue() || a.nr_workers >= a.max_workers) return true;
  ++a.nr_workers;
  ++a.nr_running;
  w.alive = w.up = w.running = true;
  ++counters_.retire_undone;
  return false;
}

// ---- work ----------------------------------------------------------------------------------------------------------

// io_get_next_work: the first item that may run; with a hashed one, all of its bucket.
IoWork* IoWq::next_work(Worker& w) {
  Account& a = *w.account;
  int stalled_on = -1;
  IoWork* before = nullptr;
  for (IoWork* i = a.head; i != nullptr; before = i, i = i->next) {
    if (!i->hashed()) {
      remove(a, i, i, before);
      return i;
    }
    IoWork* tail = a.pool->hash_tail[static_cast<std::size_t>(i->bucket)];
    if (!hash_->busy(i->bucket)) {
      hash_->set(i->bucket);
      remove(a, i, tail, before);
      return i;
    }
    if (stalled_on < 0) stalled_on = i->bucket;
    i = tail;
  }
  if (stalled_on >= 0) {
    a.stalled = true;
    ++counters_.stalls;
    hash_->wait(*a.pool);
  }
  return nullptr;
}

Call<void> IoWq::handle_work(KTask& t, Worker& w) {
  Account& a = *w.account;
  do {
    IoWork* work = next_work(w);
    if (work == nullptr) co_return;
    w.current = work;
    w.expects_work = false;
    leave_free_list(w);
    co_await run_cost(machine_, t, CostId::iowq_take);
    if (t.resched_at_cond_resched()) co_await t.schedule(true);
    t.set_state(State::running);
    while (work != nullptr) {
      IoWork& done = *work;
      IoWork* next_hashed = done.next;
      const int bucket = done.hashed() ? done.bucket : (k_.iowq_bogus_hash0 ? 0 : -1);
      if (exiting_ && done.unbound) done.cancel = true;
      ++counters_.items;
      co_await done.run(t);
      w.current = nullptr;
      co_await run_cost(machine_, t, CostId::iowq_finish);
      IoWork* linked = done.put();
      work = next_hashed;
      if (work == nullptr && linked != nullptr && !linked->hashed()) work = std::exchange(linked, nullptr);
      if (work != nullptr && t.resched_at_cond_resched()) co_await t.schedule(true);
      w.current = work;
      if (linked != nullptr) co_await enqueue(t, *linked);
      co_await done.free(t);
      if (bucket < 0 || next_hashed != nullptr) continue;
      hash_->clear(bucket);
      a.stalled = false;
      while (!hash_->waiters.empty()) {
        HashWaiter& waiter = *hash_->waiters.front();
        hash_->waiters.erase(hash_->waiters.begin());
        waiter.waiting = false;
        co_await waiter.hash_wake(t);
      }
    }
  } while (a.run_queue());
}

// ---- creation through the submitter --------------------------------------------------------------------------------

Call<void> IoWq::dec_running(Worker& w) {
  Account& a = *w.account;
  if (--a.nr_running != 0) co_return;
  if (!k_.iowq_idle_sleep_requests && w.current == nullptr) co_return;
  if (!a.run_queue()) co_return;
  if (k_.iowq_hash_defer && w.current != nullptr && w.current->hashed() && a.head->bucket == w.current->bucket) {
    ++counters_.requests_deferred;
    co_return;
  }
  w.asks_because = reason_of(w, a);
  ++a.nr_running;  // the worker to come
  co_await request_worker(w);
}

// The decision record: what the rest of the pool was about to do for the item that the hook sees listed.
Reason IoWq::reason_of(const Worker& w, Account& a) {
  ++counters_.requests;
  if (w.current == nullptr) return ++counters_.requests_by_idle, Reason::by_idle;
  if (a.head->hashed() && hash_->busy(a.head->bucket)) return ++counters_.requests_bucket_busy, Reason::bucket_busy;
  bool asleep = false;
  for (const Worker* f : free_list(a)) {
    if (f->account != &a) continue;
    if (f->woken_for_work || !f->started) return ++counters_.requests_worker_woken, Reason::worker_woken;
    asleep = true;
  }
  if (asleep) return ++counters_.requests_worker_free, Reason::worker_free;
  return Reason::needed;
}

void IoWq::count_created(const Worker& requester) {
  const Reason r = requester.asks_because;
  ++counters_.created_by_request;
  counters_.created_by_idle += r == Reason::by_idle ? 1 : 0;
  counters_.created_bucket_busy += r == Reason::bucket_busy ? 1 : 0;
  counters_.created_worker_woken += r == Reason::worker_woken ? 1 : 0;
  counters_.created_worker_free += r == Reason::worker_free ? 1 : 0;
}

Call<void> IoWq::request_worker(Worker& w) {
  Account& a = *w.account;
  if (exiting_ || w.request_outstanding) {
    if (w.request_outstanding) ++counters_.refused_outstanding;
    --a.nr_running;
    co_return;
  }
  w.request_outstanding = w.reservation = true;
  co_await machine::task_work_add(*w.task, submitter_, w, machine::Notify::signal);
}

Call<void> IoWq::create_worker_cb(KTask& submitter, Worker& w) {
  w.in_callback = true;
  if (w.reservation) co_await create_if_needed(submitter, w);  // else it was cancelled
  w.in_callback = w.request_outstanding = false;
  if (w.ended) ended_.push_back(&w);
}

Call<void> IoWq::create_if_needed(KTask& submitter, Worker& w) {
  Account& a = *w.account;
  co_await run_cost(machine_, submitter, CostId::iowq_create_cb);
  bool create = true;
  if (k_.iowq_create_checks_free && co_await activate_free_worker(submitter, a)) {
    ++counters_.callback_found_free;
    create = false;
  } else if (a.nr_workers < a.max_workers) {
    ++a.nr_workers;
  } else {
    ++counters_.refused_limit;
    create = k_.iowq_create_ignores_limit;  // the slip: made all the same, and not counted
  }
  w.reservation = false;  // it is the new worker's now
  if (create)
    co_await fork_worker(submitter, a, &w);
  else
    --a.nr_running;
}

}  // namespace wakepath::io_uring
