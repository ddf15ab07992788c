// SPDX-License-Identifier: GPL-2.0-or-later
// Several fio jobs and clones on shared CPUs.
#include <map>
#include <set>

#include "tests/unit/catch.h"
#include "tests/unit/path_fixture.h"

using namespace path_test;

namespace {

std::map<std::int32_t, std::set<int>> cpus_of_fio(const Record& r) {
  std::map<std::int32_t, std::set<int>> out;
  for (const auto& e : r.events)
    if (e.type == EventType::sched_switch && r.is(e.u.sw.next_comm, "fio")) out[e.u.sw.next_pid].insert(e.cpu);
  return out;
}

}  // namespace

TEST_CASE("clones split the CPUs, each keeping one", "[fio][path]") {
  auto s = small_machine("6.12", 4);
  s.machine.cpus = 4;
  s.block.hw_queues = 4;
  s.workloads[0].numjobs = 6;
  s.workloads[0].cpus_allowed = {0, 1, 2};
  s.workloads[0].cpus_allowed_policy = "split";
  Record r;
  record(r, s);
  const auto cpus = cpus_of_fio(r);
  CHECK(cpus.size() == 6);
  std::map<int, int> on_cpu;
  for (const auto& [pid, set] : cpus) {
    CHECK(set.size() == 1);
    ++on_cpu[*set.begin()];
  }
  CHECK(on_cpu == std::map<int, int>{{0, 2}, {1, 2}, {2, 2}});
}

TEST_CASE("two jobs on one CPU share it by weight, and their I/Os are counted apart", "[fio][path]") {
  auto s = small_machine("6.12", 4);
  s.fs.type = "none";
  s.device.latency_ns.ns = 1'000;
  s.device.coalesce_n = 1;
  s.device.coalesce_ns = 0;
  put_in_group(s, 300);
  auto second = s.workloads[0];
  second.name = "log";
  second.cgroup = "";
  scenario::Cgroup g;
  g.path = "light";
  g.cpu_weight = 100;
  s.cgroups.push_back(g);
  second.cgroup = "light";
  s.workloads.push_back(second);
  s.run.duration_ns = 1'000'000'000;
  Record r;
  record(r, s);
  const auto& jobs = r.result["io"]["jobs"];
  REQUIRE(jobs.size() == 2);
  const double a = jobs[0]["completed"].get<double>(), b = jobs[1]["completed"].get<double>();
  CHECK(a + b == r.result["io"]["completed"].get<double>());
  CHECK(a / b == Approx(3).epsilon(0.3));
}

TEST_CASE("a polling reactor never sleeps, and its worker gets the CPU by the tick or a wakeup", "[fio][path]") {
  auto s = small_machine("6.1", 1, 0);
  s.workloads[0].userspace_reap = true;
  s.workloads[0].iodepth_batch_complete_max = 1;
  s.device.coalesce_n = 1;
  s.device.coalesce_ns = 0;
  s.device.latency_ns.ns = 50'000;
  s.kernel.latency_ns = 24'000'000;
  s.run.duration_ns = 500'000'000;
  std::vector<double> iops;
  for (const std::int64_t ms : {1, 4, 15}) {
    s.kernel.wakeup_granularity_ns = ms * 1'000'000;
    s.kernel.min_granularity_ns = ms == 15 ? 10'000'000 : 3'000'000;
    Record r;
    record(r, s);
    for (const auto& t : r.result["tasks"])
      if (t["comm"] == "fio") CHECK(t["voluntary_switches_per_s"].get<double>() == 0);
    CHECK(r.wakes_of("fio") == 0);
    CHECK(r.count(EventType::sys_enter_io_getevents) == 0);
    iops.push_back(r.result["io"]["iops"].get<double>());
  }
  CHECK(iops[0] > iops[2]);
  s.kernel.switches->dio_write_complete_inline = true;  // 6.19: no worker
  Record inline_run;
  record(inline_run, s);
  CHECK(inline_run.result["io"]["iops"].get<double>() > 3 * iops[2]);
}
