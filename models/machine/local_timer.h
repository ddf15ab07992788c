// SPDX-License-Identifier: GPL-2.0-or-later
// The local timer interrupt of one CPU: the scheduler tick and every hrtimer share it. Timers that have expired when the
// handler looks run in one interrupt, one after another, as do those that expire meanwhile (kernel/time/hrtimer.c,
// hrtimer_interrupt).
#pragma once

#include <cstdint>
#include <memory>

#include "models/machine/cpu.h"
#include "sim/engine/event_queue.h"

namespace wakepath::machine {

class Machine;
class LocalTimer;

// One hrtimer: caller-owned, address-stable. expired() runs in hard interrupt context.
struct HrTimer {
  virtual ~HrTimer() = default;
  virtual Call<void> expired(ExecContext& irq) = 0;
  engine::Timer timer;
  HrTimer* next_expired = nullptr;
  LocalTimer* owner = nullptr;
  std::uint32_t function_id = 0;  // name in trace records
};

class LocalTimer final : public IrqLine {
 public:
  LocalTimer(Machine& m, Cpu& c);
  ~LocalTimer() override;
  void start_tick();
  void arm(HrTimer& t, Time at);
  void cancel(HrTimer& t);
  Call<void> handle(ExecContext& irq) override;

 private:
  struct Tick;
  static void fire(engine::Timer& t, Time now);
  void expire(HrTimer& t);

  Machine& machine_;
  std::unique_ptr<Tick> tick_;
  HrTimer *first_ = nullptr, *last_ = nullptr;  // expired, in order
  bool raised_ = false;                         // the interrupt is pending, or its handler has not looked for the last time
};

}  // namespace wakepath::machine
