// SPDX-License-Identifier: GPL-2.0-or-later
// cpu.max: slices from the pool, throttling at accounting points, debts, refills, slack, burst, nesting.
#include "tests/unit/catch.h"

#include "tests/unit/sched_bandwidth.h"

using namespace wakepath;
using namespace wakepath::sched;
using namespace wakepath::sched_test;

namespace {

constexpr Time kPeriod = 100 * kMs;
const char* const kVersions[] = {"6.1", "6.6", "6.12", "6.18"};
const char* const kWholeGroups[] = {"6.1", "6.6", "6.12"};  // throttled at once; 6.18: sched_throttle_tasks_test.cc

BandwidthLimit limit(Time quota, Time burst = 0, Time period = kPeriod) { return {quota, period, burst}; }

}  // namespace

TEST_CASE("E34: one hog with a quota of 20 ms in 100 ms") {
  for (const char* version : kWholeGroups) {
    CAPTURE(version);
    LimitedDriver d(version);
    TaskGroup& g = *d.s.create_group("g", nullptr, kNice0Load);
    d.s.set_bandwidth(g, limit(20 * kMs), 0);
    d.wake(d.task("hog", 0, &g));
    const CfsRq& q = g.own_queues[0];
    struct Row {
      Time at, remaining, pool;
    };
    for (const Row& r : {Row{0, 5, 15}, {4, 1, 15}, {8, 5, 7}, {12, 1, 7}, {16, 4, 0}}) {
      d.all_to(r.at * kMs);
      CAPTURE(r.at);
      CHECK(q.throttle.runtime_remaining_ns == r.remaining * kMs);
      CHECK(g.bandwidth.runtime_ns == r.pool * kMs);
      CHECK(d.running() == "hog");
    }
    d.all_to(20 * kMs);
    CHECK(q.throttle.runtime_remaining_ns == 0);
    CHECK(q.throttle.throttled);
    CHECK(d.running() == "swapper/0");
    CHECK(d.s.nr_running(0) == 0);
    d.all_to(100 * kMs - 1);
    CHECK(d.running() == "swapper/0");
    d.all_to(100 * kMs);
    CHECK(d.running() == "hog");
    CHECK(q.throttle.runtime_remaining_ns == 1);
    CHECK(g.bandwidth.runtime_ns == 19'999'999);
  }
}

TEST_CASE("E34: a quota of 10 ms is run as 12, 8, 12, 8") {
  for (const char* version : kWholeGroups) {
    CAPTURE(version);
    LimitedDriver d(version);
    TaskGroup& g = *d.s.create_group("g", nullptr, kNice0Load);
    d.s.set_bandwidth(g, limit(10 * kMs), 0);
    Task& hog = d.task("hog", 0, &g);
    d.wake(hog);
    const CfsRq& q = g.own_queues[0];
    d.all_to(12 * kMs);
    CHECK(q.throttle.throttled);
    CHECK(q.throttle.runtime_remaining_ns == -2 * kMs);
    d.all_to(100 * kMs);
    CHECK_FALSE(q.throttle.throttled);
    CHECK(q.throttle.runtime_remaining_ns == 1);
    CHECK(g.bandwidth.runtime_ns == 7'999'999);
    d.all_to(108 * kMs);
    CHECK(q.throttle.throttled);
    std::int64_t before = hog.sum_exec_runtime_ns;
    CHECK(before == 20 * kMs);
    for (int period = 2; period < 10; ++period) {
      d.all_to((period + 1) * kPeriod - 1);
      CHECK(hog.sum_exec_runtime_ns - before == (period % 2 == 0 ? 12 : 8) * kMs);
      before = hog.sum_exec_runtime_ns;
    }
    CHECK(g.bandwidth.nr_periods == 9);
    CHECK(g.bandwidth.nr_throttled == 9);
  }
}

TEST_CASE(
    "a queue that is throttled as its last task goes to sleep: the time from the next wakeup on, up to 6.5 all of it") {
  for (const char* version : kWholeGroups) {
    CAPTURE(version);
    LimitedDriver d(version);
    TaskGroup& g = *d.s.create_group("g", nullptr, kNice0Load);
    d.s.set_bandwidth(g, limit(5 * kMs), 0);
    Task& sleeper = d.task("sleeper", 0, &g);
    d.wake(sleeper);
    d.all_to(6 * kMs);
    d.sleep();
    REQUIRE(g.own_queues[0].throttle.throttled);
    d.all_to(60 * kMs);
    d.wake(sleeper);
    d.all_to(kPeriod);
    CHECK(d.running() == "sleeper");
    const bool all = std::string_view(version) == "6.1";
    CHECK(g.bandwidth.throttled_time_ns == kPeriod - (all ? 6 : 60) * kMs);
  }
}

TEST_CASE("over many periods a group runs its quota, and no more than a tick besides") {
  for (const char* version : kVersions) {
    LimitedDriver d(version, {4, 250, 2});
    TaskGroup& g = *d.s.create_group("g", nullptr, kNice0Load);
    d.s.set_bandwidth(g, limit(30 * kMs), 0);
    Task& a = d.task("a", 0, &g);
    Task& b = d.task("b", 0, &g);
    Task& other = d.task("other");
    d.s.wake_up(a, 0, 0), d.s.wake_up(b, 1, 0), d.s.wake_up(other, 0, 0);
    d.resched_all();
    d.all_to(50 * kPeriod);
    for (const int cpu : {0, 1}) d.s.update_curr(cpu, d.now);
    CAPTURE(version);
    const std::int64_t ran = a.sum_exec_runtime_ns + b.sum_exec_runtime_ns;
    CHECK(ran <= 50 * 30 * kMs + 3 * 4 * kMs);
    CHECK(ran >= 50 * 30 * kMs - 5 * kMs);
    CHECK(other.sum_exec_runtime_ns + a.sum_exec_runtime_ns == 50 * kPeriod);
  }
}

TEST_CASE("a woken task of a throttled group waits in its queue and preempts nobody") {
  for (const char* version : kWholeGroups) {
    LimitedDriver d(version);
    TaskGroup& g = *d.s.create_group("g", nullptr, 10 * kNice0Load);
    d.s.set_bandwidth(g, limit(4 * kMs), 0);
    Task& sleeper = d.task("sleeper", 0, &g);
    d.wake(sleeper);
    d.sleep();
    d.wake(d.task("hog", 0, &g));
    d.wake(d.task("other"));
    d.all_to(20 * kMs);
    REQUIRE(g.own_queues[0].throttle.throttled);
    CHECK(d.running() == "other");
    const WakeResult r = d.wake(sleeper);
    CHECK(r.woken);
    CHECK_FALSE(r.preempts);
    CHECK(d.running() == "other");
    CHECK(d.s.nr_running(0) == 1);
    CHECK(g.own_queues[0].h_nr_running == 2);
    CHECK(d.rq().cfs.h_nr_running == 1);
    d.all_to(kPeriod);
    CHECK(d.s.nr_running(0) == 3);
    CHECK(d.rq().cfs.h_nr_running == 3);
  }
}

TEST_CASE("unused runtime is saved as burst") {
  for (const Time burst : {0 * kMs, 10 * kMs, 20 * kMs}) {
    LimitedDriver d("6.12");
    TaskGroup& g = *d.s.create_group("g", nullptr, kNice0Load);
    d.s.set_bandwidth(g, limit(20 * kMs, burst), 0);
    d.all_to(kPeriod - 1);
    CHECK(g.bandwidth.runtime_ns == 20 * kMs);
    d.all_to(kPeriod);  // the timer runs once after the limit was set, and adds what was not used
    CHECK(g.bandwidth.runtime_ns == 20 * kMs + burst);
  }
}

TEST_CASE("the period timer rests after a period in which nobody took anything") {
  LimitedDriver d("6.12");
  TaskGroup& g = *d.s.create_group("g", nullptr, kNice0Load);
  d.s.set_bandwidth(g, limit(20 * kMs), 0);
  Task& a = d.task("a", 0, &g);
  d.wake(a);
  d.all_to(kMs);
  d.sleep();
  d.all_to(2 * kPeriod);
  CHECK(g.bandwidth.period_active == false);
  CHECK(d.period.empty());
  d.all_to(2 * kPeriod + 50 * kMs);
  d.wake(a);  // it has 1 ms left and asks for nothing yet
  CHECK_FALSE(g.bandwidth.period_active);
  d.all_to(2 * kPeriod + 56 * kMs);
  CHECK(g.bandwidth.period_active);
  CHECK(d.period.at(&g).at == 3 * kPeriod);  // on the old grid
}

TEST_CASE("a queue that empties gives back what it has above 1 ms, and the slack timer hands it on") {
  for (const char* version : kVersions) {
    CAPTURE(version);
    LimitedDriver d(version, {4, 1000, 2});
    TaskGroup& g = *d.s.create_group("g", nullptr, kNice0Load);
    d.s.set_bandwidth(g, limit(20 * kMs), 0);
    Task& saver = d.task("saver", 0, &g);
    Task& hog = d.task("hog", 0, &g);
    d.s.wake_up(saver, 0, 0);
    d.resched_all();
    g.own_queues[0].throttle.runtime_remaining_ns = 60 * kMs;  // so that it takes no more
    d.s.wake_up(hog, 1, 0);
    d.resched_all();
    const Time at = (d.s.switches().throttle_tasks ? 22 : 15) * kMs;  // 6.18: a new limit leaves both queues 1 ns
    d.all_to(at);
    REQUIRE(g.own_queues[1].throttle.throttled);
    REQUIRE(g.bandwidth.runtime_ns == 0);
    g.own_queues[0].throttle.runtime_remaining_ns = 9 * kMs;
    Scheduler::set_state(d.s.current(0), State::interruptible);
    d.record(d.s.schedule(0, false, d.now));
    CHECK(g.own_queues[0].throttle.runtime_remaining_ns == kMs);
    CHECK(g.bandwidth.runtime_ns == 8 * kMs);
    REQUIRE(d.slack.count(&g) == 1);
    CHECK(d.slack.at(&g).at == at + 5 * kMs);
    d.all_to(at + 5 * kMs - 1);
    CHECK(g.own_queues[1].throttle.throttled);
    d.all_to(at + 5 * kMs);
    CHECK(d.slack_fired == 1);
    CHECK_FALSE(g.own_queues[1].throttle.throttled);
    CHECK(d.s.current(1).comm == "hog");
  }
}

TEST_CASE("no slack is handed on when the refill is less than 7 ms away") {
  for (const Time at : {92 * kMs, 94 * kMs}) {
    LimitedDriver d("6.12", {4, 1000, 2});
    TaskGroup& g = *d.s.create_group("g", nullptr, kNice0Load);
    d.s.set_bandwidth(g, limit(20 * kMs), 0);
    d.s.wake_up(d.task("saver", 0, &g), 0, 0);
    d.resched_all();
    g.own_queues[0].throttle.runtime_remaining_ns = 200 * kMs;
    d.s.wake_up(d.task("hog", 0, &g), 1, 0);
    d.resched_all();
    d.all_to(at);
    REQUIRE(g.own_queues[1].throttle.throttled);
    Scheduler::set_state(d.s.current(0), State::interruptible);
    d.record(d.s.schedule(0, false, d.now));
    CHECK(g.bandwidth.runtime_ns > 5 * kMs);
    CHECK(d.slack.size() == (at == 92 * kMs ? 1 : 0));
  }
}

TEST_CASE("limits nest: the tighter ancestor decides") {
  for (const char* version : kVersions) {
    CAPTURE(version);
    LimitedDriver d(version);
    TaskGroup& outer = *d.s.create_group("outer", nullptr, kNice0Load);
    TaskGroup& inner = *d.s.create_group("outer/inner", &outer, kNice0Load);
    d.s.set_bandwidth(outer, limit(10 * kMs), 0);
    d.s.set_bandwidth(inner, limit(40 * kMs), 0);
    Task& hog = d.task("hog", 0, &inner);
    d.wake(hog);
    d.all_to(20 * kPeriod - 1);
    const Time more = d.s.switches().throttle_tasks ? 4 * kMs : 0;  // a tick, for the 1 ns of the new limit
    CHECK(hog.sum_exec_runtime_ns == 20 * 10 * kMs + more);
    CHECK(inner.own_queues[0].throttle.count == 1);
    CHECK_FALSE(inner.own_queues[0].throttle.throttled);
  }
}

TEST_CASE("a new limit frees who was throttled; max ends the control") {
  for (const char* version : kVersions) {
    CAPTURE(version);
    LimitedDriver d(version);
    TaskGroup& g = *d.s.create_group("g", nullptr, kNice0Load);
    d.s.set_bandwidth(g, limit(4 * kMs), 0);
    d.wake(d.task("hog", 0, &g));
    d.all_to(10 * kMs);
    REQUIRE(g.own_queues[0].throttle.throttled);
    d.s.set_bandwidth(g, limit(kRuntimeInf), d.now);
    d.resched_all();
    CHECK(d.running() == "hog");
    d.all_to(3 * kPeriod);
    CHECK(d.running() == "hog");
    CHECK_FALSE(g.bandwidth.period_active);
  }
}

TEST_CASE("the averages of a throttled group stand still") {
  LimitedDriver d("6.12");
  TaskGroup& g = *d.s.create_group("g", nullptr, kNice0Load);
  d.s.set_bandwidth(g, limit(20 * kMs), 0);
  d.wake(d.task("hog", 0, &g));
  d.all_to(20 * kMs);
  const CfsRq& q = g.own_queues[0];
  REQUIRE(q.throttle.throttled);
  const std::uint64_t load_avg = q.avg.load_avg;
  d.all_to(kPeriod);
  CHECK_FALSE(q.throttle.throttled);
  CHECK(q.avg.load_avg == load_avg);
  CHECK(q.throttle.clock_pelt_time == 80 * kMs);
}

TEST_CASE("unthrottle_async: other CPUs are told by an interrupt, the own one comes last") {
  for (const bool async : {false, true}) {
    kernel::Switches k = kernel::switches_of("6.12");
    k.unthrottle_async = async;
    LimitedDriver d(k, {4, 250, 2});
    TaskGroup& g = *d.s.create_group("g", nullptr, kNice0Load);
    d.s.set_bandwidth(g, limit(8 * kMs), 0);
    d.s.wake_up(d.task("a", 0, &g), 0, 0), d.s.wake_up(d.task("b", 0, &g), 1, 0);
    d.resched_all();
    d.all_to(kPeriod - 1);
    REQUIRE(g.own_queues[0].throttle.throttled);
    REQUIRE(g.own_queues[1].throttle.throttled);
    REQUIRE(d.period.at(&g).cpu == 0);
    while (d.s.period_timer(g, 0, kPeriod)) continue;
    CHECK_FALSE(g.own_queues[0].throttle.throttled);
    CHECK(g.own_queues[1].throttle.throttled == async);
    CHECK(d.interrupts.size() == (async ? 1 : 0));
    d.s.unthrottle_queued(1, kPeriod + 10 * kUs);
    CHECK_FALSE(g.own_queues[1].throttle.throttled);
    CHECK(d.s.need_resched(1));
  }
}

TEST_CASE("a handler slower than its period doubles the period, three passes in") {
  LimitedDriver d("6.12");
  TaskGroup& g = *d.s.create_group("g", nullptr, kNice0Load);
  d.s.set_bandwidth(g, limit(2 * kMs, 0, 4 * kMs), 0);
  d.wake(d.task("hog", 0, &g));
  Time now = 4 * kMs;
  for (int pass = 1; pass <= 4; ++pass) {
    CHECK(g.bandwidth.limit.period_ns == 4 * kMs);
    CHECK(d.s.period_timer(g, 0, now));
    now += 5 * kMs;
  }
  CHECK(g.bandwidth.limit.period_ns == 8 * kMs);
  CHECK(g.bandwidth.limit.quota_ns == 4 * kMs);
}
