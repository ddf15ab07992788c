// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/analysis/pingpong.h"

#include <algorithm>

#include "sim/analysis/damaged_input.h"
#include "sim/analysis/task_class.h"

namespace wakepath::analysis {
namespace {

using trace::Event;
using trace::EventType;

constexpr std::size_t kFamiliesKept = 4096;
constexpr std::size_t kCyclesKept = 4096;
constexpr std::uint8_t kInterrupt = trace::kHardirq | trace::kSoftirq | trace::kNmi;
constexpr std::uint8_t kResched = trace::kNeedResched | trace::kNeedReschedLazy;

// The rotation with the smallest key names the cycle wherever it was entered. `key` holds 16 bits per family, the first
// one highest.
std::uint64_t smallest_rotation(std::uint64_t key, std::size_t length) {
  const unsigned bits = static_cast<unsigned>(length) * 16U;
  std::uint64_t best = key;
  for (std::size_t i = 1; i < length; ++i) {
    const std::uint64_t top = key >> (bits - 16U);
    key = (bits == 64U ? key << 16U : (key << 16U) & ((std::uint64_t{1} << bits) - 1)) | top;
    best = std::min(best, key);
  }
  return best;
}

}  // namespace

std::string_view name_of(SwitchReason r) {
  constexpr std::array<std::string_view, static_cast<std::size_t>(SwitchReason::count_)> kNames{
      "blocked", "hand_off", "own_wakee", "interrupt_wakee", "slice_end"};
  return kNames[static_cast<std::size_t>(r)];
}

PingPong::Cpu& PingPong::cpu(std::int32_t id) {
  const std::size_t i = cpu_index(id);
  if (i >= cpus_.size()) cpus_.resize(i + 1);
  return cpus_[i];
}

PingPong::Family PingPong::family(std::int32_t pid, trace::StringId comm) {
  if (family_names_.empty()) family_names_ = {"", "idle"};  // 0: not looked up, 1: the idle tasks
  if (pid == 0) return 1;
  if (comm >= family_of_comm_.size()) family_of_comm_.resize(comm + 1, 0);
  Family& f = family_of_comm_[comm];
  if (f != 0) return f;
  std::string name = family_of_comm(pool_->str(comm));
  if (family_names_.size() >= kFamiliesKept) name = "(others)";
  const auto [it, fresh] = family_ids_.try_emplace(name, static_cast<Family>(family_names_.size()));
  if (fresh) family_names_.push_back(std::move(name));
  f = it->second;
  return f;
}

// Which record first shows need_resched: a sched_wakeup whose sched_waking had not shown it, or any other.
void PingPong::note_flags(const Event& e, Cpu& c) {
  if (!e.has_flags) return;
  const bool resched = (e.flags & kResched) != 0;
  if (resched && !c.resched_seen) {
    const bool by_wakeup = e.type == EventType::sched_wakeup && e.u.task.target_cpu == e.cpu;
    c.setter = by_wakeup ? Setter::wakeup : Setter::other;
    c.setter_pid = by_wakeup ? e.u.task.pid : -1;
  }
  c.flags_seen = true;
  c.resched_seen = resched;
}

void PingPong::on_wake(const Event& e) {
  const Cpu& here = cpu(e.cpu);
  const bool interrupted = e.has_flags ? (e.flags & kInterrupt) != 0 : here.interrupts > 0 || here.maybe_softirq;
  const bool by_current = !interrupted && here.known && here.current == e.pid && e.u.task.target_cpu == e.cpu;
  Cpu& target = cpu(e.u.task.target_cpu);
  if (target.lead_waker == e.u.task.pid && target.waker_wants_ns < 0) target.waker_wants_ns = e.ts_ns;
  for (std::size_t i = 0; i < target.n_wakes; ++i) {
    if (target.wakes[i].pid != e.u.task.pid) continue;
    target.wakes[i].by_current = by_current;
    return;
  }
  if (target.n_wakes == kWakesKept) {
    std::move(target.wakes.begin() + 1, target.wakes.end(), target.wakes.begin());
    --target.n_wakes;
  }
  target.wakes[target.n_wakes++] = {e.u.task.pid, by_current};
}

SwitchReason PingPong::reason(const Event& e, const Cpu& c, bool wakeups_recorded) {
  const Event::Switch& s = e.u.sw;
  const Wake* wake = nullptr;
  for (std::size_t i = 0; i < c.n_wakes; ++i) {
    if (c.wakes[i].pid == s.next_pid) wake = &c.wakes[i];
  }
  const bool runnable = (s.prev_state & ~trace::kStatePreempted) == 0;
  if (!runnable) return wake != nullptr && wake->by_current ? SwitchReason::hand_off : SwitchReason::blocked;
  if (wake == nullptr) return SwitchReason::slice_end;
  // With latency columns the wakeup itself must have asked for the switch; without them, or without sched_wakeup
  // records, the order must speak: nobody else was woken after it.
  const bool asked = c.flags_seen && wakeups_recorded ? c.setter == Setter::wakeup && c.setter_pid == s.next_pid
                                                      : c.wakes[c.n_wakes - 1].pid == s.next_pid;
  if (!asked) return SwitchReason::slice_end;
  return wake->by_current ? SwitchReason::own_wakee : SwitchReason::interrupt_wakee;
}

void PingPong::reset_stint(Cpu& c, std::int32_t pid, std::int64_t now) {
  c.known = true;
  c.current = pid;
  c.since_ns = now;
  c.n_wakes = 0;
  c.resched_seen = c.flags_seen = false;
  c.setter = Setter::none;
  c.returned = false;
  c.interrupts = 0;  // no switch happens inside one; the record of its end may be missing
  c.maybe_softirq = false;
}

// ring[0] was just left for `next`. The shortest cycle that this closes counts.
void PingPong::close_round(Cpu& c, std::int32_t next) {
  std::size_t length = 0;
  for (std::size_t l = 2; l <= std::min(kLongest, c.stints) && length == 0; ++l) {
    if (c.ring[l - 1].pid == next) length = l;
  }
  if (length == 0) return;
  std::uint64_t key = 0;
  bool preempting = false, judged = false, vain = false;
  for (std::size_t i = length; i-- > 0;) {  // oldest first
    if (c.ring[i].pid == 0) return;         // a CPU that idles is not fought over
    key = (key << 16U) | c.ring[i].family;
    const bool preempts = c.ring[i].left == SwitchReason::own_wakee;
    preempting = preempting || preempts;
    if (!preempts || i == 0) continue;
    const Stint& wakee = c.ring[i - 1];
    const bool slept = wakee.left == SwitchReason::blocked || wakee.left == SwitchReason::hand_off;
    judged = true;
    vain = vain || (slept && !wakee.returned);
  }
  key = smallest_rotation(key, length);
  if (tallies_.size() >= kCyclesKept && !tallies_.contains(key)) return;
  Tally& t = tallies_[key];
  ++t.switches;
  ++t.reasons[static_cast<std::size_t>(c.ring[0].left)];
  if (preempting) ++t.preempting_rounds;
  if (judged && waits_recorded_) ++t.judged_rounds;
  if (vain && waits_recorded_) ++t.vain_rounds;
  if (c.ring[0].left != SwitchReason::own_wakee) return;
  t.wakee_run_ns += c.ring[length - 1].run_ns;
  t.waker_run_ns += c.ring[0].run_ns;
  t.lead_ns = std::max(t.lead_ns, c.lead_ns);
  t.proven_rounds += c.lead_ns > kCreditNs + kSlackNs;
}

// How much longer the wakee ran than the waker since a first preemption, counting what it ran while the waker wanted
// the CPU too, and all that the waker ran. At least so far ahead of the waker it would be in virtual time at equal
// weights, less the credit that it may have begun with:
// - a sleep of the wakee gives it nothing that the waker's run, which is taken off, does not cover;
// - a sleep of the waker gives the waker something, and keeps kKeptNs of what is beyond the credit;
// - an idle CPU may forget the lags of both (EEVDF places the first one that wakes without): what is beyond the credit;
// - on another CPU, and where the waker has caught up, it begins anew.
void PingPong::follow_lead(const Event& e, SwitchReason r, Cpu& c) {
  const Event::Switch& s = e.u.sw;
  const bool blocked = r == SwitchReason::blocked || r == SwitchReason::hand_off;
  if (s.prev_pid == c.lead_wakee && c.waker_wants_ns >= 0)
    c.lead_ns += std::max<std::int64_t>(0, e.ts_ns - std::max(c.since_ns, c.waker_wants_ns));
  if (s.prev_pid == c.lead_waker) {
    c.lead_ns = std::max<std::int64_t>(0, c.lead_ns - (e.ts_ns - c.since_ns));
    c.waker_wants_ns = blocked ? -1 : e.ts_ns;
    if (blocked) c.lead_ns = std::min(c.lead_ns, kCreditNs + kKeptNs);
  }
  if (s.prev_pid == 0 || s.next_pid == 0) c.lead_ns = std::min(c.lead_ns, kCreditNs);
  if (s.next_pid == c.lead_waker) c.waker_wants_ns = e.ts_ns;
  if (r != SwitchReason::own_wakee || (s.prev_pid == c.lead_waker && s.next_pid == c.lead_wakee)) return;
  c.lead_ns = 0;
  c.lead_waker = s.prev_pid;
  c.lead_wakee = s.next_pid;
  c.waker_wants_ns = e.ts_ns;
}

void PingPong::forget_lead(std::int32_t pid) {
  for (Cpu& c : cpus_)
    if (c.lead_waker == pid || c.lead_wakee == pid) c.lead_waker = c.lead_wakee = -1;
}

void PingPong::on_switch(const Event& e, Cpu& c) {
  const Event::Switch& s = e.u.sw;
  ++switches_;
  if (!c.known || c.current != s.prev_pid) {  // the start, or the trace lacks a switch
    c.stints = 0;
    c.lead_waker = c.lead_wakee = -1;
    reset_stint(c, s.next_pid, e.ts_ns);
    return;
  }
  note_flags(e, c);
  const SwitchReason r = reason(e, c, wakeups_recorded_);
  const std::int64_t run_ns = e.ts_ns - c.since_ns;
  ++reasons_[static_cast<std::size_t>(r)];
  std::move_backward(c.ring.begin(), c.ring.end() - 1, c.ring.end());
  c.ring[0] = {s.prev_pid, family(s.prev_pid, s.prev_comm), run_ns, r, c.returned};
  c.stints = std::min(c.stints + 1, kLongest);
  follow_lead(e, r, c);
  close_round(c, s.next_pid);
  reset_stint(c, s.next_pid, e.ts_ns);
}

void PingPong::on_event(const Event& e) {
  if (e.type == EventType::lost_events) {
    cpus_.clear();
    started_ = false;
    return;
  }
  if (started_ && e.ts_ns > last_ts_ns_) duration_ns_ += e.ts_ns - last_ts_ns_;
  if (!started_ || e.ts_ns > last_ts_ns_) last_ts_ns_ = e.ts_ns;
  started_ = true;
  Cpu& c = cpu(e.cpu);
  switch (e.type) {
    case EventType::sched_switch:
      return on_switch(e, c);
    case EventType::sched_waking:
    case EventType::sched_wakeup:
    case EventType::sched_wakeup_new:
      wakeups_recorded_ = wakeups_recorded_ || e.type == EventType::sched_wakeup;
      note_flags(e, c);
      return on_wake(e);
    case EventType::sched_migrate_task:
      forget_lead(e.u.task.pid);
      break;
    case EventType::irq_handler_entry:
    case EventType::softirq_entry:
    case EventType::local_timer_entry:
    case EventType::reschedule_entry:
      c.interrupts = std::min(c.interrupts + 1, 16);
      break;
    case EventType::irq_handler_exit:
    case EventType::softirq_exit:
    case EventType::local_timer_exit:
    case EventType::reschedule_exit:
      c.interrupts = std::max(c.interrupts - 1, 0);
      c.maybe_softirq = e.type == EventType::irq_handler_exit;
      break;
    case EventType::block_rq_complete:
      c.maybe_softirq = true;
      break;
    case EventType::block_rq_issue:
    case EventType::workqueue_execute_start:
    case EventType::workqueue_execute_end:
    case EventType::sys_enter_io_submit:
    case EventType::sys_exit_io_submit:
    case EventType::sys_enter_io_getevents:
    case EventType::sys_exit_io_getevents:
    case EventType::sys_enter_io_uring_enter:
    case EventType::sys_exit_io_uring_enter:
      if (e.type == EventType::sys_exit_io_getevents || e.type == EventType::sys_exit_io_uring_enter)
        c.returned = waits_recorded_ = true;
      c.maybe_softirq = false;
      break;
    default:
      break;
  }
  note_flags(e, c);
}

}  // namespace wakepath::analysis
