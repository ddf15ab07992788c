// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/analysis/migrations.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "sim/analysis/call_chains.h"
#include "sim/analysis/counter.h"
#include "sim/analysis/damaged_input.h"
#include "sim/trace/scan.h"

namespace wakepath::analysis {

using trace::Event;
using trace::EventType;

namespace {

constexpr std::int32_t kStopPrio = 0;  // as sched_switch prints the stop class: MAX_RT_PRIO - 1 - 99

bool is_wakeup(Mover m) { return m == Mover::to_waker || m == Mover::to_idle || m == Mover::to_busy; }

std::string_view cause_text(Mover m) {
  switch (m) {
    case Mover::to_waker:
      return "placement rule: a wakeup takes it to the CPU of its waker";
    case Mover::to_idle:
      return "placement rule: a wakeup takes it to an idle CPU";
    case Mover::to_busy:
      return "placement rule: a wakeup takes it to another busy CPU";
    case Mover::stopper:
      return "balance: the stopper pushes it away (active balance, or its CPUs were changed)";
    case Mover::periodic:
      return "balance: a CPU's periodic balance pulls it";
    case Mover::nohz:
      return "balance: pulled on behalf of a CPU that sleeps";
    case Mover::newidle:
      return "balance: a CPU that runs out of work pulls it";
    default:
      return "";
  }
}

// What the functions of a call chain say; nothing where they say nothing of it. A wakeup's step is not among them.
std::optional<Mover> by_chain(const std::vector<trace::StringId>& chain, const trace::StringPool& pool, Mover placed) {
  std::optional<Mover> found;
  for (const trace::StringId frame : chain) {
    const std::string_view f = function_of_frame(pool.str(frame));
    if (f.starts_with("try_to_wake_up") || f.starts_with("select_task_rq")) return placed;
    if (f.starts_with("active_load_balance") || f.starts_with("migration_cpu_stop") || f == "__set_cpus_allowed_ptr")
      return Mover::stopper;
    if (f.starts_with("newidle_balance") || f.starts_with("sched_balance_newidle")) return Mover::newidle;
    if (f.find("nohz_idle_balance") != std::string_view::npos) return Mover::nohz;
    if (f.starts_with("rebalance_domains") || f.starts_with("sched_balance_domains")) found = Mover::periodic;
  }
  return found;
}

nlohmann::json counts(const std::array<std::int64_t, kMovers>& by) {
  nlohmann::json out = nlohmann::json::object();
  for (std::size_t i = 0; i < kMovers; ++i)
    if (by[i] > 0) out[std::string(name_of(static_cast<Mover>(i)))] = by[i];
  return out;
}

}  // namespace

std::string_view name_of(Mover m) {
  constexpr std::array<std::string_view, kMovers> kNames{
      "wakeup_to_waker", "wakeup_to_idle", "wakeup_to_busy", "stopper", "periodic", "nohz", "newidle", "other"};
  return kNames[static_cast<std::size_t>(m)];
}

std::string MovedTask::cause() const {
  const auto top = std::max_element(by.begin(), by.end());
  if (n < kLeast || *top * 2 <= n) return "";
  return std::string(cause_text(static_cast<Mover>(top - by.begin()))) + company();
}

// "; on the CPU it left was another task 15 of 15 times (kworker/0:2 8, kworker/1:1 7)".
std::string MovedTask::company() const {
  constexpr std::size_t kNamed = 3;
  std::vector<std::pair<std::string, std::int64_t>> others(beside.begin(), beside.end());
  std::stable_sort(others.begin(), others.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::int64_t all = 0;
  std::string names;
  for (std::size_t i = 0; i < others.size(); ++i) {
    all += others[i].second;
    if (i < kNamed) names += (i == 0 ? "" : ", ") + others[i].first + " " + std::to_string(others[i].second);
  }
  if (all * 2 <= n) return "";
  return "; on the CPU it left was another task " + std::to_string(all) + " of " + std::to_string(n) + " times (" +
         names + ")";
}

Migrations::Cpu& Migrations::cpu(std::int32_t id) {
  const std::size_t i = cpu_index(id);
  if (i >= cpus_.size()) cpus_.resize(i + 1);
  return cpus_[i];
}

void Migrations::waits(std::int32_t cpu_id, std::int32_t pid, trace::StringId comm) {
  no_longer_waits(cpu_id, pid);
  std::vector<std::pair<std::int32_t, trace::StringId>>& waiting = cpu(cpu_id).waiting;
  if (waiting.size() < kWaitingKept) waiting.emplace_back(pid, comm);
}

void Migrations::no_longer_waits(std::int32_t cpu_id, std::int32_t pid) {
  std::erase_if(cpu(cpu_id).waiting, [&](const auto& w) { return w.first == pid; });
}

void Migrations::on_switch(const Event& e) {
  Cpu& c = cpu(e.cpu);
  c.current = e.u.sw.next_pid, c.prio = e.u.sw.next_prio, c.comm = e.u.sw.next_comm;
  c.waking = -1, c.softirqs = 0;
  if (c.current == 0)
    c.waiting.clear();
  else
    no_longer_waits(e.cpu, c.current);
  const bool runnable = e.u.sw.prev_state == trace::kStateRunning || e.u.sw.prev_state == trace::kStatePreempted;
  if (runnable && e.u.sw.prev_pid > 0) waits(e.cpu, e.u.sw.prev_pid, e.u.sw.prev_comm);
}

void Migrations::note_beside(MovedTask& t, const Event& e) {
  const Cpu& c = cpu(e.u.task.orig_cpu);
  if (c.current < 0) return;
  const bool other = c.current > 0 && c.current != e.u.task.pid && c.prio != kStopPrio;
  if (other) return void(++t.beside[trace::scan::printable(pool_->str(c.comm))]);
  for (const auto& [pid, comm] : c.waiting)
    if (pid != e.u.task.pid) return void(++t.beside[trace::scan::printable(pool_->str(comm))]);
}

Mover Migrations::placed(const Event& e) {
  if (e.u.task.dest_cpu == e.cpu) return Mover::to_waker;
  return cpu(e.u.task.dest_cpu).current == 0 ? Mover::to_idle : Mover::to_busy;
}

Mover Migrations::by_records(const Event& e) {
  const Cpu here = cpu(e.cpu);
  if (here.waking == e.u.task.pid) return placed(e);
  if (here.current > 0 && here.prio == kStopPrio) return Mover::stopper;
  const bool soft = e.has_flags ? (e.flags & trace::kSoftirq) != 0 : here.softirqs > 0;
  if (soft) return e.u.task.dest_cpu == e.cpu ? Mover::periodic : Mover::nohz;
  const bool hard = e.has_flags && (e.flags & trace::kHardirq) != 0;
  if (hard) return placed(e);  // only a wakeup moves a task there; its sched_waking was not recorded
  return e.u.task.dest_cpu == e.cpu ? Mover::newidle : Mover::other;
}

void Migrations::on_migrate(const Event& e, const std::vector<trace::StringId>& chain) {
  Mover m = by_records(e);
  if (!chain.empty()) {
    if (const auto said = by_chain(chain, *pool_, placed(e))) {
      ++chains_;
      agreed_ += *said == m || (is_wakeup(*said) && is_wakeup(m));
      m = *said;
    }
  }
  ++n_;
  ++by_[static_cast<std::size_t>(m)];
  if (tasks_.size() >= kTasksKept && !tasks_.contains(e.u.task.pid)) return;
  MovedTask& t = tasks_[e.u.task.pid];
  if (t.comm.empty()) t.comm = trace::scan::printable(pool_->str(e.u.task.comm));
  ++t.n;
  ++t.by[static_cast<std::size_t>(m)];
  t.returned += e.u.task.dest_cpu == t.came_from;
  t.came_from = e.u.task.orig_cpu;
  note_beside(t, e);
  no_longer_waits(e.u.task.orig_cpu, e.u.task.pid);
  waits(e.u.task.dest_cpu, e.u.task.pid, e.u.task.comm);
}

void Migrations::on_event(const Event& e, const std::vector<trace::StringId>& chain) {
  told_.see(e);
  if (e.type == EventType::lost_events) {
    cpus_.clear();
    return;
  }
  switch (e.type) {
    case EventType::sched_switch:
      return on_switch(e);
    case EventType::sched_waking:
      cpu(e.cpu).waking = e.u.task.pid;
      return waits(e.u.task.target_cpu, e.u.task.pid, e.u.task.comm);
    case EventType::sched_wakeup:
    case EventType::sched_wakeup_new:
      if (Cpu& c = cpu(e.cpu); c.waking == e.u.task.pid) c.waking = -1;
      return;
    case EventType::softirq_entry:
      ++cpu(e.cpu).softirqs;
      return;
    case EventType::softirq_exit:
      if (Cpu& c = cpu(e.cpu); c.softirqs > 0) --c.softirqs;
      return;
    case EventType::sched_migrate_task:
      return on_migrate(e, chain);
    default:
      return;
  }
}

nlohmann::json Migrations::json() const {
  const std::int64_t window = told_.ns();
  std::vector<std::pair<std::int32_t, const MovedTask*>> rows;
  for (const auto& [pid, t] : tasks_) rows.emplace_back(pid, &t);
  std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.second->n > b.second->n; });
  if (rows.size() > kRows) rows.resize(kRows);
  nlohmann::json tasks = nlohmann::json::array();
  for (const auto& [pid, t] : rows)
    tasks.push_back({{"comm", t->comm},
                     {"pid", pid},
                     {"n", t->n},
                     {"per_s", ratio(t->n, window) * 1e9},
                     {"returned", t->returned},
                     {"by_cause", counts(t->by)},
                     {"cause", t->cause()}});
  nlohmann::json out{
      {"n", n_}, {"per_s", ratio(n_, window) * 1e9}, {"by_cause", counts(by_)}, {"tasks", std::move(tasks)}};
  if (chains_ > 0) out["by_chain"] = {{"n", chains_}, {"records_say_the_same", agreed_}};
  return out;
}

}  // namespace wakepath::analysis
