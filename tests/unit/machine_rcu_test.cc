// SPDX-License-Identifier: GPL-2.0-or-later
// Grace periods, kernel timers and the ticks of idle CPUs: which CPU ticks, who wakes the grace-period thread.
#include "models/machine/timer_wheel.h"
#include "tests/unit/catch.h"
#include "tests/unit/path_fixture.h"

using namespace path_test;

namespace {

// CPU 0 has the grace-period thread; on CPU 1 a program frees something every 40 ms, for 200 ms.
scenario::Scenario freeing(int cpus, const std::string& version) {
  scenario::Scenario s = small_machine(version, 8);
  s.machine.cpus = cpus;
  s.machine.tunables_cpus.reset();
  s.kernel.hz = 250;
  s.workloads.clear();
  s.run.warmup_ns = 202'000'000;  // between two ticks
  s.run.duration_ns = 200'000'000;
  scenario::Program thread, freer;
  thread.name = "rcu", thread.kind = "rcu", thread.cpu = 0, thread.run_ns = 2'000, thread.period_ns = 4'000'000;
  freer.name = "freer", freer.kind = "per", freer.cpu = 1, freer.run_ns = 2'000, freer.period_ns = 40'000'000;
  freer.call_rcu = true;
  s.programs = {thread, freer};
  return s;
}

long count_on(const Record& r, EventType t, int cpu) {
  return std::count_if(r.events.begin(), r.events.end(), [&](const auto& e) { return e.type == t && e.cpu == cpu; });
}

// Wakeups of the thread from a softirq of this CPU.
long woken_on(const Record& r, int cpu) {
  return std::count_if(r.events.begin(), r.events.end(), [&](const auto& e) {
    return e.type == EventType::sched_waking && r.is(e.u.task.comm, "rcu") && e.cpu == cpu;
  });
}

}  // namespace

TEST_CASE("the wheel rounds up to the granularity of its level", "[machine]") {
  using machine::timer_wheel_jiffy;
  CHECK(timer_wheel_jiffy(1000, 1) == 1002);   // the jiffy under way does not count
  CHECK(timer_wheel_jiffy(1000, 62) == 1063);  // the last of level 0
  CHECK(timer_wheel_jiffy(1000, 63) == 1064);  // level 1: of 8 jiffies
  CHECK(timer_wheel_jiffy(1001, 63) == 1072);
  CHECK(machine::timer_wheel_expiry(4'000'001, 4'000'000, 4'000'000) == 12'000'000);
}

// Freed between ticks 0 and 1 of CPU 1. 1: it asks for a grace period, and the thread begins one and sleeps for a
// jiffy, which ends at tick 3. 2: CPU 1 notices. 3: CPU 1 and CPU 0 report, the thread finds CPU 2 asleep and ends it.
// 4: CPU 1's callback is done, and its tick stops. So CPU 1 has four ticks and the program's timer, CPU 0 one tick.
TEST_CASE("a CPU with RCU callbacks keeps its tick in idle until their grace period is over", "[machine]") {
  Record r;
  record(r, freeing(3, "6.1"));
  CHECK(count_on(r, EventType::local_timer_entry, 2) == 0);
  CHECK(count_on(r, EventType::local_timer_entry, 1) == 5 * (4 + 1));
  CHECK(count_on(r, EventType::local_timer_entry, 0) == 5);
  CHECK(woken_on(r, 1) == 5);
  CHECK(woken_on(r, 0) == 5);
}

// The thread sleeps for one jiffy at HZ 250 and for three at 1000, which end two and four ticks later.
TEST_CASE("how long a grace period is let be before sleeping CPUs are looked for hangs on HZ", "[machine]") {
  for (const auto& [hz, ms] : {std::pair{250, 8}, {1000, 4}}) {
    CAPTURE(hz);
    auto s = freeing(3, "6.1");
    s.kernel.hz = hz;
    s.run.warmup_ns = 190'000'000;  // none is under way
    Record r;
    record(r, s);
    std::int64_t begun_ns = 0;
    int forced = 0;
    for (const auto& e : r.events) {
      if (e.type != EventType::sched_waking || !r.is(e.u.task.comm, "rcu")) continue;
      if (e.cpu == 0) {
        CHECK((e.ts_ns - begun_ns + 500'000) / 1'000'000 == ms);
        ++forced;
      }
      begun_ns = e.ts_ns;
    }
    CHECK(forced == 5);
  }
}

TEST_CASE("nothing ticks where nobody frees anything", "[machine]") {
  auto s = freeing(3, "6.1");
  s.programs[1].call_rcu = false;
  Record r;
  record(r, s);
  CHECK(count_on(r, EventType::local_timer_entry, 0) == 0);
  CHECK(count_on(r, EventType::local_timer_entry, 1) == 5);
  CHECK(woken_on(r, 0) + woken_on(r, 1) == 0);
}

// The same beside a hog on CPU 2, which reports at its own ticks. From 6.9 on CPU 0 sleeps on unless the timer is due
// at the next tick, and the hog's tick expires it.
TEST_CASE("an idle CPU wakes for its kernel timers, or a busy one expires them for it", "[machine]") {
  std::vector<long> ticks;
  for (const auto& [version, pulled] : {std::pair{"6.1", false}, {"6.12", true}}) {
    CAPTURE(version);
    auto s = freeing(3, version);
    scenario::Program hog;
    hog.name = hog.kind = "hog";
    hog.cpu = 2;
    s.programs.push_back(hog);
    Record r;
    record(r, s);
    ticks.push_back(count_on(r, EventType::local_timer_entry, 0));
    CHECK((woken_on(r, 2) > 0) == pulled);
    CHECK((woken_on(r, 0) > 0) == !pulled);
  }
  CHECK(ticks[1] < ticks[0]);
}

// CPU 2 has two tasks and asks CPU 0 to balance while that takes the tick of the thread's timer. The call is let in
// once the timer softirq has been taken: the balancing it raises is another round's, and the thread has been woken by
// then.
TEST_CASE("what an interrupt raises between two softirqs is left to ksoftirqd where somebody was woken", "[machine]") {
  auto s = freeing(3, "6.1");
  s.programs[1].period_ns = 36'000'000;  // then balancing is due at the ticks of the thread's timer
  for (const char* name : {"hog1", "hog2"}) {
    scenario::Program hog;
    hog.name = name;
    hog.kind = "hog";
    hog.cpu = 2;
    s.programs.push_back(hog);
  }
  Record r;
  record(r, s);
  CHECK(woken_on(r, 0) > 0);
  CHECK(r.wakes_of("ksoftirqd/0") > 0);
  s.programs[1].call_rcu = false;
  Record quiet;
  record(quiet, s);
  CHECK(quiet.wakes_of("ksoftirqd") == 0);
}

// By the softirq of a tick, which comes while the CPU is idle too: at the first one that is a period after the last.
TEST_CASE("with one CPU the softirq of a tick wakes the grace-period thread", "[machine]") {
  for (const auto& [period, times] : {std::pair{4'000'000, 50}, std::pair{5'000'000, 40}, std::pair{8'000'000, 25}}) {
    INFO(period);
    auto s = freeing(1, "6.1");
    s.programs.pop_back();
    s.programs[0].period_ns = period;
    Record r;
    record(r, s);
    CHECK(about(woken_on(r, 0), times, 1));
    CHECK(count_on(r, EventType::local_timer_entry, 0) == 50);
    machine::Time tick = 0;
    for (const auto& e : r.events) {
      if (e.type == EventType::local_timer_entry) tick = e.ts_ns;
      if (e.type == EventType::sched_waking) CHECK(e.ts_ns - tick < 20'000);
    }
  }
}

TEST_CASE("a program may ask for several CPUs", "[machine]") {
  for (const int cpus : {1, 2}) {
    auto s = freeing(cpus, "6.1");
    s.programs[1].cpu = 0;
    s.programs[1].min_cpus = 2;
    Record r;
    record(r, s);
    CHECK((r.wakes_of("freer") > 0) == (cpus == 2));
  }
}
