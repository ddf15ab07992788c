// SPDX-License-Identifier: GPL-2.0-or-later
// A small machine for tests of the completion path: one CPU, round costs, a device that completes in groups of known
// size; and the records of its steady state with the counts that the worked examples of the specification name.
#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "models/kernel/switches.h"
#include "models/kernel/versions.h"
#include "models/run/run.h"
#include "models/scenario/scenario.h"

namespace path_test {

using namespace wakepath;
using trace::EventType;

inline scenario::Scenario small_machine(const std::string& version, int depth, int complete_min = 1) {
  scenario::Scenario s;
  s.name = "test";
  s.kernel.version = version;
  s.kernel.switches = kernel::switches_of(version);
  s.kernel.preempt = scenario::Preempt::none;
  s.machine.tunables_cpus = 8;
  s.device.law = "delay";
  s.device.latency_ns.ns = 200'000;
  s.device.coalesce_n = depth;
  s.device.coalesce_ns = 10'000'000;
  scenario::FioJob f;
  f.name = "fio";
  f.iodepth = f.iodepth_batch_submit = f.iodepth_batch_complete_max = depth;
  f.iodepth_batch_complete_min = complete_min;
  f.cpus_allowed = {0};
  s.workloads.push_back(f);
  for (auto& c : s.costs.entries) c.set = true, c.ns = 100;
  for (const auto id : {machine::CostId::trace_record, machine::CostId::trace_record_sched,
                        machine::CostId::idle_wake_latency, machine::CostId::data_copy})
    s.costs[id].ns = 0;
  s.costs[machine::CostId::fio_prep_io].ns = 500;
  s.run.warmup_ns = 20'000'000;
  s.run.duration_ns = 50'000'000;
  return s;
}

inline void put_in_group(scenario::Scenario& s, int weight) {
  scenario::Cgroup g;
  g.path = "g";
  g.cpu_weight = weight;
  s.cgroups.push_back(g);
  s.workloads[0].cgroup = "g";
}

struct Record : trace::Sink {
  trace::StringPool pool;
  std::vector<trace::Event> events;
  nlohmann::json result;
  void on_event(const trace::Event& e) override { events.push_back(e); }

  [[nodiscard]] long count(EventType t) const {
    return std::count_if(events.begin(), events.end(), [&](const auto& e) { return e.type == t; });
  }
  [[nodiscard]] bool is(trace::StringId id, const std::string& prefix) const {
    return pool.str(id).rfind(prefix, 0) == 0;
  }
  [[nodiscard]] long wakes_of(const std::string& comm) const {
    return std::count_if(events.begin(), events.end(),
                         [&](const auto& e) { return e.type == EventType::sched_waking && is(e.u.task.comm, comm); });
  }
  [[nodiscard]] long switches(const std::string& from, const std::string& to) const {
    return std::count_if(events.begin(), events.end(), [&](const auto& e) {
      return e.type == EventType::sched_switch && is(e.u.sw.prev_comm, from) && is(e.u.sw.next_comm, to);
    });
  }
};

inline void record(Record& r, const scenario::Scenario& s) {
  run::Options o;
  o.sink = &r;
  o.pool = &r.pool;
  r.result = nlohmann::json::parse(run::run(s, o).json);
}

// Within one cycle at either end of the window.
inline bool about(long a, long b, long slack = 3) { return a > 0 && std::abs(a - b) <= slack; }

}  // namespace path_test
