// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/workqueue/workqueue.h"

#include <algorithm>
#include <cassert>

#include "models/kernel/switches.h"
#include "models/machine/smp.h"

namespace wakepath::workqueue {

using machine::CostId;
using machine::run_cost;
using sched::State;

// ---- queueing ------------------------------------------------------------------------------------------------------

Workqueue::Workqueue(Machine& m, Workqueues& all, std::string name, Flags f) : machine_(m), all_(all), flags_(f) {
  name_id_ = m.tp.name(name);
  limits.resize(static_cast<std::size_t>(m.cpu_count()));  // pods are not more
}

Call<void> Workqueue::queue(ExecContext& ctx, Work& w, int cpu) {
  if (w.pending) return {};
  w.pending = true;
  w.wq = this;
  Pool& pool = w.running != nullptr ? *w.running->pool : all_.pool(cpu < 0 ? ctx.cpu->id() : cpu, *this);
  ++pool.counters.queued;
  const auto mode = ctx.mode == machine::Mode::user ? machine::Mode::kernel : ctx.mode;
  return machine::after(ctx, run_cost(machine_, ctx, CostId::queue_work, mode),
                        [this, &ctx, &w, &pool] { return insert(ctx, w, pool); });
}

Call<void> Workqueue::insert(ExecContext& ctx, Work& w, Pool& pool) {
  machine_.tp.work(*ctx.cpu, trace::EventType::workqueue_queue_work, w.id, w.function_id, name_id_);
  Limits& l = limits[static_cast<std::size_t>(pool.slot)];
  const bool active = l.nr_active < flags_.max_active && l.inactive_head == nullptr;
  if (active) {
    ++l.nr_active;
    pool.append(w);
  } else {
    w.next = nullptr;
    (l.inactive_tail ? l.inactive_tail->next : l.inactive_head) = &w;
    l.inactive_tail = &w;
  }
  const bool asks = active || !machine_.k.wq_kick_needs_idle_worker;  // 6.1 for one that has to wait, too
  return asks && pool.needs_kick() ? pool.wake_first_idle(ctx) : Call<void>{};
}

// ---- pool ----------------------------------------------------------------------------------------------------------

struct Pool::IdleTimer {
  explicit IdleTimer(Pool& p) : pool(p) {
    timer.context = this;
    timer.fire = [](engine::Timer& t, Time) { static_cast<IdleTimer*>(t.context)->pool.retire_surplus(); };
  }
  ~IdleTimer() { pool.machine_.engine.cancel(timer); }
  Pool& pool;
  engine::Timer timer;
};

Pool::Pool(Machine& m, Workqueues& all, int cpu, bool highpri, bool unbound, int number)
    : slot(cpu),
      highpri_(highpri),
      unbound_(unbound),
      kick_needs_work_(m.k.wq_kick_needs_idle_worker),
      machine_(m),
      cpu_(cpu),
      number_(number),
      all_(all),
      idle_timer_(std::make_unique<IdleTimer>(*this)) {}

Pool::~Pool() = default;

void Pool::append(Work& w) {
  w.next = nullptr;
  (tail_ ? tail_->next : head_) = &w;
  tail_ = &w;
}

Work* Pool::take() {
  Work* w = head_;
  head_ = w->next;
  if (head_ == nullptr) tail_ = nullptr;
  return w;
}

// What the worker runs next: an item that waited for it, else the head of the list. One that runs in another worker of
// the pool is left to that one.
Work* Pool::next_for(Worker& w) {
  if (w.scheduled != nullptr) {
    Work* item = w.scheduled;
    w.scheduled = item->next;
    if (w.scheduled == nullptr) w.scheduled_last = nullptr;
    return item;
  }
  while (head_ != nullptr) {
    Work* item = take();
    if (item->running == nullptr) return item;
    Worker& other = *item->running;
    item->next = nullptr;
    (other.scheduled_last ? other.scheduled_last->next : other.scheduled) = item;
    other.scheduled_last = item;
  }
  return nullptr;
}

Worker& Pool::make_worker(KTask* creator) {
  const auto free = std::find(ids_.begin(), ids_.end(), false);
  const int id = static_cast<int>(free - ids_.begin());
  if (free == ids_.end())
    ids_.push_back(true);
  else
    *free = true;
  Worker& w = workers_.emplace_back();
  w.pool = this;
  w.id = id;
  const std::string name = unbound_
                               ? "kworker/u" + std::to_string(machine_.cpu_count() + number_) + ":" +
                                     std::to_string(id) + (highpri_ ? "H" : "")
                               : "kworker/" + std::to_string(cpu_) + ":" + std::to_string(id) + (highpri_ ? "H" : "");
  KTask& t = machine_.add_task(name, "kworker", "", highpri_ ? -20 : 0, cpu_, !unbound_, true);
  if (strict && pod != nullptr && machine_.smp) {
    std::vector<int> cpus;
    for (int c = pod->first(); c >= 0; c = pod->next(c)) cpus.push_back(c);
    machine_.smp->set_affinity(t, cpus);
  }
  w.task = &t;
  w.creator = creator;
  t.body = body(t, w);
  t.resume_at = t.body.handle();
  return w;
}

void Pool::add_initial_worker() {
  ++nr_workers_;
  enter_idle(make_worker(nullptr));
}

void Pool::enter_idle(Worker& w) {
  w.idle = true;
  w.idle_since = machine_.now();
  idle_.push_back(&w);
  if (too_many_workers() && !idle_timer_->timer.armed())
    machine_.engine.arm_in(idle_timer_->timer, machine_.scenario.dio_wq.idle_timeout_ns);
}

void Pool::leave_idle(Worker& w) {
  w.idle = false;
  const auto it = std::find(idle_.rbegin(), idle_.rend(), &w);
  assert(it != idle_.rend());
  idle_.erase(std::next(it).base());
}

// A manager counts as idle. Four busy workers allow one idle one beyond two.
bool Pool::too_many_workers() const {
  const int idle = nr_idle() + (managing_ ? 1 : 0), busy = nr_workers_ - idle;
  return idle > 2 && (idle - 2) * 4 >= busy;
}

void Pool::retire_surplus() {
  const Time timeout = machine_.scenario.dio_wq.idle_timeout_ns;
  while (too_many_workers() && !idle_.empty()) {
    Worker& w = *idle_.front();  // the longest idle
    if (machine_.now() < w.idle_since + timeout) {
      machine_.engine.arm(idle_timer_->timer, w.idle_since + timeout);
      return;
    }
    idle_.erase(idle_.begin());
    ids_[static_cast<std::size_t>(w.id)] = false;  // ids are reused
    w.dying = true;                                // it never runs again
    --nr_workers_;
    ++counters.retired;
  }
}

Call<void> Pool::wake_first_idle(ExecContext& ctx) {
  if (idle_.empty()) return {};
  KTask& t = *idle_.back()->task;
  if (machine_.would_wake(t)) return kick(ctx, t);
  return machine::after(ctx, machine_.wake_in_vain(ctx), [this] {
    ++counters.nop_wakes;
    return Call<void>{};
  });
}

Call<void> Pool::kick(ExecContext& ctx, KTask& t) {
  const bool woken = co_await machine_.wake(ctx, t);
  if (!woken)
    ++counters.nop_wakes;
  else
    ++counters.kicks;
}

bool Worker::concurrency_managed() const { return !prep && !cpu_intensive && !pool->unbound(); }

Call<void> Worker::task_sleeping(KTask& t) {
  if (!concurrency_managed() || sleeping) co_return;
  sleeping = true;
  --pool->nr_running_;
  if (pool->head_ != nullptr && pool->nr_running_ == 0) co_await pool->wake_first_idle(t);
}

void Worker::task_running(KTask& t) {
  if (!sleeping) return;
  sleeping = false;
  item_started_exec_ns = t.st.sum_exec_runtime_ns;
  if (concurrency_managed()) ++pool->nr_running_;
}

// worker_thread(): idle until woken, manage when no idle worker is left, then work while there is work and nobody else
// runs.
machine::Body Pool::body(KTask& t, Worker& w) {
  if (w.creator != nullptr) {  // kthread(): tell who asked for it, then wait to be started
    t.set_state(State::uninterruptible);
    KTask& creator = *std::exchange(w.creator, nullptr);
    co_await machine_.wake(t, creator);
    co_await t.schedule();
  }
  for (;;) {  // entered when woken
    ++counters.activations;
    co_await run_cost(machine_, t, CostId::worker_wake);
    leave_idle(w);
    while (head_ != nullptr && nr_running_ == 0) {
      if (idle_.empty() && !managing_) {
        co_await create_worker(t);
        continue;
      }
      w.prep = false;
      t.sleep_hooks = &w;
      if (!unbound_) ++nr_running_;
      do {
        Work* item = next_for(w);
        if (item == nullptr) break;
        // process_one_work: not a coroutine of its own, for the frame it would need for each item.
        ++counters.items;
        w.current = item;
        w.item_started_exec_ns = t.st.sum_exec_runtime_ns;
        if (item->persistent || unbound_ || item->wq->flags().cpu_intensive)
          co_await run_cost(machine_, t, CostId::work_begin);
        else
          co_await machine::owe_cost(machine_, t, CostId::work_begin);
        if (leaves_others(w, *item)) co_await wake_first_idle(t);
        const Taken taken = take_up(w, *item);
        machine_.tp.work(*t.cpu, trace::EventType::workqueue_execute_start, taken.id, taken.function_id,
                         taken.wq->name_id());
        co_await item->function(t);  // the item may be queued again, or be gone, after this
        machine_.tp.work(*t.cpu, trace::EventType::workqueue_execute_end, taken.id, taken.function_id,
                         taken.wq->name_id());
        co_await run_cost(machine_, t, CostId::work_end);
        if (t.resched_at_cond_resched()) co_await t.schedule(true);
        co_await run_cost(machine_, t, CostId::work_retire);
        retire(w, taken);
      } while (w.scheduled != nullptr || (head_ != nullptr && nr_running_ <= 1));
      w.prep = true;
      t.sleep_hooks = nullptr;  // what it sleeps for now is its own: nobody counts on it
      if (!unbound_) --nr_running_;
      break;
    }
    co_await run_cost(machine_, t, CostId::worker_idle, machine::Mode::irqs_off);
    enter_idle(w);
    t.set_state(State::idle);
    co_await t.schedule();
  }
}

// An item whose worker does not count as running while it works: is another worker to be woken for the rest?
bool Pool::leaves_others(Worker& w, const Work& item) {
  const bool intensive = item.wq->flags().cpu_intensive && !unbound_;
  if (intensive) {
    w.cpu_intensive = true;
    --nr_running_;
  }
  return (intensive || unbound_) && head_ != nullptr && nr_running_ == 0;
}

Pool::Taken Pool::take_up(Worker& w, Work& item) {
  item.pending = false;
  if (item.persistent) item.running = &w;
  return {item.persistent ? &item : nullptr, item.wq, item.id, item.function_id};
}

void Pool::retire(Worker& w, const Taken& taken) {
  if (taken.persistent != nullptr) taken.persistent->running = nullptr;
  w.current = nullptr;
  if (w.cpu_intensive) {
    w.cpu_intensive = false;
    ++nr_running_;
  }
  Limits& l = taken.wq->limits[static_cast<std::size_t>(slot)];
  --l.nr_active;
  if (l.inactive_head != nullptr && l.nr_active < taken.wq->flags().max_active) {
    Work* next = l.inactive_head;
    l.inactive_head = next->next;
    if (l.inactive_head == nullptr) l.inactive_tail = nullptr;
    ++l.nr_active;
    append(*next);
  }
}

// The last idle worker left the idle list: ask kthreadd for a new one before going on.
Call<void> Pool::create_worker(KTask& manager) {
  managing_ = true;
  co_await run_cost(machine_, manager, CostId::worker_manage);
  Worker& made = *co_await all_.request_worker(manager, *this);
  ++counters.created;
  ++nr_workers_;
  enter_idle(made);
  co_await machine_.wake(manager, *made.task);
  managing_ = false;
}

// An item that has used the threshold's CPU time since it started is excluded from concurrency management.
Call<void> Pool::on_tick(ExecContext& irq, Worker& w) {
  constexpr Time kCpuIntensiveThresholdNs = 10'000'000;
  if (w.current == nullptr || !w.concurrency_managed() || w.sleeping) return {};
  if (w.task->st.sum_exec_runtime_ns - w.item_started_exec_ns < kCpuIntensiveThresholdNs) return {};
  w.cpu_intensive = true;
  --nr_running_;
  return head_ != nullptr && nr_running_ == 0 ? wake_first_idle(irq) : Call<void>{};
}

// ---- all -----------------------------------------------------------------------------------------------------------

Workqueues::Workqueues(Machine& m) : machine_(m) {
  for (int c = 0; c < m.cpu_count(); ++c) {
    normal_.push_back(std::make_unique<Pool>(m, *this, c, false, false));
    highpri_.push_back(std::make_unique<Pool>(m, *this, c, true, false));
  }
  Workqueue::Flags default_unbound;
  default_unbound.unbound = true;
  UnboundPools& first = unbound_pools(default_unbound);
  kthreadd_ = &m.add_task("kthreadd", "kthreadd", "", 0, 0, false, true);
  kthreadd_->body = kthreadd_body(*kthreadd_);
  kthreadd_->resume_at = kthreadd_->body.handle();
  for (auto* pools : {&normal_, &highpri_})
    for (auto& p : *pools)
      for (int i = 0; i < 2; ++i) p->add_initial_worker();  // what a pool holds once it has worked
  for (auto& p : first.pools)
    for (int i = 0; i < 2; ++i) p->add_initial_worker();
  if (m.k.wq_auto_cpu_intensive) m.set_tick_hook(this);
}

Workqueues::~Workqueues() = default;

// The pools with these attributes; made where no other workqueue has them.
UnboundPools& Workqueues::unbound_pools(const Workqueue::Flags& f) {
  const bool scopes = machine_.k.wq_unbound_affinity_scopes;
  const Scope scope = scopes ? f.scope : Scope::numa;
  const bool strict = scopes ? f.strict : true;
  for (auto& u : unbound_)
    if (u->scope == scope && u->strict == strict && u->highpri == f.highpri) return *u;
  UnboundPools& u = *unbound_.emplace_back(std::make_unique<UnboundPools>());
  u.scope = scope;
  u.strict = strict;
  u.highpri = f.highpri;
  u.pods = make_pods(machine_.topology, scope);
  for (std::size_t i = 0; i < u.pods.cpus.size(); ++i) {
    u.pools.push_back(
        std::make_unique<Pool>(machine_, *this, u.pods.cpus[i].first(), f.highpri, true, unbound_count_++));
    Pool& p = *u.pools.back();
    p.slot = static_cast<int>(i);
    p.pod = &u.pods.cpus[i];
    p.strict = strict;
  }
  return u;
}

Workqueue& Workqueues::create(const std::string& name, Workqueue::Flags f) {
  Workqueue& wq = *queues_.emplace_back(std::make_unique<Workqueue>(machine_, *this, name, f));
  if (!f.unbound) return wq;
  const std::size_t before = unbound_.size();
  wq.pools_ = &unbound_pools(f);
  if (unbound_.size() > before)
    for (auto& p : wq.pools_->pools)
      for (int i = 0; i < 2; ++i) p->add_initial_worker();
  return wq;
}

Pool& Workqueues::pool(int cpu, const Workqueue& wq) {
  const auto c = static_cast<std::size_t>(cpu);
  if (wq.pools_ != nullptr) return *wq.pools_->pools[static_cast<std::size_t>(wq.pools_->pods.of_cpu[c])];
  return *(wq.flags().highpri ? highpri_ : normal_)[c];
}

Pool::Counters Workqueues::totals() const {
  Pool::Counters sum;
  const auto add = [&](const Pool& p) {
    sum.activations += p.counters.activations, sum.items += p.counters.items, sum.created += p.counters.created;
    sum.retired += p.counters.retired, sum.nop_wakes += p.counters.nop_wakes, sum.kicks += p.counters.kicks;
    sum.queued += p.counters.queued;
  };
  for (const auto& p : normal_) add(*p);
  for (const auto& p : highpri_) add(*p);
  for (const auto& u : unbound_)
    for (const auto& p : u->pools) add(*p);
  return sum;
}

int Workqueues::workers() const {
  int n = 0;
  for (const auto& u : unbound_)
    for (const auto& p : u->pools) n += p->nr_workers();
  for (const auto& p : normal_) n += p->nr_workers();
  for (const auto& p : highpri_) n += p->nr_workers();
  return n;
}

Call<void> Workqueues::on_tick(ExecContext& irq) {
  for (auto* pools : {&normal_, &highpri_}) {
    Pool& p = *(*pools)[static_cast<std::size_t>(irq.cpu->id())];
    for (Worker& w : p.workers_)
      if (w.task == irq.cpu->current_task()) return p.on_tick(irq, w);
  }
  return {};
}

Call<Worker*> Workqueues::request_worker(KTask& manager, Pool& pool) {
  Request r{&manager, &pool, nullptr};
  requests_.push_back(&r);
  co_await machine_.wake(manager, *kthreadd_);
  for (;;) {
    manager.set_state(State::uninterruptible);
    if (r.made != nullptr && r.made->creator == nullptr) break;
    co_await manager.schedule();
  }
  manager.set_state(State::running);
  co_return r.made;
}

machine::Body Workqueues::kthreadd_body(KTask& t) {
  for (;;) {
    while (!requests_.empty()) {
      Request& r = *requests_.front();
      requests_.pop_front();
      co_await run_cost(machine_, t, CostId::worker_create);
      r.made = &r.pool->make_worker(r.manager);
      co_await machine_.wake_up_new(t, *r.made->task);
    }
    t.set_state(State::interruptible);
    if (!requests_.empty()) {
      t.set_state(State::running);
      continue;
    }
    co_await t.schedule();
  }
}

}  // namespace wakepath::workqueue
