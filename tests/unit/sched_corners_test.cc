// SPDX-License-Identifier: GPL-2.0-or-later
// Corners of the fair class that the worked examples do not pass: what a sleep leaves to the group, what a yield marks,
// tasks that leave the class while they sleep, figures of groups after each way in and out.
#include "tests/unit/catch.h"

#include "models/sched/fair/cfs.h"
#include "models/sched/fair/eevdf.h"
#include "tests/unit/sched_bandwidth.h"
#include "tests/unit/sched_driver.h"

using namespace wakepath;
using namespace wakepath::sched;
using namespace wakepath::sched_test;

namespace {

constexpr Driver::Options kTwo{8, 250, 2};

std::uint64_t slice_of(Driver& d, Task& t) {
  return Cfs(d.s.switches(), d.s.tunables()).sched_slice(*t.se.cfs_rq, t.se);
}

}  // namespace

// ---- CFS -----------------------------------------------------------------------------------------------------------

TEST_CASE("6.1: who sleeps leaves the next pick to its group, who is moved away does not") {
  Driver d("6.1", kTwo);
  TaskGroup& g = *d.s.create_group("g", nullptr, kNice0Load);
  Task& one = d.task("one", 0, &g);
  Task& two = d.task("two", 0, &g);
  d.wake(one);
  d.wake_only(two);
  d.wake_only(d.task("other"));
  d.s.migrate_queued(two, 1, d.now);
  CHECK(d.rq().cfs.next == nullptr);
  d.s.migrate_queued(two, 0, d.now);
  g.se[0].vruntime = static_cast<std::uint64_t>(kMs);  // behind the other by less than the granularity
  d.sleep();
  CHECK(d.running() == "two");
}

TEST_CASE("6.1: idle tasks have a floor of their own among others, not among themselves") {
  Driver d("6.1");
  Task& idle = d.task("idle", 0, nullptr, Policy::idle);
  d.wake_only(idle);
  d.wake_only(d.task("other"));
  CHECK(slice_of(d, idle) == 750'000);
  Driver e("6.1");
  Task& first = e.task("first", 0, nullptr, Policy::idle);
  e.wake_only(first);
  for (int i = 0; i < 8; ++i) e.wake_only(e.task("more", 0, nullptr, Policy::idle));
  CHECK(slice_of(e, first) == 3'000'000);
}

TEST_CASE("6.1: a sleep of 104 days is too long for a comparison") {
  for (const Time days : {Time{9'003'000'000'000'000}, Time{9'008'000'000'000'000}}) {
    Driver d("6.1");
    Task& t = d.task("sleeper");
    d.wake(t);
    d.to(kMs);
    d.sleep();
    const std::uint64_t before = t.se.vruntime + 50 * static_cast<std::uint64_t>(kMs);
    t.se.vruntime = before;  // ahead of where it would be placed
    d.now += days;
    d.wake_only(t);
    CHECK((t.se.vruntime == before) == (days == 9'003'000'000'000'000));  // 2^63 / 1024 ns lies between
  }
}

TEST_CASE("a wakee that stays has its cache's time, one that is moved has none") {
  for (const char* version : {"6.1", "6.12"}) {
    Driver d(version, kTwo);
    Task& t = d.task("t");
    d.wake(t);
    d.to(kMs);
    d.sleep();
    d.to(2 * kMs);
    d.wake_only(d.task("hog"));
    d.resched();
    d.s.wake_up(t, 0, d.now);
    CHECK(t.se.exec_start != 0);
    d.s.migrate_queued(t, 1, d.now);
    CHECK(t.se.exec_start == 0);
  }
}

TEST_CASE("6.1: a yield skips only who yields") {
  Driver d("6.1");
  Task& a = d.task("a");
  d.wake(a);
  d.wake_only(d.task("b"));
  d.wake_only(d.task("c"));
  a.se.vruntime += 2 * static_cast<std::uint64_t>(kMs);
  d.rq().cfs.next = &a.se;
  d.now += 10 * kUs;
  d.s.yield(0, d.now);
  CHECK(d.rq().cfs.next == nullptr);
  CHECK(d.rq().cfs.skip == &a.se);
  CHECK(d.rq().clock_skip_requested);
  d.record(d.s.schedule(0, false, d.now));
  CHECK(d.running() == "b");  // the leftmost, not the one after it
  d.sleep();
  d.sleep();
  CHECK(d.running() == "a");
  CHECK(d.rq().cfs.skip == nullptr);  // its turn came
  Driver batch("6.1");
  batch.wake(batch.task("a", 0, nullptr, Policy::batch));
  batch.wake_only(batch.task("b"));
  batch.s.yield(0, batch.now);
  CHECK_FALSE(batch.rq().clock_skip_requested);
}

TEST_CASE("6.1: the preempted task is remembered from eight on") {
  for (const int others : {5, 6}) {
    Driver d("6.1");
    Task& hog = d.task("hog");
    d.wake(hog);
    for (int i = 0; i < others; ++i) d.wake_only(d.task("other"));
    hog.se.vruntime += 100 * static_cast<std::uint64_t>(kMs);
    const WakeResult r = d.wake_only(d.task("wakee"));
    CHECK(r.preempts);
    CHECK((d.rq().cfs.last == &hog.se) == (others == 6));  // the hog, the wakee and six
  }
}

TEST_CASE("6.1: a sleeper woken elsewhere keeps its distance to the queue's least vruntime") {
  Driver d("6.1", kTwo);
  Task& t = d.task("t");
  t.se.vruntime = 1003 * static_cast<std::uint64_t>(kMs);
  d.s.rq(0).cfs.min_vruntime = 1000 * static_cast<std::uint64_t>(kMs);
  d.s.rq(1).cfs.min_vruntime = 50 * static_cast<std::uint64_t>(kMs);
  d.s.wake_up(t, 1, d.now);
  CHECK(v(t.se) == 53 * kMs);
}

TEST_CASE("6.1: asleep, a task leaves the class and comes back where it was beside the queue") {
  Driver d("6.1");
  Task& t = d.task("t");
  d.wake(t);
  d.to(kMs);
  d.sleep();
  d.rq().cfs.min_vruntime = 100 * static_cast<std::uint64_t>(kMs);
  d.s.set_policy(t, Policy::fifo, 0, 10, d.now);
  CHECK_FALSE(t.se.attached);
  CHECK(v(t.se) == -12 * kMs);  // placed as a wakee would be, relative
  d.rq().cfs.min_vruntime = 200 * static_cast<std::uint64_t>(kMs);
  d.s.set_policy(t, Policy::other, 0, 0, d.now);
  CHECK(t.se.attached);
  CHECK(v(t.se) == 188 * kMs);
}

// ---- EEVDF and groups ----------------------------------------------------------------------------------------------

TEST_CASE("6.12: a new task has the base slice and begins at its queue's origin") {
  Driver d("6.12");
  d.rq().cfs.zero_vruntime = 77;
  const Task& t = d.task("t");
  CHECK(t.se.slice == static_cast<std::uint64_t>(d.s.tunables().base_slice_ns));
  CHECK(t.se.vruntime == 77);
}

TEST_CASE("a group's entity counts the runnable tasks below it, by every way in and out") {
  for (const char* version : {"6.1", "6.12"}) {
    CAPTURE(version);
    Driver d(version, kTwo);
    TaskGroup& outer = *d.s.create_group("outer", nullptr, kNice0Load);
    TaskGroup& inner = *d.s.create_group("outer/inner", &outer, kNice0Load);
    Task& a = d.task("a", 0, &inner);
    Task& b = d.task("b", 0, &inner);
    const auto check = [&](std::uint64_t n) {
      CHECK(inner.se[0].runnable_weight == n);
      CHECK(outer.se[0].runnable_weight == n);
    };
    d.wake(a);
    check(1);
    d.wake_only(b);
    check(2);
    d.s.migrate_queued(b, 1, d.now);
    check(1);
    d.s.migrate_queued(b, 0, d.now);
    check(2);
  }
}

TEST_CASE("6.12: a group has the least slice below it, and another one when that task has left") {
  Driver d("6.12", kTwo);
  TaskGroup& outer = *d.s.create_group("outer", nullptr, kNice0Load);
  TaskGroup& inner = *d.s.create_group("outer/inner", &outer, kNice0Load);
  Task& plain = d.task("plain", 0, &inner);
  Task& quick = d.task("quick", 0, &inner);
  d.s.set_slice(quick, kMs);
  d.wake(plain);
  const auto base = static_cast<std::uint64_t>(d.s.tunables().base_slice_ns);
  CHECK(outer.se[0].slice == base);
  d.wake_only(quick);
  CHECK(inner.se[0].slice == static_cast<std::uint64_t>(kMs));
  CHECK(outer.se[0].slice == static_cast<std::uint64_t>(kMs));
  d.s.migrate_queued(quick, 1, d.now);
  CHECK(inner.se[0].slice == base);
  CHECK(outer.se[0].slice == base);
}

// ---- bandwidth -----------------------------------------------------------------------------------------------------

TEST_CASE("throttling below an ancestor that goes on brings that one's figures to now, and unthrottling again") {
  for (const char* version : {"6.1", "6.12"}) {
    CAPTURE(version);
    LimitedDriver d(version, {8, 250, 1});
    TaskGroup& outer = *d.s.create_group("outer", nullptr, kNice0Load);
    TaskGroup& inner = *d.s.create_group("outer/inner", &outer, kNice0Load);
    TaskGroup& free = *d.s.create_group("outer/free", &outer, kNice0Load);
    d.s.set_bandwidth(inner, {8 * kMs, 100 * kMs, 0}, 0);
    d.wake(d.task("hog", 0, &inner));
    d.wake(d.task("other", 0, &free));
    while (!inner.own_queues[0].throttle.throttled) d.all_to(d.now + 4 * kMs);
    const Entity& se = outer.se[0];
    CHECK(se.avg.last_update_time + 1024 > static_cast<std::uint64_t>(d.now));
    CHECK(se.runnable_weight == 1);
    d.all_to(100 * kMs);
    CHECK_FALSE(inner.own_queues[0].throttle.throttled);
    CHECK(se.runnable_weight == 2);
  }
}

TEST_CASE("the slack timer hands on what is more than a slice") {
  for (const Time more : {Time{0}, Time{1}}) {
    LimitedDriver d("6.12", {4, 1000, 1});
    TaskGroup& g = *d.s.create_group("g", nullptr, kNice0Load);
    d.s.set_bandwidth(g, {10 * kMs, 100 * kMs, 0}, 0);
    d.wake(d.task("hog", 0, &g));
    d.all_to(20 * kMs);
    REQUIRE(g.own_queues[0].throttle.throttled);
    g.bandwidth.runtime_ns = 5 * kMs + more;
    d.s.slack_timer(g, 0, d.now);
    CHECK(g.own_queues[0].throttle.throttled == (more == 0));
  }
}

TEST_CASE("throttle_tasks: who has left the class on the way to user mode is not held") {
  LimitedDriver d("6.18", {8, 250, 1});
  TaskGroup& g = *d.s.create_group("g", nullptr, kNice0Load);
  d.s.set_bandwidth(g, {8 * kMs, 100 * kMs, 0}, 0);
  Task& t = d.task("t", 0, &g);
  Task& hog = d.task("hog", 0, &g);
  d.wake(t);
  d.sleep();
  d.wake(hog);
  d.all_to(20 * kMs);
  d.wake_only(t);
  REQUIRE(d.s.schedule(0, false, d.now).next == &t);
  REQUIRE(t.throttle_work);
  d.s.set_policy(t, Policy::fifo, 0, 10, d.now);
  CHECK_FALSE(d.s.throttle_current(0, d.now));
  CHECK_FALSE(t.throttled);
}

TEST_CASE("throttle_tasks: a pick that starts over forgets the throttled queue it had passed") {
  LimitedDriver d("6.18", {8, 250, 1});
  TaskGroup& g = *d.s.create_group("g", nullptr, kNice0Load);
  d.s.set_bandwidth(g, {8 * kMs, 100 * kMs, 0}, 0);
  Task& t = d.task("t", 0, &g);
  Task& u = d.task("u", 0, &g);
  Task& other = d.task("other");
  const auto pick = [&d] { return d.s.schedule(0, false, d.now).next; };
  d.wake_only(t);
  REQUIRE(pick() == &t);
  d.wake_only(u);
  d.now = 12 * kMs;
  d.s.tick(0, d.now);
  REQUIRE(pick() == &u);
  REQUIRE(u.throttle_work);
  d.now = 26 * kMs;  // in the kernel; then it sleeps with time owed: it stays queued
  Scheduler::set_state(u, State::interruptible);
  REQUIRE(pick() == &t);
  REQUIRE(u.se.sched_delayed);
  REQUIRE(d.s.throttle_current(0, d.now));  // only who is delayed is left in the group
  d.wake_only(other);
  REQUIRE(g.se[0].on_rq);
  CHECK(pick() == &other);
  CHECK_FALSE(u.se.sched_delayed);
  CHECK_FALSE(other.throttle_work);
}

TEST_CASE("6.12: an emptied group that stays for its lag leaves those above the least slice of its queue") {
  Driver d("6.12");
  TaskGroup& outer = *d.s.create_group("outer", nullptr, kNice0Load);
  TaskGroup& inner = *d.s.create_group("outer/inner", &outer, kNice0Load);
  d.wake(d.task("only", 0, &inner));
  d.wake_only(d.task("plain", 0, &outer));
  d.now = 12 * kMs;
  d.sleep();
  REQUIRE(inner.se[0].sched_delayed);
  CHECK(outer.se[0].slice == static_cast<std::uint64_t>(d.s.tunables().base_slice_ns));
}
