// SPDX-License-Identifier: GPL-2.0-or-later
// Who moved between CPUs and why, from the decisions that moved them, in numbers and in words.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "models/run/migration_causes.h"
#include "models/run/simulation.h"

namespace wakepath::run {

using json = nlohmann::ordered_json;
using machine::KTask;

namespace {

template <class T>
T minus(T now, const T& then) {
  if constexpr (std::is_integral_v<T>) {
    return now - then;
  } else {
    for (std::size_t i = 0; i < now.size(); ++i) now[i] = minus(now[i], then[i]);
    return now;
  }
}

KTask::Moves minus(const KTask::Moves& now, const KTask::Moves& then) {
  return {minus(now.by_cause, then.by_cause), minus(now.placements, then.placements), minus(now.by_step, then.by_step)};
}

sched::Balancer::Counters minus(const sched::Balancer::Counters& now, const sched::Balancer::Counters& then) {
  return {now.unbalanced - then.unbalanced,     minus(now.refused, then.refused),
          now.active_asked - then.active_asked, now.active_pushed - then.active_pushed,
          now.idle_kicks - then.idle_kicks,     now.failures_forgotten - then.failures_forgotten};
}

const char* cause(std::size_t i) { return sched::cause_name(static_cast<sched::MigrationCause>(i)); }
const char* step(std::size_t i) { return sched::step_name(static_cast<sched::Step>(i)); }
const char* refusal(std::size_t i) { return sched::refusal_name(static_cast<sched::Refusal>(i)); }
const char* beside(std::size_t i) { return sched::beside_name(static_cast<sched::Beside>(i)); }

template <class Counts, class Name>
json named(const Counts& counts, Name name) {
  json out = json::object();
  for (std::size_t i = 0; i < counts.size(); ++i)
    if (counts[i] != 0) out[name(i)] = counts[i];
  return out;
}

using ByCause = std::array<std::uint64_t, sched::kMigrationCauses>;

ByCause by_cause(const KTask::Moves& m) {
  ByCause out{};
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = std::accumulate(m.by_cause[i].begin(), m.by_cause[i].end(), std::uint64_t{0});
  return out;
}

json reasons_json(const std::vector<Reason>& reasons, std::uint64_t n) {
  json out = json::array();
  for (const Reason& r : reasons)
    out.push_back({{"cause", r.cause},
                   {"count", r.count},
                   {"share", static_cast<double>(r.count) / static_cast<double>(n)},
                   {"text", r.text}});
  return out;
}

std::uint64_t count_of(const std::vector<Reason>& reasons) {
  return std::accumulate(reasons.begin(), reasons.end(), std::uint64_t{0},
                         [](std::uint64_t n, const Reason& r) { return n + r.count; });
}

// "98 % active_balance (240): ...", of what is at least a twentieth.
std::string told(const std::vector<Reason>& reasons) {
  std::vector<std::string> out;
  const std::uint64_t n = count_of(reasons);
  for (const Reason& r : reasons) {
    const double percent = 100.0 * static_cast<double>(r.count) / static_cast<double>(n);
    if (r.count * 20 >= n) out.push_back(fmt::format("{:.0f} % {} ({}): {}", percent, r.cause, r.count, r.text));
  }
  return fmt::format("{}", fmt::join(out, ". "));
}

std::string text_of(const std::string& comm, double seconds, const std::vector<Reason>& moved,
                    const std::vector<Reason>& stayed) {
  const std::uint64_t n = count_of(moved), left = count_of(stayed);
  const double rate = static_cast<double>(n) / seconds;
  const std::string times = n == 0         ? "never moved"
                            : rate < 1'000 ? fmt::format("moved {} times ({:.3g}/s)", n, rate)
                                           : fmt::format("moved {} times ({:.0f}/s)", n, rate);
  if (n + left == 0)
    return fmt::format("{} {}: it was never woken and no balance found a task too many on its CPU", comm, times);
  std::vector<std::string> parts;
  if (n > 0) parts.push_back(told(moved));
  if (n * 20 < left) parts.push_back(fmt::format("Left where it was {} times: {}", left, told(stayed)));
  return fmt::format("{} {}: {}", comm, times, fmt::join(parts, ". "));
}

json balance_json(const sched::Balancer::Counters& c) {
  json out = {{"unbalanced", c.unbalanced}};
  for (std::size_t i = 0; i < c.refused.size(); ++i) out[std::string("refused_") + refusal(i)] = c.refused[i];
  out["active_asked"] = c.active_asked;
  out["active_pushed"] = c.active_pushed;
  out["idle_kicks"] = c.idle_kicks;
  out["failures_forgotten"] = c.failures_forgotten;
  return out;
}

json by_group_json(const std::map<std::string, ByCause>& groups, double seconds) {
  json out = json::object();
  for (const auto& [name, counts] : groups) {
    const auto n = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
    json row = {{"per_s", static_cast<double>(n) / seconds}};
    for (std::size_t i = 0; i < counts.size(); ++i) row[cause(i)] = counts[i];
    row["count"] = n;
    out[name] = row;
  }
  return out;
}

// Moved from beside a kernel thread that is bound there: whoever sends that thread its work takes it along.
bool leaves_kthreads(const KTask::Moves& m) {
  std::uint64_t kthread = 0, all = 0;
  for (const auto& row : m.by_cause)
    for (std::size_t i = 0; i < row.size(); ++i)
      all += row[i], kthread += i >= static_cast<std::size_t>(sched::Beside::asleep) ? row[i] : 0;
  return kthread * 2 > all;
}

}  // namespace

TaskDecisions Simulation::decisions_about(const KTask& t) const {
  const auto it = task_start_.find(&t);
  const TaskStart start = it != task_start_.end() ? it->second : TaskStart{};
  return {minus(t.moves, start.moves), minus(t.st.smp.refused, start.refused),
          t.st.smp.active_asked - start.active_asked};
}

json Simulation::migrations_json(double seconds) const {
  auto& m = const_cast<Simulation*>(this)->machine_;
  const sched::Balancer::Counters balance = minus(m.smp->balancer.counters, balance_start_);
  const std::uint64_t ended = queue_.counters.completed - block_start_.completed;
  const std::uint64_t home = queue_.counters.completed_where_submitted - block_start_.completed_where_submitted;
  ByCause total{};
  std::map<std::string, ByCause> groups{{"fio", {}}, {"kworker", {}}};
  std::vector<std::pair<std::uint64_t, json>> rows;
  for (const KTask& t : m.tasks()) {
    const TaskDecisions d = decisions_about(t);
    const std::vector<Reason> moved = why_it_moved(d, balance), stayed = why_it_stayed(d, balance);
    const std::uint64_t n = count_of(moved);
    if (n == 0 && t.st.kthread) continue;
    const ByCause causes = by_cause(d.moves);
    json besides = json::object();
    for (std::size_t i = 0; i < causes.size(); ++i) {
      if (causes[i] == 0) continue;
      total[i] += causes[i], groups[t.group_name][i] += causes[i];
      besides[cause(i)] = named(d.moves.by_cause[i], beside);
    }
    std::string text = text_of(t.st.comm, seconds, moved, stayed);
    if (n > 0 && t.group_name == "fio" && leaves_kthreads(d.moves) && home * 2 > ended)
      text += fmt::format(
          ". I/Os end on the CPU that issued them ({} of {}): the next CPU's bound kthread has them then", home, ended);
    rows.emplace_back(n, json{{"comm", t.st.comm},
                              {"tid", t.st.pid},
                              {"count", n},
                              {"per_s", static_cast<double>(n) / seconds},
                              {"kthread", t.st.kthread},
                              {"cpus_allowed", t.st.smp.cpus_allowed == 0 ? m.cpu_count() : t.st.smp.cpus_allowed},
                              {"by_cause", named(causes, cause)},
                              {"left_beside", besides},
                              {"wakeups_by_step", named(d.moves.placements, step)},
                              {"moved_by_step", named(d.moves.by_step, step)},
                              {"refused", named(d.refused, refusal)},
                              {"cause", moved.empty() ? "" : moved.front().cause},
                              {"causes", reasons_json(moved, n)},
                              {"stayed", reasons_json(stayed, count_of(stayed))},
                              {"text", text}});
  }
  std::stable_sort(rows.begin(), rows.end(), [](const auto& x, const auto& y) { return x.first > y.first; });
  json tasks = json::array();
  for (auto& r : rows) tasks.push_back(std::move(r.second));
  const auto count = std::accumulate(total.begin(), total.end(), std::uint64_t{0});
  return {{"count", count},
          {"per_s", static_cast<double>(count) / seconds},
          {"by_cause", named(total, cause)},
          {"by_group", by_group_json(groups, seconds)},
          {"balance", balance_json(balance)},
          {"ended_where_submitted", {{"count", home}, {"of", ended}}},
          {"tasks", tasks}};
}

}  // namespace wakepath::run
