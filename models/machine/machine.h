// SPDX-License-Identifier: GPL-2.0-or-later
// The simulated machine: engine, scheduler, CPUs, tasks and groups, and the kernel services that every model needs
// (try_to_wake_up with its costs, inter-processor interrupts, cost draws). No global state: many machines may live at
// once.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <memory_resource>
#include <span>
#include <string>
#include <vector>

#include "models/machine/bandwidth_timers.h"
#include "models/machine/clock.h"
#include "models/machine/costs.h"
#include "models/machine/cpu.h"
#include "models/machine/draw.h"
#include "models/machine/local_timer.h"
#include "models/machine/steal.h"
#include "models/machine/task.h"
#include "models/machine/topology.h"
#include "models/machine/tracepoints.h"
#include "models/scenario/scenario.h"
#include "models/sched/sched.h"
#include "sim/engine/arena.h"
#include "sim/engine/engine.h"
#include "sim/engine/random.h"

namespace wakepath::machine {

class Smp;
class Turns;

class Machine final : public sched::Observer {
 public:
  explicit Machine(const scenario::Scenario& s, trace::Sink* sink = nullptr, trace::StringPool* pool = nullptr);
  ~Machine() override;

  const scenario::Scenario& scenario;
  const kernel::Switches& k;
  const Topology topology;
  engine::Engine engine;
  Tracepoints tp;
  sched::Scheduler sched;

  [[nodiscard]] Time now() const { return engine.now(); }
  Cpu& cpu(int id) { return *cpus_[static_cast<std::size_t>(id)]; }
  LocalTimer& local_timer(int id) { return *timers_[static_cast<std::size_t>(id)]; }
  [[nodiscard]] int cpu_count() const { return static_cast<int>(cpus_.size()); }
  std::pmr::deque<KTask>& tasks() { return tasks_; }
  std::pmr::memory_resource& memory() { return arena_.memory(); }  // of what is made once and stays
  sched::TaskGroup& group(const std::string& path) { return *groups_.at(path); }
  // The group in which a user's task of this cgroup competes: its session's own where it is in none and
  // sched_autogroup_enabled is set (kernel/sched/autogroup.c). Names are those of /proc/PID/autogroup.
  const std::string& group_of_session(const std::string& cgroup, const std::string& session);
  BandwidthTimers& bandwidth() { return *bandwidth_; }
  void send_resched(int cpu);
  void ask_to_reschedule(int cpu);  // resched_curr from outside: from no context of the machine's

  // A new sleeping task. `cpu` is where it starts; bound: it may run nowhere else.
  KTask& add_task(const std::string& comm, const std::string& result_group, const std::string& cgroup, int nice,
                  int cpu, bool bound, bool kthread, sched::Policy policy = sched::Policy::other, int rt_priority = 0);
  void start();  // CPUs begin idle, ticks begin
  // At the start of a run: runnable without a waker. Not new: it existed before, and slept.
  void first_wake(KTask& t, bool is_new = true);

  // One draw of a cost.
  Time cost(CostId id) {
    const Time ns = constant_cost(id);
    if (ns < kDrawn) [[likely]]
      return ns;
    return ns == kFree ? 0 : draw(id);
  }
  // Or kDrawn, or kFree.
  [[nodiscard]] Time constant_cost(CostId id) const { return constant_ns_[static_cast<std::size_t>(id)]; }
  // run_cost() of one that is drawn or nothing, or that does not pass at once.
  ExecContext::RunAwaiter draw_and_run(ExecContext& ctx, CostId id, Mode mode);
  ExecContext::RunAwaiter draw_and_owe(ExecContext& ctx, CostId id, Mode mode);

  Time idle_wake_latency(Time idle_for);      // of a CPU that has been idle so long
  Time gone_cold(const KTask& t, Time idle);  // what its caches cost a task whose CPU has been idle so long meanwhile
  Time at_clock(const Cpu& cpu, Time ns);  // how long it now takes there to run what is `ns` long at the highest clock
  Time cold_move() { return draw_ns(scenario.machine.cold_move_ns, cold_move_); }

  // try_to_wake_up(t) from `ctx`: true when it was really woken. Spends the costs in ctx.
  // sync: the waker says that it is about to sleep.
  Call<bool> wake(ExecContext& ctx, KTask& t, bool sync = false) {
    return t.sleeping ? wake_sleeper(ctx, t, sync) : find_awake(ctx);
  }
  // What is left of it for a task that is awake.
  ExecContext::RunAwaiter wake_in_vain(ExecContext& ctx) { return ctx.run_ns(cost(CostId::nop_wake), ctx.mode); }
  // kick_process(t): a reschedule interrupt if it runs on another CPU, so that it passes its way to user mode.
  Call<void> kick(ExecContext& ctx, KTask& t);
  [[nodiscard]] bool would_wake(const KTask& t) const { return t.sleeping; }
  // A thread made by `parent`, at its end: wake_up_new_task, and do_exit (await it last: it does not return).
  Call<void> wake_up_new(KTask& parent, KTask& t);
  ExecContext::ScheduleAwaiter exit_task(KTask& t);

  // Softirqs: one handler a vector.
  struct SoftirqHandler {
    virtual ~SoftirqHandler() = default;
    virtual Call<void> run(ExecContext& ctx) = 0;
  };
  static constexpr unsigned kTimerSoftirq = 1, kBlockSoftirq = 4, kSchedSoftirq = 7, kRcuSoftirq = 9;
  void register_softirq(unsigned vec, SoftirqHandler* h) { softirqs_[vec] = h; }
  Call<void> raise_softirq(ExecContext& ctx, unsigned vec);  // from task context it wakes ksoftirqd
  Call<void> run_softirqs(ExecContext& ctx, unsigned pending);
  Call<void> wake_ksoftirqd(ExecContext& ctx);
  Call<void> local_bh_enable(KTask& t);         // runs what is pending in the task's context
  [[nodiscard]] Time softirq_deadline() const;  // when a run of softirqs gives up and leaves the rest to ksoftirqd
  static constexpr int kMaxSoftirqRestart = 10;
  [[nodiscard]] bool softirqs_deferred(const Cpu& c) const;

  void record_switch(Cpu& c, KTask* prev, std::uint16_t prev_state, KTask* next);  // null: idle
  void check_accounting() const;                                                   // throws std::logic_error
  [[nodiscard]] Time tick_ns() const { return tick_ns_; }
  [[nodiscard]] std::int64_t jiffies() const;  // as counted, which may be behind the clock
  [[nodiscard]] Time next_tick() const {       // after now, on the grid that the first tick begins
    const Time since = now() - tick_offset_ns_;
    return since < 0 ? tick_offset_ns_ : (since / tick_ns_ + 1) * tick_ns_ + tick_offset_ns_;
  }
  [[nodiscard]] Time tick_of(std::int64_t jiffy) const { return jiffy * tick_ns_ + tick_offset_ns_; }
  Call<void> tick_hook(ExecContext& irq) { return tick_hook_ != nullptr ? tick_hook_->on_tick(irq) : Call<void>{}; }
  void after_tick(Cpu& c) {
    if (smp)
      balance_tick(c);
    else if (softirqs_[kRcuSoftirq] != nullptr)
      c.raise_softirq(kRcuSoftirq);
  }
  // A lone CPU's tick goes on while it sleeps.
  [[nodiscard]] bool ticks_when_idle() const {
    return scenario.machine.tick_when_idle || softirqs_[kRcuSoftirq] != nullptr;
  }
  struct TickHook {
    virtual ~TickHook() = default;
    virtual Call<void> on_tick(ExecContext& irq) = 0;
  };
  void set_tick_hook(TickHook* h) { tick_hook_ = h; }
  KTask& idle_ktask() { return idle_record_; }

  void migrate_task(sched::Task& t, int orig, int dest, sched::MigrationCause cause) override;
  void stat_runtime(int cpu, const sched::Task& t, Time delta_ns, std::uint64_t vruntime) override;

  bool in_loop = false;      // a CPU's coroutine is being resumed
  const bool threaded_irqs;  // threadirqs on the command line
  Preemption preemption;
  std::uint64_t wakeups = 0;
  std::unique_ptr<Smp> smp;                                              // null on a machine with one CPU
  std::unique_ptr<Turns> turns;                                          // null unless several CPUs share one clock
  std::function<void(Cpu&, KTask*, std::uint16_t, KTask*)> switch_hook;  // sees every switch; null task: idle
  std::function<void(KTask&)> task_hook;                                 // sees every new task (renice rules)
  [[nodiscard]] Time mean_cost(CostId id) const { return scenario.costs[id].mean_ns(); }

 private:
  struct ReschedIpi;
  Time draw(CostId id);
  void balance_tick(Cpu& c);
  Call<bool> find_awake(ExecContext& ctx);
  Call<bool> wake_sleeper(ExecContext& ctx, KTask& t, bool sync);
  Call<bool> place(ExecContext& ctx, KTask& t, bool sync, Mode mode);

  static constexpr Time kDrawn = Time{1} << 62;  // longer than any run, so that it never passes at once
  static constexpr Time kFree = kDrawn + 1;      // 0, which is no segment
  // What interrupts and softirqs look at.
  TickHook* tick_hook_ = nullptr;
  const Time tick_ns_;
  Time tick_offset_ns_ = 0;
  const Time deep_idle_after_ns_;  // never: kNever
  std::array<SoftirqHandler*, 10> softirqs_{};
  std::vector<KTask*> ksoftirqd_;
  std::array<Time, kCostCount> constant_ns_{};
  std::array<std::unique_ptr<engine::RandomStream>, kCostCount> cost_streams_;
  engine::RandomStream deep_idle_, cold_move_;
  std::vector<Clock> clocks_;  // by CPU
  std::map<std::string, sched::TaskGroup*> groups_;
  std::map<std::string, std::string> autogroups_;  // of a session: its group's path
  engine::Arena arena_;
  std::pmr::deque<KTask> tasks_{&arena_.memory()};
  std::vector<std::unique_ptr<Cpu>> cpus_;
  std::vector<std::unique_ptr<LocalTimer>> timers_;
  std::vector<std::unique_ptr<Steal>> steals_;  // of a virtual machine whose host is known to take time
  std::vector<std::unique_ptr<ReschedIpi>> ipis_;
  std::unique_ptr<BandwidthTimers> bandwidth_;
  KTask idle_record_{memory()};
  std::int32_t next_pid_ = 100;
  Body ksoftirqd_body(KTask& t);
};

// One that is drawn or free never passes at once: so long are kDrawn and kFree. Inlined, since most of it goes where
// the mode is known.
[[gnu::always_inline]] inline ExecContext::RunAwaiter run_cost(Machine& m, ExecContext& c, CostId id,
                                                               Mode mode = Mode::kernel) {
  if (c.cpu->passes_at_once(m.engine, c, m.constant_cost(id), mode)) [[likely]]
    return {nullptr};
  return m.draw_and_run(c, id, mode);
}

template <class Awaitable, class Then>
auto wait_and(ExecContext& /*frames*/, Awaitable first, Then then) -> decltype(then()) {
  co_await first;
  co_return co_await then();
}

// The end of a plain function that spends a cost, goes on with `then` and returns the Call of that: where the cost
// passes at once, as most do, this needs no frame.
template <class Then>
[[gnu::always_inline]] inline auto after(ExecContext& ctx, ExecContext::RunAwaiter cost, Then then)
    -> decltype(then()) {
  if (cost.await_ready()) [[likely]]
    return then();
  return wait_and(ctx, cost, then);
}

// The same behind a might_sleep().
template <class Then>
[[gnu::always_inline]] inline auto after_might_sleep(KTask& t, Then then) -> decltype(then()) {
  if (t.passes_might_sleep()) [[likely]]
    return then();
  return wait_and(t, t.schedule(true), then);
}

// run_cost() for code whose effects nobody can see before its next cost: one that does not pass at once waits to be
// spent with that. Until then nothing is read but what is the task's own, and no clock but local_now(), which is early
// where something comes in between. Records are written when their time has come.
[[gnu::always_inline]] inline ExecContext::RunAwaiter owe_cost(Machine& m, ExecContext& c, CostId id,
                                                               Mode mode = Mode::kernel) {
  if (c.cpu->passes_at_once(m.engine, c, m.constant_cost(id), mode)) [[likely]]
    return {nullptr};
  return m.draw_and_owe(c, id, mode);
}
[[nodiscard]] inline Time local_now(const Machine& m, const ExecContext& c) { return m.now() + c.owed.total(); }

inline bool KTask::passes_might_sleep() {
  if (!cpu->owes()) [[likely]]
    return !resched_at_might_sleep();
  if (cpu->has_might_sleep()) owed.add_point(Point::might_sleep);
  return true;
}
inline bool KTask::passes_user_exit() {
  if (work_at_user_exit()) return false;
  if (cpu->owes()) [[unlikely]]
    owed.add_point(Point::user_exit);
  return true;
}

// CPU time in the kernel with might_sleep() points inside, each at so many thousandths of it, ascending; owed where it
// does not pass at once.
using SleepPoints = std::span<const int>;
ExecContext::RunAwaiter owe_piece_by_piece(KTask& t, Time ns, SleepPoints thousandths);
inline ExecContext::RunAwaiter owe_with_points(Machine& m, KTask& t, Time ns, SleepPoints thousandths) {
  if (ns > 0 && !t.resched_at_might_sleep() && t.cpu->passes_at_once(m.engine, t, ns, Mode::kernel)) [[likely]]
    return {nullptr};
  return owe_piece_by_piece(t, ns, thousandths);
}

}  // namespace wakepath::machine
