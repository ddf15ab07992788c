// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/analysis/analyze.h"

#include <nlohmann/json.hpp>

#include "sim/analysis/call_chains.h"
#include "sim/analysis/compare.h"
#include "sim/analysis/counter.h"
#include "sim/trace/event_names.h"
#include "sim/trace/scan.h"

namespace wakepath::analysis {

using nlohmann::json;

namespace {

// A CPU's parts as a result has them, of the time that its records tell of; they add up to 1. What nothing is known of
// is neither idle nor busy.
json cpus_json(const CpuTimeTable& t) {
  const auto window = t.end_ns - t.begin_ns;
  json out = json::array();
  for (std::size_t i = 0; i < t.cpus.size(); ++i) {
    const auto ns = [&](Part p) { return t.cpus[i][static_cast<std::size_t>(p)].ns; };
    const std::int64_t told = window - ns(Part::lost);
    const auto share = [&](Part p) { return ratio(ns(p), told); };
    const std::int64_t switches = t.units[i].switches;
    out.push_back({{"id", i},
                   {"irq", share(Part::completion_irq) + share(Part::other_irq)},
                   {"softirq", share(Part::softirq)},
                   {"idle", share(Part::idle)},
                   {"busy", ratio(told - ns(Part::idle), told)},
                   {"context_switches_per_s", ratio(switches, told) * 1e9}});
  }
  return out;
}

}  // namespace

json Analyzer::json() const {
  const CpuTimeTable time = cpu_time_.table();
  const TransitionTable& t = transitions();
  nlohmann::json out = to_json(pingpong());
  out["io"] = {{"iops", t.per_s(t.ios())}, {"completed", t.completed}};
  out["migrations"] = migrations_.json();
  out["steering"] = steering_.json();
  out["totals"] = {{"context_switches_per_s", t.per_s(t.switches)},
                   {"interrupts_per_s", t.per_s(t.interrupts)},
                   {"migrations_per_s", out["migrations"]["per_s"]}};
  out["cpus"] = cpus_json(time);
  out["tasks"] = run_delay_.tasks_json();
  out["pattern"] = to_json(t);
  out["wake_graph"] = wake_graph_.json();
  out["critical_path"] = io_path_.json();
  out["run_delay"] = run_delay_.json();
  out["cpu_time"] = to_json(time);
  out["shortest"] = {{"plain_ns", shortest_.of(false)}, {"sched_ns", shortest_.of(true)}};
  return out;
}

json to_json(const trace::Report& r) {
  json by_event = json::object();
  for (std::size_t i = 0; i < r.by_type.size(); ++i) {
    if (r.by_type[i] > 0) by_event[std::string(trace::name_of(static_cast<trace::EventType>(i)))] = r.by_type[i];
  }
  json bad = json::array();
  for (const trace::BadLine& b : r.first_bad) bad.push_back({{"line", b.line}, {"reason", b.reason}, {"text", b.text}});
  json out{{"lines", r.lines},
           {"records", r.records},
           {"by_event", std::move(by_event)},
           {"unknown_events", r.unknown},
           {"bad_lines", {{"n", r.bad_lines}, {"first", std::move(bad)}}},
           {"lost", {{"places", r.losses}, {"events", r.lost_events}}},
           {"call_chain_lines", r.call_chain_lines},
           {"stamps_back", r.stamps_back},
           {"precision_ns", r.precision_ns},
           {"first_ts_ns", r.first_ts_ns},
           {"last_ts_ns", r.last_ts_ns},
           {"ends_within_line", r.ends_within_line}};
  out["format"] = r.format();
  if (r.entries_written > r.entries_in_buffer) out["overwritten_at_start"] = r.entries_written - r.entries_in_buffer;
  return out;
}

namespace {

struct Read {
  TransitionTable table;
  json result;
};

tl::expected<Read, trace::Error> read(const std::string& path) {
  trace::StringPool pool;
  auto reader = trace::Reader::open(path, pool, {.keep_call_chains = true});
  if (!reader) return tl::make_unexpected(reader.error());
  Analyzer analyzer(pool);
  CallChains chains(pool);
  trace::Event e;
  for (;;) {
    const auto more = reader->next(e);
    if (!more) return tl::make_unexpected(more.error());
    if (!*more) break;
    analyzer.on_event(e, reader->call_chain());
    chains.on_event(e, reader->call_chain());
  }
  analyzer.finish();
  Read out{analyzer.transitions(), analyzer.json()};
  if (!chains.empty()) out.result["call_chains"] = chains.json();
  out.result["schema"] = "wakepath.analysis/1";
  out.result["trace"] = to_json(reader->report());
  out.result["trace"]["file"] = trace::scan::printable(path);
  return out;
}

}  // namespace

tl::expected<json, trace::Error> analyze_file(const std::string& path) {
  auto r = read(path);
  if (!r) return tl::make_unexpected(r.error());
  return std::move(r->result);
}

tl::expected<json, trace::Error> compare_files(const std::string& a, const std::string& b) {
  auto left = read(a), right = read(b);
  if (!left) return tl::make_unexpected(left.error());
  if (!right) return tl::make_unexpected(right.error());
  return json{{"schema", "wakepath.trace_comparison/1"},
              {"a", trace::scan::printable(a)},
              {"b", trace::scan::printable(b)},
              {"rows", to_json(compare(left->table, right->table))},
              {"traces", {std::move(left->result["trace"]), std::move(right->result["trace"])}}};
}

}  // namespace wakepath::analysis
