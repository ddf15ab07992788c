// SPDX-License-Identifier: GPL-2.0-or-later
// Who moved between CPUs and why, from the decisions that moved them, in numbers and in words.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "models/run/simulation.h"

namespace wakepath::run {

using json = nlohmann::ordered_json;
using machine::KTask;
using sched::MigrationCause;

namespace {

template <class Counts>
Counts minus(Counts now, const Counts& then) {
  for (std::size_t i = 0; i < now.size(); ++i) now[i] -= then[i];
  return now;
}

template <class Counts, class Name>
json named(const Counts& counts, Name name) {
  json out = json::object();
  for (std::size_t i = 0; i < counts.size(); ++i)
    if (counts[i] != 0) out[name(i)] = counts[i];
  return out;
}

const char* cause(std::size_t i) { return sched::cause_name(static_cast<MigrationCause>(i)); }
const char* step(std::size_t i) { return sched::step_name(static_cast<sched::Step>(i)); }

// What the step of a placement means for the task it moved.
std::string step_text(std::size_t i) {
  switch (static_cast<sched::Step>(i)) {
    case sched::Step::target_idle:
      return "the CPU that woke it was idle or less loaded";
    case sched::Step::prev_idle:
      return "its previous CPU was idle";
    case sched::Step::recent_idle:
      return "the CPU it used before was idle";
    case sched::Step::smt_idle:
      return "a sibling of its core was idle";
    case sched::Step::idle_core:
      return "another core was idle";
    case sched::Step::idle_cpu:
      return "its CPU was busy and another one idle";
    default:
      return "no CPU near it was idle";
  }
}

std::string cause_text(std::size_t i, const sched::Balancer::Counters& c) {
  switch (static_cast<MigrationCause>(i)) {
    case MigrationCause::active_balance:
      return fmt::format(
          "idle CPUs found it running with tasks queued behind it that could not be moved (refused: {} bound to their "
          "CPU, {} running, {} cache-hot) until the stopper pushed it away ({} of {} requests)",
          c.refused_bound, c.refused_running, c.refused_hot, c.active_pushed, c.active_asked);
    case MigrationCause::periodic:
      return "a CPU's periodic balance found it waiting while others had room";
    case MigrationCause::nohz:
      return "balance on behalf of CPUs that slept without a tick found it waiting";
    case MigrationCause::newidle:
      return "a CPU that ran out of work took it from a queue where it waited";
    case MigrationCause::affinity:
      return "its CPUs were changed";
    case MigrationCause::wakeup:
      break;
  }
  return {};
}

}  // namespace

json Simulation::migrations_json(double seconds) const {
  auto& m = const_cast<Simulation*>(this)->machine_;
  const auto& b = m.smp->balancer.counters;
  const auto& s = balance_start_;
  const sched::Balancer::Counters c{
      b.unbalanced - s.unbalanced,           b.refused_bound - s.refused_bound, b.refused_affinity - s.refused_affinity,
      b.refused_running - s.refused_running, b.refused_hot - s.refused_hot,     b.active_asked - s.active_asked,
      b.active_pushed - s.active_pushed,     b.idle_kicks - s.idle_kicks};
  decltype(KTask::migrations_by_cause) total{};
  std::map<std::string, decltype(total)> groups;
  for (const char* name : {"fio", "kworker"}) groups[name] = {};
  std::vector<std::pair<std::uint64_t, json>> rows;
  for (const KTask& t : m.tasks()) {
    const auto it = task_start_.find(&t);
    const TaskStart start = it != task_start_.end() ? it->second : TaskStart{};
    const auto causes = minus(t.migrations_by_cause, start.by_cause);
    const auto steps = minus(t.wakeup_migrations, start.wakeup_migrations);
    const std::uint64_t n = t.migrations - start.migrations;
    if (n == 0) continue;
    for (std::size_t i = 0; i < total.size(); ++i) total[i] += causes[i], groups[t.group_name][i] += causes[i];
    const auto top = static_cast<std::size_t>(std::max_element(causes.begin(), causes.end()) - causes.begin());
    const bool wakeup = top == static_cast<std::size_t>(MigrationCause::wakeup);
    const auto top_step = static_cast<std::size_t>(std::max_element(steps.begin(), steps.end()) - steps.begin());
    rows.emplace_back(
        n, json{{"comm", t.st.comm},
                {"tid", t.st.pid},
                {"count", n},
                {"per_s", static_cast<double>(n) / seconds},
                {"by_cause", named(causes, cause)},
                {"wakeups_by_step", named(minus(t.placements, start.placements), step)},
                {"moved_by_step", named(steps, step)},
                {"cause", cause(top)},
                {"text", fmt::format("{} moved {} times, {} of them by {}: {}", t.st.comm, n, causes[top], cause(top),
                                     wakeup ? step_text(top_step) + " when it was woken" : cause_text(top, c))}});
  }
  std::stable_sort(rows.begin(), rows.end(), [](const auto& x, const auto& y) { return x.first > y.first; });
  json tasks = json::array();
  for (auto& r : rows) tasks.push_back(std::move(r.second));
  json by_group = json::object();
  for (const auto& [name, counts] : groups) {
    json row = {{"per_s", 0.0}};
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) row[cause(i)] = counts[i], sum += counts[i];
    row["count"] = sum;
    row["per_s"] = static_cast<double>(sum) / seconds;
    by_group[name] = row;
  }
  return {{"by_cause", named(total, cause)},
          {"by_group", by_group},
          {"balance",
           {{"unbalanced", c.unbalanced},
            {"refused_bound", c.refused_bound},
            {"refused_affinity", c.refused_affinity},
            {"refused_running", c.refused_running},
            {"refused_hot", c.refused_hot},
            {"active_asked", c.active_asked},
            {"active_pushed", c.active_pushed},
            {"idle_kicks", c.idle_kicks}}},
          {"tasks", tasks}};
}

}  // namespace wakepath::run
