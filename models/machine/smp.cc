// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/machine/smp.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "models/machine/machine.h"
#include "models/sched/smp_rq.h"

namespace wakepath::machine {

using sched::MigrationCause;
using trace::EventType;

// The function call interrupt of one CPU with what it was asked to do.
struct Smp::CallLine final : IrqLine {
  CallLine(Smp& all, Cpu& c) : smp(all) {
    cpu = &c;
    number = 251;
    flight.context = this;
    flight.fire = [](engine::Timer& t, Time) {
      auto& self = *static_cast<CallLine*>(t.context);
      self.cpu->raise(self);
    };
  }
  ~CallLine() override { smp.m_.engine.cancel(flight); }
  Call<void> handle(ExecContext& irq) override { co_await smp.run_calls(irq); }
  [[nodiscard]] bool empty() const { return wakeups.empty() && !balance; }
  struct Wakeup {
    KTask* task;
    bool migrated;
  };
  Smp& smp;
  engine::Timer flight;
  std::vector<Wakeup> wakeups;
  bool balance = false;
};

// The softirq that balances.
struct Smp::SchedSoftirq final : Machine::SoftirqHandler {
  explicit SchedSoftirq(Smp& all) : smp(all) {}
  Call<void> run(ExecContext& ctx) override {
    sched::Balancer::Passes passes = smp.balancer.softirq(ctx.cpu->id());
    for (bool more = true; more;) {
      sched::Effort e;
      smp.running_cpu = ctx.cpu->id();
      more = smp.balancer.step(passes, smp.m_.now(), e);
      co_await ctx.run_ns(smp.effort_ns(e));
      co_await smp.finish_pass(ctx);
    }
  }
  Smp& smp;
};

// An idle CPU that waits on the need_resched flag itself (mwait): it leaves idle after the latency, without interrupt.
struct Smp::Poll {
  Poll(Smp& all, Cpu& c) : smp(all), cpu(c) {
    timer.context = this;
    timer.fire = [](engine::Timer& t, Time) { static_cast<Poll*>(t.context)->cpu.notice_resched(); };
  }
  ~Poll() { smp.m_.engine.cancel(timer); }
  Smp& smp;
  Cpu& cpu;
  engine::Timer timer;
};

namespace {

sched::Balancer::Tunables tunables_of(const Machine& m) {
  sched::Balancer::Tunables t;
  t.hz = m.scenario.kernel.hz;
  t.newidle_takes_one = m.scenario.kernel.preempt != scenario::Preempt::none;
  return t;
}

}  // namespace

Smp::Smp(Machine& m)
    : domains(m.topology),
      balancer(m.sched, domains, *this, tunables_of(m)),
      wheel(m),
      rcu(m, wheel),
      polling_(m.scenario.machine.idle_wakeup == "poll"),
      tick_when_idle_(m.scenario.machine.tick_when_idle),
      m_(m),
      softirq_(std::make_unique<SchedSoftirq>(*this)),
      stop_queued_(static_cast<std::size_t>(m.cpu_count())),
      pushes_(static_cast<std::size_t>(m.cpu_count())),
      dice_(m.scenario.run.seed, "sched.newidle", 0) {
  for (int c = 0; c < m.cpu_count(); ++c) {
    calls_.push_back(std::make_unique<CallLine>(*this, m.cpu(c)));
    polls_.push_back(std::make_unique<Poll>(*this, m.cpu(c)));
    only_.emplace_back(m.cpu_count()).set(c);
  }
  m.register_softirq(Machine::kSchedSoftirq, softirq_.get());
  m.sched.enable_smp(domains, balancer, *this, m.scenario.kernel.hz);
}

Smp::~Smp() = default;

void Smp::set_affinity(KTask& t, const std::vector<int>& cpus) {
  sched::SmpTask& s = t.st.smp;
  s.kthread = t.st.kthread;
  s.allowed = nullptr;
  s.cpus_allowed = static_cast<int>(cpus.size());
  if (cpus.empty()) return;
  if (cpus.size() == 1) {
    s.allowed = &only_[static_cast<std::size_t>(cpus.front())];
    return;
  }
  CpuMask mask(m_.cpu_count());
  for (const int c : cpus) mask.set(c);
  const auto same = std::find_if(masks_.begin(), masks_.end(), [&](const auto& m) { return *m == mask; });
  s.allowed = same != masks_.end() ? same->get() : masks_.emplace_back(std::make_unique<CpuMask>(mask)).get();
}

void Smp::add_stoppers() {
  for (int c = 0; c < m_.cpu_count(); ++c) {
    KTask& t = m_.add_task(fmt::format("migration/{}", c), "migration", "", 0, c, true, true, sched::Policy::stop, 99);
    t.body = stopper_body(t);
    t.resume_at = t.body.handle();
    stoppers_.push_back(&t);
  }
}

void Smp::start() {
  for (int c = 0; c < m_.cpu_count(); ++c) {
    idle_entered(m_.cpu(c));
    about_to_halt(m_.cpu(c));
  }
}

// ---- wakeups -------------------------------------------------------------------------------------------------------

sched::Placement Smp::select(const ExecContext& ctx, KTask& t, bool sync) {
  const bool in_task = ctx.kind == ExecContext::Kind::task || ctx.kind == ExecContext::Kind::switcher;
  const sched::Placement p = m_.sched.select_task_rq(t.st, ctx.cpu->id(), in_task, sync, m_.now());
  ++t.moves.placements[static_cast<std::size_t>(p.step)];
  return p;
}

void Smp::moved(KTask& t, int dest, MigrationCause cause, int from_cpu, const sched::Task* waker) {
  m_.tp.migrate_task(m_.cpu(from_cpu), t, t.cpu->id(), dest);
  ++t.migrations;
  const sched::Beside beside = sched::beside(m_.sched.rq(t.cpu->id()), t.st, waker);
  ++t.moves.by_cause[static_cast<std::size_t>(cause)][static_cast<std::size_t>(beside)];
  t.cpu = &m_.cpu(dest);
}

void Smp::migrated(sched::Task& task, int, int dest, MigrationCause cause) {
  auto* t = static_cast<KTask*>(task.owner);
  moved(*t, dest, cause, running_cpu);
  if (std::find(touched_.begin(), touched_.end(), dest) == touched_.end()) touched_.push_back(dest);
}

bool Smp::hands_over(const ExecContext& ctx, const KTask& t, int target) const {
  if (t.st.sched_class == sched::Class::stop) return false;
  return sched::wakeup_is_queued(m_.k, domains, ctx.cpu->id(), target, m_.sched.rq(target).nr_running);
}

bool Smp::hand_over(KTask& t, int target, bool migrated) {
  CallLine& line = *calls_[static_cast<std::size_t>(target)];
  const bool first = line.empty();
  line.wakeups.push_back({&t, migrated});
  m_.sched.rq(target).smp->ttwu_pending = true;
  if (!first) return false;
  if (!polls(target)) return true;
  notice_resched(target);
  return false;
}

void Smp::send_call(int target) {
  CallLine& line = *calls_[static_cast<std::size_t>(target)];
  if (!line.flight.armed() && !line.pending) m_.engine.arm_in(line.flight, m_.cost(CostId::ipi_latency));
}

bool Smp::calls_pending(int cpu) const { return !calls_[static_cast<std::size_t>(cpu)]->empty(); }

Call<void> Smp::run_calls(ExecContext& ctx) {
  Cpu& here = *ctx.cpu;
  CallLine& line = *calls_[static_cast<std::size_t>(here.id())];
  while (!line.wakeups.empty()) {
    const std::vector<CallLine::Wakeup> now = std::exchange(line.wakeups, {});
    for (const auto& w : now) {
      KTask& t = *w.task;
      co_await run_cost(m_, ctx, CostId::call_run, Mode::irqs_off);
      const sched::WakeResult r = m_.sched.wake_up(t.st, here.id(), m_.now());
      ++m_.wakeups;
      t.woken_by = nullptr;
      t.wake_preempted = r.preempts;
      co_await run_cost(m_, ctx, CostId::wake_after_clock, Mode::irqs_off);
      m_.tp.sched_task(here, EventType::sched_wakeup, t, here.id());
    }
  }
  m_.sched.rq(here.id()).smp->ttwu_pending = false;
  if (std::exchange(line.balance, false)) {
    co_await run_cost(m_, ctx, CostId::call_run, Mode::irqs_off);
    balancer.idle_balance_kicked(here.id());
    if (m_.sched.rq(here.id()).smp->nohz_flags != 0) here.raise_softirq(Machine::kSchedSoftirq);
  }
}

bool Smp::polls(int cpu) const { return polling_ && m_.cpu(cpu).idle(); }

void Smp::notice_resched(int cpu) {
  m_.sched.rq(cpu).resched = true;
  Poll& p = *polls_[static_cast<std::size_t>(cpu)];
  if (!p.timer.armed()) m_.engine.arm_in(p.timer, m_.cpu(cpu).idle_wake_latency());
}

// ---- balance -------------------------------------------------------------------------------------------------------

void Smp::tick(Cpu& c) {
  running_cpu = c.id();
  wheel.tick(c);
  rcu.tick(c);
  if (balancer.tick(c.id(), m_.now())) c.raise_softirq(Machine::kSchedSoftirq);
}

void Smp::idle_entered(Cpu& c) {
  balancer.idle_entered(c.id(), m_.now());
  rcu.idle_entered(c.id());
}

void Smp::about_to_halt(Cpu& c) {
  if (tick_when_idle_) return;
  const std::int64_t next = rcu.needs_tick(c.id()) ? m_.jiffies() + 1 : wheel.next_for_idle(c.id());
  if (!m_.local_timer(c.id()).stop_tick(next)) return;
  wheel.tick_stopped(c.id());
  balancer.enter_tickless_idle(c.id());
}

void Smp::leave_idle(Cpu& c) {
  m_.local_timer(c.id()).restart_tick();
  wheel.tick_restarted(c.id());
}

std::uint32_t Smp::random_1024(int) { return static_cast<std::uint32_t>(dice_.uniform(1024)); }

sched::Time Smp::effort_ns(const sched::Effort& e) {
  return e.domains * m_.mean_cost(CostId::balance_domain) + e.cpus * m_.mean_cost(CostId::balance_cpu) +
         e.moved * m_.mean_cost(CostId::move_task);
}

void Smp::queue_active_balance(int cpu) {
  stop_queued_[static_cast<std::size_t>(cpu)] = true;
  stops_.push_back(cpu);
}

void Smp::kick_idle_balance(int from, int target) {
  CallLine& line = *calls_[static_cast<std::size_t>(target)];
  const bool first = line.empty();
  line.balance = true;
  if (!first) return;
  if (polls(target)) return notice_resched(target);
  m_.cpu(from).add_trace_debt(m_.cost(CostId::ipi_send));
  send_call(target);
}

Call<void> Smp::finish_pass(ExecContext& ctx) {
  while (!touched_.empty()) {
    const int c = touched_.back();
    touched_.pop_back();
    if (c == ctx.cpu->id() || !m_.cpu(c).need_resched()) continue;
    if (!polls(c)) co_await run_cost(m_, ctx, CostId::ipi_send, ctx.mode);
    m_.send_resched(c);
  }
  while (!stops_.empty()) {
    const int c = stops_.back();
    stops_.pop_back();
    co_await m_.wake(ctx, *stoppers_[static_cast<std::size_t>(c)]);
  }
}

bool Smp::push(KTask& t, int dest) {
  const int cpu = t.cpu->id();
  Push& p = pushes_[static_cast<std::size_t>(cpu)];
  KTask& stopper = *stoppers_[static_cast<std::size_t>(cpu)];
  if (p.task != nullptr || !stopper.sleeping) return false;
  p = {&t, dest};
  m_.first_wake(stopper, false);
  return true;
}

// migration_cpu_stop: where the task still waits here, it goes.
void Smp::run_push(int cpu) {
  const Push p = std::exchange(pushes_[static_cast<std::size_t>(cpu)], {});
  sched::Task& t = p.task->st;
  const bool waits_here = t.on_rq == sched::OnRq::queued && !t.se.sched_delayed && p.task->cpu->id() == cpu &&
                          m_.sched.rq(cpu).curr != &t && t.sched_class == sched::Class::fair;
  if (!waits_here) return;
  m_.sched.update_clock(cpu, m_.now());
  m_.sched.migrate_queued(t, p.dest, m_.now(), MigrationCause::affinity);
}

Body Smp::stopper_body(KTask& t) {
  const auto cpu = static_cast<std::size_t>(t.cpu->id());
  for (;;) {
    t.set_state(sched::State::interruptible);
    const bool pushes = pushes_[cpu].task != nullptr;
    if (!stop_queued_[cpu] && !pushes) {
      co_await t.schedule();
      continue;
    }
    t.set_state(sched::State::running);
    const bool balances = stop_queued_[cpu];
    stop_queued_[cpu] = false;
    co_await run_cost(m_, t, CostId::stopper, Mode::irqs_off);
    running_cpu = t.cpu->id();
    if (pushes) run_push(t.cpu->id());
    if (balances) balancer.active_balance_stop(t.cpu->id(), m_.now());
    co_await run_cost(m_, t, CostId::move_task, Mode::irqs_off);
    co_await finish_pass(t);
  }
}

}  // namespace wakepath::machine
