// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/analysis/cpu_time.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "sim/analysis/counter.h"
#include "sim/analysis/damaged_input.h"
#include "sim/trace/record_class.h"

namespace wakepath::analysis {

using trace::Event;
using trace::EventType;

namespace {

bool is_irq_entry(EventType t) {
  return t == EventType::irq_handler_entry || t == EventType::local_timer_entry || t == EventType::reschedule_entry;
}
bool is_irq_exit(EventType t) {
  return t == EventType::irq_handler_exit || t == EventType::local_timer_exit || t == EventType::reschedule_exit;
}

bool completes(EventType t) { return t == EventType::block_rq_complete || t == EventType::workqueue_queue_work; }

}  // namespace

std::string_view name_of(Part p) {
  constexpr std::array<std::string_view, kParts> kNames{"idle",      "user",    "submit", "reap",   "switch_out",
                                                        "switch_in", "wakeup",  "work",   "worker", "completion_irq",
                                                        "other_irq", "softirq", "other",  "lost"};
  return kNames[static_cast<std::size_t>(p)];
}

// The part of the interval that ends with `e`.
PartTime& CpuTime::part_of(Cpu& c, const Event& e) {
  const auto at = [&](Part p) -> PartTime& { return c.parts[static_cast<std::size_t>(p)]; };
  if (!c.known) return at(Part::lost);
  if (c.irqs > 0) return c.irq;
  // Traces without softirq records show it by the flags of what is written there.
  const bool soft = e.has_flags && (e.flags & trace::kSoftirq) != 0 && c.last_in_softirq;
  if (c.softirqs > 0 || soft) return at(completes(e.type) || completes(c.last) ? Part::completion_irq : Part::softirq);
  if (c.task == nullptr) return c.current == 0 ? at(Part::idle) : at(Part::lost);
  if (c.waking && (e.type == EventType::sched_wakeup || e.type == EventType::sched_stat_runtime))
    return at(Part::wakeup);
  if (e.type == EventType::sched_switch) {
    // A preempted task that took hardly longer than a sleeper was on its way out; else it ran on, in its own part.
    const std::int64_t usual = pure_switches_ > 0 ? pure_ns_ / pure_switches_ : 0;
    if (leaves_at_once(c, e) || (e.ts_ns - c.last_ns) * 2 <= usual * 3) return at(Part::switch_out);
  }
  if (c.resuming) return at(Part::switch_in);
  switch (c.task->mode) {
    case Mode::submit:
      return at(Part::submit);
    case Mode::reap:
      return at(Part::reap);
    case Mode::work:
      return at(Part::work);
    case Mode::plain:
      break;
  }
  if (c.plain_of_current == nullptr) c.plain_of_current = &c.plain[c.current];
  return *c.plain_of_current;
}

// Who sleeps, or was accounted last, is in schedule() since the record before; who is preempted ran on from that record
// to its preemption point.
bool CpuTime::leaves_at_once(const Cpu& c, const Event& e) {
  return c.last == EventType::sched_stat_runtime || (e.u.sw.prev_state & ~trace::kStatePreempted) != 0 ||
         e.u.sw.prev_pid == 0;
}

// How long the switches of those take is the measure for the others: see part_of.
void CpuTime::split_switch(Cpu& c, const Event& e) {
  if (c.irqs > 0 || c.softirqs > 0 || c.task == nullptr || !c.known || !leaves_at_once(c, e)) return;
  ++pure_switches_;
  pure_ns_ += std::max<std::int64_t>(0, e.ts_ns - c.last_ns);
}

void CpuTime::spend(Cpu& c, const Event& e) {
  if (e.type == EventType::sched_switch) split_switch(c, e);
  PartTime& part = part_of(c, e);
  const std::int64_t ns = std::max<std::int64_t>(0, e.ts_ns - c.last_ns);
  ++(trace::is_sched_record(c.last) ? c.unpaid.sched_records : c.unpaid.records);
  if (ns == 0) return;
  part.ns += ns;
  part.records += std::exchange(c.unpaid.records, 0);
  part.sched_records += std::exchange(c.unpaid.sched_records, 0);
}

void CpuTime::close_irq(Cpu& c) {
  PartTime& to = c.parts[static_cast<std::size_t>(c.completed ? Part::completion_irq : Part::other_irq)];
  to.ns += c.irq.ns, to.records += c.irq.records, to.sched_records += c.irq.sched_records;
  c.irq = {};
  c.completed = false;
}

void CpuTime::on_switch(Cpu& c, const Event& e) {
  const Event::Switch& s = e.u.sw;
  ++counts_.switches;
  const auto id = static_cast<std::size_t>(&c - cpus_.data());
  if (id >= counts_.switches_by_cpu.size()) counts_.switches_by_cpu.resize(id + 1);
  ++counts_.switches_by_cpu[id];
  if (c.irqs > 0) close_irq(c);
  c.irqs = c.softirqs = 0;
  if (s.prev_pid != 0) task(s.prev_pid).slept = (s.prev_state & ~trace::kStatePreempted) != 0;
  c.current = s.next_pid;
  c.task = s.next_pid == 0 ? nullptr : &task(s.next_pid);
  c.plain_of_current = nullptr;
  c.waking = false;
  c.resuming = c.task != nullptr && c.task->slept;
  counts_.resumes += c.resuming;
  if (c.task != nullptr) c.task->slept = false;
}

void CpuTime::on_syscall(Cpu& c, const Event& e) {
  if (c.task == nullptr) return;
  Task& t = *c.task;
  t.does_io = true;
  switch (e.type) {
    case EventType::sys_enter_io_submit:
      t.mode = Mode::submit;
      ++counts_.submit_calls;
      counts_.submitted += some(e.u.sys.nr);
      break;
    case EventType::sys_enter_io_uring_enter:
      t.mode = e.u.sys.nr > 0 ? Mode::submit : Mode::reap;
      counts_.submit_calls += e.u.sys.nr > 0;
      counts_.submitted += some(e.u.sys.nr);
      counts_.reap_calls += e.u.sys.min_nr > 0;
      break;
    case EventType::sys_enter_io_getevents:
      t.mode = Mode::reap;
      ++counts_.reap_calls;
      break;
    case EventType::sys_exit_io_getevents:
      counts_.reaped += some(e.u.sys.ret);
      t.mode = Mode::plain;
      break;
    default:
      t.mode = Mode::plain;
      break;
  }
}

void CpuTime::follow(Cpu& c, const Event& e) {
  const EventType t = e.type;
  c.waking =
      t == EventType::sched_waking ? c.irqs == 0 && c.softirqs == 0 : c.waking && t == EventType::sched_stat_runtime;
  counts_.wakeups += t == EventType::sched_waking && c.waking && c.task != nullptr;
  if (c.irqs == 0 && c.softirqs == 0 && !is_irq_entry(t) && t != EventType::softirq_entry) c.resuming = false;
  if (t == EventType::sched_switch) return on_switch(c, e);
  if (is_irq_entry(t)) {
    ++c.irqs;
    ++counts_.interrupts;
  } else if (is_irq_exit(t)) {
    if (c.irqs > 0 && --c.irqs == 0) close_irq(c);
  } else if (t == EventType::softirq_entry) {
    ++c.softirqs;
  } else if (t == EventType::softirq_exit) {
    c.softirqs = std::max(0, c.softirqs - 1);
  } else if (t == EventType::block_rq_complete) {
    ++counts_.completions;
    c.completed |= c.irqs > 0;
  } else if (t == EventType::workqueue_execute_start && c.task != nullptr) {
    c.task->works = true;
    c.task->mode = Mode::work;
    ++counts_.items;
  } else if (t == EventType::workqueue_execute_end && c.task != nullptr) {
    c.task->mode = Mode::plain;
  } else if (t >= EventType::sys_enter_io_submit && t <= EventType::sys_exit_io_uring_enter) {
    on_syscall(c, e);
  }
}

void CpuTime::on_event(const Event& e) {
  if (e.type == EventType::lost_events) {
    for (Cpu& c : cpus_) {
      c.known = false;
      c.irqs = c.softirqs = 0;
      c.waking = c.resuming = false;
    }
    return;
  }
  if (first_ns_ >= 0 && e.ts_ns - first_ns_ > kLongestTrace) {
    Event nearer = e;
    nearer.ts_ns = first_ns_ + kLongestTrace;
    return on_event(nearer);
  }
  if (first_ns_ < 0) first_ns_ = last_ns_ = e.ts_ns;
  last_ns_ = std::max(last_ns_, e.ts_ns);
  const auto id = cpu_index(e.cpu);
  if (id >= cpus_.size()) {
    const std::size_t had = cpus_.size();
    cpus_.resize(id + 1);
    for (std::size_t i = had; i <= id; ++i) cpus_[i].last_ns = first_ns_;
  }
  Cpu& c = cpus_[id];
  spend(c, e);
  if (!c.known && e.type != EventType::sched_switch) {  // the record says who runs
    c.current = e.pid;
    c.task = e.pid == 0 ? nullptr : &task(e.pid);
    c.plain_of_current = nullptr;
  }
  c.known = true;
  follow(c, e);
  c.last = e.type;
  c.last_in_softirq = e.has_flags && (e.flags & trace::kSoftirq) != 0;
  c.last_ns = std::max(c.last_ns, e.ts_ns);
}

CpuTimeTable CpuTime::table() const {
  CpuTimeTable out = counts_;
  out.begin_ns = std::max<std::int64_t>(0, first_ns_), out.end_ns = last_ns_;
  const auto add = [](PartTime& to, const PartTime& from) {
    to.ns += from.ns, to.records += from.records, to.sched_records += from.sched_records;
  };
  for (const Cpu& c : cpus_) {
    auto parts = c.parts;
    add(parts[static_cast<std::size_t>(c.completed ? Part::completion_irq : Part::other_irq)], c.irq);
    for (const auto& [pid, time] : c.plain) {
      const auto it = tasks_.find(pid);
      const Part p = it == tasks_.end()   ? Part::other
                     : it->second.does_io ? Part::user
                     : it->second.works   ? Part::worker
                                          : Part::other;
      add(parts[static_cast<std::size_t>(p)], time);
    }
    // After a CPU's last record: what it was doing then went on.
    PartTime rest;
    rest.ns = last_ns_ - c.last_ns;
    add(parts[static_cast<std::size_t>(c.current == 0 ? Part::idle : Part::lost)], rest);
    for (std::size_t i = 0; i < kParts; ++i) add(out.total[i], parts[i]);
    out.cpus.push_back(parts);
  }
  return out;
}

namespace {

nlohmann::json parts_json(const std::array<PartTime, kParts>& parts, std::int64_t whole) {
  nlohmann::json out = nlohmann::json::object();
  for (std::size_t i = 0; i < kParts; ++i) {
    if (parts[i].ns == 0 && parts[i].records + parts[i].sched_records == 0) continue;
    out[std::string(name_of(static_cast<Part>(i)))] = {{"ns", parts[i].ns},
                                                       {"share", ratio(parts[i].ns, whole)},
                                                       {"records", parts[i].records},
                                                       {"sched_records", parts[i].sched_records}};
  }
  return out;
}

}  // namespace

nlohmann::json to_json(const CpuTimeTable& t) {
  const std::int64_t window = t.end_ns - t.begin_ns;
  nlohmann::json cpus = nlohmann::json::array();
  for (std::size_t i = 0; i < t.cpus.size(); ++i)
    cpus.push_back({{"id", i},
                    {"switches", i < t.switches_by_cpu.size() ? t.switches_by_cpu[i] : 0},
                    {"parts", parts_json(t.cpus[i], window)}});
  return {{"window_ns", window},
          {"parts", parts_json(t.total, window * static_cast<std::int64_t>(t.cpus.size()))},
          {"units",
           {{"submitted", t.submitted},
            {"submit_calls", t.submit_calls},
            {"reaped", t.reaped},
            {"reap_calls", t.reap_calls},
            {"completions", t.completions},
            {"interrupts", t.interrupts},
            {"items", t.items},
            {"wakeups", t.wakeups},
            {"switches", t.switches},
            {"resumes", t.resumes}}},
          {"cpus", std::move(cpus)}};
}

}  // namespace wakepath::analysis
