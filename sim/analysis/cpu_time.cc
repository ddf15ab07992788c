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

void add(PartTime& to, const PartTime& from) {
  to.ns += from.ns, to.records += from.records, to.sched_records += from.sched_records;
}

// More I/Os at once than any call hands in; a damaged trace may say anything.
constexpr std::int64_t kMostIos = 1 << 16;

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
  // Another CPU may write the record of a wakeup that it is told of.
  if (c.waking && (c.waking_remote || e.type == EventType::sched_wakeup || e.type == EventType::sched_stat_runtime))
    return at(Part::wakeup);
  if (e.type == EventType::sched_switch) {
    // A preempted task that took hardly longer than a sleeper was on its way out; else it ran on, in its own part.
    const std::int64_t usual = pure_switches_ > 0 ? pure_ns_ / pure_switches_ : 0;
    if (leaves_at_once(c, e) || (e.ts_ns - c.last_ns) * 2 <= usual * 3) return at(Part::switch_out);
  }
  if (c.resuming) return c.resume->time;
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
  PartTime spent = std::exchange(c.unpaid, {});
  spent.ns = ns;
  add(part, spent);
  if (&part == &c.parts[static_cast<std::size_t>(Part::completion_irq)]) add(c.ending, spent);
  if (c.task == nullptr) return;
  if (c.waking_remote && &part == &c.parts[static_cast<std::size_t>(Part::wakeup)]) add(c.remote.time, spent);
  if (c.task->item != nullptr && &part == &c.parts[static_cast<std::size_t>(Part::work)])
    add(c.task->item->time, spent);
  if (&part == &c.parts[static_cast<std::size_t>(Part::submit)]) add(c.task->call, spent);
  if (&part == c.plain_of_current) add(c.task->loop, spent);
}

void LineSums::point(std::int64_t n, const PartTime& time) {
  if (n <= 0) return;
  const auto at_once = static_cast<double>(n);
  ++calls, ios += n, ios_squared += at_once * at_once;
  ns += time.ns, ns_ios += static_cast<double>(time.ns) * at_once;
  records += time.records, records_ios += static_cast<double>(time.records) * at_once;
  sched_records += time.sched_records, sched_records_ios += static_cast<double>(time.sched_records) * at_once;
}

// Nothing is left in interrupt context.
void CpuTime::close_ending(Cpu& c) {
  if (c.irqs > 0 || c.softirqs > 0 || c.ended == 0) return;
  c.lines.end.point(std::exchange(c.ended, 0), std::exchange(c.ending, {}));
}

void CpuTime::close_irq(Cpu& c) {
  PartTime& to = c.parts[static_cast<std::size_t>(c.completed ? Part::completion_irq : Part::other_irq)];
  add(to, c.irq);
  if (c.completed) add(c.ending, c.irq);
  c.irq = {};
  c.completed = false;
}

void CpuTime::on_switch(Cpu& c, const Event& e) {
  const Event::Switch& s = e.u.sw;
  ++c.units.switches;
  if (c.irqs > 0) close_irq(c);
  c.irqs = c.softirqs = 0;
  if (s.prev_pid != 0) task(s.prev_pid).slept = (s.prev_state & ~trace::kStatePreempted) != 0;
  c.current = s.next_pid;
  c.task = s.next_pid == 0 ? nullptr : &task(s.next_pid);
  c.plain_of_current = nullptr;
  c.waking = false;
  c.resuming = c.task != nullptr && c.task->slept;
  if (c.resuming) ++(c.resume = &c.resumes[c.current])->times;
  if (c.task != nullptr) c.task->slept = false;
}

void CpuTime::on_syscall(Cpu& c, const Event& e) {
  if (c.task == nullptr) return;
  Task& t = *c.task;
  t.does_io = true;
  switch (e.type) {
    case EventType::sys_enter_io_submit:
      t.mode = Mode::submit;
      ++c.units.submit_calls;
      c.units.submitted += some(e.u.sys.nr);
      t.call_ios = std::min<std::int64_t>(some(e.u.sys.nr), kMostIos);
      t.call = {};
      break;
    case EventType::sys_enter_io_uring_enter:
      t.mode = e.u.sys.nr > 0 ? Mode::submit : Mode::reap;
      c.units.submit_calls += e.u.sys.nr > 0;
      c.units.submitted += some(e.u.sys.nr);
      c.units.reap_calls += e.u.sys.min_nr > 0;
      break;
    case EventType::sys_enter_io_getevents:
      t.mode = Mode::reap;
      ++c.units.reap_calls;
      break;
    case EventType::sys_exit_io_submit:
      c.lines.submit.point(std::exchange(t.call_ios, 0), std::exchange(t.call, {}));
      t.mode = Mode::plain;
      break;
    case EventType::sys_exit_io_getevents:
      c.units.reaped += some(e.u.sys.ret);
      c.lines.user.point(t.loop_ios, std::exchange(t.loop, {}));
      t.loop_ios = std::min<std::int64_t>(some(e.u.sys.ret), kMostIos);
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
  if (t == EventType::sched_waking) c.waking_remote = c.waking && e.u.task.target_cpu != e.cpu;
  if (t == EventType::sched_waking && c.waking && c.task != nullptr) {
    ++c.units.wakeups;
    c.remote.wakeups += c.waking_remote;
  }
  if (c.irqs == 0 && c.softirqs == 0 && !is_irq_entry(t) && t != EventType::softirq_entry) c.resuming = false;
  if (t == EventType::sched_switch) return on_switch(c, e);
  if (is_irq_entry(t)) {
    ++c.irqs;
    ++c.units.interrupts;
  } else if (is_irq_exit(t)) {
    if (c.irqs > 0 && --c.irqs == 0) close_irq(c);
    close_ending(c);
  } else if (t == EventType::softirq_entry) {
    ++c.softirqs;
  } else if (t == EventType::softirq_exit) {
    c.softirqs = std::max(0, c.softirqs - 1);
    close_ending(c);
  } else if (t == EventType::block_rq_complete) {
    ++c.units.completions;
    c.completed |= c.irqs > 0;
    c.ended = std::min(c.ended + 1, kMostIos);
  } else if (t == EventType::workqueue_execute_start && c.task != nullptr) {
    c.task->works = true;
    c.task->mode = Mode::work;
    c.task->item = &functions_[e.u.work.function];
    ++c.task->item->items;
    ++c.units.items;
  } else if (t == EventType::workqueue_execute_end && c.task != nullptr) {
    c.task->mode = Mode::plain;
    c.task->item = nullptr;
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
  // The exit is written within the softirq and is its last.
  c.last_in_softirq = e.has_flags && (e.flags & trace::kSoftirq) != 0 && e.type != EventType::softirq_exit;
  c.last_ns = std::max(c.last_ns, e.ts_ns);
}

CpuTimeTable CpuTime::table() const {
  CpuTimeTable out;
  out.begin_ns = std::max<std::int64_t>(0, first_ns_), out.end_ns = last_ns_;
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
    // Of others nothing says when they are back at work.
    CpuUnits units = c.units;
    for (const auto& [pid, resume] : c.resumes) {
      const auto it = tasks_.find(pid);
      const bool known = it != tasks_.end() && (it->second.does_io || it->second.works);
      if (known) units.resumes += resume.times;
      add(parts[static_cast<std::size_t>(known ? Part::switch_in : Part::other)], resume.time);
    }
    // After a CPU's last record: what it was doing then went on.
    PartTime rest;
    rest.ns = last_ns_ - c.last_ns;
    add(parts[static_cast<std::size_t>(c.current == 0 ? Part::idle : Part::lost)], rest);
    for (std::size_t i = 0; i < kParts; ++i) add(out.total[i], parts[i]);
    out.cpus.push_back(parts);
    out.units.push_back(units);
    out.lines.push_back(c.lines);
    out.remote_wakeups.push_back(c.remote);
    out += units;
  }
  out.functions.assign(functions_.begin(), functions_.end());
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

nlohmann::json time_json(const PartTime& t) {
  return {{"ns", t.ns}, {"records", t.records}, {"sched_records", t.sched_records}};
}

nlohmann::json units_json(const CpuUnits& u) {
  return {{"submitted", u.submitted},   {"submit_calls", u.submit_calls}, {"reaped", u.reaped},
          {"reap_calls", u.reap_calls}, {"completions", u.completions},   {"interrupts", u.interrupts},
          {"items", u.items},           {"wakeups", u.wakeups},           {"switches", u.switches},
          {"resumes", u.resumes}};
}

nlohmann::json line_json(const LineSums& s) {
  return {{"calls", s.calls},
          {"ios", s.ios},
          {"ios_squared", s.ios_squared},
          {"ns", s.ns},
          {"ns_ios", s.ns_ios},
          {"records", s.records},
          {"records_ios", s.records_ios},
          {"sched_records", s.sched_records},
          {"sched_records_ios", s.sched_records_ios}};
}

}  // namespace

CpuUnits& CpuUnits::operator+=(const CpuUnits& o) {
  submitted += o.submitted, reaped += o.reaped, reap_calls += o.reap_calls, submit_calls += o.submit_calls;
  completions += o.completions, interrupts += o.interrupts, items += o.items;
  wakeups += o.wakeups, switches += o.switches, resumes += o.resumes;
  return *this;
}

nlohmann::json to_json(const CpuTimeTable& t) {
  const std::int64_t window = t.end_ns - t.begin_ns;
  nlohmann::json cpus = nlohmann::json::array();
  for (std::size_t i = 0; i < t.cpus.size(); ++i) {
    nlohmann::json remote = time_json(t.remote_wakeups[i].time);
    remote["wakeups"] = t.remote_wakeups[i].wakeups;
    cpus.push_back({{"id", i},
                    {"switches", t.units[i].switches},
                    {"parts", parts_json(t.cpus[i], window)},
                    {"units", units_json(t.units[i])},
                    {"remote_wakeups", std::move(remote)},
                    {"lines",
                     {{"submit", line_json(t.lines[i].submit)},
                      {"user", line_json(t.lines[i].user)},
                      {"end", line_json(t.lines[i].end)}}}});
  }
  return {{"window_ns", window},
          {"parts", parts_json(t.total, window * static_cast<std::int64_t>(t.cpus.size()))},
          {"units", units_json(t)},
          {"cpus", std::move(cpus)}};
}

nlohmann::json functions_json(const CpuTimeTable& t, const trace::StringPool& pool) {
  nlohmann::json out = nlohmann::json::object();
  for (const auto& [function, spent] : t.functions) {
    nlohmann::json& f = out[pool.str(function)] = time_json(spent.time);
    f["items"] = spent.items;
  }
  return out;
}

}  // namespace wakepath::analysis
