// SPDX-License-Identifier: GPL-2.0-or-later
// What a machine has only because there are several CPUs: domains and balancer, wakeups handed to other CPUs, function
// call interrupts, the stopper threads, CPUs whose tick is off. The decisions are models/sched's; here they cost time
// and reach the other CPU.
//
// Source: kernel/sched/core.c (ttwu_queue_wakelist, sched_ttwu_pending), kernel/smp.c, kernel/stop_machine.c,
// kernel/time/tick-sched.c, 6.1 and 6.12; scheduler spec 4.5, 4.7, 7.
#pragma once

#include <memory>
#include <vector>

#include "models/machine/context.h"
#include "models/machine/cpumask.h"
#include "models/machine/rcu.h"
#include "models/machine/task.h"
#include "models/machine/timer_wheel.h"
#include "models/sched/balance/balancer.h"
#include "models/sched/domains.h"
#include "models/sched/placement/placement.h"
#include "sim/engine/random.h"

namespace wakepath::machine {

class Machine;

class Smp final : public sched::BalanceHost {
 public:
  explicit Smp(Machine& m);
  ~Smp() override;

  sched::Domains domains;
  sched::Balancer balancer;
  TimerWheel wheel;
  Rcu rcu;

  void add_stoppers();  // migration/N, one a CPU
  void start();
  // The only CPU, a list, or every CPU when the list is empty. Who runs elsewhere stays there until it is pushed.
  void set_affinity(KTask& t, const std::vector<int>& cpus);

  // migration/N takes the running task of its CPU to `dest`, as an active balance or a new affinity would have it.
  // False: it is busy with another.
  bool push(KTask& t, int dest);

  // try_to_wake_up's choice; t sleeps and is not on a queue.
  sched::Placement select(const ExecContext& ctx, KTask& t, bool sync);
  // Records it, as done on from_cpu; t.cpu follows. waker: the task that wakes it, if one does.
  void moved(KTask& t, int dest, sched::MigrationCause cause, int from_cpu, const sched::Task* waker = nullptr);
  [[nodiscard]] bool hands_over(const ExecContext& ctx, const KTask& t, int target) const;
  bool hand_over(KTask& t, int target, bool migrated);  // true: an interrupt has to be sent
  void send_call(int target);

  // Calls of other CPUs: wakeups, requests to balance. Run by the interrupt or on the way out of idle.
  [[nodiscard]] bool calls_pending(int cpu) const;
  Call<void> run_calls(ExecContext& ctx);

  void tick(Cpu& c);
  void idle_entered(Cpu& c);
  void about_to_halt(Cpu& c);  // each time through the idle loop
  void leave_idle(Cpu& c);
  void switching(int cpu) {  // __schedule()
    running_cpu = cpu;
    rcu.quiescent(cpu);
  }
  Call<void> finish_pass(ExecContext& ctx);  // what a balancing pass left to do: reschedule others, wake stoppers
  [[nodiscard]] bool pass_unfinished() const { return !touched_.empty() || !stops_.empty(); }
  // need_resched was set for an idle CPU that watches the flag: no interrupt is needed.
  [[nodiscard]] bool polls(int cpu) const;
  void notice_resched(int cpu);
  void migrated(sched::Task& t, int orig, int dest, sched::MigrationCause cause);  // by the balancer
  int running_cpu = 0;  // whose code calls the scheduler, for trace records; what switches touch lies from rcu's end on

  std::uint32_t random_1024(int cpu) override;
  sched::Time effort_ns(const sched::Effort& e) override;
  void queue_active_balance(int cpu) override;
  void kick_idle_balance(int from, int target) override;

 private:
  struct CallLine;
  struct SchedSoftirq;
  struct Poll;
  Body stopper_body(KTask& t);
  const bool polling_, tick_when_idle_;
  Machine& m_;
  std::vector<int> touched_, stops_;
  std::vector<std::unique_ptr<CallLine>> calls_;
  std::vector<std::unique_ptr<Poll>> polls_;
  std::unique_ptr<SchedSoftirq> softirq_;
  std::vector<KTask*> stoppers_;
  std::vector<bool> stop_queued_;
  struct Push {
    KTask* task = nullptr;
    int dest = 0;
  };
  std::vector<Push> pushes_;  // by CPU: what its stopper was asked to take away
  void run_push(int cpu);
  std::vector<CpuMask> only_;  // by CPU: itself
  std::vector<std::unique_ptr<CpuMask>> masks_;
  engine::RandomStream dice_;
};

}  // namespace wakepath::machine
