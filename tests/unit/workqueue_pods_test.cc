// SPDX-License-Identifier: GPL-2.0-or-later
// Unbound workqueues: which CPUs share a pool, by version and affinity scope, and where an item runs.
#include "models/workqueue/pods.h"

#include <set>

#include "tests/unit/catch.h"
#include "tests/unit/path_fixture.h"

using namespace path_test;
using workqueue::make_pods;
using workqueue::Scope;

namespace {

// 2 nodes, 4 caches of 2 cores, 2 threads a core: 16 CPUs, siblings c and c + 8.
machine::Topology sixteen() {
  return machine::make_topology({.cpus = 16, .threads_per_core = 2, .cores_per_llc = 2, .packages = 2, .nodes = 2});
}

}  // namespace

TEST_CASE("pods follow the topology", "[workqueue]") {
  const auto t = sixteen();
  CHECK(make_pods(t, Scope::cpu).cpus.size() == 16);
  CHECK(make_pods(t, Scope::smt).cpus.size() == 8);
  CHECK(make_pods(t, Scope::cache).cpus.size() == 4);
  CHECK(make_pods(t, Scope::numa).cpus.size() == 2);
  CHECK(make_pods(t, Scope::system).cpus.size() == 1);
  const auto p = make_pods(t, Scope::smt);
  CHECK(p.of_cpu[1] == p.of_cpu[9]);
  CHECK(p.of_cpu[1] != p.of_cpu[2]);
  for (const auto s : {Scope::cpu, Scope::smt, Scope::cache, Scope::numa, Scope::system}) {
    const auto pods = make_pods(t, s);
    int all = 0;
    for (std::size_t i = 0; i < pods.cpus.size(); ++i) {
      all += pods.cpus[i].weight();
      CHECK(pods.of_cpu[static_cast<std::size_t>(pods.cpus[i].first())] == static_cast<int>(i));
    }
    CHECK(all == 16);
  }
}

TEST_CASE("an unbound item goes to the pool of the completing CPU's pod", "[workqueue]") {
  struct Case {
    const char *version, *scope;
    std::size_t pools;
  };
  for (const Case& c : {Case{"6.1", "cache", 2}, {"6.6", "cache", 4}, {"6.12", "numa", 2}, {"6.12", "system", 1}}) {
    auto s = small_machine(c.version, 4);
    s.machine.cpus = 16;
    s.machine.resolved = sixteen();
    s.block.hw_queues = 16;
    s.dio_wq.unbound = true;
    s.dio_wq.affinity_scope = c.scope;
    auto job = s.workloads[0];
    s.workloads.clear();
    for (int cpu = 0; cpu < 16; ++cpu) {
      job.name = "fio" + std::to_string(cpu);
      job.cpus_allowed = {cpu};
      s.workloads.push_back(job);
    }
    Record r;
    record(r, s);
    std::set<std::string> pools;
    for (const auto& e : r.events)
      if (e.type == EventType::workqueue_execute_start && r.is(e.comm, "kworker/u")) {
        const std::string comm(r.pool.str(e.comm));
        pools.insert(comm.substr(0, comm.find(':')));
      }
    INFO(c.version << " " << c.scope);
    CHECK(pools.size() == c.pools);
  }
}

TEST_CASE("an item that runs is queued to the worker that runs it", "[workqueue]") {
  // The flusher's item is asked for from every CPU while it runs: never twice at once.
  auto s = small_machine("6.12", 1);
  s.machine.cpus = 4;
  s.fs.written = false;
  s.vm.dirty_bytes = 16 << 20;
  s.vm.dirty_background_bytes = 1 << 20;
  auto& f = s.workloads[0];
  f.ioengine = "psync";
  f.direct = false;
  f.rw = "write";
  f.size = 64 << 20;
  f.numjobs = 4;
  f.cpus_allowed = {0, 1, 2, 3};
  s.device.coalesce_n = 1;
  s.device.coalesce_ns = 0;
  s.run.duration_ns = 300'000'000;
  Record r;
  record(r, s);
  int running = 0, most = 0, runs = 0;
  for (const auto& e : r.events) {
    if (e.type != EventType::workqueue_execute_start && e.type != EventType::workqueue_execute_end) continue;
    if (!r.is(e.u.work.function, "wb_workfn")) continue;
    if (e.type == EventType::workqueue_execute_start)
      ++runs, most = std::max(most, ++running);
    else
      running = std::max(0, running - 1);
  }
  CHECK(runs > 2);
  CHECK(most == 1);
}
