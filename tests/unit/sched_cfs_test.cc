// SPDX-License-Identifier: GPL-2.0-or-later
// CFS (6.1): scheduler spec §12, E9-E16, E32, E47. "8 CPUs" are tunables of a machine with 8 CPUs.
#include "tests/unit/catch.h"

#include "models/sched/fair/cfs.h"
#include "tests/unit/sched_driver.h"

using namespace wakepath;
using namespace wakepath::sched;
using namespace wakepath::sched_test;

namespace {

std::uint64_t slice_of(Driver& d, Entity& se) {
  const Cfs cfs(d.s.switches(), d.s.tunables());
  return cfs.sched_slice(*se.cfs_rq, se);
}

std::uint64_t slice_of(Driver& d, Task& t) { return slice_of(d, t.se); }

}  // namespace

TEST_CASE("E9: slices of a flat queue") {
  Driver d("6.1");
  Task& a = d.task("a");
  d.wake(a);
  CHECK(slice_of(d, a) == 23999994);
  Task& b = d.task("b");
  d.wake_only(b);
  CHECK(slice_of(d, a) == 11999994);
  CHECK(slice_of(d, b) == 11999994);
  d.wake_only(d.task("c"));
  CHECK(slice_of(d, a) == 7999998);
  for (int i = 4; i <= 9; ++i) d.wake_only(d.task("more"));
  CHECK(slice_of(d, a) == 3000000);
  kernel::Switches no_floor = kernel::switches_of("6.1");
  no_floor.base_slice_floor = false;
  CHECK(Cfs(no_floor, d.s.tunables()).sched_slice(d.rq().cfs, a.se) == 2999994);
}

TEST_CASE("E9: slices by nice and by CPU count") {
  Driver d("6.1");
  Task& a = d.task("a");
  Task& b = d.task("b", 5);
  d.wake_only(a), d.wake_only(b);
  CHECK(slice_of(d, a) == 18083885);
  CHECK(slice_of(d, b) == 5916114);
  Driver e("6.1");
  Task& low = e.task("low", 19);
  e.wake_only(e.task("a")), e.wake_only(low);
  CHECK(slice_of(e, low) == 3000000);
  kernel::Switches no_floor = kernel::switches_of("6.1");
  no_floor.base_slice_floor = false;
  CHECK(Cfs(no_floor, e.s.tunables()).sched_slice(e.rq().cfs, low.se) == 346487);
  Driver f("6.1", {4, 250, 1});
  Task& c = f.task("c");
  f.wake_only(c), f.wake_only(f.task("d"));
  CHECK(slice_of(f, c) == 8999995);
}

TEST_CASE("E10: two hogs alternate at ticks") {
  using Switches = std::vector<std::pair<Time, std::string>>;
  {
    Driver d("6.1");
    d.wake(d.task("a")), d.wake(d.task("b"));
    d.to(40 * kMs);
    CHECK(d.switches == Switches{{0, "a"}, {12 * kMs, "b"}, {24 * kMs, "a"}, {36 * kMs, "b"}});
  }
  {
    Driver d("6.1");
    d.to(10 * kUs);  // accounting starts 10 us after the edge: 11.99 ms at the third tick
    d.wake(d.task("a")), d.wake(d.task("b"));
    d.to(17 * kMs);
    CHECK(d.switches == Switches{{10 * kUs, "a"}, {16 * kMs, "b"}});
  }
  {
    Driver d("6.1", {8, 1000, 1});
    d.wake(d.task("a")), d.wake(d.task("b"));
    d.to(13 * kMs);
    CHECK(d.switches == Switches{{0, "a"}, {12 * kMs, "b"}});
  }
}

TEST_CASE("E11: a runner far ahead of the leftmost goes early") {
  for (const Time lag : {13 * kMs, 11 * kMs}) {
    Driver d("6.1");
    Task& a = d.task("a");
    Task& b = d.task("b");
    b.se.vruntime = static_cast<std::uint64_t>(100 * kMs);
    d.wake(a), d.wake_only(b);
    // At the tick a has run 4 ms: its vruntime is then `lag` ahead of b.
    a.se.vruntime = static_cast<std::uint64_t>(100 * kMs + lag - 4 * kMs);
    d.rq().cfs.min_vruntime = b.se.vruntime;
    d.to(4 * kMs);
    CHECK(d.running() == (lag > 12 * kMs ? "b" : "a"));
  }
}

TEST_CASE("E12: placement of a wakee") {
  const kernel::Switches k = kernel::switches_of("6.1");
  const Tunables t = Tunables::defaults(k, 8, 250);
  const Cfs cfs(k, t);
  const auto placed = [&](std::uint64_t vruntime, Policy policy) {
    Driver d("6.1");
    Task& task = d.task("t", 0, nullptr, policy);
    d.rq().cfs.min_vruntime = 1'000'000'000;
    task.se.vruntime = vruntime;
    cfs.place_entity(d.rq().cfs, task.se, false);
    return task.se.vruntime;
  };
  CHECK(placed(900'000'000, Policy::other) == 988'000'000);
  CHECK(placed(995'000'000, Policy::other) == 995'000'000);
  CHECK(placed(1'004'000'000, Policy::other) == 1'004'000'000);
  CHECK(placed(900'000'000, Policy::idle) == 998'500'000);
}

TEST_CASE("E13: the wakeup granularity is the wakee's") {
  const kernel::Switches k = kernel::switches_of("6.1");
  const Cfs cfs(k, Tunables::defaults(k, 8, 250));
  const auto gran_is = [&](LoadWeight lw, std::uint64_t gran) {
    Entity curr, wakee;
    wakee.load = lw;
    curr.vruntime = 1'000'000'000 + gran;
    wakee.vruntime = 1'000'000'000;
    const bool no = cfs.wakeup_preempt_entity(curr, wakee) == 0;
    ++curr.vruntime;
    return no && cfs.wakeup_preempt_entity(curr, wakee) == 1;
  };
  CHECK(gran_is(load_of_nice(0), 4'000'000));
  CHECK(gran_is(load_of_nice(5), 12226865));
  CHECK(gran_is(load_of_nice(-5), 1312399));
  LoadWeight group;
  group.set(10485760);
  CHECK(gran_is(group, 399999));
  group.set(2621440);
  CHECK(gran_is(group, 1599999));
  CHECK(gran_is(load_of_idle_policy(), 1365333333));
  Entity a, b;
  CHECK(cfs.wakeup_preempt_entity(a, b) == -1);
}

namespace {

// A hog in a weight-1000 group, switched in at 0 with vruntime 1 s, and a sleeping nice-0 worker in the root.
struct GroupAndWorker {
  Driver d{"6.1"};
  TaskGroup* g = d.s.create_group("g", nullptr, shares_of_cpu_weight(1000));
  Task& hog = d.task("hog", 0, g);
  Task& worker = d.task("worker");
  Entity& ge = g->se[0];

  explicit GroupAndWorker(std::uint64_t worker_vruntime) {
    d.wake(hog);
    ge.vruntime = d.rq().cfs.min_vruntime = 1'000'000'000;
    worker.se.vruntime = worker_vruntime;
  }
};

}  // namespace

TEST_CASE("E14: a worker against a heavy group") {
  SECTION("a: little used, it preempts") {
    GroupAndWorker w(900'000'000);
    CHECK(w.ge.load.weight == 10485760);
    CHECK(w.d.wake_only(w.worker).preempts);
    CHECK(w.worker.se.vruntime == 988'000'000);
    CHECK(w.d.rq().cfs.next == &w.worker.se);
    w.d.resched();
    CHECK(w.d.running() == "worker");
  }
  SECTION("b: within the granularity, it waits for the slice") {
    GroupAndWorker w(997'000'000);
    CHECK_FALSE(w.d.wake(w.worker).preempts);
    CHECK(slice_of(w.d, w.ge) == 21818161);
    w.d.to(23 * kMs);
    CHECK(w.d.running() == "hog");
    w.d.to(24 * kMs);
    CHECK(w.d.running() == "worker");
  }
  SECTION("c: ahead, the group is re-picked and asked at every tick") {
    GroupAndWorker w(1'005'000'000);
    w.d.wake(w.worker);
    w.d.to(24 * kMs);
    CHECK(w.ge.vruntime == 1'002'399'994);
    CHECK(w.d.running() == "hog");
    CHECK(w.ge.prev_sum_exec_runtime == 0);
    w.d.to(48 * kMs);
    CHECK(w.d.running() == "hog");
    w.d.to(52 * kMs);
    CHECK(w.d.running() == "worker");
  }
}

TEST_CASE("E15: a forked task starts one virtual slice late") {
  Driver d("6.1");
  Task& parent = d.task("parent");
  d.wake(parent);
  d.to(1 * kMs);
  Task& child = d.task("child");
  d.fork(child, &parent);
  CHECK(parent.se.vruntime == 1'000'000);
  CHECK(child.se.vruntime == 1'000'000 + 11999994);
  CHECK(d.running() == "parent");
}

TEST_CASE("E16: where two entities meet") {
  Driver d("6.1");
  TaskGroup* a = d.s.create_group("a", nullptr, kNice0Load);
  TaskGroup* b = d.s.create_group("b", a, kNice0Load);
  TaskGroup* c = d.s.create_group("c", b, kNice0Load);
  TaskGroup* e = d.s.create_group("d", a, kNice0Load);
  Task& deep = d.task("deep", 0, c);
  Task& wakee = d.task("wakee", 0, e);
  Task& in_b = d.task("in_b", 0, b);
  Task& root_worker = d.task("kworker");
  CHECK(deep.se.depth == 3);
  CHECK(wakee.se.depth == 2);
  Entity* se = &deep.se;
  Entity* pse = &wakee.se;
  Fair::find_matching_se(se, pse);
  CHECK(se == &b->se[0]);
  CHECK(pse == &e->se[0]);
  se = &root_worker.se, pse = &in_b.se;
  Fair::find_matching_se(se, pse);
  CHECK(se == &root_worker.se);
  CHECK(pse == &a->se[0]);
}

TEST_CASE("E32 [6.1]: yield marks the skip buddy") {
  for (const Time gap : {4 * kMs, 4 * kMs + 1}) {
    Driver d("6.1");
    Task& a = d.task("a");
    Task& b = d.task("b");
    b.se.vruntime = static_cast<std::uint64_t>(gap);
    d.wake(a), d.wake(b);
    d.yield();
    CHECK(d.running() == (gap <= 4 * kMs ? "b" : "a"));
    CHECK(a.se.vruntime == 0);
  }
}

TEST_CASE("E47: slices below a group") {
  Driver d("6.1");
  TaskGroup* g = d.s.create_group("g", nullptr, shares_of_cpu_weight(1000));
  Task& t1 = d.task("t1", 0, g);
  Task& t2 = d.task("t2", 0, g);
  Task& worker = d.task("kworker");
  d.wake_only(t1), d.wake_only(t2), d.wake_only(worker);
  CHECK(slice_of(d, g->se[0]) == 21818161);
  CHECK(slice_of(d, t1) == 10909075);
  CHECK(slice_of(d, t2) == 10909075);
  CHECK(slice_of(d, worker) == 3000000);
  kernel::Switches no_floor = kernel::switches_of("6.1");
  no_floor.base_slice_floor = false;
  CHECK(Cfs(no_floor, d.s.tunables()).sched_slice(d.rq().cfs, worker.se) == 2181816);
}

TEST_CASE("a wakeup on another CPU carries the vruntime relative to the queues") {
  Driver d("6.1", {8, 250, 2});
  Task& a = d.task("a");
  d.s.rq(0).cfs.min_vruntime = 500'000'000;
  d.s.rq(1).cfs.min_vruntime = 900'000'000;
  a.se.vruntime = 503'000'000;
  d.s.wake_up(a, 1, 0);
  CHECK(a.cpu == 1);
  CHECK(a.se.vruntime == 903'000'000);
  CHECK(a.se.exec_start == 0);
}

TEST_CASE("balance moves a queued task without credit") {
  Driver d("6.1", {8, 250, 2});
  Task& a = d.task("a");
  Task& b = d.task("b");
  d.wake(a), d.wake_only(b);
  d.s.rq(1).cfs.min_vruntime = 900'000'000;
  b.se.vruntime = 0;
  d.s.migrate_queued(b, 1, 1000);  // min_vruntime of CPU 0 is b's own: a gained 1 us
  CHECK(b.se.vruntime == 900'000'000);
  CHECK(d.s.rq(0).nr_running == 1);
  CHECK(d.s.rq(1).nr_running == 1);
  CHECK(d.s.need_resched(1));
  CHECK_THROWS_AS(d.s.migrate_queued(a, 1, 1000), std::logic_error);
}

TEST_CASE(
    "a new policy of the same priority leaves a waiting task where it is; with another priority min_vruntime goes on "
    "meanwhile") {
  for (const int nice : {0, 1}) {
    Driver d("6.1");
    Task& a = d.task("a");
    Task& b = d.task("b");
    a.se.vruntime = static_cast<std::uint64_t>(8 * kMs);
    b.se.vruntime = static_cast<std::uint64_t>(5 * kMs);
    d.wake(a), d.wake_only(b);
    d.to(1000);
    d.s.set_policy(b, Policy::batch, nice, 0, d.now);
    CHECK(b.se.vruntime == static_cast<std::uint64_t>(nice == 0 ? 5 * kMs : 8 * kMs + 1000));
  }
}
