// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/machine/machine.h"

#include <fmt/format.h>

#include <stdexcept>

#include "models/kernel/switches.h"
#include "models/machine/draw.h"
#include "models/machine/smp.h"
#include "models/machine/turns.h"
#include "sim/trace/event_names.h"

namespace wakepath::machine {

namespace {

sched::Tunables tunables_of(const scenario::Scenario& s) {
  const auto& k = s.kernel;
  sched::Tunables t = sched::Tunables::defaults(*k.switches, s.machine.tunables_cpus.value_or(s.machine.cpus), k.hz);
  if (k.latency_ns) t.latency_ns = *k.latency_ns;
  if (k.min_granularity_ns) t.min_granularity_ns = *k.min_granularity_ns;
  if (k.wakeup_granularity_ns) t.wakeup_granularity_ns = *k.wakeup_granularity_ns;
  if (k.idle_min_granularity_ns) t.idle_min_granularity_ns = *k.idle_min_granularity_ns;
  if (k.base_slice_ns) t.base_slice_ns = *k.base_slice_ns;
  if (k.cfs_bandwidth_slice_us) t.cfs_bandwidth_slice_ns = *k.cfs_bandwidth_slice_us * Time{1000};
  return t;
}

// A scenario that was read has its topology; one made by hand is a machine of equal CPUs.
Topology topology_of(const scenario::Machine& m) {
  return m.resolved.cpus() > 0 ? m.resolved : make_topology({.cpus = m.cpus});
}

}  // namespace

// The reschedule interrupt: it does nothing but make the CPU look at need_resched on the way out.
struct Machine::ReschedIpi final : IrqLine {
  ReschedIpi(Machine& machine, Cpu& c) : m(machine) {
    cpu = &c;
    number = 253;
    flight.context = this;
    flight.fire = [](engine::Timer& t, Time) {
      auto& self = *static_cast<ReschedIpi*>(t.context);
      self.cpu->raise(self);
    };
  }
  ~ReschedIpi() override { m.engine.cancel(flight); }
  Call<void> handle(ExecContext& irq) override {
    m.tp.irq(*cpu, trace::EventType::reschedule_entry, number, 0);
    co_await irq.run_ns(0, Mode::irqs_off);
    m.tp.irq(*cpu, trace::EventType::reschedule_exit, number, 0);
  }
  Machine& m;
  engine::Timer flight;
};

Machine::Machine(const scenario::Scenario& s, trace::Sink* sink, trace::StringPool* pool)
    : scenario(s),
      k(*s.kernel.switches),
      topology(topology_of(s.machine)),
      sched(*s.kernel.switches, tunables_of(s), s.machine.cpus),
      threaded_irqs(s.kernel.threadirqs),
      tick_ns_(1'000'000'000 / s.kernel.hz),
      deep_idle_after_ns_(s.machine.deep_idle_after_ns > 0 ? s.machine.deep_idle_after_ns : engine::kNever),
      deep_idle_(s.run.seed, "machine.deep_idle"),
      cold_move_(s.run.seed, "machine.cold_move"),
      clocks_(static_cast<std::size_t>(s.machine.cpus)) {
  using scenario::Preempt;
  tick_offset_ns_ = s.machine.tick_offset_ns.value_or(tick_ns_) % tick_ns_;
  tp.listen(sink, pool);
  for (const auto& name : s.run.trace_events) tp.record_only(trace::type_of(name));
  preemption.full = s.kernel.preempt == Preempt::full;
  preemption.lazy = s.kernel.preempt == Preempt::lazy;
  preemption.might_sleep = s.kernel.preempt == Preempt::voluntary;
  preemption.anywhere = preemption.full || preemption.lazy;
  preemption.cond_resched = !preemption.anywhere;
  sched.set_lazy(preemption.lazy);
  for (std::size_t i = 0; i < kCostCount; ++i) {
    const Cost& c = s.costs.entries[i];
    constant_ns_[i] = c.kind != Cost::Kind::constant ? kDrawn : c.ns > 0 ? c.ns : kFree;
    if (constant_ns_[i] == kDrawn)
      cost_streams_[i] = std::make_unique<engine::RandomStream>(
          s.run.seed, std::string("cost.") + cost_name(static_cast<CostId>(i)), 0);
  }
  groups_[""] = sched.root_group();
  for (const auto& g : s.cgroups) {
    const std::uint64_t shares =
        g.cpu_shares ? sched::shares_of_cpu_shares(static_cast<std::uint64_t>(*g.cpu_shares))
                     : sched::shares_of_cpu_weight(static_cast<std::uint64_t>(g.cpu_weight.value_or(100)));
    groups_[g.path] = sched.create_group(g.path, groups_.at(g.parent), shares, g.cpu_idle);
  }
  for (int c = 0; c < s.machine.cpus; ++c) {
    cpus_.push_back(std::make_unique<Cpu>(*this, c));
    timers_.push_back(std::make_unique<LocalTimer>(*this, *cpus_.back()));
    ipis_.push_back(std::make_unique<ReschedIpi>(*this, *cpus_.back()));
    if (s.machine.steal_every_ns > 0) steals_.push_back(std::make_unique<Steal>(*this, *cpus_.back()));
  }
  bandwidth_ = std::make_unique<BandwidthTimers>(*this);
  sched.set_bandwidth_host(bandwidth_.get());
  for (const auto& g : s.cgroups) bandwidth_->set_limit(group(g.path), g.max);
  if (s.machine.cpus > 1) smp = std::make_unique<Smp>(*this);
  if (s.machine.cpus > 1 && s.machine.shared_clock) {
    turns = std::make_unique<Turns>(*this);
    smp->balancer.counted_jiffies = &turns->jiffies();
  }
  idle_record_.st.comm = "swapper";
  sched.set_observer(this);
  for (int c = 0; c < s.machine.cpus; ++c) {
    KTask& t = add_task(fmt::format("ksoftirqd/{}", c), "ksoftirqd", "", 0, c, true, true);
    t.body = ksoftirqd_body(t);
    t.resume_at = t.body.handle();
    ksoftirqd_.push_back(&t);
  }
  if (smp) smp->add_stoppers();
}

Machine::~Machine() = default;

void Machine::start() {
  for (auto& c : cpus_) c->start();
  for (auto& t : timers_) t->start_tick();
  if (smp) smp->start();
}

const std::string& Machine::group_of_session(const std::string& cgroup, const std::string& session) {
  if (!cgroup.empty() || !scenario.kernel.sched_autogroup_enabled) return cgroup;
  const auto [it, is_new] = autogroups_.try_emplace(session);
  if (is_new) {
    it->second = fmt::format("autogroup-{}", autogroups_.size());
    groups_[it->second] = sched.create_group(it->second, sched.root_group(), sched::kNice0Load, false);
  }
  return it->second;
}

KTask& Machine::add_task(const std::string& comm, const std::string& result_group, const std::string& cgroup, int nice,
                         int cpu_id, bool bound, bool kthread, sched::Policy policy, int rt_priority) {
  KTask& t = tasks_.emplace_back(memory());
  t.machine = this;
  t.cpu = &cpu(cpu_id);
  t.cgroup = cgroup;
  t.group_name = result_group;
  t.st.kthread = kthread;
  t.bound_cpu = bound ? cpu_id : -1;
  t.st.owner = &t;
  sched.init_task(t.st, comm, next_pid_++, policy, nice, rt_priority, groups_.at(cgroup), cpu_id);
  t.st.owner = &t;
  t.comm_id = tp.name(comm);
  if (smp) smp->set_affinity(t, bound ? std::vector<int>{cpu_id} : std::vector<int>{});
  t.st.smp.per_cpu_kthread = bound && kthread;
  if (task_hook) task_hook(t);
  return t;
}

void KTask::set_state(sched::State s) {
  sched::Scheduler::set_state(st, s);
  sleeping = s != sched::State::running;
}

Call<void> KTask::schedule_with_hooks() {
  struct Switch {  // schedule() itself
    KTask& t;
    bool await_ready() { return false; }
    void await_suspend(std::coroutine_handle<> h) { t.cpu->start_schedule(t, h, false); }
    void await_resume() {}
  };
  if (sleeping) co_await sleep_hooks->task_sleeping(*this);
  co_await Switch{*this};
  if (sleep_hooks != nullptr) sleep_hooks->task_running(*this);
}

void Machine::first_wake(KTask& t, bool is_new) {
  t.sleeping = false;
  if (smp && t.st.smp.cpus_allowed != 1) {
    const int first = scenario.machine.first_cpu;
    const int from = t.st.smp.may_use(first) ? first : t.cpu->id();
    t.cpu = &cpu(sched.select_task_rq_fork(t.st, from, now()));
  }
  if (is_new)
    sched.wake_up_new(t.st, nullptr, t.cpu->id(), now());
  else
    sched.wake_up(t.st, t.cpu->id(), now());
  send_resched(t.cpu->id());
}

Call<void> Machine::wake_up_new(KTask& parent, KTask& t) {
  Cpu& here = *parent.cpu;
  co_await run_cost(*this, parent, CostId::wake_before_clock, Mode::irqs_off);
  t.sleeping = false;
  if (smp && t.st.smp.cpus_allowed != 1) t.cpu = &cpu(sched.select_task_rq_fork(t.st, here.id(), now()));  // no record
  Cpu& there = *t.cpu;  // where it may not be any more when the costs are spent
  sched.wake_up_new(t.st, &parent.st, there.id(), now());
  ++wakeups;
  t.woken_by = &parent;
  t.wake_preempted = there.need_resched();
  co_await run_cost(*this, parent, CostId::wake_after_clock, Mode::irqs_off);
  tp.sched_task(here, trace::EventType::sched_wakeup_new, t, there.id());
  if (&there != &here && t.wake_preempted) {
    co_await run_cost(*this, parent, CostId::ipi_send, Mode::irqs_off);
    send_resched(there.id());
  }
}

ExecContext::ScheduleAwaiter Machine::exit_task(KTask& t) {
  tp.sched_task(*t.cpu, trace::EventType::sched_process_exit, t, t.cpu->id());
  t.sleep_hooks = nullptr;
  t.set_state(sched::State::dead);
  t.sleeping = false;  // nobody wakes it
  return t.schedule();
}

Time Machine::idle_wake_latency(Time idle_for) {
  return idle_for >= deep_idle_after_ns_ ? draw_ns(scenario.machine.deep_idle_wake_ns, deep_idle_)
                                         : cost(CostId::idle_wake_latency);
}

Time Machine::at_clock(const Cpu& cpu, Time ns) {
  const int least = scenario.machine.clock_min_percent;
  if (least == 100) return ns;
  return clocks_[static_cast<std::size_t>(cpu.id())].stretch(ns, now(), cpu.usage_now().idle, least);
}

Time Machine::gone_cold(const KTask& t, Time idle) {
  const Time whole = cost(t.st.kthread ? CostId::idle_cold_kworker : CostId::idle_cold_task);
  if (whole == 0) return 0;
  const __int128 known = std::min<Time>(idle, 1'000'000'000);  // colder than after a second is nothing
  const __int128 half = scenario.machine.idle_cold_half_ns;
  return static_cast<Time>(whole * known * known / (known * known + half * half));
}

Time Machine::draw(CostId id) {
  const auto i = static_cast<std::size_t>(id);
  return draw_ns(scenario.costs.entries[i], *cost_streams_[i]);
}

ExecContext::RunAwaiter Machine::draw_and_run(ExecContext& ctx, CostId id, Mode mode) {
  return {ctx.cpu->try_run_inline(ctx, cost(id), mode) ? nullptr : &ctx};
}

ExecContext::RunAwaiter Machine::draw_and_owe(ExecContext& ctx, CostId id, Mode mode) {
  if (smp == nullptr) return draw_and_run(ctx, id, mode);  // of a lone CPU's costs all but a few pass at once
  const Time ns = cost(id);
  if (ns > 0) engine.count_step();
  ctx.cpu->owe(ctx, ns, mode);
  return {nullptr};
}

ExecContext::RunAwaiter owe_piece_by_piece(KTask& t, Time ns, SleepPoints thousandths) {
  if (ns == 0) return {nullptr};
  Cpu& cpu = *t.cpu;
  const bool alone = t.machine->smp == nullptr;  // as draw_and_owe()
  if (!alone) t.machine->engine.count_step();
  Time done = thousandths.empty() || !cpu.has_might_sleep() ? 0 : ns * thousandths.front() / 1000;
  cpu.owe(t, done > 0 ? done : ns, Mode::kernel);
  if (done > 0) {
    for (const int point : thousandths.subspan(1)) {
      const Time until = ns * point / 1000;
      t.owed.add_behind(Point::might_sleep, until - std::exchange(done, until), Mode::kernel);
    }
    t.owed.add_behind(Point::might_sleep, ns - done, Mode::kernel);
  }
  return alone ? t.settle() : ExecContext::RunAwaiter{nullptr};
}

void Machine::ask_to_reschedule(int target) {
  sched.rq(target).resched = true;
  send_resched(target);
}

void Machine::send_resched(int target) {
  if (smp && smp->polls(target)) return smp->notice_resched(target);
  cpu(target).flag_raised();
  ReschedIpi& ipi = *ipis_[static_cast<std::size_t>(target)];
  if (!ipi.flight.armed() && !ipi.pending) engine.arm(ipi.flight, now() + cost(CostId::ipi_latency));
}

Call<void> Machine::kick(ExecContext& ctx, KTask& t) {
  if (t.cpu == ctx.cpu || t.cpu->current_task() != &t) co_return;
  co_await run_cost(*this, ctx, CostId::ipi_send, ctx.mode);
  send_resched(t.cpu->id());
}

Call<bool> Machine::find_awake(ExecContext& ctx) {
  co_await wake_in_vain(ctx);
  co_return false;
}

Call<bool> Machine::wake_sleeper(ExecContext& ctx, KTask& t, bool sync) {
  Cpu& here = *ctx.cpu;
  const Mode mode = ctx.kind == ExecContext::Kind::task ? Mode::irqs_off : ctx.mode;  // pi_lock and the run queue's
  co_await run_cost(*this, ctx, CostId::wake_entry, mode);
  if (!t.sleeping) co_return false;  // somebody on another CPU was faster, here or below
  tp.sched_task(here, trace::EventType::sched_waking, t, t.cpu->id());
  const bool delayed = t.st.se.sched_delayed;
  co_await run_cost(*this, ctx, delayed ? CostId::requeue_before_clock : CostId::wake_before_clock, mode);
  if (!t.sleeping) co_return false;
  t.sleeping = false;
  // Still queued (delayed, or on its CPU between setting its state and schedule()): it is woken there, by whoever it
  // is.
  if (smp && t.st.on_rq == sched::OnRq::no && sched.rq(t.cpu->id()).curr != &t.st) {
    if (co_await place(ctx, t, sync, mode)) {
      co_await run_cost(*this, ctx, CostId::wake_return, ctx.mode);
      co_return true;
    }
  }
  const int target = t.cpu->id();  // a balancing CPU may have pulled the task elsewhere before the costs are spent
  const sched::WakeResult r = sched.wake_up(t.st, target, now());
  ++wakeups;
  t.woken_by = ctx.kind == ExecContext::Kind::task ? static_cast<KTask*>(&ctx) : nullptr;
  t.wake_preempted = r.preempts;
  const bool remote = target != here.id();
  Time after = cost(r.was_delayed ? CostId::requeue_after_clock : CostId::wake_after_clock);
  if (!r.was_delayed && t.st.se.depth > 0) after += t.st.se.depth * cost(CostId::group_enqueue);
  if (r.taken_off > 0) after += r.taken_off * cost(CostId::pick_delayed);
  co_await ctx.run_ns(after, mode);
  tp.sched_task(here, trace::EventType::sched_wakeup, t, target);
  if (r.preempts && remote) {
    if (!smp || !smp->polls(target)) co_await run_cost(*this, ctx, CostId::ipi_send, mode);
    send_resched(target);
  }
  co_await run_cost(*this, ctx, CostId::wake_return, ctx.mode);
  co_return r.woken;
}

// select_task_rq, and the hand-over to the chosen CPU where that is its own to finish. True: it was handed over.
Call<bool> Machine::place(ExecContext& ctx, KTask& t, bool sync, Mode mode) {
  const sched::Placement p = smp->select(ctx, t, sync);
  if (p.tested > 0) co_await ctx.run_ns(p.tested * cost(CostId::wake_select), mode);
  const bool migrated = p.cpu != t.cpu->id();
  if (migrated) {
    ++t.moves.by_step[static_cast<std::size_t>(p.step)];
    const sched::Task* waker = ctx.kind == ExecContext::Kind::task ? &static_cast<KTask&>(ctx).st : nullptr;
    smp->moved(t, p.cpu, sched::MigrationCause::wakeup, ctx.cpu->id(), waker);
  }
  if (!smp->hands_over(ctx, t, p.cpu)) co_return false;
  co_await run_cost(*this, ctx, CostId::wake_queue, mode);
  if (smp->hand_over(t, p.cpu, migrated)) {
    co_await run_cost(*this, ctx, CostId::ipi_send, mode);
    smp->send_call(p.cpu);
  }
  co_return true;
}

// ---- softirqs ------------------------------------------------------------------------------------------------------

Call<void> Machine::raise_softirq(ExecContext& ctx, unsigned vec) {
  Cpu& c = *ctx.cpu;
  c.raise_softirq(vec);
  if (ctx.kind == ExecContext::Kind::task && !ctx.bh_disabled)
    co_await wake(ctx, *ksoftirqd_[static_cast<std::size_t>(c.id())]);
}

Call<void> Machine::wake_ksoftirqd(ExecContext& ctx) {
  co_await wake(ctx, *ksoftirqd_[static_cast<std::size_t>(ctx.cpu->id())]);
}

// Two milliseconds in jiffies, from the jiffy it began in.
Time Machine::softirq_deadline() const {
  const Time jiffies = (2'000'000 + tick_ns_ - 1) / tick_ns_;
  return (now() / tick_ns_ + jiffies) * tick_ns_;
}

Call<void> Machine::local_bh_enable(KTask& t) {
  if (!t.cpu->softirq_pending()) co_return;
  co_await run_cost(*this, t, CostId::softirq_entry);
  const Time give_up = softirq_deadline();
  for (int round = 1; t.cpu->softirq_pending(); ++round) {
    t.bh_disabled = true;
    co_await run_softirqs(t, t.cpu->take_softirqs());
    t.bh_disabled = false;
    if (!t.cpu->softirq_pending()) break;
    if (round < kMaxSoftirqRestart && !t.cpu->need_resched() && now() < give_up) continue;
    co_await wake_ksoftirqd(t);
    break;
  }
  co_await run_cost(*this, t, CostId::softirq_exit);
}

bool Machine::softirqs_deferred(const Cpu& c) const {
  if (threaded_irqs) return true;
  return k.softirq_waits_for_ksoftirqd && !ksoftirqd_[static_cast<std::size_t>(c.id())]->sleeping;
}

Call<void> Machine::run_softirqs(ExecContext& ctx, unsigned pending) {
  ctx.serving_softirq = true;
  for (unsigned vec = 0; pending != 0; ++vec, pending >>= 1)
    if ((pending & 1U) != 0 && softirqs_[vec] != nullptr) {
      tp.irq(*ctx.cpu, trace::EventType::softirq_entry, static_cast<int>(vec), 0);
      co_await softirqs_[vec]->run(ctx);
      tp.irq(*ctx.cpu, trace::EventType::softirq_exit, static_cast<int>(vec), 0);
    }
  ctx.serving_softirq = false;
}

Body Machine::ksoftirqd_body(KTask& t) {
  for (;;) {
    t.set_state(sched::State::interruptible);
    if (!t.cpu->softirq_pending()) {
      co_await t.schedule();
      continue;
    }
    t.set_state(sched::State::running);
    t.bh_disabled = true;
    co_await run_softirqs(t, t.cpu->take_softirqs());
    t.bh_disabled = false;
    if (t.resched_at_cond_resched()) co_await t.schedule(true);
  }
}

// ---- records and checks
// ----------------------------------------------------------------------------------------------

void Machine::record_switch(Cpu& c, KTask* prev, std::uint16_t prev_state, KTask* next) {
  if (next != nullptr) ++next->switch_count;
  if (switch_hook) switch_hook(c, prev, prev_state, next);
  tp.sched_switch(c, prev != nullptr ? *prev : idle_record_, prev_state, next != nullptr ? *next : idle_record_);
}

void Machine::stat_runtime(int cpu_id, const sched::Task& t, Time delta_ns, std::uint64_t vruntime) {
  if (!tp.active() || t.owner == nullptr) return;
  tp.stat_runtime(cpu(cpu_id), *static_cast<KTask*>(t.owner), delta_ns, vruntime, k.stat_runtime_vruntime);
}

std::int64_t Machine::jiffies() const { return turns ? turns->jiffies() : (now() - tick_offset_ns_) / tick_ns_; }

void Machine::balance_tick(Cpu& c) { smp->tick(c); }

void Machine::migrate_task(sched::Task& t, int orig, int dest, sched::MigrationCause cause) {
  smp->migrated(t, orig, dest, cause);
}

void Machine::check_accounting() const {
  for (const auto& c : cpus_) {
    const Time total = c->usage_now().total();
    if (total != engine.now())
      throw std::logic_error(fmt::format("accounting does not close: CPU {} has {} ns in its buckets after {} ns",
                                         c->id(), total, engine.now()));
  }
}

}  // namespace wakepath::machine
