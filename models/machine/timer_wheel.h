// SPDX-License-Identifier: GPL-2.0-or-later
// Kernel timers (timer_list) of CPUs: they expire in the softirq of a tick.
//
// An idle CPU takes the tick at which the first of them is due. From 6.9 on it does not where another CPU is not idle:
// one of those, the migrator, expires them for it.
// Source: kernel/time/timer.c (calc_wheel_index, run_local_timers, get_next_timer_interrupt), 6.1 to 6.18;
// kernel/time/timer_migration.c (one group), 6.9 on.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <vector>

#include "models/machine/machine.h"

namespace wakepath::machine {

inline constexpr std::int64_t kNoJiffy = std::numeric_limits<std::int64_t>::max();

// The jiffy at which a timer of some jiffies expires: the wheel rounds up to the granularity of its level, 8 times
// coarser a level.
constexpr std::int64_t timer_wheel_jiffy(std::int64_t now, std::int64_t delay) {
  constexpr int kLevelShift = 3, kLevelLast = 8;
  constexpr std::int64_t kSlots = 64;
  int level = 0;
  while (level < kLevelLast && delay >= (kSlots - 1) << (level * kLevelShift)) ++level;
  const int shift = level * kLevelShift;
  return (((now + delay) >> shift) + 1) << shift;
}

constexpr engine::Time timer_wheel_expiry(engine::Time now_ns, engine::Time delay_ns, engine::Time tick_ns) {
  return timer_wheel_jiffy(now_ns / tick_ns, (delay_ns + tick_ns - 1) / tick_ns) * tick_ns;
}

// Caller-owned, address-stable; expired() runs in the softirq.
struct WheelTimer {
  virtual ~WheelTimer() = default;
  virtual Call<void> expired(ExecContext& ctx) = 0;
  int cpu = -1;  // where it is pending; -1: it is not
};

class TimerWheel final : public Machine::SoftirqHandler {
 public:
  explicit TimerWheel(Machine& m);
  void add(WheelTimer& t, int cpu, std::int64_t delay_jiffies);
  void cancel(WheelTimer& t);
  void tick(Cpu& c);  // raises the softirq where something is due
  // The jiffy of the first timer for which a CPU that goes idle has to tick; kNoJiffy: none.
  [[nodiscard]] std::int64_t next_for_idle(int cpu) const;
  void tick_stopped(int cpu);  // somebody else looks after its timers from now on, where there is somebody
  void tick_restarted(int cpu);
  Call<void> run(ExecContext& ctx) override;

 private:
  using Pending = std::multimap<std::int64_t, WheelTimer*>;
  [[nodiscard]] bool due(int cpu) const;
  [[nodiscard]] bool looks_after_idle(int cpu) const;
  Call<void> expire(int cpu, ExecContext& ctx);
  Machine& m_;
  std::vector<Pending> pending_;  // by CPU
  int count_ = 0;
  std::vector<bool> active_;  // by CPU: its tick is not stopped
  int migrator_ = 0;          // -1: all CPUs are idle
};

}  // namespace wakepath::machine
