// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/machine/timer_wheel.h"

#include <algorithm>
#include <utility>

#include "models/kernel/switches.h"

namespace wakepath::machine {

TimerWheel::TimerWheel(Machine& m)
    : m_(m), pending_(static_cast<std::size_t>(m.cpu_count())), active_(pending_.size(), true) {
  m.register_softirq(Machine::kTimerSoftirq, this);
}

void TimerWheel::add(WheelTimer& t, int cpu, std::int64_t delay_jiffies) {
  t.cpu = cpu;
  ++count_;
  pending_[static_cast<std::size_t>(cpu)].emplace(timer_wheel_jiffy(m_.jiffies(), delay_jiffies), &t);
}

void TimerWheel::cancel(WheelTimer& t) {
  const int cpu = std::exchange(t.cpu, -1);
  if (cpu < 0) return;
  std::erase_if(pending_[static_cast<std::size_t>(cpu)], [&](const auto& p) { return p.second == &t; });
  --count_;
}

bool TimerWheel::due(int cpu) const {
  const Pending& p = pending_[static_cast<std::size_t>(cpu)];
  return !p.empty() && p.begin()->first <= m_.jiffies();
}

bool TimerWheel::looks_after_idle(int cpu) const {
  return m_.k.idle_timers_pulled && (migrator_ < 0 || migrator_ == cpu);
}

void TimerWheel::tick(Cpu& c) {
  if (count_ == 0) return;
  bool any = due(c.id());
  if (looks_after_idle(c.id()))
    for (int i = 0; i < m_.cpu_count(); ++i) any = any || (!active_[static_cast<std::size_t>(i)] && due(i));
  if (any) c.raise_softirq(Machine::kTimerSoftirq);
}

std::int64_t TimerWheel::next_for_idle(int cpu) const {
  if (count_ == 0) return kNoJiffy;
  const auto next = [&](int c) {
    const Pending& p = pending_[static_cast<std::size_t>(c)];
    return p.empty() ? kNoJiffy : p.begin()->first;
  };
  if (!m_.k.idle_timers_pulled) return next(cpu);
  std::int64_t first = next(cpu);
  if (first <= m_.jiffies() + 1) return first;  // too near to hand it over
  for (int c = 0; c < m_.cpu_count(); ++c) {
    if (c == cpu) continue;
    if (active_[static_cast<std::size_t>(c)]) return kNoJiffy;
    first = std::min(first, next(c));
  }
  return first;
}

void TimerWheel::tick_stopped(int cpu) {
  active_[static_cast<std::size_t>(cpu)] = false;
  if (migrator_ != cpu) return;
  const auto next = std::find(active_.begin(), active_.end(), true);
  migrator_ = next == active_.end() ? -1 : static_cast<int>(next - active_.begin());
}

void TimerWheel::tick_restarted(int cpu) {
  active_[static_cast<std::size_t>(cpu)] = true;
  if (migrator_ < 0) migrator_ = cpu;
}

Call<void> TimerWheel::expire(int cpu, ExecContext& ctx) {
  Pending& p = pending_[static_cast<std::size_t>(cpu)];
  while (due(cpu)) {
    WheelTimer& t = *p.begin()->second;
    p.erase(p.begin());
    t.cpu = -1;
    --count_;
    co_await t.expired(ctx);
  }
}

Call<void> TimerWheel::run(ExecContext& ctx) {
  const int here = ctx.cpu->id();
  co_await expire(here, ctx);
  if (!looks_after_idle(here)) co_return;
  for (int c = 0; c < m_.cpu_count(); ++c)
    if (!active_[static_cast<std::size_t>(c)]) co_await expire(c, ctx);
}

}  // namespace wakepath::machine
