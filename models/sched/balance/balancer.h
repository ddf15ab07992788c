// SPDX-License-Identifier: GPL-2.0-or-later
// The load balancer: periodic passes through a CPU's domains, the pass of a CPU that is about to go idle, the pass on
// behalf of CPUs that sleep without a tick, and the push of a running task by the stopper.
//
// A pass decides and moves at once; what that costs is counted in Effort, and the caller spends the time. Passes on
// behalf of several CPUs are steps, so that a later one sees what the push asked for by an earlier one has done. What
// touches other CPUs or needs a thread goes through BalanceHost.
//
// Source: kernel/sched/fair.c (load_balance, rebalance_domains, newidle_balance, nohz_balancer_kick, nohz_idle_balance,
// active_load_balance_cpu_stop), 6.1 and 6.12; scheduler spec 7.4-7.8.
#pragma once

#include <array>
#include <cstdint>
#include <limits>

#include "models/sched/balance/stats.h"
#include "models/sched/sched.h"

namespace wakepath::sched {

// What a pass did, for its cost.
struct Effort {
  int domains = 0;  // looked into
  int cpus = 0;     // whose figures were read
  int moved = 0;    // tasks
  Effort& operator+=(const Effort& o) {
    domains += o.domains, cpus += o.cpus, moved += o.moved;
    return *this;
  }
};

class BalanceHost {
 public:
  virtual ~BalanceHost() = default;
  virtual std::uint32_t random_1024(int cpu) = 0;            // the dice of NI_RANDOM
  virtual Time effort_ns(const Effort& e) = 0;               // what it will take: newidle weighs it against idle time
  virtual void queue_active_balance(int cpu) = 0;            // wake cpu's stopper to run active_balance_stop
  virtual void kick_idle_balance(int from, int target) = 0;  // a function call to an idle CPU: idle_balance_kicked
};

class Balancer {
 public:
  struct Tunables {
    Time migration_cost_ns = 500'000;  // a task that ran so recently is cache-hot
    int nr_migrate = 32;
    int hz = 250;
    bool newidle_takes_one = true;  // CONFIG_PREEMPTION, which PREEMPT_DYNAMIC kernels are built with
  };
  Balancer(Scheduler& s, Domains& d, BalanceHost& host, const Tunables& t);

  // At a tick of a CPU, after the class's own work. True: raise the softirq that runs the periodic pass.
  bool tick(int cpu, Time now);
  class Passes;
  Passes softirq(int cpu);                         // run_rebalance_domains: to be taken step by step
  bool step(Passes& p, Time now, Effort& effort);  // one CPU's passes; false: there are no more
  // From __schedule when no fair task is left: true when one is there now.
  bool newidle(int cpu, Time now, Effort& e);
  void idle_balance_kicked(int cpu);     // the function call arrived; true in SmpRq::nohz_flags: raise the softirq
  void enter_tickless_idle(int cpu);     // the tick was stopped
  void idle_entered(int cpu, Time now);  // the idle task goes on there
  void active_balance_stop(int cpu, Time now);                      // the stopper of `cpu` runs
  [[nodiscard]] int find_idlest_cpu(const Task& t, int cpu) const;  // for a task forked on `cpu`
  void wakeup_after_idle(Rq& rq);  // ttwu: the idle time since idle_stamp enters the average
  [[nodiscard]] std::int64_t interval_of(const Domain& d, bool busy) const;  // jiffies until the next pass there

  [[nodiscard]] std::int64_t jiffies(Time now) const {
    return counted_jiffies != nullptr ? *counted_jiffies : now / tick_ns_;
  }
  const std::int64_t* counted_jiffies = nullptr;  // where they may be behind the clock (machine.shared_clock)
  // Decision records: why waiting tasks were not moved, and what was done about it.
  struct Counters {
    std::uint64_t unbalanced = 0;  // passes that found something to move
    std::array<std::uint64_t, kRefusals> refused{};
    std::uint64_t active_asked = 0, active_pushed = 0, idle_kicks = 0;
    std::uint64_t failures_forgotten = 0;  // passes that found balance where the one before had failed to move anything
  } counters;
  bool overload = false;  // some CPU reached two tasks (root_domain)

 private:
  struct Pass;
  int load_balance(int cpu, Domain& d, CpuIdle idle, bool& go_on, Effort& e, Time now);
  [[nodiscard]] bool should_we_balance(const Pass& p) const;
  const Group* find_busiest_group(Pass& p);
  [[nodiscard]] GroupStats group_stats(const Pass& p, const Group& g, bool& overloaded);
  Rq* find_busiest_queue(const Pass& p, const Group& g);
  int move_tasks(Pass& p);
  int detach_tasks(Pass& p);
  bool can_migrate(Task& t, Pass& p);
  bool refuse(Task& t, Refusal why);  // false
  [[nodiscard]] bool is_hot(const Task& t, const Pass& p) const;
  bool too_big(Task& t, Pass& p);
  bool start_active_balance(Pass& p, bool& refused);
  [[nodiscard]] bool needs_active_balance(const Pass& p) const;
  void settle_interval(Pass& p, bool all_pinned) const;
  Effort rebalance_domains(int cpu, CpuIdle idle, Time now);
  void update_idle_core(int cpu);  // it goes idle: is its core now?
  bool nohz_idle_balance(Passes& p, Time now, Effort& effort);
  void leave_off(const Passes& p);
  void nohz_balancer_kick(int cpu, Time now);
  void leave_tickless_idle(int cpu);
  bool update_newidle_cost(Domain& d, std::uint64_t cost, Time now) const;
  void update_next_balance(const Domain& d, bool busy, std::int64_t& next) const;
  void update_blocked(int cpu, Time now);
  [[nodiscard]] const Group* find_idlest_group(const Domain& d, const Task& t) const;  // null: the own one
  [[nodiscard]] int find_idlest_cpu_in(const Group& g, const Task& t, int otherwise) const;
  void update_idle_scan(const Pass& p, const DomainStats& s);

  Scheduler& s_;
  Domains& domains_;
  BalanceHost& host_;
  const Tunables t_;
  const Time tick_ns_;
  const kernel::Switches& k_;
  std::int64_t max_interval_;  // jiffies
  struct {
    CpuMask idle_cpus;
    int nr = 0;
    std::int64_t next_balance = 0, next_blocked = 0;
    bool has_blocked = false;
    bool needs_update = false;  // somebody joined: next_balance may be too late
  } nohz_;
  bool on_behalf_ = false;  // of a sleeping CPU
  CpuMask scratch_;
};

// What a balancing CPU has still to do.
class Balancer::Passes {
  friend class Balancer;
  int cpu = 0;
  CpuIdle idle = CpuIdle::not_idle;
  unsigned flags = 0;  // for CPUs without a tick
  int at = -1;         // the one that was looked at last; -1: none yet
  std::int64_t next = std::numeric_limits<std::int64_t>::max();
  bool has_blocked = false;
};

}  // namespace wakepath::sched
