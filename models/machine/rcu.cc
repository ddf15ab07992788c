// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/machine/rcu.h"

#include <algorithm>

namespace wakepath::machine {

// swait_event_idle_timeout_exclusive: the thread sleeps, for so many jiffies at most.
struct Rcu::Wait final : WheelTimer {
  explicit Wait(Rcu& of) : rcu(of) {}
  Call<void> expired(ExecContext& ctx) override { co_await rcu.m_.wake(ctx, *rcu.thread_); }
  Rcu& rcu;
};

Rcu::Rcu(Machine& m, TimerWheel& wheel)
    : m_(m),
      wheel_(wheel),
      force_after_jiffies_(1 + (m.scenario.kernel.hz > 250) + (m.scenario.kernel.hz > 500)),
      wait_(std::make_unique<Wait>(*this)),
      mask_(static_cast<std::size_t>(m.cpu_count())),
      cpus_(mask_.size()) {
  m.register_softirq(Machine::kRcuSoftirq, this);
}

Rcu::~Rcu() { wheel_.cancel(*wait_); }

void Rcu::call(int cpu) {
  auto& callbacks = cpus_[static_cast<std::size_t>(cpu)].callbacks;
  if (thread_ != nullptr && (callbacks.empty() || callbacks.back() != kUnassigned)) callbacks.push_back(kUnassigned);
}

bool Rcu::pending(const PerCpu& c) const {
  if (c.waited_for && !c.no_qs && now_.under_way()) return true;
  if (ready(c)) return true;
  if (!now_.under_way() && !c.callbacks.empty() && c.callbacks.back() == kUnassigned) return true;
  return !(c.noticed == now_);
}

void Rcu::tick(Cpu& c) {
  if (thread_ == nullptr) return;
  quiescent(c.id());
  if (pending(cpus_[static_cast<std::size_t>(c.id())])) c.raise_softirq(Machine::kRcuSoftirq);
}

// rcu_start_this_gp. True: the thread has to be woken.
bool Rcu::request(std::int64_t period) {
  if (needed_ >= period || now_.began >= period) return false;
  needed_ = period;
  if (now_.under_way()) return false;  // it is seen at the end
  return start_requested_ = true;
}

// What was registered waits for the end of the first grace period that begins from now on.
bool Rcu::accelerate(PerCpu& c) {
  if (c.callbacks.empty() || c.callbacks.back() <= c.noticed.ended) return false;
  const std::int64_t period = now_.began + 1;
  auto first = std::find_if(c.callbacks.begin(), c.callbacks.end(), [&](std::int64_t p) { return p >= period; });
  if (first == c.callbacks.end()) return false;
  const auto waiting = std::count_if(c.callbacks.begin(), first, [&](std::int64_t p) { return p > c.noticed.ended; });
  if (waiting >= 2) return false;  // both numbered segments are taken
  c.callbacks.erase(first, c.callbacks.end());
  c.callbacks.push_back(period);
  return request(period);
}

bool Rcu::note_progress(int cpu) {
  PerCpu& c = cpus_[static_cast<std::size_t>(cpu)];
  if (c.noticed == now_) return false;
  const bool some_ended = now_.ended > c.noticed.ended, some_began = now_.began > c.noticed.began;
  c.noticed.ended = now_.ended;
  const bool wakes = accelerate(c);
  c.waited_for = !some_ended && c.waited_for && mask_[static_cast<std::size_t>(cpu)];
  if (some_began) c.waited_for = c.no_qs = mask_[static_cast<std::size_t>(cpu)];
  c.noticed = now_;
  return wakes;
}

void Rcu::report(int cpu) {
  if (!mask_[static_cast<std::size_t>(cpu)]) return;
  mask_[static_cast<std::size_t>(cpu)] = false;
  --waiting_for_;
}

Call<void> Rcu::run(ExecContext& ctx) {
  const int cpu = ctx.cpu->id();
  PerCpu& c = cpus_[static_cast<std::size_t>(cpu)];
  bool wakes = note_progress(cpu);
  if (c.waited_for && !c.no_qs) {
    c.waited_for = false;
    if (mask_[static_cast<std::size_t>(cpu)]) wakes = accelerate(c) || wakes;
    report(cpu);
    wakes = wakes || (now_.under_way() && nobody_left());
  }
  if (!now_.under_way() && !c.callbacks.empty() && c.callbacks.back() == kUnassigned) wakes = accelerate(c) || wakes;
  if (wakes) co_await m_.wake(ctx, *thread_);
  std::erase_if(c.callbacks, [&](std::int64_t p) { return p <= c.noticed.ended; });
}

void Rcu::begin(int cpu) {
  start_requested_ = false;
  ++now_.began;
  std::fill(mask_.begin(), mask_.end(), true);
  waiting_for_ = m_.cpu_count();
  note_progress(cpu);
}

// CPUs that sleep are in a quiescent state; later also those that have slept since the first look.
void Rcu::force_quiescent_states(bool is_first) {
  for (int i = 0; i < m_.cpu_count(); ++i) {
    PerCpu& c = cpus_[static_cast<std::size_t>(i)];
    if (m_.cpu(i).idle() || (!is_first && c.idle_entries != c.snapshot)) report(i);
    if (is_first) c.snapshot = c.idle_entries;
  }
}

void Rcu::end(int cpu) {
  now_.ended = now_.began;
  note_progress(cpu);
  if (needed_ > now_.ended) start_requested_ = true;
}

// jiffies < 0: without limit.
Call<void> Rcu::wait(KTask& t, bool (Rcu::*done)() const, std::int64_t jiffies) {
  const std::int64_t until = m_.jiffies() + jiffies;
  for (;;) {
    t.set_state(sched::State::idle);
    if ((this->*done)() || (jiffies >= 0 && m_.jiffies() > until)) break;
    if (jiffies >= 0) wheel_.add(*wait_, t.cpu->id(), until - m_.jiffies());
    co_await t.schedule();
    wheel_.cancel(*wait_);
    co_await t.run_ns(run_ns_, Mode::kernel);
  }
  t.set_state(sched::State::running);
}

Body Rcu::thread_body(KTask& t, Time run_ns) {
  thread_ = &t;
  run_ns_ = run_ns;
  for (;;) {
    co_await wait(t, &Rcu::is_requested, -1);
    begin(t.cpu->id());
    for (bool is_first = true;; is_first = false) {
      co_await wait(t, &Rcu::nobody_left, force_after_jiffies_);
      if (nobody_left()) break;
      force_quiescent_states(is_first);
    }
    end(t.cpu->id());
  }
}

Body LoneRcu::thread_body(KTask& t, Time run_ns, Time period_ns) {
  thread_ = &t;
  period_ns_ = period_ns;
  next_ = m_.now();
  for (;;) {
    t.set_state(sched::State::idle);
    co_await t.schedule();
    co_await t.run_ns(run_ns, Mode::kernel);
  }
}

Call<void> LoneRcu::run(ExecContext& ctx) {
  if (thread_ == nullptr || m_.now() < next_) co_return;
  next_ += period_ns_;
  co_await m_.wake(ctx, *thread_);
}

}  // namespace wakepath::machine
