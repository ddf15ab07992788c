// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/machine/cpu.h"

#include <algorithm>
#include <cassert>

#include "models/machine/machine.h"
#include "models/machine/smp.h"
#include "models/machine/turns.h"

namespace wakepath::machine {

Cpu::Cpu(Machine& m, int id)
    : engine_(m.engine),
      rq_(m.sched.rq(id)),
      policy_(m.preemption),
      hurdles_(policy_.anywhere ? kAnywherePreempts : 0),
      machine_(m),
      id_(id) {
  for (ExecContext* c : {&hardirq_, &softirq_, &switcher_, &idle_}) c->cpu = this;
  if (m.scenario.kernel.irq_time_accounting) m.sched.watch_irq_time(id, usage_.irq, usage_.softirq);
  segment_timer_.context = this;
  segment_timer_.fire = [](engine::Timer& t, Time) { static_cast<Cpu*>(t.context)->segment_spent(); };
  idle_timer_.context = this;
  idle_timer_.fire = [](engine::Timer& t, Time) {
    auto& cpu = *static_cast<Cpu*>(t.context);
    cpu.deliver();
  };
  hardirq_body_ = hardirq_body(hardirq_);
  softirq_body_ = softirq_body(softirq_);
  switch_body_ = switch_body(switcher_);
  hardirq_.resume_at = hardirq_body_.handle();
  softirq_.resume_at = softirq_body_.handle();
  switcher_.resume_at = switch_body_.handle();
}

Cpu::~Cpu() {
  engine_.cancel(segment_timer_);
  engine_.cancel(idle_timer_);
}

void Cpu::start() { idle_since_ = engine_.now(); }

// ---- time ----------------------------------------------------------------------------------------------------------

Usage Cpu::usage_now() const {
  Usage u = usage_;
  if (active_->kind == ExecContext::Kind::idle) {
    u.idle += engine_.now() - idle_since_;
  } else if (segment_timer_.armed() || standing_) {
    Time spent = engine_.now() - segment_start_;
    const auto bucket = [this](Mode m) { return m == Mode::user ? &Usage::user : active_->kernel_bucket; };
    Mode mode = active_->mode;
    if (!standing_) {
      Time left = active_->left_ns;
      for (const auto& piece : active_->owed) {
        if (spent <= left) break;
        u.*bucket(mode) += left;
        spent -= left, left = piece.ns(), mode = piece.mode();
      }
    }
    u.*bucket(mode) += spent;
  }
  return u;
}

bool Cpu::begin_segment(ExecContext& c, Time ns, Mode m) {
  c.mode = m;
  c.left_ns = ns;
  return (pending_ == nullptr || !may_interrupt(c)) && !preempts_here(c) && pass_or_arm(c);
}

// What is owed, and this, becomes the active context's segment.
bool Cpu::settle(ExecContext& c, Time ns, Mode m) {
  hurdles_ &= static_cast<std::uint8_t>(~kOwed);
  c.owed.close(ns, m);
  const Time now = engine_.now();
  if (pending_ == nullptr && !need_resched() && !machine_.tp.active() && engine_.try_advance(now + c.owed.total())) {
    for (const auto& piece : c.owed) charge(c, piece.ns(), piece.mode());
    c.mode = c.owed.last_mode();
    c.owed.clear();
    return true;
  }
  take_piece(c, now);
  if (pending_ != nullptr && may_interrupt(c)) return false;
  return !acts(c, c.at_point) && !preempts_here(c) && pass_or_arm(c);
}

void Cpu::take_piece(ExecContext& c, Time at) {
  const auto piece = c.owed.take();
  if (piece.records() > 0) [[unlikely]]
    machine_.tp.write_deferred(*this, c, piece.records(), at);
  c.left_ns = piece.ns();
  c.mode = piece.mode();
  c.at_point = piece.before();
}

// The active context's segment: true when it has passed at once. Else the timer will end it.
bool Cpu::pass_or_arm(ExecContext& c) {
  c.at_point = Point::none;
  const Stretch s = c.owed.empty() ? Stretch{c.left_ns, false} : stretch(c, 0);
  const Time end = engine_.now() + s.ns;
  if (!s.stops && engine_.try_advance(end)) {
    spend(c, s.ns);
    if (!c.owed.empty()) take_piece(c, end);  // of no length
    c.at_point = Point::none;
    return true;
  }
  segment_start_ = engine_.now();
  engine_.arm(segment_timer_, end);
  return false;
}

// Of a running segment with more pieces: its timer is for another place where something is to be done at one.
void Cpu::arm_again() {
  const Time end = segment_start_ + stretch(*active_, engine_.now() - segment_start_).ns;
  if (end != segment_timer_.at) engine_.arm(segment_timer_, end);
}

Mode Cpu::mode_now() const {
  Mode mode = active_->mode;
  if (!segment_timer_.armed()) return mode;
  Time begin = active_->left_ns;
  for (const auto& piece : active_->owed) {
    if (engine_.now() - segment_start_ <= begin) break;
    mode = piece.mode();
    begin += piece.ns();
  }
  return mode;
}

Cpu::Stretch Cpu::stretch(const ExecContext& c, Time spent) const {
  const bool resched = need_resched();
  const bool notified = c.kind == ExecContext::Kind::task && static_cast<const KTask&>(c).notified();
  if (pending_ == nullptr && !resched && !notified) return {c.left_ns + c.owed.total(), false};
  Time ns = c.left_ns;
  Mode mode = c.mode;
  for (const auto& piece : c.owed) {
    const bool enters = std::exchange(mode, piece.mode()) != mode;
    const bool stops =
        acts(c, piece.before()) || (enters && ((pending_ != nullptr && may_interrupt(c, mode)) || preempts(c, mode)));
    if (stops && ns >= spent) return {ns, true};
    ns += piece.ns();
  }
  return {ns, false};
}

// At the very end of a piece the next one has not begun: what is due there came first.
void Cpu::spend(ExecContext& c, Time ns) {
  while (ns > c.left_ns) {
    charge(c, c.left_ns, c.mode);
    ns -= c.left_ns;
    take_piece(c, engine_.now() - ns);
    c.at_point = Point::none;  // passed
  }
  charge(c, ns, c.mode);
  c.left_ns -= ns;
}

void Cpu::cut() {
  engine_.cancel(segment_timer_);
  spend(*active_, engine_.now() - segment_start_);
}

void Cpu::flag_raised() {
  if (in_pieces()) arm_again();
}

void Cpu::start_segment(ExecContext& c, std::coroutine_handle<> h) {
  c.resume_at = h;
  if (!segment_timer_.armed()) continue_active();
}

void Cpu::segment_spent() {
  ExecContext& c = *active_;
  spend(c, engine_.now() - segment_start_);
  if (c.owed.only_records()) take_piece(c, engine_.now());
  if (c.owed.empty())
    resume_ = c.resume_at;
  else
    continue_active();
  loop();
}

void Cpu::loop() {
  looping_ = true;
  machine_.in_loop = true;
  while (resume_) std::exchange(resume_, {}).resume();
  looping_ = false;
  machine_.in_loop = false;
}

// ---- who goes on ---------------------------------------------------------------------------------------------------

void Cpu::continue_active(bool resumed) {
  ExecContext& c = *active_;
  if (pending_ != nullptr && may_interrupt(c)) return enter_hardirq();
  if (c.kind == ExecContext::Kind::idle) {
    if (need_resched()) return begin_schedule(false);
    idle_since_ = engine_.now();
    if (machine_.smp) machine_.smp->about_to_halt(*this);
    if (machine_.turns) [[unlikely]]
      machine_.turns->halted(id_);
    return;
  }
  if (c.at_point != Point::none) {
    const Point p = std::exchange(c.at_point, Point::none);
    if (acts(c, p)) return p == Point::might_sleep ? begin_schedule(true) : begin_user_return(static_cast<KTask&>(c));
  }
  if (c.left_ns > 0 && preempts_here(c)) return begin_schedule(c.mode == Mode::kernel);
  if (resumed && c.kind == ExecContext::Kind::task && c.mode == Mode::user) {
    auto& t = static_cast<KTask&>(c);
    if (t.notified()) return begin_user_return(t);
  }
  if (c.left_ns == 0 && !c.owed.empty()) {
    const bool goes_on = !c.owed.only_records();
    take_piece(c, engine_.now());
    if (goes_on) return continue_active();
  }
  if (c.left_ns == 0 || pass_or_arm(c)) resume_ = c.resume_at;
}

void Cpu::raise(IrqLine& line) {
  if (line.pending) return;
  line.pending = true;
  line.next_pending = nullptr;
  (pending_ != nullptr ? last_pending_->next_pending : pending_) = &line;
  last_pending_ = &line;
  hurdles_ |= kPending;
  if (looping_) return;    // seen at the next segment
  if (machine_.in_loop) {  // another CPU's code runs now: go through the event queue
    if (!idle_timer_.armed()) engine_.arm(idle_timer_, engine_.now());
    return;
  }
  const Time latency = idle() ? idle_wake_latency() : 0;
  if (latency > 0) {
    if (!idle_timer_.armed()) engine_.arm(idle_timer_, engine_.now() + latency);
    return;
  }
  deliver();
}

Time Cpu::idle_wake_latency() const { return machine_.idle_wake_latency(engine_.now() - idle_since_); }

void Cpu::notice_resched() {
  if (active_ != &idle_ || looping_ || !need_resched()) return;
  if (machine_.turns && !machine_.turns->claim(id_)) return;
  begin_schedule(false);
  loop();
}

void Cpu::deliver() {
  if (pending_ == nullptr || looping_) return;
  if (!may_interrupt(*active_, mode_now())) return flag_raised();
  if (machine_.turns && !machine_.turns->claim(id_)) [[unlikely]]
    return;
  if (segment_timer_.armed()) cut();
  enter_hardirq();
  loop();
}

void Cpu::stand_still() {
  if (active_ == &idle_) return;
  const Time now = engine_.now();
  if (segment_timer_.armed()) cut();
  standing_ = true;
  segment_start_ = now;
}

// The time it stood counts where it stood: the guest's clock went on.
void Cpu::take_turn() {
  if (std::exchange(standing_, false)) charge(*active_, engine_.now() - segment_start_, active_->mode);
  if (active_ == &idle_ && pending_ == nullptr && !need_resched()) return machine_.turns->halted(id_);
  continue_active();
  loop();
}

// In the middle of a segment, which ends that much later. An idle CPU has nothing to lose, and one that stands still is
// not of this kind of machine.
void Cpu::lose(Time ns) {
  if (!segment_timer_.armed()) return;
  cut();
  active_->left_ns += ns;
  segment_start_ = engine_.now();
  engine_.arm(segment_timer_, segment_start_ + stretch(*active_, 0).ns);
}

void Cpu::enter_hardirq() {
  if (active_ == &idle_) {
    usage_.idle += engine_.now() - idle_since_, from_idle_ = true;
    if (machine_.turns && machine_.local_timer(id_).tick_stopped()) [[unlikely]]
      machine_.turns->interrupt_in_idle();
  }
  below_[static_cast<std::size_t>(depth_++)] = active_;
  active_ = &hardirq_;
  resume_ = hardirq_.resume_at;
}

void Cpu::leave_interrupt() {
  const bool was_hard = active_ == &hardirq_;
  active_ = below_[static_cast<std::size_t>(--depth_)];
  if (active_ == &idle_) idle_since_ = engine_.now();
  if (was_hard && softirq_pending_ != 0 && active_ != &softirq_ && !active_->bh_disabled &&
      !machine_.softirqs_deferred(*this)) {
    if (active_ == &idle_) from_idle_ = true;
    below_[static_cast<std::size_t>(depth_++)] = active_;
    active_ = &softirq_;
    resume_ = softirq_.resume_at;
    return;
  }
  from_idle_ = false;
  continue_active(true);
}

Body Cpu::hardirq_body(ExecContext& ctx) {
  for (;;) {
    IrqLine& line = *pending_;
    pending_ = line.next_pending;
    if (pending_ == nullptr) hurdles_ &= static_cast<std::uint8_t>(~kPending);
    line.pending = false;
    ++interrupts_;
    co_await owe_cost(machine_, ctx, from_idle_ ? CostId::idle_exit : CostId::irq_delivery);
    if (line.begins_with_cost)
      co_await owe_cost(machine_, ctx, CostId::irq_entry);
    else
      co_await run_cost(machine_, ctx, CostId::irq_entry);
    co_await line.handle(ctx);
    if (softirq_pending_ != 0 && machine_.threaded_irqs && !below_[0]->bh_disabled) [[unlikely]]
      co_await machine_.wake_ksoftirqd(ctx);
    co_await run_cost(machine_, ctx, CostId::irq_exit);
    co_await ctx.park<&Cpu::leave_interrupt>();
  }
}

Body Cpu::softirq_body(ExecContext& ctx) {
  for (;;) {
    // What is pending is taken before interrupts are let in again: what those raise is another round's.
    unsigned taken = take_softirqs();
    co_await run_cost(machine_, ctx, CostId::softirq_entry);
    const Time give_up = machine_.softirq_deadline();
    for (int round = 1; taken != 0; ++round, taken = take_softirqs()) {
      co_await machine_.run_softirqs(ctx, taken);
      if (softirq_pending_ != 0 &&
          (round >= Machine::kMaxSoftirqRestart || need_resched() || engine_.now() >= give_up)) {
        co_await machine_.wake_ksoftirqd(ctx);
        break;
      }
    }
    // Interrupts stay off from the last look on (__do_softirq): what one raised now would wait for the next interrupt.
    co_await run_cost(machine_, ctx, CostId::softirq_exit, Mode::irqs_off);
    co_await ctx.park<&Cpu::leave_interrupt>();
  }
}

// ---- the way back to user mode
// ------------------------------------------------------------------------------------------

namespace {

// Ends the exit loop's own frame before the interrupted code, which lies below it, goes on.
struct ResumeUser {
  KTask& task;
  const Cpu::Interrupted& segment;
  bool await_ready() { return false; }
  void await_suspend(std::coroutine_handle<>) {
    KTask& t = task;  // this awaiter goes with the frame, and what it refers to
    const Cpu::Interrupted s = segment;
    t.user_return = {};
    t.cpu->resume_user(t, s);
  }
  void await_resume() {}
};

Body user_return_body(KTask& t, Cpu::Interrupted segment) {
  co_await exit_to_user_mode_loop(t);
  co_await ResumeUser{t, segment};
}

}  // namespace

void Cpu::begin_user_return(KTask& t) {
  t.user_return = user_return_body(t, {t.resume_at, std::exchange(t.left_ns, 0), t.mode, std::exchange(t.owed, {})});
  t.mode = Mode::kernel;
  resume_ = t.user_return.handle();
}

void Cpu::resume_user(KTask& t, const Interrupted& segment) {
  t.resume_at = segment.code;
  t.left_ns = segment.left_ns;
  t.owed = segment.rest;
  t.mode = segment.mode;
  continue_active();
}

// ---- the switch ----------------------------------------------------------------------------------------------------

void Cpu::start_schedule(ExecContext& c, std::coroutine_handle<> h, bool preempt) {
  WAKEPATH_CHECK(!owes(), "a task sleeps before it has spent what it owes");
  c.resume_at = h;
  c.left_ns = 0;
  c.mode = Mode::kernel;
  begin_schedule(preempt);
}

void Cpu::begin_schedule(bool preempt) {
  if (active_ == &idle_) usage_.idle += engine_.now() - idle_since_;
  sw_preempt_ = preempt;
  active_ = &switcher_;
  resume_ = switcher_.resume_at;
}

Body Cpu::switch_body(ExecContext& ctx) {
  for (;;) {
    if (current_ == nullptr) {
      if (machine_.smp) machine_.smp->leave_idle(*this);
      co_await run_cost(machine_, ctx, CostId::idle_leave, Mode::irqs_off);
      if (machine_.smp && machine_.smp->calls_pending(id_)) co_await machine_.smp->run_calls(ctx);
    }
    co_await run_cost(machine_, ctx, CostId::schedule_entry, Mode::irqs_off);
    if (machine_.smp) machine_.smp->switching(id_);
    const sched::SwitchResult r = machine_.sched.schedule(id_, sw_preempt_, engine_.now());
    if (r.newidle_ns > 0) co_await ctx.run_ns(r.newidle_ns, Mode::irqs_off);
    if (machine_.smp && machine_.smp->pass_unfinished()) co_await machine_.smp->finish_pass(ctx);
    auto* next = static_cast<KTask*>(r.next->owner);  // null: the idle task
    if (next != nullptr) next->frames().fetch();      // it goes on when the switch has been paid
    if (r.next->throttle_work) [[unlikely]]
      machine_.bandwidth().throttle_on_way_out(*next);
    Time pick = machine_.cost(CostId::schedule_pick);
    if (r.prev_state != 0 && r.prev_state != trace::kStatePreempted) {
      pick += machine_.cost(r.prev_delayed ? CostId::schedule_delay : CostId::schedule_block);
      if (!r.prev_delayed && r.prev->se.depth > 0) pick += r.prev->se.depth * machine_.cost(CostId::group_dequeue);
    }
    if (r.taken_off > 0) {
      const int own = r.prev_delayed && !r.prev->se.sched_delayed ? 1 : 0;
      pick += own * machine_.cost(CostId::schedule_undelay) + (r.taken_off - own) * machine_.cost(CostId::pick_delayed);
    }
    if (r.prev->group != r.next->group && r.prev->owner != nullptr && next != nullptr)
      pick += machine_.cost(CostId::switch_group);
    co_await ctx.run_ns(pick, Mode::irqs_off);
    if (r.next != r.prev) {
      ++switches_;
      machine_.record_switch(*this, static_cast<KTask*>(r.prev->owner), r.prev_state, next);
      co_await owe_cost(machine_, ctx, CostId::switch_finish, Mode::irqs_off);
    }
    current_ = next;
    if (next == nullptr) {
      co_await run_cost(machine_, ctx, CostId::idle_entry, Mode::irqs_off);
      active_ = &idle_;
      idle_since_ = engine_.now();
      if (machine_.smp) machine_.smp->idle_entered(*this);
    } else {
      if (next != last_task_) {
        if (last_task_ != nullptr)
          co_await run_cost(machine_, ctx, next->st.kthread ? CostId::cold_kworker : CostId::cold_task, Mode::irqs_off);
        last_task_ = next;
      }
      if (next->ran_on != id_) {
        if (next->ran_on >= 0) next->left_ns += machine_.cold_move();
        next->ran_on = id_;
      } else if (usage_.idle > next->idle_seen) {
        const Time cold = machine_.gone_cold(*next, usage_.idle - next->idle_seen);
        if (cold > 0) co_await ctx.run_ns(cold, Mode::irqs_off);
      }
      next->idle_seen = usage_.idle;
      co_await ctx.settle();
      active_ = next;
    }
    co_await ctx.park<&Cpu::leave_switch>();
  }
}

std::uint8_t Cpu::trace_flags() const {
  std::uint8_t f = 0;
  if (active_ == &hardirq_) f |= trace::kHardirq | trace::kIrqsOff;
  if (active_ == &softirq_ || active_->serving_softirq) f |= trace::kSoftirq;
  if (active_ == &switcher_ || active_->mode == Mode::irqs_off) f |= trace::kIrqsOff;
  if (need_resched()) f |= !rq_.resched ? trace::kNeedReschedLazy : trace::kNeedResched;
  return f;
}

}  // namespace wakepath::machine
