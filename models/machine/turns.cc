// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/machine/turns.h"

#include "models/machine/machine.h"

namespace wakepath::machine {

Turns::Turns(Machine& m)
    : m_(m), wants_(static_cast<std::size_t>(m.scenario.machine.cpus)), clock_event_(wants_.size(), engine::kNever) {
  pass_.context = this;
  pass_.fire = [](engine::Timer& t, Time) { static_cast<Turns*>(t.context)->pass(); };
}

Turns::~Turns() { m_.engine.cancel(pass_); }

bool Turns::has_work(int cpu) const { return wants_[static_cast<std::size_t>(cpu)] || !m_.cpu(cpu).idle(); }

bool Turns::claim(int cpu) {
  if (holder_ == cpu) return true;
  if (holder_ == kNobody && !pass_.armed()) {
    holder_ = cpu;
    return true;
  }
  wants_[static_cast<std::size_t>(cpu)] = true;
  return false;
}

// The event comes after all that were set for this time, so that everything due now is known when the next is chosen.
void Turns::end_turn(int next_from) {
  next_from_ = next_from;
  m_.engine.arm(pass_, m_.now());
}

void Turns::halted(int cpu) {
  if (holder_ != cpu) return;
  holder_ = kNobody;
  end_turn(cpu + 1);
}

void Turns::clock_event_due(int cpu) {
  clock_event_[static_cast<std::size_t>(cpu)] = engine::kNever;
  if (holder_ != kNobody) m_.cpu(holder_).stand_still();
  holder_ = kNobody;
  end_turn(0);
}

void Turns::clock_event_set(int cpu, Time at) {
  clock_event_[static_cast<std::size_t>(cpu)] = at;
  if (holder_ != cpu) return;
  for (int c = 0; c < m_.cpu_count(); ++c)
    if (c != cpu && clock_event_[static_cast<std::size_t>(c)] <= at) return;
  end_turn(cpu + 1);
}

void Turns::tick_due(int cpu) {
  if (do_timer_ == kNobody) do_timer_ = cpu;
  if (do_timer_ == cpu) jiffies_ = m_.now() / m_.tick_ns();
}

void Turns::tick_stopped(int cpu) {
  if (do_timer_ == cpu) do_timer_ = kNobody;
}

void Turns::interrupt_in_idle() { jiffies_ = m_.now() / m_.tick_ns(); }

void Turns::pass() {
  if (holder_ != kNobody) m_.cpu(holder_).stand_still();
  holder_ = kNobody;
  const int n = m_.cpu_count();
  for (int i = 0; i < n; ++i) {
    const int c = (next_from_ + i) % n;
    if (!has_work(c)) continue;
    holder_ = c;
    wants_[static_cast<std::size_t>(c)] = false;
    return m_.cpu(c).take_turn();
  }
}

}  // namespace wakepath::machine
