// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/analysis/run_delay.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "sim/analysis/counter.h"
#include "sim/analysis/damaged_input.h"
#include "sim/analysis/task_class.h"
#include "sim/trace/scan.h"

namespace wakepath::analysis {

using trace::Event;
using trace::EventType;

namespace {
constexpr std::size_t kTasksKept = 1 << 20;

void spend(TaskTimes& t, std::uint8_t state, std::int64_t ns) {
  if (state == 1) t.run_ns += ns;
  if (state == 2) t.wait_ns += ns;
  if (state == 3) t.sleep_ns += ns;
}
}  // namespace

RunDelay::Cpu& RunDelay::cpu(std::int32_t id) {
  const auto i = cpu_index(id);
  if (i >= cpus_.size()) cpus_.resize(i + 1);
  return cpus_[i];
}

std::uint32_t RunDelay::family(trace::StringId comm) {
  if (comm >= family_of_comm_.size()) family_of_comm_.resize(comm + 1, 0);
  std::uint32_t& f = family_of_comm_[comm];
  if (f != 0) return f - 1;
  const std::string name = family_of_comm(pool_->str(comm));
  const auto it = std::find(families_.begin(), families_.end(), name);
  f = static_cast<std::uint32_t>(it - families_.begin()) + 1;
  if (it == families_.end()) families_.push_back(name);
  return f - 1;
}

RunDelay::Task& RunDelay::task(std::int32_t pid, trace::StringId comm) {
  Task& t = tasks_[pid];
  if (comm != 0) {
    t.family = family(comm);
    t.comm = comm;
  }
  return t;
}

void RunDelay::enter(Task& t, State s, std::int64_t ns) {
  spend(t.times, static_cast<std::uint8_t>(t.state), between(t.since_ns, ns));
  set(t, s, ns);
}

void RunDelay::set(Task& t, State s, std::int64_t ns) {
  t.state = s;
  t.since_ns = ns;
  if (t.past.size() == kPastKept) t.past.pop_front();
  t.past.push_back({ns, t.times, s});
}

TaskTimes RunDelay::at(std::int32_t pid, std::int64_t ns) const {
  const auto it = tasks_.find(pid);
  if (it == tasks_.end() || it->second.past.empty()) return {};
  const auto& past = it->second.past;
  auto after = std::upper_bound(past.begin(), past.end(), ns, [](std::int64_t x, const Change& c) { return x < c.ns; });
  if (after == past.begin()) return past.front().times;
  const Change& c = *std::prev(after);
  TaskTimes t = c.times;
  spend(t, static_cast<std::uint8_t>(c.state), between(c.ns, ns));
  return t;
}

void RunDelay::wake(const Event& e) {
  if (tasks_.size() >= kTasksKept && !tasks_.contains(e.u.task.pid)) return;
  Task& t = task(e.u.task.pid, e.u.task.comm);
  if (t.state == State::run) return;
  if (t.state == State::wait) {  // sched_wakeup says which CPU it was put on
    if (t.cpu == e.u.task.target_cpu) return;
    std::erase(cpu(t.cpu).waiting, e.u.task.pid);
  } else {
    enter(t, State::wait, e.ts_ns);
    ++t.waits;
    ++t.wakeups;
  }
  t.cpu = e.u.task.target_cpu;
  cpu(t.cpu).waiting.push_back(e.u.task.pid);
}

// Records are missing: what the tasks did since their last one is not told. What they did before stands.
void RunDelay::gap(std::int64_t ns) {
  for (auto& [pid, t] : tasks_)
    if (t.state != State::unknown) set(t, State::unknown, ns);
  cpus_.clear();
}

void RunDelay::on_switch(const Event& e) {
  const auto& s = e.u.sw;
  Cpu& c = cpu(e.cpu);
  if (c.current > 0 && c.current != s.prev_pid) {  // no record says until when it ran
    Task& gone = tasks_[c.current];
    if (gone.state == State::run && gone.cpu == e.cpu) set(gone, State::unknown, e.ts_ns);
  }
  if (c.current == s.prev_pid && !c.waiting.empty()) {
    const std::uint32_t runner = s.prev_pid == 0 ? family(s.prev_comm) : task(s.prev_pid, s.prev_comm).family;
    for (const std::int32_t pid : c.waiting) {
      const Task& w = tasks_[pid];
      antagonists_[{w.family, runner}] += between(std::max(w.since_ns, c.since_ns), e.ts_ns);
    }
  }
  if (s.prev_pid != 0) {
    Task& prev = task(s.prev_pid, s.prev_comm);
    const bool runnable = (s.prev_state & ~trace::kStatePreempted) == 0;
    enter(prev, runnable ? State::wait : State::sleep, e.ts_ns);
    ++(runnable ? prev.involuntary : prev.voluntary);
    if (runnable) {
      ++prev.waits;
      prev.cpu = e.cpu;
      c.waiting.push_back(s.prev_pid);
    }
  }
  if (s.next_pid != 0) {
    Task& next = task(s.next_pid, s.next_comm);
    if (next.state == State::wait) std::erase(cpu(next.cpu).waiting, s.next_pid);
    enter(next, State::run, e.ts_ns);
    next.cpu = e.cpu;
  }
  Cpu& now = cpu(e.cpu);
  now.current = s.next_pid;
  now.since_ns = e.ts_ns;
}

void RunDelay::on_event(const Event& e) {
  told_.see(e);
  if (e.type == EventType::lost_events) return gap(told_.last_ns());
  switch (e.type) {
    case EventType::sched_switch:
      return on_switch(e);
    case EventType::sched_waking:
    case EventType::sched_wakeup:
    case EventType::sched_wakeup_new:
      return wake(e);
    default:
      return;
  }
}

nlohmann::json RunDelay::tasks_json() const {
  const std::int64_t span = std::max<std::int64_t>(1, told_.ns());
  const auto per_s = [&](std::int64_t n) { return static_cast<double>(n) * 1e9 / static_cast<double>(span); };
  std::vector<std::pair<std::int64_t, std::int32_t>> order;
  for (const auto& [pid, t] : tasks_)
    if (pid != 0) order.emplace_back(-at(pid, told_.last_ns()).run_ns, pid);
  std::sort(order.begin(), order.end());
  nlohmann::json out = nlohmann::json::array();
  for (const auto& [run, pid] : order) {
    const Task& t = tasks_.at(pid);
    out.push_back({{"comm", trace::scan::printable(pool_->str(t.comm))},
                   {"tid", pid},
                   {"cpu_ns_per_s", per_s(-run)},
                   {"voluntary_switches_per_s", per_s(t.voluntary)},
                   {"involuntary_switches_per_s", per_s(t.involuntary)},
                   {"wakeups_per_s", per_s(t.wakeups)},
                   {"run_delay_ns_per_s", per_s(at(pid, told_.last_ns()).wait_ns)}});
  }
  return out;
}

nlohmann::json RunDelay::json() const {
  struct Row {
    std::int64_t waits = 0, wait_ns = 0;
  };
  std::map<std::uint32_t, Row> rows;
  for (const auto& [pid, t] : tasks_) {
    if (pid == 0) continue;
    rows[t.family].waits += t.waits;
    rows[t.family].wait_ns += t.times.wait_ns;
  }
  std::vector<std::pair<std::uint32_t, Row>> sorted(rows.begin(), rows.end());
  std::sort(sorted.begin(), sorted.end(), [&](const auto& a, const auto& b) {
    return a.second.wait_ns != b.second.wait_ns ? a.second.wait_ns > b.second.wait_ns
                                                : families_[a.first] < families_[b.first];
  });
  nlohmann::json out = nlohmann::json::array();
  for (const auto& [f, row] : sorted) {
    if (row.waits == 0) continue;
    std::vector<std::pair<std::int64_t, std::string>> by;
    for (const auto& [who, ns] : antagonists_)
      if (who.first == f && ns > 0) by.emplace_back(-ns, families_[who.second]);
    std::sort(by.begin(), by.end());
    nlohmann::json listed = nlohmann::json::array();
    for (const auto& [ns, name] : by)
      listed.push_back({{"task", name}, {"wait_ns", -ns}, {"share", ratio(-ns, row.wait_ns)}});
    out.push_back({{"task", families_[f]},
                   {"waits", row.waits},
                   {"wait_ns", row.wait_ns},
                   {"mean_ns", ratio(row.wait_ns, row.waits)},
                   {"by", std::move(listed)}});
  }
  return out;
}

}  // namespace wakepath::analysis
