// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/machine/bandwidth_timers.h"

#include <utility>

#include "models/kernel/switches.h"
#include "models/machine/machine.h"

namespace wakepath::machine {

struct BandwidthTimers::GroupTimer final : HrTimer {
  GroupTimer(BandwidthTimers& all, sched::TaskGroup& g, bool is_period) : timers(all), group(g), period(is_period) {
    function_id = all.machine_.tp.name(is_period ? "sched_cfs_period_timer" : "sched_cfs_slack_timer");
  }
  ~GroupTimer() override { timers.machine_.engine.cancel(timer); }
  Call<void> expired(ExecContext& irq) override {
    Machine& m = timers.machine_;
    const int here = irq.cpu->id();
    co_await run_cost(m, irq, CostId::bandwidth_timer);
    if (period) {
      while (m.sched.period_timer(group, here, m.now())) co_await run_cost(m, irq, CostId::bandwidth_timer);
    } else {
      m.sched.slack_timer(group, here, m.now());
    }
    timers.send_rescheds(here);
  }
  BandwidthTimers& timers;
  sched::TaskGroup& group;
  bool period;
};

struct BandwidthTimers::UnthrottleIpi final : IrqLine {
  UnthrottleIpi(Machine& machine, Cpu& c) : m(machine) {
    cpu = &c;
    number = 251;
    flight.context = this;
    flight.fire = [](engine::Timer& t, Time) {
      auto& self = *static_cast<UnthrottleIpi*>(t.context);
      self.cpu->raise(self);
    };
  }
  ~UnthrottleIpi() override { m.engine.cancel(flight); }
  Call<void> handle(ExecContext& irq) override {
    co_await run_cost(m, irq, CostId::bandwidth_timer);
    m.sched.unthrottle_queued(cpu->id(), m.now());
  }
  Machine& m;
  engine::Timer flight;
};

// Costs nothing by itself here: what it does is part of the way to user mode (task_work_exit) and of the switch after
// it.
struct ThrottleWork final : TaskWork {
  Call<void> run(KTask& t) override {
    queued = false;
    t.machine->sched.throttle_current(t.cpu->id(), t.machine->now());
    co_return;
  }
  bool queued = false;
};

void BandwidthTimers::throttle_on_way_out(KTask& t) {
  if (t.throttle_work == nullptr) t.throttle_work = std::make_unique<ThrottleWork>();
  auto& work = static_cast<ThrottleWork&>(*t.throttle_work);
  if (std::exchange(work.queued, true)) return;
  work.next_work = t.task_works;
  t.task_works = &work;
  t.notify_resume = true;
}

BandwidthTimers::BandwidthTimers(Machine& m) : machine_(m) {
  for (int c = 0; c < m.cpu_count(); ++c) ipis_.push_back(std::make_unique<UnthrottleIpi>(m, m.cpu(c)));
}
BandwidthTimers::~BandwidthTimers() = default;

void BandwidthTimers::set_limit(sched::TaskGroup& g, const scenario::CpuMax& max) {
  sched::BandwidthLimit limit;
  limit.quota_ns = max.quota_us ? *max.quota_us * 1000 : sched::kRuntimeInf;
  limit.period_ns = max.period_us * 1000;
  limit.burst_ns = max.burst_us * 1000;
  if (limit.quota_ns == sched::kRuntimeInf && g.bandwidth.limit.quota_ns == sched::kRuntimeInf) return;
  if (max.phase_ns) {
    machine_.sched.set_bandwidth_phase(g, *max.phase_ns);
  } else if (machine_.k.bandwidth_random_phase && timers_.count(&g) == 0) {
    engine::RandomStream phase(machine_.scenario.run.seed, "bandwidth.phase." + g.name, 0);
    machine_.sched.set_bandwidth_phase(g, phase.uniform(0, limit.period_ns - 1));
  }
  machine_.sched.set_bandwidth(g, limit, machine_.now());
  send_rescheds(-1);
}

BandwidthTimers::Timers& BandwidthTimers::timers_of(sched::TaskGroup& g) {
  Timers& t = timers_[&g];
  if (t.period == nullptr) {
    t.period = std::make_unique<GroupTimer>(*this, g, true);
    t.slack = std::make_unique<GroupTimer>(*this, g, false);
  }
  return t;
}

void BandwidthTimers::arm_period_timer(sched::TaskGroup& g, int cpu, std::int64_t at) {
  machine_.local_timer(cpu).arm(*timers_of(g).period, at);
}

void BandwidthTimers::arm_slack_timer(sched::TaskGroup& g, int cpu, std::int64_t at) {
  machine_.local_timer(cpu).arm(*timers_of(g).slack, at);
}

void BandwidthTimers::interrupt_to_unthrottle(int cpu) {
  UnthrottleIpi& ipi = *ipis_[static_cast<std::size_t>(cpu)];
  if (!ipi.flight.armed() && !ipi.pending) {
    machine_.engine.arm(ipi.flight, machine_.now() + machine_.cost(CostId::ipi_latency));
  }
}

void BandwidthTimers::send_rescheds(int this_cpu) {
  for (int c = 0; c < machine_.cpu_count(); ++c)
    if (c != this_cpu && machine_.cpu(c).idle() && machine_.sched.need_resched(c)) machine_.send_resched(c);
}

}  // namespace wakepath::machine
