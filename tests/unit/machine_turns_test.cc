// SPDX-License-Identifier: GPL-2.0-or-later
// An emulator whose CPUs share one clock: they take turns, and only who does not wait for another one is as fast as
// before.
#include "tests/unit/catch.h"
#include "tests/unit/path_fixture.h"

using namespace path_test;

namespace {

// Jobs that keep their CPUs busy: each request has a timer of its own.
scenario::Scenario busy_jobs(int cpus, int jobs, bool shared_clock) {
  scenario::Scenario s = small_machine("6.1", 16);
  s.machine.cpus = cpus;
  s.machine.shared_clock = shared_clock;
  s.block.driver = "null_blk";
  s.block.virtual_timer_completion = true;
  s.device.latency_ns.ns = 20'000;
  s.device.coalesce_n = 1;
  s.device.coalesce_ns = 0;
  for (int i = 1; i < jobs; ++i) {
    s.workloads.push_back(s.workloads[0]);
    s.workloads.back().name = "fio" + std::to_string(i);
    s.workloads.back().cpus_allowed = {i};
  }
  return s;
}

double iops_of(const scenario::Scenario& s) {
  Record r;
  record(r, s);
  return r.result["io"]["iops"].get<double>();
}

}  // namespace

TEST_CASE("together the CPUs of a shared clock do what one of them could") {
  const double one = iops_of(busy_jobs(2, 1, true));  // it waits a little for its device
  CHECK(one == Approx(iops_of(busy_jobs(2, 1, false))).epsilon(0.01));
  CHECK(iops_of(busy_jobs(4, 4, false)) == Approx(4 * one).epsilon(0.05));
  const double two = iops_of(busy_jobs(2, 2, true)), four = iops_of(busy_jobs(4, 4, true));
  CHECK(two > one);
  CHECK(two < 1.5 * one);
  CHECK(four == Approx(two).epsilon(0.1));
}

TEST_CASE("a CPU that stands still is busy, and accounts close") {
  Record r;
  record(r, busy_jobs(4, 2, true));  // the run itself checks that every CPU's buckets sum to the wall time
  CHECK(r.result["cpus"][0]["busy"].get<double>() > 0.7);
  CHECK(r.result["cpus"][1]["busy"].get<double>() > 0.7);
  CHECK(r.result["cpus"][3]["busy"].get<double>() < 0.05);
  CHECK(r.result["io"]["completed"].get<long>() > 100);
}

TEST_CASE("taking turns repeats, and one CPU has nobody to wait for") {
  Record a, b, alone, alone_shared;
  record(a, busy_jobs(3, 3, true));
  record(b, busy_jobs(3, 3, true));
  CHECK(a.events.size() == b.events.size());
  CHECK(a.result["tasks"] == b.result["tasks"]);
  record(alone, busy_jobs(1, 1, false));
  record(alone_shared, busy_jobs(1, 1, true));
  CHECK(alone.events.size() == alone_shared.events.size());
  CHECK(alone.result["io"] == alone_shared.result["io"]);
}
