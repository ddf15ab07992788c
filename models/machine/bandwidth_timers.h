// SPDX-License-Identifier: GPL-2.0-or-later
// Bandwidth control's hrtimers and interrupts on the simulated machine: a period timer and a slack timer for each group
// with a limit, on the CPU that armed them, an interrupt to each CPU whose queues are to be unthrottled, and since 6.18
// the task work that takes a task off its CPU on its way to user mode.
//
// Source: kernel/sched/fair.c (sched_cfs_period_timer, sched_cfs_slack_timer, __cfsb_csd_unthrottle); 6.1, 6.12;
// throttle_cfs_rq_work, task_throttle_setup_work; 6.18.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "models/scenario/scenario.h"
#include "models/sched/fair/bandwidth.h"

namespace wakepath::sched {
class Scheduler;
}

namespace wakepath::machine {

class Machine;
struct KTask;

class BandwidthTimers final : public sched::BandwidthHost {
 public:
  explicit BandwidthTimers(Machine& m);
  ~BandwidthTimers() override;
  void throttle_on_way_out(KTask& t);                                // it was picked below a throttled queue
  void set_limit(sched::TaskGroup& g, const scenario::CpuMax& max);  // now

  void arm_period_timer(sched::TaskGroup& g, int cpu, std::int64_t at) override;
  void arm_slack_timer(sched::TaskGroup& g, int cpu, std::int64_t at) override;
  void interrupt_to_unthrottle(int cpu) override;

 private:
  struct GroupTimer;
  struct UnthrottleIpi;
  struct Timers {
    std::unique_ptr<GroupTimer> period, slack;
  };
  Timers& timers_of(sched::TaskGroup& g);
  void send_rescheds(int this_cpu);  // to the CPUs that something was given to

  Machine& machine_;
  std::map<const sched::TaskGroup*, Timers> timers_;  // looked up only
  std::vector<std::unique_ptr<UnthrottleIpi>> ipis_;
};

}  // namespace wakepath::machine
