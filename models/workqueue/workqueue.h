// SPDX-License-Identifier: GPL-2.0-or-later
// Concurrency-managed workqueues: worker pools per CPU (normal and highpri), an unbound pool, workers and managers.
//
// A pool keeps one worker running while it has work: enqueueing wakes an idle worker only when none runs, a worker that
// blocks wakes the next, a preempted one still counts as running. The last idle worker to leave the idle list makes
// another one before it works; idle ones beyond two are destroyed when they have been idle for the timeout, the longest
// idle first. Source: kernel/workqueue.c (queue_work, worker_thread, process_one_work, wq_worker_sleeping,
// wq_worker_running, maybe_create_worker, too_many_workers), 6.1 and 6.12, by kernel::Switches.
//
// Not here: rescuers (a manager gets its thread in tens of microseconds; a rescuer comes after 10 ms without one), the
// CPU time of destroying a worker, and the first run of a new thread on another CPU than its pool's.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "models/machine/machine.h"
#include "models/workqueue/pods.h"

namespace wakepath::workqueue {

using machine::Call;
using machine::ExecContext;
using machine::KTask;
using machine::Machine;
using machine::Time;

class Pool;
class Workqueue;

// One work item: caller-owned, address-stable while pending or running. function() runs in a worker's context.
struct Work {
  virtual ~Work() = default;
  virtual Call<void> function(KTask& worker) = 0;
  Workqueue* wq = nullptr;  // set by queue()
  std::uint64_t id = 0;     // shown in trace records
  trace::StringId function_id = 0;
  bool pending = false;
  Work* next = nullptr;
  // One object for ever, queued again and again: while it runs it is queued to the same pool and waits for the same
  // worker, so that it never runs twice at once. (What is new with each I/O needs no such care.)
  bool persistent = false;
  struct Worker* running = nullptr;
};

struct alignas(64) Worker final : machine::SleepHooks {  // a cache line of what each item touches
  KTask* task = nullptr;
  Pool* pool = nullptr;
  bool idle = false;  // on the idle list
  bool prep = true;   // outside its items: idle, or managing
  bool cpu_intensive = false;
  bool sleeping = false;  // inside an item, was counted
  bool dying = false;
  Work* current = nullptr;
  Work* scheduled = nullptr;  // items that met themselves running here: the first ...
  Time idle_since = 0;
  Time item_started_exec_ns = 0;

  Work* scheduled_last = nullptr;  // ... and the last
  KTask* creator = nullptr;        // the manager that waits for its first sign of life
  int id = 0;
  [[nodiscard]] bool concurrency_managed() const;  // counts in nr_running while it does not sleep
  Call<void> task_sleeping(KTask& t) override;
  void task_running(KTask& t) override;
};

struct Limits {  // per workqueue and pool (pool_workqueue)
  int nr_active = 0;
  Work *inactive_head = nullptr, *inactive_tail = nullptr;
};

class Workqueue {
 public:
  struct Flags {
    bool highpri = false, unbound = false, cpu_intensive = false, mem_reclaim = true;
    int max_active = 256;
    Scope scope = Scope::cache;  // of an unbound one, from 6.6 on
    bool strict = false;         // ... whose workers stay in it
  };
  Workqueue(Machine& m, class Workqueues& all, std::string name, Flags f);
  // queue_work() from any context; nothing happens when the item is pending already. Spends its cost in ctx.
  // cpu: queue_work_on().
  Call<void> queue(ExecContext& ctx, Work& w, int cpu = -1);
  [[nodiscard]] const Flags& flags() const { return flags_; }
  [[nodiscard]] trace::StringId name_id() const { return name_id_; }
  std::vector<Limits> limits;  // by CPU, of an unbound one by pod

 private:
  friend class Workqueues;
  Call<void> insert(ExecContext& ctx, Work& w, Pool& pool);
  struct UnboundPools* pools_ = nullptr;  // of an unbound one
  Machine& machine_;
  class Workqueues& all_;
  Flags flags_;
  trace::StringId name_id_ = 0;
};

class alignas(64) Pool {
 public:
  // cpu: of a bound pool its own, of an unbound one the first of its pod; number: in names of unbound workers.
  Pool(Machine& m, class Workqueues& all, int cpu, bool highpri, bool unbound, int number = 0);
  ~Pool();
  void add_initial_worker();
  [[nodiscard]] int cpu() const { return cpu_; }
  [[nodiscard]] bool unbound() const { return unbound_; }
  [[nodiscard]] int nr_running() const { return nr_running_; }
  [[nodiscard]] int nr_workers() const { return nr_workers_; }
  [[nodiscard]] int nr_idle() const { return static_cast<int>(idle_.size()); }

  void append(Work& w);
  // Enqueue side: does the first idle worker have to be woken? So it is when none runs.
  [[nodiscard]] bool needs_kick() const {
    return nr_running_ <= 0 && !(kick_needs_work_ && head_ == nullptr) && !idle_.empty();
  }
  machine::Body body(KTask& t, Worker& w);
  Call<void> on_tick(ExecContext& irq, Worker& w);  // auto CPU_INTENSIVE

  // What each item touches is in its first two cache lines.
  struct Counters {
    std::uint64_t queued = 0, activations = 0, items = 0, kicks = 0, nop_wakes = 0, created = 0, retired = 0;
  } counters;
  int slot = 0;         // in Workqueue::limits
  bool strict = false;  // of an unbound one: its workers stay in its pod

 private:
  friend class Workqueue;
  friend class Workqueues;
  friend struct Worker;
  Worker& make_worker(KTask* creator);
  Work* next_for(Worker& w);
  struct Taken {       // of an item what is needed once it has run
    Work* persistent;  // null: it may be gone
    Workqueue* wq;
    std::uint64_t id;
    trace::StringId function_id;
  };
  bool leaves_others(Worker& w, const Work& item);
  static Taken take_up(Worker& w, Work& item);
  void retire(Worker& w, const Taken& taken);
  Call<void> create_worker(KTask& manager);
  Call<void> wake_first_idle(ExecContext& ctx);
  Call<void> kick(ExecContext& ctx, KTask& t);
  [[nodiscard]] bool too_many_workers() const;
  void retire_surplus();
  Work* take();
  void leave_idle(Worker& w);
  void enter_idle(Worker& w);

  bool highpri_, unbound_;
  bool kick_needs_work_;  // switch wq_kick_needs_idle_worker
  Machine& machine_;
  Work *head_ = nullptr, *tail_ = nullptr;
  std::vector<Worker*> idle_;  // back: the most recently idle, woken first
  int nr_running_ = 0, nr_workers_ = 0;
  bool managing_ = false;
  int cpu_, number_;
  class Workqueues& all_;
  std::deque<Worker> workers_;
  std::vector<bool> ids_;

 public:
  const machine::CpuMask* pod = nullptr;  // of an unbound one: where its workers begin

 private:
  struct IdleTimer;
  std::unique_ptr<IdleTimer> idle_timer_;
};

// The pools of one set of attributes, one a pod.
struct UnboundPools {
  Scope scope = Scope::cache;
  bool strict = false, highpri = false;
  Pods pods;
  std::vector<std::unique_ptr<Pool>> pools;
};

// All pools and queues of a machine, and kthreadd.
class Workqueues final : public Machine::TickHook {
 public:
  explicit Workqueues(Machine& m);
  ~Workqueues() override;
  Workqueue& create(const std::string& name, Workqueue::Flags f);
  Pool& pool(int cpu, const Workqueue& wq);
  Pool::Counters totals() const;
  [[nodiscard]] int workers() const;
  Call<void> on_tick(ExecContext& irq) override;

  // kthreadd makes the threads that managers ask for: returns when the new one has run for the first time.
  Call<Worker*> request_worker(KTask& manager, Pool& pool);

 private:
  friend class Pool;
  machine::Body kthreadd_body(KTask& t);
  Machine& machine_;
  std::vector<std::unique_ptr<Pool>> normal_, highpri_;
  UnboundPools& unbound_pools(const Workqueue::Flags& f);
  std::vector<std::unique_ptr<UnboundPools>> unbound_;  // the first: of default attributes
  int unbound_count_ = 0;
  std::vector<std::unique_ptr<Workqueue>> queues_;
  KTask* kthreadd_ = nullptr;
  struct Request {
    KTask* manager;
    Pool* pool;
    Worker* made;
  };
  std::deque<Request*> requests_;
};

}  // namespace wakepath::workqueue
