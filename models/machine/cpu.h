// SPDX-License-Identifier: GPL-2.0-or-later
// One CPU: which context runs, what interrupts it, when it switches, and where its time goes.
//
// The contexts form a stack: the current task (or idle) below, a softirq, a hard interrupt on top; the switch itself
// stands in for the task with interrupts off. Only the top one spends time, in segments. A segment is cut short by an
// interrupt and continued later; a task's segment may be left for another task where the preemption model allows it.
// Where no event is due before a segment's end, the clock is moved without touching the event queue. A segment may be
// of several pieces (pieces.h): its timer is set for the first one at whose beginning something is to be done, else for
// its end.
//
// Invariant: the buckets of Usage sum to the time since the CPU started (checked by Machine::check_accounting).
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "models/machine/context.h"
#include "models/machine/task.h"
#include "sim/engine/engine.h"

namespace wakepath::machine {

class Machine;

// What the preemption model allows where (io-completion.md section 7).
struct Preemption {
  bool cond_resched = true;  // none, voluntary
  bool might_sleep = false;  // voluntary
  bool full = false;         // any point in the kernel with preemption enabled
  bool lazy = false;         // the same, but not for the lazy flag
  bool anywhere = false;     // full or lazy
};

// An interrupt source on one CPU: a vector with its handler. raise() marks it pending; the CPU enters it when it may.
struct IrqLine {
  virtual ~IrqLine() = default;
  virtual Call<void> handle(ExecContext& irq) = 0;  // between entry and exit
  Cpu* cpu = nullptr;
  bool pending = false;
  IrqLine* next_pending = nullptr;  // in its CPU's list
  int number = 0;
  bool is_local_timer = false;
  bool begins_with_cost = false;  // nobody can see what handle() does before it
  std::uint32_t name_id = 0;
};

class alignas(64) Cpu {
 public:
  Cpu(Machine& m, int id);
  ~Cpu();
  Cpu(const Cpu&) = delete;
  Cpu& operator=(const Cpu&) = delete;

  [[nodiscard]] int id() const { return id_; }
  Machine& machine() { return machine_; }
  void start();                                  // begins idle
  [[nodiscard]] Time idle_wake_latency() const;  // idle: from what wakes it to its first instruction
  void notice_resched();                         // an idle CPU that watches the flag leaves idle
  void stand_still();                            // another CPU's turn (turns.h) ...
  void take_turn();                              // ... and its own again
  void lose(Time ns);                            // to the host (steal.h)
  void flag_raised();                            // a switch was asked for from another CPU

  // Interrupts.
  void raise(IrqLine& line);
  void raise_softirq(unsigned vec) { softirq_pending_ |= 1U << vec; }  // marks it; see Machine::raise_softirq
  [[nodiscard]] bool softirq_pending() const { return softirq_pending_ != 0; }
  unsigned take_softirqs() { return std::exchange(softirq_pending_, 0U); }
  [[nodiscard]] bool in_hardirq() const { return active_ == &hardirq_; }
  [[nodiscard]] bool in_interrupt() const {
    return active_->kind == ExecContext::Kind::hardirq || active_->kind == ExecContext::Kind::softirq;
  }
  [[nodiscard]] bool in_task() const { return active_->kind == ExecContext::Kind::task; }
  [[nodiscard]] bool idle() const { return active_ == &idle_; }

  // The kernel side of the awaitables.
  // The next segment of the active context: true when it has passed at once. Else it lies in c and is to be started,
  // unless nothing but its time is to be waited for: then its timer is armed.
  bool runs_inline(ExecContext& c, Time ns, Mode m) {
    return (ns > 0 && passes_at_once(engine_, c, ns, m)) || try_run_inline(c, ns, m);
  }
  bool try_run_inline(ExecContext& c, Time ns, Mode m) {
    ns += take_debt();
    if ((hurdles_ & kOwed) != 0) return settle(c, ns, m);
    return ns == 0 || begin_segment(c, ns, m);
  }
  Time take_debt() {
    hurdles_ &= static_cast<std::uint8_t>(~kDebt);
    return std::exchange(trace_debt_ns_, 0);
  }
  // The next segment of the active context begins with this.
  void owe(ExecContext& c, Time ns, Mode m) {
    if ((hurdles_ & kDebt) != 0) [[unlikely]]
      ns += take_debt();
    if (ns == 0) return;
    c.owed.add(ns, m);
    hurdles_ |= kOwed;
  }
  [[nodiscard]] bool owes() const { return (hurdles_ & kOwed) != 0; }
  [[nodiscard]] ExecContext& active() { return *active_; }
  // No record of the running segment's is older.
  [[nodiscard]] Time records_since() const { return segment_timer_.armed() ? segment_start_ : engine_.now(); }
  bool passes_at_once(engine::Engine& engine, ExecContext& c, Time ns, Mode m);
  void start_segment(ExecContext& c, std::coroutine_handle<> h);
  void start_schedule(ExecContext& c, std::coroutine_handle<> h, bool preempt);
  struct Interrupted {  // a segment that waits for the end of user_return_body
    std::coroutine_handle<> code;
    Time left_ns;
    Mode mode;
    Pieces rest;
  };
  void resume_user(KTask& t, const Interrupted& segment);

  KTask* current_task() { return current_; }  // null while idle
  [[nodiscard]] bool need_resched() const { return rq_.resched || rq_.resched_lazy; }
  // May a preemption point of this kind switch now?
  [[nodiscard]] bool resched_at_cond_resched() const { return policy_.cond_resched && need_resched(); }
  [[nodiscard]] bool resched_at_might_sleep() const { return policy_.might_sleep && need_resched(); }
  [[nodiscard]] bool has_might_sleep() const { return policy_.might_sleep; }

  void add_trace_debt(Time ns) {
    if (ns == 0) return;
    trace_debt_ns_ += ns;
    hurdles_ |= kDebt;
  }
  [[nodiscard]] Usage usage_now() const;  // with the running segment or idle stretch
  [[nodiscard]] std::uint64_t switches() const { return switches_; }
  [[nodiscard]] std::uint64_t interrupts() const { return interrupts_; }
  [[nodiscard]] std::uint8_t trace_flags() const;

 private:
  void loop();  // resumes coroutines until the CPU waits for time
  // The top context goes on: interrupts first, then preemption, then task work, then its segment. resumed: it was
  // interrupted or switched out, so that user mode is entered again now.
  void continue_active(bool resumed = false);
  void deliver();  // pending interrupts, if the running context lets them in
  void enter_hardirq();
  void leave_interrupt();  // hard or soft interrupt ended
  void leave_switch() { continue_active(true); }
  void begin_schedule(bool preempt);
  void begin_user_return(KTask& t);  // the exit loop of an interrupt that came in user mode, or between two pieces
  [[nodiscard]] bool acts(const ExecContext& c, Point p) const {
    if (p == Point::might_sleep) return resched_at_might_sleep();
    return p == Point::user_exit && static_cast<const KTask&>(c).work_at_user_exit();
  }
  bool begin_segment(ExecContext& c, Time ns, Mode m);
  bool settle(ExecContext& c, Time ns, Mode m);
  bool pass_or_arm(ExecContext& c);
  void arm_again();
  [[nodiscard]] bool in_pieces() const { return segment_timer_.armed() && !active_->owed.empty(); }
  // Of a segment: how long it goes on by itself from its start, and whether that is to the beginning of a piece where
  // something is to be done, or to its end.
  struct Stretch {
    Time ns;
    bool stops;
  };
  [[nodiscard]] Stretch stretch(const ExecContext& c, Time spent) const;  // `spent` of it has passed already
  [[nodiscard]] Mode mode_now() const;                                    // of the piece that is running
  void segment_spent();
  void cut();                           // ends the running segment's timer: what has passed is spent
  void spend(ExecContext& c, Time ns);  // a part of the segment, or all of it
  void take_piece(ExecContext& c, Time at);
  void charge(const ExecContext& c, Time ns, Mode m);
  [[nodiscard]] static bool may_interrupt(const ExecContext& c, Mode m) {
    if (c.kind == ExecContext::Kind::hardirq || c.kind == ExecContext::Kind::switcher) return false;
    return m != Mode::irqs_off;
  }
  [[nodiscard]] static bool may_interrupt(const ExecContext& c) { return may_interrupt(c, c.mode); }
  // Is the running task's position one where need_resched acts by itself (on the way out of an interrupt, or at once)?
  [[nodiscard]] bool preempts(const ExecContext& c, Mode m) const {
    if (c.kind != ExecContext::Kind::task) return false;
    if (m == Mode::user) return need_resched();
    return m == Mode::kernel && policy_.anywhere && (policy_.full ? need_resched() : rq_.resched);
  }
  [[nodiscard]] bool preempts_here(const ExecContext& c) const { return preempts(c, c.mode); }

  // What keeps a segment from passing at once without a closer look.
  enum Hurdle : std::uint8_t {
    kPending = 1,           // an interrupt is
    kDebt = 2,              // records are to be paid for
    kAnywherePreempts = 4,  // in the kernel, by the preemption model
    kOwed = 8,              // costs are, by the active context
  };
  static constexpr std::size_t kFrameBytes = 4096;
  Body hardirq_body(ExecContext& ctx);
  Body softirq_body(ExecContext& ctx);
  Body switch_body(ExecContext& ctx);

  // What segments and events touch lies together: of many busy CPUs each is out of the cache when its turn comes.
  engine::Engine& engine_;
  const sched::Rq& rq_;
  ExecContext* active_ = &idle_;
  IrqLine *pending_ = nullptr, *last_pending_ = nullptr;  // a list, in order of arrival
  std::uint64_t interrupts_ = 0;
  Time trace_debt_ns_ = 0;
  Time segment_start_ = 0;
  std::coroutine_handle<> resume_;
  const Preemption policy_;
  std::uint8_t hurdles_;
  bool looping_ = false;
  bool standing_ = false;  // since segment_start_, with left_ns of its segment to go
  engine::Timer segment_timer_;
  Usage usage_;
  Machine& machine_;
  Time idle_since_ = 0;
  std::array<ExecContext*, 4> below_{};
  int depth_ = 0;
  int id_;
  unsigned softirq_pending_ = 0;
  bool sw_preempt_ = false;     // the pending switch was entered as preemption in the kernel
  bool from_idle_ = false;      // the running interrupt left idle
  KTask* current_ = nullptr;    // the scheduler's current, null: idle
  KTask* last_task_ = nullptr;  // whose caches are warm
  std::uint64_t switches_ = 0;
  ExecContext idle_{ExecContext::Kind::idle, frames_, idle_pieces_};
  alignas(64) ExecContext hardirq_{ExecContext::Kind::hardirq, frames_, hardirq_pieces_};
  engine::FrameStack frames_{kFrameBytes};  // its top is in the line before
  alignas(64) ExecContext softirq_{ExecContext::Kind::softirq, frames_, softirq_pieces_};
  alignas(64) ExecContext switcher_{ExecContext::Kind::switcher, frames_, switcher_pieces_};
  engine::Timer idle_timer_;  // delivers interrupts after the idle wake latency
  Body hardirq_body_, softirq_body_, switch_body_;
  Pieces hardirq_pieces_, softirq_pieces_, switcher_pieces_, idle_pieces_;
};

inline void Cpu::charge(const ExecContext& c, Time ns, Mode m) {
  usage_.*(m == Mode::user ? &Usage::user : c.kernel_bucket) += ns;
}

// The common case of a segment, in as few tests as there can be: nothing is pending, no switch is asked for and no
// event is due before its end; ns > 0; the engine is given, since whoever asks has it at hand. False: maybe it could
// have passed all the same; nothing has happened.
[[gnu::always_inline]] inline bool Cpu::passes_at_once(engine::Engine& engine, ExecContext& c, Time ns, Mode m) {
  constexpr unsigned kAlways = kPending | kDebt | kOwed;
  if ((hurdles_ & (m == Mode::kernel ? kAlways | kAnywherePreempts : kAlways)) != 0) return false;
  if (m == Mode::user && need_resched()) return false;
  if (!engine.try_advance(engine.now() + ns)) return false;
  c.mode = m;
  charge(c, ns, m);
  return true;
}

// ---- awaitables ----------------------------------------------------------------------------------------------------

// Made and awaited in one expression. It holds no more than it must: it lies in the frame.
struct ExecContext::RunAwaiter {
  ExecContext* waits;  // null: the time has passed
  bool await_ready() {
    if (waits == nullptr) [[likely]]
      return true;
    return false;
  }
  void await_suspend(std::coroutine_handle<> h) { waits->cpu->start_segment(*waits, h); }
  void await_resume() {}
};

// It may be entered again as soon as the CPU goes on.
template <void (Cpu::*kGoOn)()>
struct ExecContext::ParkAwaiter {
  ExecContext& c;
  bool await_ready() { return false; }
  void await_suspend(std::coroutine_handle<> h) {
    c.resume_at = h;
    (c.cpu->*kGoOn)();
  }
  void await_resume() {}
};

struct ExecContext::ScheduleAwaiter {
  KTask& t;
  bool preempt;       // entered from a preemption point inside the kernel: the task stays runnable, R+
  Call<void> hooked;  // of a worker: schedule_with_hooks()
  bool await_ready() {
    if (t.sleep_hooks == nullptr || preempt) [[likely]]
      return false;
    hooked = t.schedule_with_hooks();
    return hooked.await_ready();
  }
  void await_suspend(std::coroutine_handle<> h) {
    if (!hooked.await_ready()) [[unlikely]]
      hooked.await_suspend(h);
    else
      t.cpu->start_schedule(t, h, preempt);
  }
  void await_resume() { hooked.await_resume(); }
};

inline ExecContext::RunAwaiter ExecContext::run_ns(Time ns, Mode m) {
  return {cpu->runs_inline(*this, ns, m) ? nullptr : this};
}
inline ExecContext::RunAwaiter ExecContext::settle() {
  return {!cpu->owes() || cpu->runs_inline(*this, 0, Mode::kernel) ? nullptr : this};
}
inline bool KTask::resched_at_cond_resched() const { return cpu->resched_at_cond_resched(); }
inline bool KTask::resched_at_might_sleep() const { return cpu->resched_at_might_sleep(); }
inline bool KTask::resched_at_user_exit() const { return cpu->need_resched(); }
template <void (Cpu::*kGoOn)()>
ExecContext::ParkAwaiter<kGoOn> ExecContext::park() {
  return {*this};
}
inline ExecContext::ScheduleAwaiter KTask::schedule(bool preempt) { return {*this, preempt, {}}; }

}  // namespace wakepath::machine
