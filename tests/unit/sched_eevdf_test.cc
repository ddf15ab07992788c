// SPDX-License-Identifier: GPL-2.0-or-later
// EEVDF (6.12): scheduler spec §12, E17-E33. Slice 2.8 ms (8 CPUs) unless said.
#include "tests/unit/catch.h"

#include "models/sched/fair/eevdf.h"
#include "tests/unit/sched_driver.h"

using namespace wakepath;
using namespace wakepath::sched;
using namespace wakepath::sched_test;

namespace {

// A queue filled by hand.
struct Queue {
  Rq rq;
  TaskGroup root;
  std::deque<Entity> entities;
  std::deque<Task> tasks;
  CfsRq& q = rq.cfs;
  kernel::Switches k = kernel::switches_of("6.12");
  Tunables t = Tunables::defaults(k, 8, 250);
  Eevdf eevdf{k, t};

  Queue() {
    q.rq = &rq;
    q.tg = &root;
    q.zero_vruntime = 0;
    rq.curr = &rq.idle;
  }

  Entity& make(std::int64_t vruntime, LoadWeight load = load_of_nice(0)) {
    Entity& e = entities.emplace_back();
    e.task = &tasks.emplace_back();
    e.load = load;
    e.vruntime = static_cast<std::uint64_t>(vruntime);
    e.slice = 2'800'000;
    e.deadline = e.vruntime + calc_delta_fair(e.slice, e.load);
    e.cfs_rq = &q;
    return e;
  }
  Entity& queued(std::int64_t vruntime) {
    Entity& e = make(vruntime);
    insert(e);
    return e;
  }
  void insert(Entity& e) {
    e.on_rq = true;
    Eevdf::enqueue_in_timeline(q, e);
    ++q.nr_running;
  }
  Entity& running(std::int64_t vruntime, LoadWeight load = load_of_nice(0)) {
    Entity& e = make(vruntime, load);
    e.on_rq = true;
    ++q.nr_running;
    q.curr = &e;
    eevdf.set_protect_slice(q, e);
    return e;
  }
  std::int64_t avg() { return static_cast<std::int64_t>(Eevdf::avg_vruntime(q)); }
  std::int64_t lag(Entity& e) { return eevdf.entity_lag(q, Eevdf::avg_vruntime(q), e); }
};

}  // namespace

TEST_CASE("E17: V is rounded down, eligibility is exact") {
  for (const std::int64_t other : {99, 101}) {
    Queue x;
    x.q.zero_vruntime = 100;
    Entity& a = x.queued(other);
    Entity& b = x.queued(100);
    CHECK(x.q.avg_vruntime == (other - 100) * 1024);
    CHECK(Eevdf::entity_eligible(x.q, a) == (other == 99));
    CHECK(Eevdf::entity_eligible(x.q, b) == (other == 101));
    CHECK(x.avg() == (other == 99 ? 99 : 100));
    CHECK(Eevdf::entity_eligible(x.q, a) == (other == 99));  // whatever the origin
    CHECK(Eevdf::entity_eligible(x.q, b) == (other == 101));
  }
}

TEST_CASE("E18: two hogs, HZ 250") {
  Driver d("6.12");
  Task& a = d.task("a");
  Task& b = d.task("b");
  d.wake(a);
  CHECK(dl(a.se) == 2800000);
  d.to(1 * kMs);
  d.fork(b, &a);
  CHECK(v(b.se) == 1000000);
  CHECK(dl(b.se) == 2400000);
  CHECK(d.running() == "a");
  d.to(4 * kMs);
  CHECK(v(a.se) == 4000000);
  CHECK(dl(a.se) == 6800000);
  CHECK(d.running() == "b");
  d.to(8 * kMs);
  CHECK(v(b.se) == 5000000);
  CHECK(dl(b.se) == 7800000);
  CHECK(d.running() == "a");
  d.to(12 * kMs);
  CHECK(d.running() == "b");
  d.to(16 * kMs);
  CHECK(d.running() == "a");
}

TEST_CASE("E19: two hogs, HZ 1000") {
  Driver d("6.12", {8, 1000, 1});
  Task& a = d.task("a");
  Task& b = d.task("b");
  d.wake(a);
  d.to(1 * kMs);
  d.fork(b, &a);
  d.to(2 * kMs);
  CHECK(d.running() == "a");
  d.to(3 * kMs);
  CHECK(v(a.se) == 3000000);
  CHECK(dl(a.se) == 5800000);
  CHECK(d.running() == "b");
  d.to(5 * kMs);
  CHECK(v(b.se) == 3000000);
  CHECK(dl(b.se) == 5800000);
  CHECK(d.running() == "a");  // equal deadlines: the waiting one
  d.to(7 * kMs);
  CHECK(d.running() == "a");
  d.to(8 * kMs);
  CHECK(d.running() == "b");
}

TEST_CASE("E20: nice 0 and nice 5 share 3:1") {
  Driver d("6.12");
  Task& a = d.task("a");
  Task& b = d.task("b", 5);
  d.wake(a), d.wake(b);
  CHECK(dl(b.se) - v(b.se) == 8558806);
  std::string order;
  for (int tick = 1; tick <= 12; ++tick) {
    d.to(tick * 4 * kMs);
    order += d.running();
  }
  CHECK(order == "baaabaaabaaa");
}

TEST_CASE("E21: lag limits") {
  Queue x;
  const auto limit = [&](LoadWeight load) {
    Entity e = x.make(0, load);
    const std::uint64_t far = 1ull << 40;
    CHECK(x.eevdf.entity_lag(x.q, 0 - far, e) == -x.eevdf.entity_lag(x.q, far, e));
    return x.eevdf.entity_lag(x.q, far, e);
  };
  CHECK(limit(load_of_nice(0)) == 5600000);
  CHECK(limit(load_of_nice(5)) == 17117612);
  CHECK(limit(load_of_nice(-20)) == 64604);
  CHECK(limit(load_of_idle_policy()) == 1911466666);
  const Tunables hz1000 = Tunables::defaults(x.k, 8, 1000);
  Entity e = x.make(0);
  e.slice = 100000;
  CHECK(Eevdf(x.k, hz1000).entity_lag(x.q, 1u << 30, e) == 1000000);
}

TEST_CASE("E22: positive lag") {
  Queue x;
  x.running(0);
  x.queued(0);
  x.q.curr->vruntime = 500000;  // ran 0.5 ms
  Entity& c = x.make(0);
  c.vlag = 1000000;
  x.eevdf.place_entity(x.q, c, enqueue::kWakeup);
  CHECK(v(c) == -1250000);
  CHECK(dl(c) == 1550000);
  x.insert(c);
  CHECK(x.avg() == -250000);
  CHECK(x.lag(c) == 1000000);
  CHECK_FALSE(Eevdf::entity_eligible(x.q, *x.q.curr));
  CHECK(x.eevdf.pick_eevdf(x.q, true) == &c);
}

TEST_CASE("E23: negative lag") {
  Queue x;
  Entity& a = x.running(1000000);
  Entity& b = x.make(0);
  b.vlag = -3000000;
  x.eevdf.place_entity(x.q, b, enqueue::kWakeup);
  x.insert(b);
  CHECK(v(b) == 7000000);
  CHECK(dl(b) == 9800000);
  CHECK(x.avg() == 4000000);
  CHECK(x.eevdf.pick_eevdf(x.q, true) == &a);
  a.vruntime += 5999999;
  CHECK_FALSE(Eevdf::entity_eligible(x.q, b));
  a.vruntime += 1;
  CHECK(Eevdf::entity_eligible(x.q, b));
}

TEST_CASE("E24: a forked task may preempt at once") {
  Driver d("6.12");
  Task& a = d.task("a");
  Task& b = d.task("b");
  d.wake(a), d.wake(b);
  d.to(1500 * kUs);
  Task& c = d.task("c");
  d.fork(c, &a);
  CHECK(v(a.se) == 1500000);
  CHECK(v(c.se) == 750000);
  CHECK(dl(c.se) == 2150000);
  CHECK(dl(b.se) == 2800000);
  CHECK(d.running() == "c");
}

namespace {

// E25: a runs 2 ms and sleeps while b waits; it is ahead, so it stays queued.
struct Delayed {
  Driver d{"6.12"};
  Task& a = d.task("a");
  Task& b = d.task("b");
  Delayed() {
    d.wake(a), d.wake(b);
    d.to(2 * kMs);
    const SwitchResult r = d.sleep();
    CHECK(r.prev_state == 1);
    CHECK(r.next == &b);
  }
};

}  // namespace

TEST_CASE("E25: delayed dequeue") {
  Delayed x;
  CHECK(x.a.se.sched_delayed);
  CHECK(x.a.on_rq == OnRq::queued);
  CHECK(x.d.s.nr_running(0) == 2);
  CHECK(x.d.rq().cfs.h_nr_delayed == 1);
  x.d.to(4 * kMs);
  CHECK(v(x.b.se) == 2000000);
  CHECK(x.a.se.sched_delayed);
  CHECK(Eevdf::entity_eligible(x.d.rq().cfs, x.a.se));
  const std::size_t switches = x.d.switches.size();
  x.d.to(8 * kMs);
  CHECK(v(x.b.se) == 6000000);
  CHECK(dl(x.b.se) == 8800000);
  CHECK_FALSE(x.a.se.sched_delayed);
  CHECK(x.a.on_rq == OnRq::no);
  CHECK(x.a.se.vlag == 0);
  CHECK(x.d.s.nr_running(0) == 1);
  CHECK(x.d.running() == "b");
  CHECK(x.d.switches.size() == switches);
}

TEST_CASE("a switch tells which sleepers its pick took off") {
  Driver d("6.12");
  Task& a = d.task("a");
  Task& b = d.task("b");
  d.wake(a), d.wake(b);
  d.to(2 * kMs);
  const SwitchResult first = d.sleep();  // a is ahead and stays
  CHECK(first.prev_delayed);
  CHECK(first.taken_off == 0);
  d.to(5 * kMs);
  CHECK(a.se.sched_delayed);
  CHECK(d.running() == "b");
  const SwitchResult second = d.sleep();  // b is ahead by now; nothing else is left, so both go
  CHECK(second.prev_delayed);
  CHECK(second.taken_off == 2);
  CHECK_FALSE(b.se.sched_delayed);
  CHECK(d.s.nr_running(0) == 0);
  d.wake(a);
  const SwitchResult third = d.sleep();  // alone, it is never behind itself
  CHECK_FALSE(third.prev_delayed);
  CHECK(third.taken_off == 0);
}

TEST_CASE("a wakeup's test looks past a delayed sleeper in late 6.18, not in 6.12") {
  for (const char* version : {"6.12", "6.18"}) {
    CAPTURE(version);
    Driver d(version);
    Task& a = d.task("a");
    Task& b = d.task("b");
    Task& c = d.task("c");
    d.wake(a), d.wake(b);
    d.next_tick = 100 * kMs;
    d.to(2 * kMs);
    d.sleep();  // a is ahead, stays, and will be eligible again
    CHECK(a.se.sched_delayed);
    d.to(4500 * kUs);  // b is not eligible any more, a is, and its deadline is before c's
    CHECK(d.running() == "b");
    c.se.custom_slice = true;
    c.se.slice = 1'000'000;
    const WakeResult r = d.wake_only(c);
    const bool late = version == std::string("6.18");
    CHECK(r.preempts == late);
    CHECK(a.se.sched_delayed == !late);
    CHECK(r.taken_off == (late ? 1 : 0));
    CHECK(d.s.nr_running(0) == (late ? 2 : 3));
  }
}

TEST_CASE("a lag's limit in late 6.18: the longest slice of the queue and a tick") {
  const kernel::Switches k = kernel::switches_of("6.18");
  const Eevdf eevdf(k, Tunables::defaults(k, 8, 250));
  Queue x;
  Entity& e = x.queued(0);
  const std::uint64_t far = 1ull << 40;
  CHECK(eevdf.entity_lag(x.q, far, e) == 2'800'000 + 4'000'000);
  CHECK(eevdf.entity_lag(x.q, 0 - far, e) == -6'800'000);
  Entity& longer = x.make(0);
  longer.slice = 20'000'000;
  x.insert(longer);
  CHECK(Eevdf::max_slice(x.q) == 20'000'000);
  CHECK(eevdf.entity_lag(x.q, far, e) == 24'000'000);
  x.insert(x.make(5));
  Eevdf::dequeue_from_timeline(x.q, longer);
  CHECK(eevdf.entity_lag(x.q, far, e) == 6'800'000);
}

TEST_CASE("a new weight ends the protection of the running entity since 6.17") {
  Driver d("6.18");
  TaskGroup& g = *d.s.create_group("g", nullptr, kNice0Load);
  Task& a = d.task("a", 0, &g);
  Task& b = d.task("b");
  d.wake(a), d.wake(b);
  const Eevdf eevdf(d.s.switches(), Tunables::defaults(d.s.switches(), 8, 250));
  REQUIRE(d.running() == "a");
  CHECK(eevdf.protect_slice(g.se[0]));
  d.to(1 * kMs);
  d.s.set_shares(g, 4 * kNice0Load, d.now);
  CHECK_FALSE(eevdf.protect_slice(g.se[0]));
}

TEST_CASE("E26: waking a delayed task") {
  SECTION("too early") {
    Delayed x;
    x.d.to(3 * kMs);
    const WakeResult r = x.d.wake(x.a);
    CHECK(r.woken);
    CHECK(r.was_delayed);
    CHECK_FALSE(r.preempts);
    CHECK(x.a.se.vlag == -1000000);
    CHECK(v(x.b.se) == 1000000);
    CHECK_FALSE(x.a.se.sched_delayed);
    CHECK(x.d.rq().cfs.h_nr_delayed == 0);
  }
  SECTION("the true lag is positive, the one seen is not") {
    Delayed x;
    // The example has no tick at 4 ms accounted before: take it out of the way.
    x.d.next_tick = 100 * kMs;
    x.d.to(5 * kMs);
    const WakeResult r = x.d.wake_only(x.a);
    CHECK(x.a.se.vlag == -1000000);
    CHECK(v(x.b.se) == 3000000);
    CHECK(dl(x.b.se) == 5800000);
    CHECK(r.preempts);
    x.d.resched();
    CHECK(x.d.running() == "a");
  }
}

namespace {

// E27: a weight-1000 group runs from 0; a root worker wakes at 1 ms without lag.
struct GroupAndWorker {
  Driver d{"6.12"};
  TaskGroup* g = d.s.create_group("g", nullptr, shares_of_cpu_weight(1000));
  Task& hog = d.task("hog", 0, g);
  Task& worker = d.task("worker");
  Entity& ge = g->se[0];
  GroupAndWorker() {
    d.wake(hog);
    d.to(1 * kMs);
    const WakeResult r = d.wake(worker);
    CHECK(v(ge) == 99999);
    CHECK(dl(ge) == 279999);
    CHECK(v(worker.se) == 99999);
    CHECK(dl(worker.se) == 2899999);
    CHECK_FALSE(r.preempts);
    d.to(4 * kMs);
    CHECK(v(ge) == 399998);
    CHECK(dl(ge) == 679997);
    CHECK(d.running() == "worker");
  }
};

}  // namespace

TEST_CASE("E27 and E28: a worker without lag waits for the tick, one with lag does not") {
  GroupAndWorker x;
  CHECK(static_cast<std::int64_t>(Eevdf::avg_vruntime(x.d.rq().cfs)) == 372725);
  x.d.to(4200 * kUs);
  x.d.sleep();
  CHECK(x.worker.on_rq == OnRq::no);
  CHECK(x.worker.se.vlag == 90908);
  x.d.to(5200 * kUs);
  const WakeResult r = x.d.wake_only(x.worker);
  CHECK(v(x.ge) == 499997);
  CHECK(v(x.worker.se) == 399999);
  CHECK(dl(x.worker.se) == 3199999);
  CHECK(static_cast<std::int64_t>(Eevdf::avg_vruntime(x.d.rq().cfs)) == 490906);
  CHECK(r.preempts);
}

TEST_CASE("E29: a worker that overran pays back") {
  GroupAndWorker x;
  x.d.to(5 * kMs);
  x.d.sleep();
  CHECK(x.worker.se.sched_delayed);
  CHECK(v(x.worker.se) == 1099999);
  x.d.to(6 * kMs);
  CHECK_FALSE(x.d.wake(x.worker).preempts);
  CHECK(x.worker.se.vlag == -636365);
  x.d.to(8 * kMs);
  CHECK(x.d.running() == "hog");
  x.d.to(12 * kMs);
  CHECK(x.d.running() == "hog");
  CHECK(static_cast<std::int64_t>(Eevdf::avg_vruntime(x.d.rq().cfs)) == 1099995);
  x.d.to(16 * kMs);
  CHECK(static_cast<std::int64_t>(Eevdf::avg_vruntime(x.d.rq().cfs)) == 1463630);
  CHECK(x.d.running() == "worker");
}

TEST_CASE("E29: an unprotected hog goes at the next tick") {
  Driver d("6.12", {8, 1000, 1});
  Task& hog = d.task("hog");
  Task& worker = d.task("worker");
  d.wake(hog);
  d.to(100 * kMs + 300 * kUs);
  CHECK(dl(hog.se) == 101800000);
  CHECK_FALSE(d.wake(worker).preempts);
  CHECK(dl(worker.se) == 103100000);
  d.to(101 * kMs);
  CHECK(d.running() == "worker");

  Driver e("6.12", {8, 1000, 1});
  Task& fresh = e.task("hog");
  Task& late = e.task("worker");
  e.wake(fresh);
  e.to(300 * kUs);
  CHECK_FALSE(e.wake(late).preempts);
  e.to(2 * kMs);
  CHECK(e.running() == "hog");
  e.to(3 * kMs);
  CHECK(e.running() == "worker");
}

TEST_CASE("E30: a shorter slice cancels the protection") {
  const auto preempts = [](Time slice, std::int64_t lag) {
    Driver d("6.12");
    Task& a = d.task("a");
    Task& b = d.task("b");
    d.s.set_slice(b, slice);
    b.se.vlag = lag;
    d.wake(a);
    d.to(1 * kMs);
    const WakeResult r = d.wake_only(b);
    CHECK(v(b.se) == 1000000 - 2 * lag);
    if (r.preempts) CHECK(a.se.vlag == 2800001);
    return r.preempts;
  };
  CHECK(preempts(500'000, 0));
  CHECK_FALSE(preempts(0, 0));
  CHECK_FALSE(preempts(500'000, -400000));
}

TEST_CASE("E31: reweight of a queued entity") {
  Queue x;
  Entity e = x.make(900000);
  e.load.set(10485760);
  e.deadline = 1180000;
  x.eevdf.reweight_eevdf(x.q, e, 1000000, 5242880);
  CHECK(v(e) == 800000);
  CHECK(dl(e) == 1360000);
  e.vlag = 1180000;
  CHECK_FALSE(x.eevdf.protect_slice(e));
}

TEST_CASE("E32 [6.12]: yield forfeits the slice only when eligible") {
  Driver d("6.12");
  Task& a = d.task("a");
  d.wake(a), d.wake(d.task("b"));
  d.yield();
  CHECK(v(a.se) == 2800000);
  CHECK(dl(a.se) == 5600000);
  CHECK(d.running() == "b");

  Driver e("6.12");
  Task& c = e.task("a");
  e.wake(c), e.wake(e.task("b"));
  e.to(300 * kUs);
  e.yield();
  CHECK(v(c.se) == 300000);
  CHECK(dl(c.se) == 2800000);
  CHECK(e.running() == "b");

  Driver f("6.6");
  Task& g = f.task("a");
  f.wake(g), f.wake(f.task("b"));
  f.to(300 * kUs);
  f.yield();
  CHECK(dl(g.se) == 6000000);  // 6.6: deadline moves by a slice (3.0 ms there), always
  CHECK(f.running() == "b");
}

TEST_CASE("E33: migration keeps lag and relative deadline") {
  Driver d("6.12", {8, 250, 2});
  Task& a = d.task("a");
  Task& b = d.task("b");
  d.wake(a), d.wake(b);
  Task& c = d.task("c");
  d.s.rq(1).cfs.zero_vruntime = 50'000'000;
  d.s.wake_up(c, 1, 0);
  d.s.schedule(1, false, 0);
  d.now = 1 * kMs;
  d.s.update_curr(0, d.now);
  d.s.update_curr(1, d.now);
  CHECK(v(c.se) == 51'000'000);
  d.s.migrate_queued(b, 1, d.now);
  CHECK(b.se.vlag == 500000);
  CHECK(v(b.se) == 50'000'000);
  CHECK(dl(b.se) == 52'800'000);
  CHECK(b.cpu == 1);
}
