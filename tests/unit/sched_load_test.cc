// SPDX-License-Identifier: GPL-2.0-or-later
// Load averages one step at a time: joining and leaving a queue, what a group's entity keeps when a heavy task has
// left, sleepers taken off an idle CPU, the rate limit of a group's load.
#include "tests/unit/catch.h"

#include <algorithm>

#include "tests/unit/sched_bandwidth.h"
#include "tests/unit/sched_driver.h"

using namespace wakepath;
using namespace wakepath::sched;
using namespace wakepath::sched_test;

namespace {

constexpr Driver::Options kTwo{8, 250, 2};

// Runs alone for `ran` and sleeps.
void run_and_sleep(Driver& d, Task& t, Time ran) {
  d.wake(t);
  d.to(d.now + ran);
  d.sleep();
}

}  // namespace

TEST_CASE("a forked task is taken for half of what its CPU has to spare, sums included") {
  for (const std::uint64_t used : {0, 1022}) {
    Driver d("6.1");
    d.rq().cfs.avg.util_avg = used;
    d.rq().cfs.avg.load_avg = used == 0 ? 0 : 1024;
    Task& child = d.task("child");
    d.s.wake_up_new(child, nullptr, 0, d.now);
    const Pelt& p = child.se.avg;
    CHECK(p.util_avg == (used == 0 ? 512 : 1));
    CHECK(p.runnable_avg == p.util_avg);
    CHECK(p.runnable_sum == p.runnable_avg * p.divider());
    CHECK(p.util_sum == p.util_avg * p.divider());
  }
}

TEST_CASE("nothing is owed for being born") {
  Driver d("6.12");
  Task& parent = d.task("parent");
  d.wake(parent);
  Task& child = d.task("child");
  child.se.vlag = kMs;
  d.fork(child, &parent);
  CHECK(child.se.vlag == 0);
}

TEST_CASE("a sleeper that leaves its class takes its load off the queue and those above, and brings it back once") {
  for (const char* version : {"6.1", "6.12"}) {
    CAPTURE(version);
    Driver d(version);
    TaskGroup& g = *d.s.create_group("g", nullptr, kNice0Load);
    Task& t = d.task("t", 0, &g);
    run_and_sleep(d, t, 60 * kMs);
    if (t.se.sched_delayed) d.to(d.now + 8 * kMs);
    REQUIRE(d.rq().cfs.avg.util_avg > 500);
    d.s.set_policy(t, Policy::fifo, 0, 10, d.now);
    CHECK_FALSE(t.se.attached);
    CHECK(d.rq().cfs.avg.util_avg <= 5);
    CHECK(g.own_queues[0].avg.util_avg <= 5);
    d.s.set_policy(t, Policy::other, 0, 0, d.now);
    CHECK(t.se.attached);
    const Pelt& queue = g.own_queues[0].avg;
    CHECK(queue.load_avg <= t.se.avg.load_avg + 5);
    CHECK(queue.util_avg <= t.se.avg.util_avg + 5);
  }
}

TEST_CASE("joining finds the queue as of now: what slept meanwhile has decayed") {
  Driver d("6.1");
  Task& old = d.task("old");
  Task& fifo = d.task("fifo", 0, nullptr, Policy::fifo, 10);
  run_and_sleep(d, old, 60 * kMs);
  const std::uint64_t before = d.rq().cfs.avg.util_avg;
  d.now += 64 * kMs;  // two half-lives
  fifo.se.avg.util_avg = 0;
  d.s.set_policy(fifo, Policy::other, 0, 0, d.now);
  CHECK(d.rq().cfs.avg.util_avg < before / 3);
}

TEST_CASE("6.1: a group's entity loses the load of who leaves, and keeps that of who stays") {
  Driver d("6.1", kTwo);
  TaskGroup& g = *d.s.create_group("g", nullptr, kNice0Load);
  Task& light = d.task("light", 0, &g);
  Task& heavy = d.task("heavy", 0, &g);
  d.wake(light);
  d.to(kMs);
  d.sleep();
  d.wake(d.task("hog", -20));
  d.wake(heavy);
  d.to(150 * kMs);
  REQUIRE(d.running() == "hog");
  d.wake_only(light);
  const Pelt& se = g.se[0].avg;
  REQUIRE(se.load_sum > 35'000);
  REQUIRE(light.se.avg.load_sum < 6'000);
  d.s.migrate_queued(heavy, 1, d.now);
  CHECK(se.load_sum < light.se.avg.load_sum + 1'500);
  CHECK(se.load_sum + 1'500 > light.se.avg.load_sum);
}

TEST_CASE("a sleeper taken off an idle CPU has decayed with the time that the CPU's clock has not seen") {
  Driver d("6.1", kTwo);
  Task& t = d.task("t");
  run_and_sleep(d, t, 60'000 * Time{1024});  // to a unit of the averages
  const auto util = static_cast<double>(t.se.avg.util_avg);
  REQUIRE(util > 600);
  d.now += 32 * kMs;  // half
  d.s.rq(0).now = static_cast<std::uint64_t>(d.now);
  d.s.wake_up(t, 1, d.now);
  CHECK(static_cast<double>(t.se.avg.util_avg) == Approx(util / 2).epsilon(0.06));
}

TEST_CASE("6.12: a group's load moves at most once a millisecond, on 6.1 at once") {
  for (const char* version : {"6.1", "6.12"}) {
    Driver d(version);
    TaskGroup& g = *d.s.create_group("g", nullptr, kNice0Load);
    d.now = 5 * kMs;
    d.wake_only(d.task("a", 0, &g));
    const std::uint64_t first = g.own_queues[0].tg_load_avg_contrib;
    CHECK(first > 500);
    d.now += 100 * kUs;
    d.wake_only(d.task("b", 0, &g));
    const bool limited = g.own_queues[0].tg_load_avg_contrib == first;
    CHECK(limited == (std::string(version) == "6.12"));
    d.now += kMs;
    d.wake_only(d.task("c", 0, &g));
    CHECK(g.own_queues[0].tg_load_avg_contrib > 2 * first);
  }
}

TEST_CASE("blocked averages: who waits is brought to now, and the end is told when nothing is left") {
  Driver d("6.1");
  TaskGroup& g = *d.s.create_group("g", nullptr, kNice0Load);
  d.wake(d.task("hog", -20));
  d.wake(d.task("waits", 0, &g));
  d.now += 200 * kUs;
  for (int i = 0; i < 8; ++i) {
    d.now += kMs;
    d.s.update_blocked_averages(0, d.now);
  }
  CHECK(g.se[0].avg.util_avg == 0);
  CHECK(g.se[0].avg.last_update_time + 1024 > static_cast<std::uint64_t>(d.now));
  Driver e("6.1");
  Task& t = e.task("t");
  run_and_sleep(e, t, 60 * kMs);
  int after_the_end = 0;
  for (int i = 0; i < 3000; ++i) {
    e.now += kMs;
    const bool left = e.s.update_blocked_averages(0, e.now);
    const Pelt& p = e.rq().cfs.avg;
    CHECK(left == (p.load_avg != 0 || p.util_avg != 0));
    after_the_end += !left && p.load_sum != 0;
  }
  CHECK(after_the_end > 0);  // averages are gone before the sums are
}

TEST_CASE("while a group is throttled its weight stands; tasks of 6.18 that go on in the kernel keep it moving") {
  for (const char* version : {"6.12", "6.18"}) {
    LimitedDriver d(version, {8, 250, 1});
    TaskGroup& g = *d.s.create_group("g", nullptr, kNice0Load);
    d.s.set_bandwidth(g, {8 * kMs, 100 * kMs, 0}, 0);
    Task& hog = d.task("hog", 0, &g);
    d.s.wake_up(hog, 0, 0);
    d.s.schedule(0, false, 0);
    for (d.now = 4 * kMs; !g.own_queues[0].throttle.throttled; d.now += 4 * kMs) {
      d.s.tick(0, d.now);
      if (d.s.need_resched(0)) d.s.schedule(0, false, d.now);
    }
    const std::uint64_t before = g.se[0].load.weight;
    d.s.set_shares(g, 4 * kNice0Load, d.now);
    CHECK((g.se[0].load.weight == before) == (std::string(version) == "6.12"));
  }
}
