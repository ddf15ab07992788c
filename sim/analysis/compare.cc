// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/analysis/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace wakepath::analysis {
namespace {

std::optional<double> share(std::int64_t n, std::int64_t of) {
  if (of == 0) return std::nullopt;
  return ratio(n, of);
}

std::optional<double> mean(const Counter& c) {
  if (c.n() == 0) return std::nullopt;
  return c.mean();
}

void add_transitions(const TransitionTable& t, std::vector<Figure>& out) {
  for (std::size_t f = 0; f < kTaskClasses; ++f) {
    for (std::size_t to = 0; to < kTaskClasses; ++to) {
      for (std::size_t l = 0; l < static_cast<std::size_t>(Leave::count_); ++l) {
        const double part = ratio(t.transitions[f][to][l], t.switches);
        out.push_back({fmt::format("transitions.{}>{}.{}.share", name_of(static_cast<TaskClass>(f)),
                                   name_of(static_cast<TaskClass>(to)), letter_of(static_cast<Leave>(l))),
                       t.switches == 0 ? std::nullopt : std::optional(part), part < kMinorShare});
      }
    }
  }
}

void add_workers(const TransitionTable& t, std::vector<Figure>& out) {
  for (const TaskClass c : {TaskClass::kworker, TaskClass::kworker_high, TaskClass::kworker_unbound}) {
    const WorkerCounts& w = t.workers[static_cast<std::size_t>(c)];
    // A class that did next to nothing of the work is noise.
    const bool minor = w.items * 100 < t.queue_works;
    out.push_back(
        {fmt::format("workers.{}.items_per_activation.mean", name_of(c)), mean(w.items_per_activation), minor});
    out.push_back({fmt::format("workers.{}.wakeups_per_item", name_of(c)), share(w.wakeups, w.items), minor});
  }
}

std::string cell(const std::optional<double>& v) { return v ? fmt::format("{:.4g}", *v) : std::string("-"); }

nlohmann::json json_of(const std::optional<double>& v) { return v ? nlohmann::json(*v) : nlohmann::json(); }

}  // namespace

std::vector<Figure> figures_of(const TransitionTable& t) {
  std::vector<Figure> out;
  out.push_back({"switches.per_s", t.duration_ns == 0 ? std::nullopt : std::optional(t.per_s(t.switches))});
  out.push_back({"switches.per_io", share(t.switches, t.ios())});
  out.push_back({"io.per_s", t.ios() == 0 || t.duration_ns == 0 ? std::nullopt : std::optional(t.per_s(t.ios()))});
  add_transitions(t, out);
  add_workers(t, out);
  out.push_back({"queue_work.nop_share", share(t.queue_works_nop, t.queue_works)});
  out.push_back({"getevents.events.mean", mean(t.events_per_getevents)});
  out.push_back({"getevents.slept_share", share(t.getevents_slept, t.getevents_returns)});
  out.push_back({"getevents.sleeps_per_return", share(t.getevents_sleeps, t.getevents_returns)});
  out.push_back({"submit.nr.mean", mean(t.submit_nr)});
  out.push_back({"fio_wakeups.per_io", share(t.fio_wakings, t.ios())});
  out.push_back({"fio_wakeups.preempting_share", share(t.fio_wakeups_preempting, t.fio_wakeups_judged)});
  out.push_back({"interrupts.completions.mean", mean(t.completions_per_interrupt)});
  return out;
}

std::vector<ComparisonRow> compare(const TransitionTable& a, const TransitionTable& b) {
  const auto left = figures_of(a), right = figures_of(b);  // the same names in the same order
  std::vector<ComparisonRow> rows;
  for (std::size_t i = 0; i < left.size(); ++i) {
    ComparisonRow row{left[i].name, left[i].value, right[i].value, std::nullopt, left[i].minor && right[i].minor};
    const bool nothing = row.a.value_or(0) == 0 && row.b.value_or(0) == 0;
    if (nothing && (row.minor || (!row.a && !row.b))) continue;
    if (row.a && row.b && *row.a == *row.b) {
      row.difference = 0;
    } else if (row.a && row.b && *row.a != 0) {
      row.difference = (*row.b - *row.a) / *row.a;
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

double worst_difference(const std::vector<ComparisonRow>& rows) {
  double worst = 0;
  for (const ComparisonRow& r : rows) {
    if (r.minor) continue;
    const double d = r.difference.value_or(1);
    worst = std::max(worst, d < 0 ? -d : d);
  }
  return worst;
}

nlohmann::json to_json(const std::vector<ComparisonRow>& rows) {
  nlohmann::json out = nlohmann::json::array();
  for (const ComparisonRow& r : rows) {
    out.push_back({{"name", r.name},
                   {"a", json_of(r.a)},
                   {"b", json_of(r.b)},
                   {"difference", json_of(r.difference)},
                   {"minor", r.minor}});
  }
  return out;
}

std::string to_text(const std::vector<ComparisonRow>& rows) {
  std::string out = fmt::format("{:<48} {:>12} {:>12} {:>9}\n", "figure", "a", "b", "b - a");
  for (const ComparisonRow& r : rows) {
    out += fmt::format("{:<48} {:>12} {:>12} {:>9}{}\n", r.name, cell(r.a), cell(r.b),
                       r.difference ? fmt::format("{:+.1f} %", *r.difference * 100) : "-", r.minor ? "  (minor)" : "");
  }
  return out;
}

}  // namespace wakepath::analysis
