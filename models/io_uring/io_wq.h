// SPDX-License-Identifier: GPL-2.0-or-later
// io-wq: the worker threads on which io_uring runs what would block its submitter. One per submitting task, with a
// bounded and an unbounded account ("iou-wrk-PID" threads).
//
// Who may start a worker: io_wq_enqueue() in the submitter when no free worker can be activated and none is accounted
// running; and the scheduler's hook, when the last running worker of an account blocks with work still listed: that
// worker asks the submitter, by task work, to create one (create_worker_cb). Nothing else does: a preempted worker
// counts as running. A worker that slept for 5 s without work exits, unless it is the last of its account.
//
// Identities (check()): nr_running = workers up and running + created and not yet started + requests outstanding;
// nr_workers = live workers of the account and at most max_workers, but for the first form of 9d83e1f05c98.
// Not modelled: a fork that fails; contention for the pool's locks; tracing of a worker before it has its name.
// Source: io_uring/io-wq.c, 6.1 to 6.18, by kernel::Switches iowq_*.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "models/io_uring/io_wq_counters.h"
#include "models/io_uring/io_wq_hash.h"
#include "models/machine/machine.h"
#include "models/machine/timer_wheel.h"

namespace wakepath::io_uring {

using machine::Call;
using machine::ExecContext;
using machine::KTask;
using machine::Machine;
using machine::Time;

// One item: caller-owned, address-stable from enqueue() to free(). A request derives from it.
struct IoWork {
  virtual ~IoWork() = default;
  virtual Call<void> run(KTask& worker) = 0;      // io_wq_submit_work: issues in blocking mode; looks at `cancel`
  virtual IoWork* put() { return nullptr; }       // the worker's reference is dropped; the linked successor, if any
  virtual Call<void> free(KTask&) { return {}; }  // after put(); by task work or here (iowq_free_by_task_work)
  [[nodiscard]] bool hashed() const { return bucket >= 0; }

  int bucket = -1;          // Hash::bucket_of(inode); -1: not hashed
  bool unbound = false;     // which account
  bool concurrent = false;  // IOSQE_ASYNC: a worker is created even if one runs
  bool cancel = false;
  IoWork* next = nullptr;  // in the account's list, then in the chain a worker took
};

class IoWq {
 public:
  enum Index : std::uint8_t { bound = 0, unbound = 1 };
  struct Config {
    int max_bound = 0, max_unbound = 0;
    std::vector<int> cpu_mask;     // where workers may run; empty: anywhere
    std::vector<int> node_of_cpu;  // for iowq_per_node_pools; empty: one node
  };
  // The limits of a new pool: bound by the first ring's size and the CPUs, unbound by RLIMIT_NPROC.
  static Config default_config(int sq_entries, int online_cpus, int rlimit_nproc);

  IoWq(KTask& submitter, std::shared_ptr<Hash> hash, Config c);
  ~IoWq();
  IoWq(const IoWq&) = delete;
  IoWq& operator=(const IoWq&) = delete;

  Call<void> enqueue(KTask& ctx, IoWork& w);  // io_wq_enqueue, from the submitter or (a linked hashed item) a worker
  bool cancel_pending(IoWork& w);             // takes a listed item off; the caller runs its cancellation
  Call<void> exit(ExecContext& ctx);          // the task or its last ring goes: workers end
  // IORING_REGISTER_IOWQ_MAX_WORKERS: 0 keeps; returns the old pair. Live workers stay.
  std::pair<int, int> set_max_workers(int max_bound, int max_unbound);
  void set_affinity(std::vector<int> cpu_mask) { config_.cpu_mask = std::move(cpu_mask); }

  const IoWqCounters& settle();  // counters with the time averages brought up to now
  void reset_peak();             // a window begins
  [[nodiscard]] std::uint32_t nr_workers(Index i) const;
  [[nodiscard]] int nr_running(Index i) const;
  [[nodiscard]] int live_workers() const { return live_; }
  [[nodiscard]] int idle_workers() const { return idle_; }
  [[nodiscard]] int queued() const;
  void check() const;  // the identities; throws std::logic_error

 private:
  struct Worker;
  struct Pool;
  struct Account {
    Pool* pool = nullptr;
    Index index = bound;
    std::uint32_t nr_workers = 0, max_workers = 0;  // unsigned as in the kernel: an underflow wraps
    int nr_running = 0;
    int creating = 0;  // counted in both, the thread not made yet
    IoWork *head = nullptr, *tail = nullptr;
    bool stalled = false;
    std::vector<Worker*> free_list;  // back: the head; per account (6.15), else that of the bound one serves both
    [[nodiscard]] bool run_queue() const { return head != nullptr && !stalled; }
  };
  struct Pool final : HashWaiter {  // one; or one per NUMA node
    Call<void> hash_wake(KTask& waker) override { return wq->hash_wake(waker, *this); }
    IoWq* wq = nullptr;
    std::array<Account, 2> accounts;
    std::array<IoWork*, Hash::kBuckets> hash_tail{};
  };

  Pool& pool_of(const ExecContext& ctx);
  std::vector<Worker*>& free_list(Account& a);
  static void insert(Account& a, IoWork& w);
  static void remove(Account& a, IoWork* first, IoWork* last, IoWork* before);
  Call<bool> activate_free_worker(ExecContext& ctx, Account& a);
  Call<void> create_from_enqueue(KTask& ctx, Account& a);
  Call<void> fork_worker(KTask& parent, Account& a, const Worker* requester);
  Call<void> hash_wake(KTask& waker, Pool& p);

  // io_wq_worker.cc: the thread, and the scheduler's hooks
  machine::Body worker_main(KTask& t, Worker& w);
  Call<void> handle_work(KTask& t, Worker& w);
  Call<bool> idle_sleep(KTask& t, Worker& w);
  [[nodiscard]] bool allowed_on(int cpu) const;
  IoWork* next_work(Worker& w);
  bool retire(Worker& w);
  void leave_free_list(Worker& w);
  void enter_free_list(Worker& w);
  Call<void> dec_running(Worker& w);
  Call<void> request_worker(Worker& w);
  Call<void> create_worker_cb(KTask& submitter, Worker& w);
  Call<void> create_if_needed(KTask& submitter, Worker& w);
  [[nodiscard]] Reason reason_of(const Worker& w, Account& a);
  void count_created(const Worker& requester);
  [[nodiscard]] int live_of(const Account& a) const;
  void note_live(const Account& a, int change);
  void note_over_limit(const Account& a);
  void note_idle(int change);

  Machine& machine_;
  const kernel::Switches& k_;
  KTask& submitter_;
  std::shared_ptr<Hash> hash_;
  Config config_;
  std::deque<Pool> pools_;
  std::deque<Worker> workers_;  // ended ones too: their tasks stay in the results
  std::vector<Worker*> ended_;  // whose memory can be used again
  bool exiting_ = false;
  int live_ = 0, idle_ = 0;
  Time noted_at_ns_ = 0;
  IoWqCounters counters_;
};

// All pools of a machine.
class IoWqs {
 public:
  IoWq& create(KTask& submitter, std::shared_ptr<Hash> hash, IoWq::Config c) {
    return *all_.emplace_back(std::make_unique<IoWq>(submitter, std::move(hash), std::move(c)));
  }
  [[nodiscard]] IoWqCounters totals();
  void reset_peaks();
  void check() const;

 private:
  std::vector<std::unique_ptr<IoWq>> all_;
};

}  // namespace wakepath::io_uring
