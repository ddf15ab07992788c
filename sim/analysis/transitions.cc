// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/analysis/transitions.h"

#include <array>

#include "sim/analysis/damaged_input.h"

namespace wakepath::analysis {
namespace {

using trace::Event;
using trace::EventType;

constexpr std::size_t kCallsKept = 1 << 16;

std::size_t index(TaskClass c) { return static_cast<std::size_t>(c); }

}  // namespace

std::string_view letter_of(Leave l) {
  constexpr std::array<std::string_view, static_cast<std::size_t>(Leave::count_)> kLetters{"R", "R+", "S",
                                                                                           "D", "I",  "other"};
  return kLetters[static_cast<std::size_t>(l)];
}

Leave leave_of(std::uint16_t prev_state) {
  if ((prev_state & trace::kStatePreempted) != 0) return Leave::preempted;
  switch (prev_state) {
    case trace::kStateRunning:
      return Leave::runnable;
    case trace::kStateInterruptible:
      return Leave::sleep;
    case trace::kStateUninterruptible:
      return Leave::disk_sleep;
    case trace::kStateIdle:
      return Leave::idle_worker;
    default:
      return Leave::other;
  }
}

Transitions::Cpu& Transitions::cpu(std::int32_t id) {
  const std::size_t i = cpu_index(id);
  if (i >= cpus_.size()) cpus_.resize(i + 1);
  return cpus_[i];
}

// Records of one CPU are missing; a task may have moved meanwhile, so every CPU starts anew.
void Transitions::gap(const Event& e) {
  ++table_.gaps;
  table_.lost_events += e.u.value;
  cpus_.clear();
  calls_.clear();
  started_ = false;
}

void Transitions::close_interrupt(Cpu& c) {
  if (c.in_interrupt && c.completions > 0) table_.completions_per_interrupt.add(c.completions);
  c.in_interrupt = false;
  c.completions = 0;
}

void Transitions::on_switch(const Event& e, Cpu& c) {
  const Event::Switch& s = e.u.sw;
  const TaskClass from = classes_.of(s.prev_pid, s.prev_comm), to = classes_.of(s.next_pid, s.next_comm);
  const Leave leave = leave_of(s.prev_state);
  ++table_.switches;
  ++table_.transitions[index(from)][index(to)][static_cast<std::size_t>(leave)];
  const bool continuous = c.known && c.current == s.prev_pid;
  if (c.known && !continuous) ++table_.missing_switches;
  if (continuous && c.whole && is_kworker(from)) table_.workers[index(from)].items_per_activation.add(c.items);
  if (c.woken == s.next_pid && (leave == Leave::runnable || leave == Leave::preempted) && from != TaskClass::idle) {
    ++table_.fio_wakeups_to_switch;
  }
  if (leave == Leave::sleep || leave == Leave::disk_sleep) {
    if (const auto call = calls_.find(s.prev_pid); call != calls_.end()) ++call->second.sleeps;
  }
  close_interrupt(c);
  c.known = c.whole = true;
  c.current = s.next_pid;
  c.current_class = to;
  c.items = 0;
  c.woken = -1;
}

void Transitions::on_waking(const Event& e, Cpu& c) {
  const Event::TaskRef& t = e.u.task;
  const TaskClass who = classes_.of(t.pid, t.comm);
  if (is_kworker(who)) {
    ++table_.workers[index(who)].wakeups;
    if (c.queued) --table_.queue_works_nop;
  }
  c.waking = t.pid;
  c.resched_before = (e.flags & (trace::kNeedResched | trace::kNeedReschedLazy)) != 0;
  if (who != TaskClass::fio) return;
  ++table_.fio_wakings;
  // sched_waking comes before the CPU is chosen: target_cpu is the previous CPU. sched_wakeup corrects it.
  cpu(t.target_cpu).woken = t.pid;
}

void Transitions::on_wakeup(const Event& e, const Cpu& c) {
  const Event::TaskRef& t = e.u.task;
  if (classes_.of(t.pid, t.comm) != TaskClass::fio) return;
  ++table_.fio_wakeups;
  if (e.has_flags && c.waking == t.pid && t.target_cpu == e.cpu) {
    ++table_.fio_wakeups_judged;
    const bool resched = (e.flags & (trace::kNeedResched | trace::kNeedReschedLazy)) != 0;
    if (resched && !c.resched_before) ++table_.fio_wakeups_preempting;
  }
  cpu(t.target_cpu).woken = t.pid;
}

void Transitions::on_return(const Event& e) {
  const std::int64_t ret = e.u.sys.ret;
  if (ret >= 0) table_.events_per_getevents.add(ret);
  const auto call = calls_.find(e.pid);
  if (call == calls_.end()) return;
  ++table_.getevents_returns;
  if (call->second.sleeps > 0) ++table_.getevents_slept;
  table_.getevents_sleeps += call->second.sleeps;
  calls_.erase(call);
}

void Transitions::on_event(const Event& e) {
  if (e.type == EventType::lost_events) return gap(e);
  ++table_.records;
  if (started_ && e.ts_ns > last_ts_ns_) table_.duration_ns += e.ts_ns - last_ts_ns_;
  if (!started_ || e.ts_ns > last_ts_ns_) last_ts_ns_ = e.ts_ns;
  started_ = true;

  Cpu* c = &cpu(e.cpu);
  const bool queued_before = c->queued;
  switch (e.type) {
    case EventType::sched_switch:
      on_switch(e, *c);
      break;
    case EventType::sched_waking:
      on_waking(e, *c);
      c = &cpu(e.cpu);  // the table of CPUs may have grown
      break;
    case EventType::sched_wakeup:
      on_wakeup(e, Cpu(*c));
      c = &cpu(e.cpu);
      break;
    case EventType::workqueue_queue_work:
      ++table_.queue_works;
      ++table_.queue_works_nop;  // until a sched_waking follows
      c->queued = true;
      return;
    case EventType::workqueue_activate_work:
      return;  // stands between queue_work and the wakeup
    case EventType::workqueue_execute_start: {
      const TaskClass who = classes_.of(e.pid, e.comm);
      if (is_kworker(who)) ++table_.workers[index(who)].items;
      ++c->items;
      break;
    }
    case EventType::irq_handler_entry:
    case EventType::local_timer_entry:
    case EventType::reschedule_entry:
      close_interrupt(*c);
      c->in_interrupt = true;
      ++table_.interrupts;
      break;
    case EventType::block_rq_issue:
      ++table_.issued;
      break;
    case EventType::block_rq_complete:
      ++table_.completed;
      ++c->completions;
      break;
    case EventType::sys_enter_io_submit:
      classes_.see_syscall(e.pid);
      table_.submit_nr.add(e.u.sys.nr);
      break;
    case EventType::sys_enter_io_getevents:
      classes_.see_syscall(e.pid);
      if (calls_.size() < kCallsKept) calls_[e.pid] = {};
      break;
    case EventType::sys_exit_io_getevents:
      classes_.see_syscall(e.pid);
      on_return(e);
      break;
    default:
      break;
  }
  if (queued_before) c->queued = false;
}

}  // namespace wakepath::analysis
