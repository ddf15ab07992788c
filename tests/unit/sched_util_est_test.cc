// SPDX-License-Identifier: GPL-2.0-or-later
// What a sleeper is expected to use when it wakes (UTIL_EST, scheduler spec 3.4).
#include "models/kernel/versions.h"
#include "models/sched/smp_rq.h"
#include "tests/unit/catch.h"

using namespace wakepath;
using sched::task_util_est;

namespace {

struct Sleeper {
  explicit Sleeper(const char* version) : k(kernel::switches_of(version)) { cpu.capacity = 1024; }
  // It goes to sleep with these averages, which a period has just changed.
  void sleeps(std::uint64_t util, std::uint64_t runnable) {
    task.se.avg.util_avg = util, task.se.avg.runnable_avg = runnable;
    task.se.avg.changed = true;
    sched::util_est_update(cpu, k, task);
  }
  // Long after: its own average has decayed.
  [[nodiscard]] std::uint64_t estimate() const {
    sched::Task later;
    later.smp.util_est_ewma = task.smp.util_est_ewma;
    later.smp.util_est_enqueued = task.smp.util_est_enqueued;
    return task_util_est(later);
  }
  kernel::Switches k;
  sched::SmpRq cpu;
  sched::Task task;
};

}  // namespace

TEST_CASE("util_est rises at once and falls by a quarter, once a change of the average") {
  for (const char* version : {"6.1", "6.12"}) {
    Sleeper t(version);
    t.sleeps(600, 600);
    CHECK(t.estimate() == 600);
    t.sleeps(400, 400);
    CHECK(t.estimate() == 550);
    sched::util_est_update(t.cpu, t.k, t.task);  // no period has ended
    CHECK(t.estimate() == 550);
    t.sleeps(400, 400);
    CHECK(t.estimate() == 512);
    t.sleeps(505, 505);  // within a hundredth
    CHECK(t.estimate() == 512);
    t.sleeps(700, 700);
    CHECK(t.estimate() == 700);
  }
}

TEST_CASE("util_est_waited: who had to wait for the CPU is expected to use what it did before") {
  Sleeper old("6.1"), now("6.12");
  for (Sleeper* t : {&old, &now}) {
    t->sleeps(600, 600);
    t->sleeps(400, 500);
  }
  CHECK(old.estimate() == 550);
  CHECK(now.estimate() == 600);
  now.sleeps(400, 405);  // less than a hundredth: it did not wait
  CHECK(now.estimate() == 550);
}

TEST_CASE("util_est: more than the CPU has is not taken for a fall") {
  for (const char* version : {"6.1", "6.12"}) {
    Sleeper t(version);
    t.sleeps(900, 900);
    t.cpu.capacity = 512;
    t.sleeps(600, 600);
    CHECK(t.estimate() == 900);
    t.cpu.capacity = 1024;
    sched::util_est_update(t.cpu, t.k, t.task);  // still to be taken
    CHECK(t.estimate() == 825);
  }
}
