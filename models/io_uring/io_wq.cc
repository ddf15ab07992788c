// SPDX-License-Identifier: GPL-2.0-or-later
// The enqueuer's side: insertion, activation, creation, limits, cancellation, and the identities.
#include "models/io_uring/io_wq.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "models/io_uring/io_wq_worker.h"
#include "models/kernel/switches.h"

namespace wakepath::io_uring {

using machine::CostId;
using machine::run_cost;

IoWq::Config IoWq::default_config(int sq_entries, int online_cpus, int rlimit_nproc) {
  Config c;
  c.max_bound = std::min(sq_entries, 4 * online_cpus);
  c.max_unbound = rlimit_nproc;
  return c;
}

IoWq::IoWq(KTask& submitter, std::shared_ptr<Hash> hash, Config c)
    : machine_(*submitter.machine),
      k_(machine_.k),
      submitter_(submitter),
      hash_(std::move(hash)),
      config_(std::move(c)) {
  int nodes = 1;
  if (k_.iowq_per_node_pools)
    for (const int n : config_.node_of_cpu) nodes = std::max(nodes, n + 1);
  for (int n = 0; n < nodes; ++n) {
    Pool& p = pools_.emplace_back();
    p.wq = this;
    for (const Index i : {bound, unbound}) {
      p.accounts[i].pool = &p;
      p.accounts[i].index = i;
      p.accounts[i].max_workers = static_cast<std::uint32_t>(i == bound ? config_.max_bound : config_.max_unbound);
    }
  }
}

IoWq::~IoWq() {
  for (Pool& p : pools_) std::erase(hash_->waiters, &p);
}

std::pair<int, int> IoWq::set_max_workers(int max_bound, int max_unbound) {
  const std::pair before{config_.max_bound, config_.max_unbound};
  if (max_bound > 0) config_.max_bound = max_bound;
  if (max_unbound > 0) config_.max_unbound = max_unbound;
  for (Pool& p : pools_) {
    p.accounts[bound].max_workers = static_cast<std::uint32_t>(config_.max_bound);
    p.accounts[unbound].max_workers = static_cast<std::uint32_t>(config_.max_unbound);
  }
  return before;
}

IoWq::Pool& IoWq::pool_of(const ExecContext& ctx) {
  if (pools_.size() == 1) return pools_.front();
  return pools_[static_cast<std::size_t>(config_.node_of_cpu.at(static_cast<std::size_t>(ctx.cpu->id())))];
}

// ---- lists ---------------------------------------------------------------------------------------------------------

std::vector<IoWq::Worker*>& IoWq::free_list(Account& a) {
  return k_.iowq_free_list_per_account ? a.free_list : a.pool->accounts[bound].free_list;
}

void IoWq::enter_free_list(Worker& w) {
  if (w.free) return;
  w.free = true;
  free_list(*w.account).push_back(&w);
}

void IoWq::leave_free_list(Worker& w) {
  if (!w.free) return;
  w.free = false;
  std::erase(free_list(*w.account), &w);
}

// All listed items of a bucket lie side by side: a later write overtakes earlier unrelated work.
void IoWq::insert(Account& a, IoWork& w) {
  w.next = nullptr;
  IoWork* after = a.tail;
  if (w.hashed()) {
    IoWork*& tail = a.pool->hash_tail[static_cast<std::size_t>(w.bucket)];
    if (tail != nullptr) after = tail;
    tail = &w;
  }
  if (after == nullptr) {
    a.head = a.tail = &w;
    return;
  }
  w.next = after->next;
  after->next = &w;
  if (a.tail == after) a.tail = &w;
}

// Takes [first, last] off; `before` precedes first.
void IoWq::remove(Account& a, IoWork* first, IoWork* last, IoWork* before) {
  (before != nullptr ? before->next : a.head) = last->next;
  if (a.tail == last) a.tail = before;
  last->next = nullptr;
  if (first->hashed() && a.pool->hash_tail[static_cast<std::size_t>(first->bucket)] == last)
    a.pool->hash_tail[static_cast<std::size_t>(first->bucket)] = nullptr;
}

bool IoWq::cancel_pending(IoWork& w) {
  for (Pool& p : pools_)
    for (Account& a : p.accounts) {
      IoWork* before = nullptr;
      for (IoWork* i = a.head; i != nullptr; before = std::exchange(i, i->next)) {
        if (i != &w) continue;
        IoWork** tail = w.hashed() ? &p.hash_tail[static_cast<std::size_t>(w.bucket)] : nullptr;
        const bool was_tail = tail != nullptr && *tail == &w;
        remove(a, &w, &w, before);
        if (was_tail && before != nullptr && before->bucket == w.bucket) *tail = before;
        w.cancel = true;
        return true;
      }
    }
  return false;
}

// ---- enqueue -------------------------------------------------------------------------------------------------------

Call<void> IoWq::enqueue(KTask& ctx, IoWork& w) {
  if (exiting_ || w.cancel) {
    w.cancel = true;
    IoWork* next = &w;
    while (next != nullptr) {
      IoWork& done = *next;
      co_await done.run(ctx);
      next = done.put();
      if (next != nullptr) next->cancel = true;
      co_await done.free(ctx);
    }
    co_return;
  }
  ++counters_.queued;
  Account& a = pool_of(ctx).accounts[w.unbound ? unbound : bound];
  const bool concurrent = w.concurrent;
  co_await run_cost(machine_, ctx, CostId::iowq_enqueue, machine::Mode::kernel_nopreempt);
  insert(a, w);
  a.stalled = false;
  // From here on a worker may have taken the item, and it may be gone.
  if (co_await activate_free_worker(ctx, a)) co_return;
  if (concurrent || a.nr_running == 0) co_await create_from_enqueue(ctx, a);
}

// The newest on the free list. Whether one that is runnable already counts has changed with the versions.
Call<bool> IoWq::activate_free_worker(ExecContext& ctx, Account& a) {
  std::vector<Worker*>& list = free_list(a);
  for (std::size_t i = list.size(); i-- > 0;) {
    if (i >= list.size()) continue;  // it left while another was woken
    Worker& w = *list[i];
    if (w.account != &a) continue;
    w.woken_for_work = true;
    const bool woken = co_await machine_.wake(ctx, *w.task);
    ++(woken ? counters_.activations : counters_.nop_activations);
    if (woken || !k_.iowq_activate_must_wake) co_return true;
  }
  co_return false;
}

Call<void> IoWq::create_from_enqueue(KTask& ctx, Account& a) {
  if (a.nr_workers >= a.max_workers) {
    ++counters_.refused_limit;
    co_return;
  }
  ++a.nr_workers;
  ++a.nr_running;
  co_await fork_worker(ctx, a, nullptr);
}

// create_io_thread and its first wake-up. It is on the free list before it has run, and takes activations.
Call<void> IoWq::fork_worker(KTask& parent, Account& a, const Worker* requester) {
  ++a.creating;
  if (requester != nullptr)
    count_created(*requester);
  else
    ++counters_.created_by_enqueue;
  co_await run_cost(machine_, parent, CostId::iowq_fork);
  Worker* w = nullptr;
  if (!ended_.empty()) {
    w = ended_.back();
    ended_.pop_back();
  } else {
    w = &workers_.emplace_back(*this, a);
  }
  w->account = &a;
  KTask& owner = submitter_;
  const bool pinned = config_.cpu_mask.size() == 1;
  int cpu = parent.cpu->id();
  if (!config_.cpu_mask.empty() && std::ranges::find(config_.cpu_mask, cpu) == config_.cpu_mask.end())
    cpu = config_.cpu_mask.front();
  w->task = &machine_.add_task(fmt::format("iou-wrk-{}", owner.st.pid), "iou_wrk", owner.cgroup, owner.st.nice,
                               owner.bound_cpu >= 0 && config_.cpu_mask.empty() ? owner.bound_cpu : cpu,
                               pinned || (owner.bound_cpu >= 0 && config_.cpu_mask.empty()), false);
  w->alive = true;
  w->started = w->up = w->running = w->ended = w->woken_for_work = false;
  w->fresh = w->expects_work = true;
  w->by_request = requester != nullptr;
  w->task->body = worker_main(*w->task, *w);
  w->task->resume_at = w->task->body.handle();
  w->task->sleep_hooks = w;
  --a.creating;
  note_live(a, 1);
  enter_free_list(*w);
  co_await machine_.wake_up_new(parent, *w->task);
}

// A pool that waited for a bucket: accounts that are still stalled get a worker woken.
Call<void> IoWq::hash_wake(KTask& waker, Pool& p) {
  ++counters_.hash_wakes;
  for (Account& a : p.accounts)
    if (std::exchange(a.stalled, false)) co_await activate_free_worker(waker, a);
}

Call<void> IoWq::exit(ExecContext& ctx) {
  exiting_ = true;
  for (Worker& w : workers_) {
    if (!w.up) continue;
    if (w.reservation && !w.in_callback) w.reservation = false, --w.account->nr_running;
    co_await machine_.wake(ctx, *w.task);
  }
}

// ---- figures -------------------------------------------------------------------------------------------------------

void IoWq::note_live(const Account& a, int change) {
  settle();
  live_ += change;
  counters_.peak = std::max<std::int64_t>(counters_.peak, live_);
  note_over_limit(a);
}

void IoWq::note_over_limit(const Account& a) {
  const std::int64_t over = std::int64_t{live_of(a)} - a.max_workers;
  counters_.peak_over_limit = std::max(counters_.peak_over_limit, over);
}

void IoWq::note_idle(int change) {
  settle();
  idle_ += change;
}

const IoWqCounters& IoWq::settle() {
  const Time passed = machine_.now() - std::exchange(noted_at_ns_, machine_.now());
  counters_.live_ns += passed * live_;
  counters_.idle_ns += passed * idle_;
  return counters_;
}

void IoWq::reset_peak() {
  counters_.peak = live_;
  counters_.peak_over_limit = 0;
  for (const Pool& p : pools_)
    for (const Account& a : p.accounts) note_over_limit(a);
}

int IoWq::live_of(const Account& a) const {
  return static_cast<int>(std::ranges::count_if(workers_, [&](const Worker& w) { return w.account == &a && w.alive; }));
}

std::uint32_t IoWq::nr_workers(Index i) const {
  std::uint32_t n = 0;
  for (const Pool& p : pools_) n += p.accounts[i].nr_workers;
  return n;
}

int IoWq::nr_running(Index i) const {
  int n = 0;
  for (const Pool& p : pools_) n += p.accounts[i].nr_running;
  return n;
}

int IoWq::queued() const {
  int n = 0;
  for (const Pool& p : pools_)
    for (const Account& a : p.accounts)
      for (const IoWork* w = a.head; w != nullptr; w = w->next) ++n;
  return n;
}

void IoWq::check() const {
  for (const Pool& p : pools_)
    for (const Account& a : p.accounts) {
      int running = 0, requests = 0;
      for (const Worker& w : workers_) {
        if (w.account != &a) continue;
        running += (w.up && w.running) || (w.alive && !w.started) ? 1 : 0;
        requests += w.reservation ? 1 : 0;
      }
      if (a.nr_running != running + requests + a.creating)
        throw std::logic_error(fmt::format("io-wq: nr_running is {}, but {} workers run, {} requests are outstanding",
                                           a.nr_running, running + a.creating, requests));
      if (k_.iowq_create_ignores_limit) continue;
      if (a.nr_workers != static_cast<std::uint32_t>(live_of(a) + a.creating))
        throw std::logic_error(fmt::format("io-wq: nr_workers is {}, but {} are alive", a.nr_workers, live_of(a)));
    }
}

// ---- all -----------------------------------------------------------------------------------------------------------

IoWqCounters IoWqs::totals() {
  IoWqCounters sum;
  for (auto& p : all_) sum += p->settle();
  return sum;
}

void IoWqs::reset_peaks() {
  for (auto& p : all_) p->reset_peak();
}

void IoWqs::check() const {
  for (const auto& p : all_) p->check();
}

}  // namespace wakepath::io_uring
