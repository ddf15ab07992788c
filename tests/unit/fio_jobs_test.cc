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

TEST_CASE("a reap_thread takes what completes, and the submitter only submits", "[fio][path]") {
  for (const int cpus : {1, 4}) {
    for (const int complete_min : {1, 3}) {
      auto s = small_machine("6.1", 8, complete_min);
      s.machine.cpus = s.block.hw_queues = cpus;
      s.workloads[0].reap_thread = true;
      s.workloads[0].iodepth_low = 4;
      s.workloads[0].iodepth_batch_submit = 4;
      s.workloads[0].cpus_allowed.clear();
      s.device.coalesce_n = 2;
      s.device.coalesce_ns = 100'000;
      s.device.latency_ns.ns = 50'000;
      s.run.duration_ns = 200'000'000;
      CAPTURE(cpus, complete_min);
      Record r;
      record(r, s);
      std::map<std::int32_t, std::set<std::string>> calls;
      std::int64_t submitted = 0, taken = 0;
      for (const auto& e : r.events) {
        if (e.type == EventType::sys_enter_io_submit) calls[e.pid].insert("submit");
        if (e.type == EventType::sys_enter_io_getevents) calls[e.pid].insert("getevents");
        if (e.type == EventType::sys_exit_io_submit) submitted += e.u.sys.ret;
        if (e.type == EventType::sys_exit_io_getevents) {
          CHECK(e.u.sys.ret >= complete_min);
          taken += e.u.sys.ret;
        }
      }
      CHECK(calls.size() == 2);
      for (const auto& [pid, names] : calls) CHECK(names.size() == 1);
      const auto completed = r.result["io"]["completed"].get<std::int64_t>();
      CHECK(completed > 1000);
      CHECK(std::abs(submitted - completed) <= 8);
      CHECK(std::abs(taken - completed) <= 8);
      CHECK(r.result["io"]["jobs"][0]["lat_ns"]["p50"].get<double>() >= 50'000);
      for (const auto& t : r.result["tasks"]) {
        if (t["comm"] == "fio") CHECK(t["voluntary_switches_per_s"].get<double>() == 0);
        if (t["comm"] == "fio_reaper") CHECK(t["voluntary_switches_per_s"].get<double>() > 1000);
      }
    }
  }
}

TEST_CASE("at the end of its files a job with a reap_thread waits until nothing is in flight", "[fio][path]") {
  auto s = small_machine("6.1", 8, 1);
  s.machine.cpus = s.block.hw_queues = 2;
  s.workloads[0].rw = "write";
  s.workloads[0].nrfiles = 2;
  s.workloads[0].filesize = 8LL * s.workloads[0].bs;
  s.workloads[0].reap_thread = true;
  s.workloads[0].cpus_allowed.clear();
  s.run.warmup_ns = 0;
  Record r;
  record(r, s);
  std::int64_t in_flight = 0, most = 0, rounds = 0;
  for (const auto& e : r.events) {
    if (e.type == EventType::block_rq_issue) most = std::max(most, ++in_flight);
    if (e.type == EventType::block_rq_complete && --in_flight == 0) ++rounds;
  }
  CHECK(most > 1);
  CHECK(rounds >= r.count(EventType::block_rq_issue) / 16);
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

TEST_CASE("before fio sleeps for thinktime or rate_iops it takes what is in flight", "[fio][path]") {
  auto s = small_machine("6.12", 8);
  s.device.coalesce_n = 1;
  s.device.coalesce_ns = 0;
  s.run.duration_ns = 400'000'000;
  auto& job = s.workloads[0];
  job.iodepth_batch_submit = 4;  // what is collected goes out too
  job.iodepth_batch_complete_max = 1;
  for (const char* const engine : {"libaio", "io_uring"}) {
    job.ioengine = engine;
    for (const bool paced : {false, true}) {
      job.rate_iops = paced ? 1000 : 0;
      job.thinktime_ns = paced ? 0 : 1'000'000;
      CAPTURE(engine, paced);
      Record r;
      record(r, s);
      const auto& of_job = r.result["io"]["jobs"][0];
      CHECK(of_job["lat_ns"]["p99"].get<double>() < 250'000);
      CHECK(of_job["completed"].get<double>() == Approx(paced ? 400 : 400 / 1.21).epsilon(0.02));
    }
  }
}

TEST_CASE("a pause comes after thinktime_blocks completions: what a pause waited for counts for the next",
          "[fio][path]") {
  auto s = small_machine("6.12", 8);
  s.device.coalesce_n = 1;
  s.device.coalesce_ns = 0;
  s.run.duration_ns = 2'000'000'000;
  auto& job = s.workloads[0];
  job.iodepth_batch_submit = job.iodepth_batch_complete_max = 1;
  job.thinktime_ns = 5'000'000;
  job.thinktime_blocks = 4;  // ten until four are taken; then one: seven were awaited before the pause
  Record r;
  record(r, s);
  CHECK(r.result["io"]["jobs"][0]["completed"].get<double>() / 2 == Approx(11 / 0.0106).epsilon(0.01));
}

TEST_CASE("rate_iops holds for reads and for writes", "[fio][path]") {
  auto s = small_machine("6.12", 4);
  s.device.coalesce_n = 1;
  s.device.coalesce_ns = 0;
  s.run.duration_ns = 1'000'000'000;
  auto& job = s.workloads[0];
  job.rw = "randrw";
  job.rate_iops = 300;
  for (const auto& [percent, reads, writes] : {std::tuple{50, 300, 300}, {80, 300, 300}, {100, 300, 0}, {0, 0, 300}}) {
    job.rwmixread = percent;
    CAPTURE(percent);
    Record r;
    record(r, s);
    const auto& of_job = r.result["io"]["jobs"][0];
    CHECK(of_job["completed"].get<double>() == Approx(reads + writes).margin(3));
    std::map<char, int> issued;
    for (const auto& e : r.events)
      if (e.type == EventType::block_rq_issue) ++issued[r.pool.str(e.u.rq.rwbs)[0]];
    CHECK(issued['R'] == Approx(reads).margin(3));
    CHECK(issued['W'] == Approx(writes).margin(3));
  }
}
