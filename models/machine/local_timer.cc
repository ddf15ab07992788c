// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/machine/local_timer.h"

#include <algorithm>
#include <utility>

#include "models/machine/machine.h"
#include "models/machine/smp.h"
#include "models/machine/timer_wheel.h"
#include "models/machine/turns.h"

namespace wakepath::machine {

// The scheduler tick, on a grid of 1/HZ from the first one on; not taken while idle unless the tick is kept running.
struct LocalTimer::Tick final : HrTimer {
  Tick(Machine& machine, Cpu& c, LocalTimer& of) : m(machine), cpu(c), timers(of) {}
  Call<void> expired(ExecContext& irq) override {
    if (!timers.tick_stopped_) timers.arm(*this, m.next_tick());
    timers.stopped_until_ = 0;  // programmed anew
    if (m.turns) m.turns->tick_due(cpu.id());
    co_await run_cost(m, irq, CostId::tick);
    m.sched.tick(cpu.id(), m.now());
    co_await m.tick_hook(irq);
    m.after_tick(cpu);
  }
  Machine& m;
  Cpu& cpu;
  LocalTimer& timers;
};

LocalTimer::LocalTimer(Machine& m, Cpu& c) : machine_(m), tick_(std::make_unique<Tick>(m, c, *this)) {
  cpu = &c;
  is_local_timer = true;
  number = 236;  // the vector's number on x86
  tick_->function_id = m.tp.name("tick_sched_timer");
  hang_.context = this;
  hang_.fire = [](engine::Timer& t, Time) { static_cast<LocalTimer*>(t.context)->raise(); };
}

LocalTimer::~LocalTimer() {
  machine_.engine.cancel(tick_->timer);
  machine_.engine.cancel(hang_);
}

void LocalTimer::start_tick() { arm(*tick_, machine_.next_tick()); }

// tick_nohz_next_event, tick_nohz_stop_tick
bool LocalTimer::stop_tick(std::int64_t next) {
  const bool was_stopped = tick_stopped_;
  if (!was_stopped && next <= machine_.jiffies() + 1) return false;
  if (machine_.turns) machine_.turns->tick_stopped(cpu->id());
  const Time at = next == kNoJiffy ? engine::kNever : std::max(machine_.tick_of(next), machine_.now());
  tick_stopped_ = true;
  if (was_stopped && at == stopped_until_) return false;
  stopped_until_ = at;
  at == engine::kNever ? cancel(*tick_) : arm(*tick_, at);
  return !was_stopped;
}

void LocalTimer::restart_tick() {
  if (!std::exchange(tick_stopped_, false)) return;
  arm(*tick_, machine_.next_tick());
}

void LocalTimer::fire(engine::Timer& t, Time) {
  auto& h = *static_cast<HrTimer*>(t.context);
  if (h.task != nullptr) sched::fetch(h.task->st.se);
  h.owner->expire(h);
}

void LocalTimer::arm(HrTimer& t, Time at) {
  t.owner = this;
  t.timer.context = &t;
  t.timer.fire = &LocalTimer::fire;
  if (machine_.turns) [[unlikely]] {
    if (const auto i = t.timer.armed() ? due_.find(t.timer.at) : due_.end(); i != due_.end()) due_.erase(i);
    due_.insert(at);
  }
  machine_.engine.arm(t.timer, at);
  if (machine_.turns && !raised_ && at < clock_event_at_) [[unlikely]]
    set_clock_event();
}

void LocalTimer::cancel(HrTimer& t) {
  if (machine_.turns && t.timer.armed()) {
    if (const auto i = due_.find(t.timer.at); i != due_.end()) due_.erase(i);
    machine_.engine.cancel(t.timer);
    if (!raised_) set_clock_event();
    return;
  }
  machine_.engine.cancel(t.timer);
}

// tick_program_event: the interrupt is set for what is due first.
void LocalTimer::set_clock_event() {
  due_.erase(due_.begin(), due_.lower_bound(machine_.now()));
  clock_event_at_ = due_.empty() ? engine::kNever : *due_.begin();
  machine_.turns->clock_event_set(cpu->id(), clock_event_at_);
}

void LocalTimer::expire(HrTimer& t) {
  if (&t == tick_.get() && cpu->idle() && !machine_.smp && !machine_.ticks_when_idle()) {
    machine_.engine.arm(t.timer, machine_.now() + machine_.tick_ns());  // nohz: the tick sleeps with the CPU
    return;
  }
  t.next_expired = nullptr;
  (last_ ? last_->next_expired : first_) = &t;
  last_ = &t;
  if (!raised_) raise();  // otherwise the interrupt under way, or the next one, will see it
}

void LocalTimer::raise() {
  raised_ = true;
  if (machine_.turns) [[unlikely]] {
    clock_event_at_ = engine::kNever;
    machine_.turns->clock_event_due(cpu->id());
  }
  cpu->raise(*this);
}

Call<void> LocalTimer::handle(ExecContext& irq) {
  machine_.tp.irq(*cpu, trace::EventType::local_timer_entry, number, 0);
  const Time entered = machine_.now();
  for (int pass = 1;; ++pass) {
    const Time clock = machine_.now();
    while (first_ != nullptr && first_->timer.at <= clock) {
      HrTimer& t = *first_;
      first_ = t.next_expired;
      if (first_ == nullptr) last_ = nullptr;
      const auto function = t.function_id;  // the timer may be gone once it has expired
      machine_.tp.timer(*cpu, trace::EventType::hrtimer_expire_entry, function);
      co_await t.expired(irq);
      machine_.tp.timer(*cpu, trace::EventType::hrtimer_expire_exit, function);
    }
    co_await run_cost(machine_, irq, CostId::irq_timer_rearm);
    if (first_ == nullptr) {
      raised_ = false;
      if (machine_.turns) set_clock_event();
      break;
    }
    if (pass == kMaxRetries) {
      const Time pause = std::min(machine_.now() - entered, kMaxHangNs);
      machine_.engine.arm_in(hang_, pause);
      if (machine_.turns) machine_.turns->clock_event_set(cpu->id(), clock_event_at_ = machine_.now() + pause);
      break;
    }
  }
  machine_.tp.irq(*cpu, trace::EventType::local_timer_exit, number, 0);
}

}  // namespace wakepath::machine
