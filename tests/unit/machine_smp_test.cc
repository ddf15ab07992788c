// SPDX-License-Identifier: GPL-2.0-or-later
// Several CPUs as a machine: spreading, affinity, cpusets, idle CPUs that cost nothing, records that agree with counts.
#include "models/machine/topology.h"
#include "tests/unit/catch.h"
#include "tests/unit/path_fixture.h"

using namespace path_test;

namespace {

scenario::Scenario machine_of(int cpus, const std::string& version = "6.12") {
  scenario::Scenario s = small_machine(version, 8);
  s.machine.cpus = cpus;
  s.machine.tunables_cpus.reset();
  s.workloads.clear();
  s.run.warmup_ns = 200'000'000;
  s.run.duration_ns = 200'000'000;
  return s;
}

void add_hog(scenario::Scenario& s, const std::string& name, int cpu, const std::string& cgroup = "") {
  scenario::Program p;
  p.name = name;
  p.kind = "hog";
  p.cpu = cpu;
  p.cgroup = cgroup;
  s.programs.push_back(p);
}

nlohmann::json result_of(const scenario::Scenario& s) { return nlohmann::json::parse(run::run(s, {}).json); }

double share(const nlohmann::json& r, const std::string& comm) {
  for (const auto& t : r["tasks"])
    if (t["comm"] == comm) return t["cpu_ns_per_s"].get<double>() / 1e9;
  return 0;
}

}  // namespace

TEST_CASE("hogs that start on one CPU are spread; pinned ones are not") {
  for (const char* version : {"6.1", "6.12"}) {
    CAPTURE(version);
    auto s = machine_of(4, version);
    for (const char* name : {"a", "b", "c"}) add_hog(s, name, -1);
    auto r = result_of(s);
    for (const char* name : {"a", "b", "c"}) CHECK(share(r, name) > 0.98);
    for (auto& p : s.programs) p.cpu = 2;
    r = result_of(s);
    for (const char* name : {"a", "b", "c"}) CHECK(share(r, name) == Approx(1.0 / 3).margin(0.05));
    CHECK(r["totals"]["migrations_per_s"] == 0.0);
  }
}

TEST_CASE("a cpuset holds its tasks and is filled evenly") {
  auto s = machine_of(4);
  scenario::Cgroup g;
  g.path = "g";
  g.cpuset_cpus = {1, 2};
  s.cgroups.push_back(g);
  for (const char* name : {"a", "b", "c", "d"}) add_hog(s, name, -1, "g");
  const auto r = result_of(s);
  CHECK(r["cpus"][0]["busy"].get<double>() < 0.01);
  CHECK(r["cpus"][3]["busy"].get<double>() < 0.01);
  double sum = 0;
  for (const char* name : {"a", "b", "c", "d"}) sum += share(r, name);
  CHECK(sum == Approx(2.0).margin(0.05));
  for (const char* name : {"a", "b", "c", "d"}) CHECK(share(r, name) == Approx(0.5).margin(0.1));
}

TEST_CASE("groups share a CPU-bound machine by their weights") {
  auto s = machine_of(2);
  for (const auto& [name, weight] : {std::pair{"light", 100}, std::pair{"heavy", 300}}) {
    scenario::Cgroup g;
    g.path = name;
    g.cpu_weight = weight;
    s.cgroups.push_back(g);
    for (int i = 0; i < 2; ++i) add_hog(s, std::string(name) + std::to_string(i), -1, name);
  }
  s.run.duration_ns = 1'000'000'000;
  const auto r = result_of(s);
  const double heavy = share(r, "heavy0") + share(r, "heavy1"), light = share(r, "light0") + share(r, "light1");
  CHECK(heavy + light == Approx(2.0).margin(0.02));
  CHECK(heavy / light == Approx(3.0).margin(0.45));
}

TEST_CASE("sleeping CPUs cost no events") {
  auto one = machine_of(1), many = machine_of(128);
  for (auto* s : {&one, &many}) {
    add_hog(*s, "hog", 0);
    s->run.duration_ns = 1'000'000'000;
  }
  const auto a = result_of(one)["engine"]["events"].get<long>(), b = result_of(many)["engine"]["events"].get<long>();
  CHECK(b < a + 128 * 20);
}

TEST_CASE("records of migrations are the counted ones; each has a cause; runs repeat") {
  auto s = small_machine("6.1", 32);
  s.machine.cpus = 4;
  s.workloads[0].cpus_allowed.clear();
  s.workloads[0].numjobs = 3;
  add_hog(s, "hog", -1);
  Record first, again;
  record(first, s);
  record(again, s);
  long counted = 0;
  for (const auto& [cause, n] : first.result["migrations"]["by_cause"].items()) counted += n.get<long>();
  CHECK(first.count(EventType::sched_migrate_task) == counted);
  CHECK(first.events.size() == again.events.size());
  CHECK(first.result["migrations"] == again.result["migrations"]);
  CHECK(first.result["tasks"] == again.result["tasks"]);
}

TEST_CASE("a machine of several caches and nodes runs every version") {
  for (const char* version : {"5.4", "6.1", "6.6", "6.8", "6.12", "6.18", "6.19"}) {
    CAPTURE(version);
    auto s = small_machine(version, 32);
    s.machine.cpus = 16;
    s.machine.resolved =
        machine::make_topology({.cpus = 16, .threads_per_core = 2, .cores_per_llc = 2, .packages = 2, .nodes = 2});
    s.workloads[0].cpus_allowed.clear();
    s.workloads[0].numjobs = 6;
    for (int i = 0; i < 14; ++i) add_hog(s, "hog" + std::to_string(i), -1);
    const auto r = result_of(s);
    CHECK(r["io"]["completed"].get<long>() > 100);
    double busy = 0;
    for (const auto& c : r["cpus"]) busy += c["busy"].get<double>();
    CHECK(busy > 13.9);
  }
}
