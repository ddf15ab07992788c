// SPDX-License-Identifier: GPL-2.0-or-later
// cpu.max since 6.18: a throttled group keeps its place, its tasks leave one by one on their way to user mode.
#include "tests/unit/catch.h"

#include <algorithm>

#include "tests/unit/sched_bandwidth.h"

using namespace wakepath;
using namespace wakepath::sched;
using namespace wakepath::sched_test;

namespace {

constexpr Time kPeriod = 100 * kMs;

BandwidthLimit limit(Time quota) { return {quota, kPeriod, 0}; }

bool in_limbo(const TaskGroup& g, const Task& t, std::size_t cpu = 0) {
  const auto& limbo = g.own_queues[cpu].throttle.limbo;
  return std::count(limbo.begin(), limbo.end(), &t) == 1;
}

// A group whose hog has used up its quota of 8 ms, and a sleeper of the group.
struct Throttled : LimitedDriver {
  explicit Throttled(const kernel::Switches& k, const Options& o = {8, 250, 2}) : LimitedDriver(k, o) {
    s.set_bandwidth(g, limit(8 * kMs), 0);
    wake(sleeper);
    sleep();
    wake(hog);
    all_to(20 * kMs);
    REQUIRE(queue().throttle.throttled);
    REQUIRE(running() == "swapper/0");
  }
  Throttled() : Throttled(kernel::switches_of("6.18")) {}
  CfsRq& queue() { return g.own_queues[0]; }
  // The switch alone: who is picked has not reached user mode yet.
  Task& pick() { return *s.schedule(0, false, now).next; }

  TaskGroup& g = *s.create_group("g", nullptr, kNice0Load);
  Task& hog = task("hog", 0, &g);
  Task& sleeper = task("sleeper", 0, &g);
};

kernel::Switches with_whole_groups() {
  kernel::Switches k = kernel::switches_of("6.18");
  k.throttle_tasks = false;
  return k;
}

}  // namespace

TEST_CASE("6.18: a new limit leaves 1 ns, so that the first slice is taken a tick later") {
  LimitedDriver d("6.18");
  TaskGroup& g = *d.s.create_group("g", nullptr, kNice0Load);
  d.s.set_bandwidth(g, limit(20 * kMs), 0);
  d.wake(d.task("hog", 0, &g));
  const CfsRq& q = g.own_queues[0];
  struct Row {
    Time at, remaining, pool;
  };
  for (const Row& r : {Row{0, 1, 20'000'000},
                       {4, 5'000'000, 11'000'001},
                       {8, 1'000'000, 11'000'001},
                       {12, 5'000'000, 3'000'001},
                       {16, 1'000'000, 3'000'001},
                       {20, 1, 0}}) {
    d.all_to(r.at * kMs);
    CAPTURE(r.at);
    CHECK(q.throttle.runtime_remaining_ns == r.remaining);
    CHECK(g.bandwidth.runtime_ns == r.pool);
    CHECK(d.running() == "hog");
  }
  d.all_to(24 * kMs);
  CHECK(q.throttle.throttled);
  CHECK(d.running() == "swapper/0");
  d.all_to(kPeriod);
  CHECK(d.running() == "hog");
  CHECK(q.throttle.runtime_remaining_ns == 1);
  CHECK(g.bandwidth.runtime_ns == 16'000'000);
  d.all_to(kPeriod + 20 * kMs);
  CHECK(q.throttle.throttled);
}

TEST_CASE("throttle_tasks: each task is picked once more and leaves; the last one to leave is queued first") {
  for (const bool by_task : {false, true}) {
    LimitedDriver d(by_task ? kernel::switches_of("6.18") : with_whole_groups(), {8, 250, 1});
    TaskGroup& g = *d.s.create_group("g", nullptr, kNice0Load);
    d.s.set_bandwidth(g, limit(8 * kMs), 0);
    Task* const hogs[] = {&d.task("a", 0, &g), &d.task("b", 0, &g), &d.task("c", 0, &g)};
    for (Task* t : hogs) d.wake(*t);
    while (!g.own_queues[0].throttle.throttled) d.all_to(d.now + 4 * kMs);
    const Time at = d.now;
    std::vector<std::string> names;
    for (const auto& [when, name] : d.switches)
      if (when == at) names.push_back(name);
    CHECK(d.running() == "swapper/0");
    CHECK(d.s.nr_running(0) == 0);
    CHECK(g.own_queues[0].throttle.limbo.size() == (by_task ? 3 : 0));
    CHECK(g.own_queues[0].nr_running == (by_task ? 0 : 3));
    CHECK(names.size() == (by_task ? 4 : 1));  // each of them, and idle
    d.all_to(kPeriod);
    CHECK(g.own_queues[0].throttle.limbo.empty());
    CHECK(g.own_queues[0].nr_running == 3);
    CHECK(d.s.nr_running(0) == 3);
    for (const Task* t : hogs) CHECK_FALSE(t->throttled);
  }
}

TEST_CASE("throttle_tasks: who is woken in a throttled group runs as far as user mode") {
  for (const bool by_task : {false, true}) {
    Throttled d(by_task ? kernel::switches_of("6.18") : with_whole_groups());
    d.wake_only(d.sleeper);
    CHECK(d.s.nr_running(0) == (by_task ? 1 : 0));
    if (!by_task) continue;
    CHECK(&d.pick() == &d.sleeper);
    CHECK(d.sleeper.throttle_work);
    d.now += 3 * kMs;  // in the kernel: nobody stops it
    CHECK(d.s.throttle_current(0, d.now));
    CHECK(in_limbo(d.g, d.sleeper));
    CHECK(d.s.need_resched(0));
    CHECK(d.sleeper.sum_exec_runtime_ns >= 3 * kMs);
    CHECK(&d.pick() == &d.s.idle_task(0));
  }
}

TEST_CASE("throttle_tasks: who sleeps again before user mode is not held") {
  Throttled d;
  d.wake_only(d.sleeper);
  d.pick();
  d.now += kMs;
  d.sleep();
  CHECK_FALSE(d.sleeper.throttled);
  CHECK(d.queue().throttle.limbo.size() == 1);  // the hog
  d.all_to(kPeriod);
  CHECK(d.s.nr_running(0) == 1);
}

TEST_CASE("throttle_tasks: after a refill the way to user mode is free again") {
  Throttled d;
  d.wake_only(d.sleeper);
  d.pick();
  REQUIRE(d.sleeper.throttle_work);
  while (d.s.period_timer(d.g, 0, kPeriod)) continue;
  CHECK_FALSE(d.queue().throttle.throttled);
  CHECK_FALSE(d.s.throttle_current(0, kPeriod));
  CHECK_FALSE(d.sleeper.throttle_work);
  CHECK_FALSE(d.sleeper.throttled);
}

TEST_CASE("throttle_tasks: kernel threads and strangers to the limit are never marked") {
  LimitedDriver d("6.18", {8, 250, 1});
  TaskGroup& g = *d.s.create_group("g", nullptr, kNice0Load);
  d.s.set_bandwidth(g, limit(8 * kMs), 0);
  Task& kthread = d.task("kthread", 0, &g);
  kthread.kthread = true;
  d.wake(kthread);
  d.wake(d.task("other"));
  d.all_to(60 * kMs);
  CHECK(g.own_queues[0].throttle.throttled);
  CHECK(kthread.sum_exec_runtime_ns > 20 * kMs);  // it never gets to user mode
  for (const Task& t : d.tasks) CHECK_FALSE((t.throttled || t.throttle_work));
}

TEST_CASE("throttle_tasks: the limit of an ancestor holds for tasks below") {
  LimitedDriver d("6.18", {8, 250, 1});
  TaskGroup& outer = *d.s.create_group("outer", nullptr, kNice0Load);
  TaskGroup& inner = *d.s.create_group("outer/inner", &outer, kNice0Load);
  d.s.set_bandwidth(outer, limit(8 * kMs), 0);
  Task& hog = d.task("hog", 0, &inner);
  d.wake(hog);
  d.all_to(20 * kMs);
  CHECK(in_limbo(inner, hog));
  CHECK(outer.own_queues[0].throttle.limbo.empty());
  CHECK_FALSE(inner.own_queues[0].throttle.throttled);
  d.all_to(kPeriod);
  CHECK(d.running() == "hog");
}

TEST_CASE("throttle_tasks: moved in limbo, a task goes on where its group may run, else it waits there") {
  for (const bool other_cpu_throttled : {false, true}) {
    Throttled d;
    Task& second = d.task("second", 0, &d.g);
    if (other_cpu_throttled) {
      d.s.wake_up(second, 1, d.now);
      d.resched_all();
      d.all_to(40 * kMs);
    }
    REQUIRE(d.g.own_queues[1].throttle.throttled == other_cpu_throttled);
    d.s.migrate_queued(d.hog, 1, d.now);
    CHECK_FALSE(in_limbo(d.g, d.hog, 0));
    CHECK(in_limbo(d.g, d.hog, 1) == other_cpu_throttled);
    CHECK(d.hog.throttled == other_cpu_throttled);
    CHECK(d.s.nr_running(1) == (other_cpu_throttled ? 0 : 1));
  }
}

TEST_CASE("throttle_tasks: a task in limbo is reniced there, and leaves it with its class") {
  Throttled d;
  d.s.set_nice(d.hog, -5, d.now);
  CHECK(in_limbo(d.g, d.hog));
  CHECK(d.hog.se.load.weight == scale_load(3121));
  CHECK(d.s.nr_running(0) == 0);
  d.s.set_policy(d.hog, Policy::fifo, 0, 10, d.now);
  CHECK_FALSE(in_limbo(d.g, d.hog));
  d.resched();
  CHECK(d.running() == "hog");
}

TEST_CASE("throttle_tasks: nobody stays queued for a lag that is owed, neither task nor group") {
  LimitedDriver d("6.18", {8, 250, 1});
  TaskGroup& g = *d.s.create_group("g", nullptr, kNice0Load);
  d.s.set_bandwidth(g, limit(8 * kMs), 0);
  Task& hog = d.task("hog", 0, &g);
  d.wake(hog);
  d.wake(d.task("other"));
  while (!hog.throttled) d.all_to(d.now + 4 * kMs);
  CHECK_FALSE(hog.se.sched_delayed);
  CHECK_FALSE(g.se[0].sched_delayed);
  CHECK_FALSE(g.se[0].on_rq);
  CHECK(d.rq().cfs.h_nr_delayed == 0);
}

TEST_CASE("throttle_tasks: averages stand still from when the last task has left") {
  Throttled d;
  CHECK(d.queue().throttle.pelt_stopped);
  const std::uint64_t load_avg = d.queue().avg.load_avg;
  d.now = 50 * kMs;
  d.wake_only(d.sleeper);
  CHECK_FALSE(d.queue().throttle.pelt_stopped);
  d.pick();
  d.now += 2 * kMs;
  d.s.throttle_current(0, d.now);
  CHECK(d.queue().throttle.pelt_stopped);
  d.pick();
  const Time ran_until = d.now;
  d.all_to(kPeriod);
  CHECK_FALSE(d.queue().throttle.pelt_stopped);
  CHECK(d.queue().throttle.clock_pelt_time == static_cast<std::uint64_t>(50 * kMs - 12 * kMs + kPeriod - ran_until));
  CHECK(load_avg > 0);
}

TEST_CASE("throttle_tasks: the time that tasks waited is what cpu.stat calls throttled") {
  LimitedDriver d("6.18", {8, 250, 1});
  TaskGroup& g = *d.s.create_group("g", nullptr, kNice0Load);
  d.s.set_bandwidth(g, limit(8 * kMs), 0);
  d.wake(d.task("hog", 0, &g));
  d.all_to(20 * kMs);
  const Time since = static_cast<Time>(g.own_queues[0].throttle.clock);
  CHECK(since == 12 * kMs);
  d.all_to(kPeriod);
  CHECK(g.bandwidth.throttled_time_ns == kPeriod - since);
}
