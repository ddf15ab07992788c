// SPDX-License-Identifier: GPL-2.0-or-later
// The local timer interrupt of one CPU: the scheduler tick and every hrtimer share it (kernel/time/hrtimer.c,
// hrtimer_interrupt, 6.1 and 6.12).
//
// The handler reads the clock and runs what has expired by then, one timer after another. What expired meanwhile is
// found when the clock event is set anew, and makes it look again, three times in all. If timers still come faster than
// they are run, the handler gives up for as long as it has been running: the next interrupt comes that much later, and
// everything that expires until then waits for it. A device whose requests each have a timer completes in two bursts
// because of that.
#pragma once

#include <cstdint>
#include <memory>
#include <set>

#include "models/machine/cpu.h"
#include "sim/engine/event_queue.h"

namespace wakepath::machine {

class Machine;
class LocalTimer;
struct KTask;

// One hrtimer: caller-owned, address-stable. expired() runs in hard interrupt context.
struct HrTimer {
  virtual ~HrTimer() = default;
  virtual Call<void> expired(ExecContext& irq) = 0;
  engine::Timer timer;
  HrTimer* next_expired = nullptr;
  LocalTimer* owner = nullptr;
  KTask* task = nullptr;          // whom it wakes, where that is all it does
  std::uint32_t function_id = 0;  // name in trace records
};

class LocalTimer final : public IrqLine {
 public:
  LocalTimer(Machine& m, Cpu& c);
  ~LocalTimer() override;
  void start_tick();
  // The CPU is about to halt, and is one of several: no tick before jiffy `next` (kNoJiffy: none at all), or every one
  // where that is the next. True: it was stopped now. On a single CPU an idle tick is skipped.
  bool stop_tick(std::int64_t next);
  [[nodiscard]] bool tick_stopped() const { return tick_stopped_; }
  void restart_tick();  // on the grid, when it leaves idle
  void arm(HrTimer& t, Time at);
  void cancel(HrTimer& t);
  Call<void> handle(ExecContext& irq) override;

 private:
  struct Tick;
  static void fire(engine::Timer& t, Time now);
  void expire(HrTimer& t);
  void raise();
  void set_clock_event();
  static constexpr int kMaxRetries = 3;
  static constexpr Time kMaxHangNs = 100'000'000;

  Machine& machine_;
  std::unique_ptr<Tick> tick_;
  bool tick_stopped_ = false;
  Time stopped_until_ = 0;                      // while it is stopped: what was programmed last
  HrTimer *first_ = nullptr, *last_ = nullptr;  // expired, in order
  bool raised_ =
      false;  // the interrupt is pending, its handler has not looked for the last time, or it has given up for now
  engine::Timer hang_;  // end of giving up
  // Where CPUs share a clock: when this one's timers are due, with some that were cancelled, and the next interrupt.
  std::multiset<Time> due_;
  Time clock_event_at_ = engine::kNever;
};

}  // namespace wakepath::machine
