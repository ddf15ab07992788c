// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/verify/assembler.h"

#include <string>

namespace wakepath::verify {

using trace::Event;
using trace::EventType;

namespace {

constexpr std::size_t kHeldSteps = 4096;
constexpr int kMaxCpu = 8191;  // CONFIG_NR_CPUS of the largest distribution kernels

Seen resched_of(const Event& e) {
  if (!e.has_flags) return Seen::unknown;
  return (e.flags & (trace::kNeedResched | trace::kNeedReschedLazy)) != 0 ? Seen::yes : Seen::no;
}

std::uint8_t context_of(const Event& e) { return e.flags & (trace::kHardirq | trace::kSoftirq); }

TaskName name_of(const Event::TaskRef& t) { return {t.comm, t.pid, t.prio}; }

}  // namespace

Assembler::Assembler(trace::StringPool& pool, StepSink& sink) : pool_(&pool), sink_(&sink) {}

Assembler::Cpu& Assembler::cpu_of(int cpu) {
  const auto i = static_cast<std::size_t>(cpu);
  if (i >= cpus_.size()) cpus_.resize(i + 1);
  return cpus_[i];
}

// 6.1: tick_sched_timer; 6.12: tick_nohz_handler; low resolution: tick_sched_handle has no timer of its own.
bool Assembler::is_tick_function(trace::StringId id) {
  if (id >= tick_function_.size()) tick_function_.resize(id + 1, -1);
  std::int8_t& known = tick_function_[id];
  if (known < 0) {
    const std::string& name = pool_->str(id);
    known = name == "tick_sched_timer" || name == "tick_nohz_handler" || name == "tick_nohz_highres_handler" ? 1 : 0;
  }
  return known == 1;
}

void Assembler::emit(const Step& s) {
  if (line_.empty()) {
    sink_->on_step(s);
    return;
  }
  line_.push_back({s});
  if (line_.size() < kHeldSteps) return;
  for (Cpu& c : cpus_) answer_wakeups(c, false, false);
}

void Assembler::hold_wakeup(Cpu& c) {
  c.unanswered.push_back(released_ + static_cast<std::int64_t>(line_.size()));
  line_.push_back({c.wake, false});
}

// A switch without a runtime to print follows one preempting wakeup or more: which, is told if there was one.
void Assembler::answer_wakeups(Cpu& c, bool told, bool switch_prints) {
  if (c.unanswered.empty()) return;
  told = told && (switch_prints || c.unanswered.size() == 1);
  for (const std::int64_t number : c.unanswered) {
    Waiting& w = line_[static_cast<std::size_t>(number - released_)];
    w.answered = true;
    if (!told) continue;
    w.step.resched_before = Seen::no;
    w.step.resched_after = switch_prints ? Seen::no : Seen::yes;
  }
  c.unanswered.clear();
  release();
}

void Assembler::release() {
  while (!line_.empty() && line_.front().answered) {
    sink_->on_step(line_.front().step);
    line_.pop_front();
    ++released_;
  }
}

void Assembler::gap(int cpu, const Event& e, std::int64_t line) {
  ++gaps_;
  for (Cpu& c : cpus_) answer_wakeups(c, false, false);
  for (std::size_t i = 0; i < cpus_.size(); ++i) {
    if (cpu < 0 || static_cast<std::size_t>(cpu) == i) cpus_[i] = Cpu{};
  }
  Step s;
  s.kind = StepKind::gap;
  s.cpu = static_cast<std::int16_t>(cpu);
  s.line = line;
  s.ts_ns = s.end_ns = e.ts_ns;
  emit(s);
}

void Assembler::on_event(const Event& e, std::int64_t line) {
  if (e.type == EventType::lost_events) {
    gap(e.cpu, e, line);
    return;
  }
  if (e.cpu < 0 || e.cpu > kMaxCpu) return;
  if (Cpu& c = cpu_of(e.cpu); c.any && e.ts_ns < c.last_ns) {
    ++stamps_back_;
    gap(-1, e, line);
  }
  Cpu& c = cpu_of(e.cpu);
  c.any = true;
  c.last_ns = e.ts_ns;
  const Seen resched = resched_of(e);
  if (e.type != EventType::sched_switch) settle(c, e, resched, line);
  switch (e.type) {
    case EventType::sched_waking:
      on_waking(c, e, resched, line);
      break;
    case EventType::sched_wakeup:
    case EventType::sched_wakeup_new:
      on_wakeup(c, e, resched, line);
      break;
    case EventType::sched_stat_runtime:
      on_runtime(c, e, resched, line);
      break;
    case EventType::sched_switch:
      on_switch(c, e, line);
      break;
    case EventType::sched_migrate_task:
      on_migrate(e, c, line);
      break;
    case EventType::hrtimer_expire_entry:
      c.in_tick = is_tick_function(e.u.timer.function);
      break;
    case EventType::hrtimer_expire_exit:
    case EventType::local_timer_exit:
    case EventType::local_timer_entry:
      c.in_tick = false;
      break;
    default:
      break;
  }
  if (resched != Seen::unknown && !c.clear_once) c.resched = resched;
}

// What the record says about steps that waited for it.
void Assembler::settle(Cpu& c, const Event& e, Seen resched, std::int64_t line) {
  if (c.printed) settle_account(c, e, resched);
  if (c.held) {
    c.answer.resched_after = resched;
    c.held = false;
    emit(c.answer);
  }
  // need_resched was set and is not any more: the scheduler was called and kept the task. One record with interrupts on
  // does not show that: interrupted while it was written, it has flags from before the interrupt and a stamp from
  // after.
  if (resched == Seen::unknown) return;
  const bool sure = (e.flags & trace::kIrqsOff) != 0;
  if (resched == Seen::yes) {
    c.clear_once = false;
  } else if (c.clear_once || (sure && c.resched == Seen::yes)) {
    if (!c.clear_once) c.clear_line = line, c.clear_ns = e.ts_ns;
    c.clear_once = false;
    c.resched = Seen::no;
    emit_kept(c, e.cpu);
  } else if (c.resched == Seen::yes) {
    c.clear_once = true;
    c.clear_line = line;
    c.clear_ns = e.ts_ns;
  }
}

void Assembler::settle_account(Cpu& c, const Event& e, Seen resched) {
  c.printed = false;
  Step& s = c.account;
  const bool task_context = s.context == 0;
  if (task_context && s.resched_before == Seen::yes && resched == Seen::no && c.current.pid == s.print.pid) {
    s.kind = StepKind::schedule;
    s.task = s.prev = c.current;
    s.prev_state = trace::kStatePreempted;
    c.resched = Seen::no;  // told
    c.clear_once = false;
  }
  s.resched_after = resched;
  s.end_ns = e.ts_ns;
  emit(s);
}

void Assembler::emit_kept(Cpu& c, std::int16_t cpu) {
  if (c.current.pid < 0) return;
  Step s;
  s.kind = StepKind::schedule;
  s.cpu = cpu;
  s.line = c.clear_line;
  s.ts_ns = s.end_ns = c.clear_ns;
  s.task = s.prev = c.current;
  s.prev_state = trace::kStatePreempted;
  s.resched_before = Seen::yes;
  s.resched_after = Seen::no;
  emit(s);
}

void Assembler::on_waking(Cpu& c, const Event& e, Seen resched, std::int64_t line) {
  c.open = true;
  c.wake = Step{};
  c.wake.kind = StepKind::wake;
  c.wake.line = line;
  c.wake.ts_ns = e.ts_ns;
  c.wake.context = context_of(e);
  c.wake.resched_before = resched;
  c.wake.task = name_of(e.u.task);
}

void Assembler::on_wakeup(Cpu& c, const Event& e, Seen resched, std::int64_t line) {
  const bool is_new = e.type == EventType::sched_wakeup_new;
  const bool paired = c.open && !is_new && c.wake.task.pid == e.u.task.pid;
  c.open = false;
  if (e.u.task.pid == e.pid && !is_new) return;  // the running task, on its way to sleep: it just stays
  if (!paired) {
    if (!is_new) ++unpaired_;
    c.wake = Step{};
    c.wake.line = line;
    c.wake.ts_ns = e.ts_ns;
    c.wake.context = context_of(e);
    c.wake.resched_before = is_new ? resched : Seen::unknown;
    c.wake.task = name_of(e.u.task);
  }
  c.wake.kind = is_new ? StepKind::wake_new : StepKind::wake;
  c.wake.task.comm = e.u.task.comm;
  c.wake.task.prio = e.u.task.prio;
  c.wake.end_ns = e.ts_ns;
  const int target = e.u.task.target_cpu;
  c.wake.cpu = target >= 0 && target <= kMaxCpu ? static_cast<std::int16_t>(target) : e.cpu;
  c.wake.local = c.wake.cpu == e.cpu;
  if (is_new) {  // printed before the preemption test: the next record shows the answer
    c.answer = c.wake;
    c.held = true;
    return;
  }
  c.wake.resched_after = resched;
  if (resched == Seen::unknown && c.wake.local && c.wake.print.seen && c.wake.print.pid == e.pid) {
    hold_wakeup(c);
  } else {
    emit(c.wake);
  }
}

void Assembler::on_runtime(Cpu& c, const Event& e, Seen resched, std::int64_t line) {
  const Event::Runtime& r = e.u.runtime;
  Step s;
  s.kind = StepKind::account;
  s.print.seen = true;
  s.print.line = line;
  s.print.ts_ns = e.ts_ns;
  s.print.comm = r.comm;
  s.print.pid = r.pid;
  s.print.runtime_ns = r.runtime_ns;
  s.print.vruntime = r.vruntime;
  s.print.has_vruntime = r.has_vruntime;
  if (c.open && !c.wake.print.seen) {
    c.wake.print = s.print;
    return;
  }
  s.cpu = e.cpu;
  s.line = line;
  s.ts_ns = s.end_ns = e.ts_ns;
  s.context = context_of(e);
  s.resched_before = resched != Seen::unknown ? resched : c.resched;
  if (c.in_tick && (e.flags & trace::kHardirq) != 0) {
    s.kind = StepKind::tick;
    c.in_tick = false;
    c.answer = s;
    c.held = true;
    return;
  }
  c.account = s;
  c.printed = true;
}

void Assembler::on_switch(Cpu& c, const Event& e, std::int64_t line) {
  if (c.held) {  // need_resched is clear again in this record: the switch itself is the answer
    const bool kept_running = e.u.sw.prev_state == 0 || e.u.sw.prev_state == trace::kStatePreempted;
    c.answer.resched_after = kept_running ? Seen::yes : Seen::unknown;
    c.held = false;
    emit(c.answer);
  }
  Step s;
  s.kind = StepKind::schedule;
  s.cpu = e.cpu;
  s.line = line;
  s.ts_ns = s.end_ns = e.ts_ns;
  s.prev = {e.u.sw.prev_comm, e.u.sw.prev_pid, e.u.sw.prev_prio};
  s.task = {e.u.sw.next_comm, e.u.sw.next_pid, e.u.sw.next_prio};
  s.prev_state = e.u.sw.prev_state;
  s.resched_before = c.resched;
  s.resched_after = Seen::no;
  const bool told = !e.has_flags && s.prev.pid == e.pid;
  answer_wakeups(c, told, c.printed && c.account.print.pid == s.prev.pid);
  if (c.printed) {
    if (c.account.print.pid == s.prev.pid) {
      s.print = c.account.print;
      if (c.account.resched_before == Seen::yes) s.resched_before = Seen::yes;
    } else {
      emit(c.account);
    }
    c.printed = false;
  }
  c.open = c.clear_once = false;
  c.current = s.task;
  c.resched = Seen::no;
  emit(s);
}

void Assembler::on_migrate(const Event& e, Cpu& c, std::int64_t line) {
  if (c.open && c.wake.task.pid == e.u.task.pid) return;  // part of the wakeup, whose sched_wakeup names the CPU
  if (e.u.task.dest_cpu < 0 || e.u.task.dest_cpu > kMaxCpu) return;
  Step s;
  s.kind = StepKind::migrate;
  s.cpu = static_cast<std::int16_t>(e.u.task.dest_cpu);
  s.local = s.cpu == e.cpu;
  s.line = line;
  s.ts_ns = s.end_ns = e.ts_ns;
  s.task = name_of(e.u.task);
  emit(s);
}

void Assembler::finish() {
  for (Cpu& c : cpus_) {
    if (c.printed) emit(c.account);
    if (c.held) emit(c.answer);
    c.printed = c.held = false;
  }
  for (Cpu& c : cpus_) answer_wakeups(c, false, false);
}

}  // namespace wakepath::verify
