// SPDX-License-Identifier: GPL-2.0-or-later
// Costs that are spent together: what comes in between finds each in its place, so that nothing but the number of
// events tells a segment of several pieces from segments of one.
#include "models/machine/pieces.h"

#include <algorithm>
#include <map>

#include "tests/unit/catch.h"
#include "tests/unit/path_fixture.h"

using namespace path_test;
using machine::Mode;
using machine::Pieces;
using machine::Point;

namespace {

void add_program(scenario::Scenario& s, const std::string& kind, int cpu, const std::string& cgroup = "") {
  scenario::Program p;
  p.name = kind + std::to_string(cpu) + cgroup;
  p.kind = kind;
  p.cpu = cpu;
  p.cgroup = cgroup;
  s.programs.push_back(p);
}

// One at a time to a device that serves several at once and interrupts for each.
void go_one_by_one(scenario::Scenario& s, int servers, machine::Time latency_ns) {
  s.device.law = "servers";
  s.device.servers = servers;
  s.device.latency_ns.ns = latency_ns;
  s.device.coalesce_n = 1;
  s.device.coalesce_ns = 0;
  s.workloads[0].iodepth_batch_submit = s.workloads[0].iodepth_batch_complete_max = 1;
}

// A job on CPU 0, whose segments do not pass at once where CPU 1 is busy.
scenario::Scenario job_beside(const std::string& version, scenario::Preempt preempt, bool busy) {
  auto s = small_machine(version, 16);
  s.machine.cpus = 2;
  s.block.hw_queues = 2;
  s.kernel.preempt = preempt;
  go_one_by_one(s, 8, 61'003);
  put_in_group(s, 1000);
  s.fs.written = true;
  s.fs.unwritten_per_million = 0;
  s.costs[machine::CostId::file_update_time].ns = 0;
  if (busy) {
    scenario::Program p;
    p.name = p.kind = "per";
    p.run_ns = 137;
    p.period_ns = 311;
    p.cpu = 1;
    s.programs.push_back(p);
  }
  return s;
}

double of(const nlohmann::json& r, const std::string& comm, const char* what) {
  double sum = 0;
  for (const auto& t : r["tasks"])
    if (t["comm"].get<std::string>().rfind(comm, 0) == 0) sum += t[what].get<double>();
  return sum;
}

}  // namespace

TEST_CASE("pieces of one mode are one; a point or a record keeps them apart") {
  Pieces p;
  p.add(10, Mode::kernel);
  p.add(5, Mode::kernel);
  p.add_point(Point::might_sleep);
  p.add(7, Mode::kernel);
  p.add_record();
  p.add_record();
  p.add(3, Mode::kernel);
  p.add(2, Mode::user);
  CHECK(p.total() == 27);
  const auto first = p.take();
  CHECK(first.ns() == 15);
  CHECK(first.before() == Point::none);
  const auto second = p.take();
  CHECK(second.ns() == 7);
  CHECK(second.before() == Point::might_sleep);
  CHECK(second.records() == 0);
  CHECK(p.total() == 5);
  const auto third = p.take();
  CHECK(third.records() == 2);
  CHECK(third.before() == Point::none);
  CHECK(p.last_mode() == Mode::user);
  CHECK(p.take().mode() == Mode::user);
  CHECK(p.empty());
  CHECK(p.total() == 0);
}

TEST_CASE("what is to be done at the end of a segment is a piece of no length") {
  Pieces p;
  p.add(10, Mode::kernel);
  p.close(0, Mode::kernel);
  CHECK(p.take().ns() == 10);
  CHECK(p.empty());
  p.add(10, Mode::kernel);
  p.add_point(Point::user_exit);
  p.close(0, Mode::kernel);
  CHECK(p.take().ns() == 10);
  REQUIRE_FALSE(p.empty());
  const auto last = p.take();
  CHECK(last.ns() == 0);
  CHECK(last.before() == Point::user_exit);
}

TEST_CASE("more pieces than there is room for are an error") {
  Pieces p;
  CHECK_THROWS([&] {
    for (int i = 0; i < 100; ++i) p.add(1, i % 2 == 0 ? Mode::user : Mode::kernel);
  }());
}

TEST_CASE("a busy CPU beside a job changes its events and nothing else") {
  for (const char* version : {"6.1", "6.12"}) {
    for (const auto preempt : {scenario::Preempt::none, scenario::Preempt::voluntary, scenario::Preempt::full}) {
      CAPTURE(version, static_cast<int>(preempt));
      Record alone, beside;
      record(alone, job_beside(version, preempt, false));
      record(beside, job_beside(version, preempt, true));
      CHECK(alone.result["io"]["completed"].get<double>() > 5000);
      // One in a hundred: an event of the other CPU at the same nanosecond may come before or after.
      const auto same = [&](double a, double b) { CHECK(b == Approx(a).epsilon(0.01).margin(100)); };
      same(alone.result["io"]["completed"], beside.result["io"]["completed"]);
      same(alone.result["io"]["clat_ns"]["mean"], beside.result["io"]["clat_ns"]["mean"]);
      for (const char* comm : {"fio", "kworker/0"})
        for (const char* what : {"cpu_ns_per_s", "voluntary_switches_per_s", "involuntary_switches_per_s"})
          same(of(alone.result, comm, what), of(beside.result, comm, what));
      // More of its segments are events of the queue now, but none for each cost.
      const auto queued = [](const Record& r) { return r.result["engine"]["queue_events"].get<double>(); };
      CHECK(queued(beside) > queued(alone));
    }
  }
}

TEST_CASE("a run that is recorded is the run that is not") {
  for (const char* version : {"6.1", "6.12", "6.18"}) {
    for (const auto preempt : {scenario::Preempt::none, scenario::Preempt::voluntary, scenario::Preempt::full}) {
      CAPTURE(version, static_cast<int>(preempt));
      auto s = small_machine(version, 16);
      s.machine.cpus = 4;
      s.kernel.preempt = preempt;
      go_one_by_one(s, 6, 40'000);
      s.workloads[0].cpus_allowed.clear();
      s.workloads[0].numjobs = 5;
      put_in_group(s, 500);
      add_program(s, "hog", -1, "g");
      Record recorded;
      record(recorded, s);
      auto plain = nlohmann::json::parse(run::run(s, {}).json);
      for (const char* part : {"io", "tasks", "migrations", "totals", "cpus"})
        CHECK(recorded.result[part] == plain[part]);
      CHECK(recorded.events.size() > 10'000);
      CHECK(std::is_sorted(recorded.events.begin(), recorded.events.end(),
                           [](const auto& a, const auto& b) { return a.ts_ns < b.ts_ns; }));
      // No task enters a call that it is in.
      std::map<int, int> inside;
      for (const auto& e : recorded.events) {
        if (e.type == EventType::sys_enter_io_submit) CHECK(inside[e.pid]++ == 0);
        if (e.type == EventType::sys_exit_io_submit) inside[e.pid] = 0;
      }
    }
  }
}
