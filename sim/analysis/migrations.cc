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
  return std::string(cause_text(static_cast<Mover>(top - by.begin())));
}

Migrations::Cpu& Migrations::cpu(std::int32_t id) {
  const std::size_t i = cpu_index(id);
  if (i >= cpus_.size()) cpus_.resize(i + 1);
  return cpus_[i];
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
}

void Migrations::on_event(const Event& e, const std::vector<trace::StringId>& chain) {
  if (e.type == EventType::lost_events) {
    cpus_.clear();
    return;
  }
  if (first_ns_ < 0) first_ns_ = e.ts_ns;
  last_ns_ = std::max(last_ns_, e.ts_ns);
  switch (e.type) {
    case EventType::sched_switch: {
      Cpu& c = cpu(e.cpu);
      c = {e.u.sw.next_pid, e.u.sw.next_prio, -1, 0};
      return;
    }
    case EventType::sched_waking:
      cpu(e.cpu).waking = e.u.task.pid;
      return;
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
  const std::int64_t window = last_ns_ - std::max<std::int64_t>(0, first_ns_);
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
