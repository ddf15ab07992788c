// SPDX-License-Identifier: GPL-2.0-or-later
// The CPUs of an emulator that has one clock for all of them (machine.shared_clock): they execute one at a time. A CPU
// that is not at its turn stands still with whatever it was doing while the clock goes on, interrupts pending.
//
// A turn ends when its CPU halts; when a clock event of any CPU is due (the first CPU with something to do follows);
// when the CPU sets a clock event earlier than those of all others (the next CPU follows). An interrupt sent to another
// CPU does not end it, so that what an idle CPU is asked to do at a tick may happen much later than on hardware.
// Invariant: at most one CPU has the turn, and no other one has a segment under way.
// Source: QEMU 7.2, accel/tcg/tcg-accel-ops-rr.c:rr_cpu_thread_fn, tcg-accel-ops-icount.c:icount_get_limit,
// softmmu/cpu-timers.c:qemu_timer_notify_cb.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/engine/engine.h"

namespace wakepath::machine {

using engine::Time;

class Machine;

class Turns {
 public:
  explicit Turns(Machine& m);
  ~Turns();
  Turns(const Turns&) = delete;
  Turns& operator=(const Turns&) = delete;

  [[nodiscard]] bool claim(int cpu);  // may it execute now? If not, it will be its turn later
  void halted(int cpu);               // it has the turn, and nothing to do
  void clock_event_due(int cpu);
  void clock_event_set(int cpu, Time at);  // kNever: none is set

  // Jiffies are counted by the tick of one CPU; who takes its turn before it reads the old count at the same tick. A
  // CPU whose tick is off brings them up to date when an interrupt comes (kernel/time/tick-sched.c:tick_sched_do_timer,
  // tick_nohz_irq_enter), and one that stops its tick leaves the duty to the next that has one.
  void tick_due(int cpu);
  void tick_stopped(int cpu);
  void interrupt_in_idle();
  [[nodiscard]] const std::int64_t& jiffies() const { return jiffies_; }

 private:
  static constexpr int kNobody = -1;
  void pass();
  void end_turn(int next_from);
  [[nodiscard]] bool has_work(int cpu) const;

  Machine& m_;
  int holder_ = kNobody;
  int next_from_ = 0;        // who is asked first when the turn passes
  std::vector<bool> wants_;  // idle CPUs with an interrupt
  std::vector<Time> clock_event_;
  engine::Timer pass_;
  int do_timer_ = kNobody;
  std::int64_t jiffies_ = 0;
};

}  // namespace wakepath::machine
