// SPDX-License-Identifier: GPL-2.0-or-later
// Grace periods of RCU, as far as the scheduler sees them: a CPU with callbacks keeps its tick while it is idle, and
// the grace-period thread is woken at ticks, by the timer wheel or by the CPU that was waited for last.
//
// Nobody is a reader for as long as a tick: a CPU has passed a quiescent state at each switch and at each tick.
// Invariant: a callback waits for the end of a grace period that began after it was registered.
// Source: kernel/rcu/tree.c (rcu_pending, rcu_core, __note_gp_changes, rcu_accelerate_cbs, rcu_start_this_gp,
// rcu_gp_kthread, rcu_gp_fqs_loop, rcu_needs_cpu), rcu_segcblist.c, tree_plugin.h; 6.1 and 6.12. One rcu_node; no
// callback offloading.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "models/machine/machine.h"
#include "models/machine/timer_wheel.h"

namespace wakepath::machine {

class Rcu final : public Machine::SoftirqHandler {
 public:
  Rcu(Machine& m, TimerWheel& wheel);
  ~Rcu() override;

  Body thread_body(KTask& t, Time run_ns);  // rcu_preempt; each time it is woken it runs so long
  void call(int cpu);                       // call_rcu(); nothing where there is no thread
  void tick(Cpu& c);
  void quiescent(int cpu) { cpus_[static_cast<std::size_t>(cpu)].no_qs = false; }  // it switches tasks
  void idle_entered(int cpu) { ++cpus_[static_cast<std::size_t>(cpu)].idle_entries; }
  [[nodiscard]] bool needs_tick(int cpu) const { return !cpus_[static_cast<std::size_t>(cpu)].callbacks.empty(); }
  Call<void> run(ExecContext& ctx) override;  // the softirq

 private:
  // Numbers of grace periods: how many began, how many ended. At most one is under way.
  struct Progress {
    std::int64_t began = 0, ended = 0;
    [[nodiscard]] bool under_way() const { return began > ended; }
    bool operator==(const Progress&) const = default;
  };
  struct PerCpu {
    Progress noticed;
    bool waited_for = false, no_qs = false;  // core_needs_qs, cpu_no_qs
    std::uint64_t idle_entries = 0, snapshot = 0;
    // Segments of callbacks, oldest first, by the grace period whose end they wait for; kUnassigned: the newest. At
    // most two segments have a number.
    std::vector<std::int64_t> callbacks;
  };
  struct Wait;
  static constexpr std::int64_t kUnassigned = INT64_MAX;

  [[nodiscard]] bool pending(const PerCpu& c) const;
  [[nodiscard]] bool ready(const PerCpu& c) const {
    return !c.callbacks.empty() && c.callbacks.front() <= c.noticed.ended;
  }
  bool note_progress(int cpu);
  bool accelerate(PerCpu& c);
  bool request(std::int64_t period);
  void report(int cpu);
  void begin(int cpu);
  void force_quiescent_states(bool is_first);
  void end(int cpu);
  Call<void> wait(KTask& t, bool (Rcu::*done)() const, std::int64_t jiffies);
  [[nodiscard]] bool is_requested() const { return start_requested_; }
  [[nodiscard]] bool nobody_left() const { return waiting_for_ == 0; }

  Machine& m_;
  TimerWheel& wheel_;
  const std::int64_t force_after_jiffies_;  // jiffies_till_first_fqs, of less than 256 CPUs
  KTask* thread_ = nullptr;
  Time run_ns_ = 0;
  std::unique_ptr<Wait> wait_;
  std::vector<bool> mask_;
  int waiting_for_ = 0;
  Progress now_;
  std::int64_t needed_ = 0;  // the latest grace period somebody asked for
  bool start_requested_ = false;
  std::vector<PerCpu> cpus_;
};

// On a machine with one CPU: somebody always waits for a grace period, and where the next tick comes `period_ns` after
// the last one or later, its softirq ends it and wakes the thread. The tick goes on while the CPU is idle.
class LoneRcu final : public Machine::SoftirqHandler {
 public:
  explicit LoneRcu(Machine& m) : m_(m) { m.register_softirq(Machine::kRcuSoftirq, this); }
  Body thread_body(KTask& t, Time run_ns, Time period_ns);
  Call<void> run(ExecContext& ctx) override;

 private:
  Machine& m_;
  KTask* thread_ = nullptr;  // once it has run
  Time period_ns_ = 0, next_ = 0;
};

}  // namespace wakepath::machine
