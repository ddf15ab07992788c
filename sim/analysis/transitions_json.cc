// SPDX-License-Identifier: GPL-2.0-or-later
// The transition table as JSON: counts as they are, shares and rates beside them. Transitions most frequent first.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "sim/analysis/counter_json.h"
#include "sim/analysis/transitions.h"

namespace wakepath::analysis {
namespace {

using nlohmann::json;

struct Row {
  TaskClass from, to;
  Leave leave;
  std::int64_t n;
};

std::vector<Row> rows_of(const TransitionTable& t) {
  std::vector<Row> rows;
  for (std::size_t f = 0; f < kTaskClasses; ++f) {
    for (std::size_t to = 0; to < kTaskClasses; ++to) {
      for (std::size_t l = 0; l < static_cast<std::size_t>(Leave::count_); ++l) {
        const Row r{static_cast<TaskClass>(f), static_cast<TaskClass>(to), static_cast<Leave>(l),
                    t.transitions[f][to][l]};
        if (r.n > 0) rows.push_back(r);
      }
    }
  }
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.n > b.n; });
  return rows;
}

json workers_json(const TransitionTable& t) {
  json out = json::object();
  for (std::size_t c = 0; c < kTaskClasses; ++c) {
    const WorkerCounts& w = t.workers[c];
    if (!is_kworker(static_cast<TaskClass>(c)) || (w.items == 0 && w.wakeups == 0 && w.items_per_activation.n() == 0))
      continue;
    out[std::string(name_of(static_cast<TaskClass>(c)))] = {{"items", w.items},
                                                            {"items_per_activation", to_json(w.items_per_activation)},
                                                            {"wakeups", w.wakeups},
                                                            {"wakeups_per_item", ratio(w.wakeups, w.items)}};
  }
  return out;
}

}  // namespace

json to_json(const TransitionTable& t) {
  json rows = json::array();
  for (const Row& r : rows_of(t)) {
    rows.push_back({{"from", name_of(r.from)},
                    {"to", name_of(r.to)},
                    {"state", letter_of(r.leave)},
                    {"n", r.n},
                    {"per_s", t.per_s(r.n)},
                    {"per_io", ratio(r.n, t.ios())},
                    {"share", ratio(r.n, t.switches)}});
  }
  json out;
  out["records"] = t.records;
  out["duration_ns"] = t.duration_ns;
  out["gaps"] = t.gaps;
  out["lost_events"] = t.lost_events;
  out["switches"] = {{"n", t.switches},
                     {"per_s", t.per_s(t.switches)},
                     {"per_io", ratio(t.switches, t.ios())},
                     {"missing", t.missing_switches}};
  out["transitions"] = std::move(rows);
  out["workers"] = workers_json(t);
  out["queue_work"] = {
      {"n", t.queue_works}, {"nop", t.queue_works_nop}, {"nop_share", ratio(t.queue_works_nop, t.queue_works)}};
  out["getevents"] = {{"returns", t.getevents_returns},
                      {"slept", t.getevents_slept},
                      {"sleeps", t.getevents_sleeps},
                      {"slept_share", ratio(t.getevents_slept, t.getevents_returns)},
                      {"events", to_json(t.events_per_getevents)}};
  out["submit"] = {{"nr", to_json(t.submit_nr)}};
  out["fio_wakeups"] = {{"wakings", t.fio_wakings},
                        {"n", t.fio_wakeups},
                        {"judged", t.fio_wakeups_judged},
                        {"preempting", t.fio_wakeups_preempting},
                        {"preempting_share", ratio(t.fio_wakeups_preempting, t.fio_wakeups_judged)},
                        {"switched_to_from_runnable", t.fio_wakeups_to_switch}};
  out["interrupts"] = {{"n", t.interrupts},
                       {"per_s", t.per_s(t.interrupts)},
                       {"completing", t.completions_per_interrupt.n()},
                       {"completions", to_json(t.completions_per_interrupt)}};
  out["io"] = {{"issued", t.issued}, {"completed", t.completed}, {"per_s", t.per_s(t.ios())}};
  return out;
}

}  // namespace wakepath::analysis
