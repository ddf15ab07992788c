// SPDX-License-Identifier: GPL-2.0-or-later
// Wake, switch, tick: states of traces, the skipped clock update, run delay, classes, changes of nice and policy.
#include "tests/unit/catch.h"

#include "tests/unit/sched_driver.h"

using namespace wakepath;
using namespace wakepath::sched;
using namespace wakepath::sched_test;

namespace {

struct Charges : Observer {
  struct Charge {
    std::string comm;
    Time delta;
    std::uint64_t vruntime;
  };
  std::vector<Charge> all;
  void stat_runtime(int, const Task& t, Time delta, std::uint64_t vruntime) override {
    all.push_back({t.comm, delta, vruntime});
  }
};

}  // namespace

TEST_CASE("E45: R, R+ and the sleep states at a switch") {
  for (const char* version : {"6.1", "6.12"}) {
    Driver d(version);
    Task& a = d.task("a");
    Task& b = d.task("b", -10);
    d.wake(a);
    d.to(kMs);
    b.se.vlag = 100000;
    d.wake_only(b);
    d.rq().resched = true;
    SwitchResult r = d.s.schedule(0, false, d.now);  // a hog on its way to user mode
    CHECK(r.prev_state == 0);
    CHECK(r.next == &b);
    CHECK(a.nivcsw == 1);
    r = d.sleep(State::idle);
    CHECK(r.prev_state == 128);
    CHECK(b.nvcsw == 1);
    d.to(d.now + 100 * kUs);
    Task& fifo = d.task("fifo", 0, nullptr, Policy::fifo, 50);
    d.wake_only(fifo);
    // Preempted inside the kernel on the way to sleep: R+, still queued.
    Scheduler::set_state(a, State::uninterruptible);
    r = d.s.schedule(0, true, d.now);
    CHECK(r.prev_state == 256);
    CHECK(r.next == &fifo);
    CHECK(a.on_rq == OnRq::queued);
    Scheduler::set_state(a, State::running);
    r = d.sleep();
    CHECK(r.prev_state == 1);
    CHECK(r.next == &a);
    r = d.sleep(State::uninterruptible);
    CHECK(r.prev_state == 2);
    CHECK(r.next == &d.s.idle_task(0));
    d.wake(a);
    r = d.yield();
    CHECK(r.prev_state == 0);
    CHECK(r.next == &a);
    d.s.exit_current(0);
    r = d.s.schedule(0, false, d.now);
    CHECK(r.prev_state == 16);
    CHECK_FALSE(d.s.wake_up(a, 0, d.now).woken);
  }
}

TEST_CASE("a wakeup before the switch keeps the task running") {
  Driver d("6.12");
  Task& a = d.task("a");
  d.wake(a);
  d.to(kMs);
  Scheduler::set_state(a, State::interruptible);
  CHECK(d.s.wake_up(a, 0, d.now).woken);
  const SwitchResult r = d.s.schedule(0, false, d.now);
  CHECK(r.next == &a);
  CHECK(a.nvcsw == 0);
  CHECK_FALSE(d.s.wake_up(a, 0, d.now).woken);
  CHECK(a.wakeups == 2);
}

// Spec §2.1b: from the wakeup on the wakee pays, although the waker still runs.
TEST_CASE("the switch after a preempting wakeup keeps the wakeup's clock") {
  for (const bool skip : {true, false}) {
    kernel::Switches k = kernel::switches_of("6.1");
    k.clock_skip_after_preempting_wakeup = skip;
    Driver d(k, {1, 250, 1});
    Charges charges;
    d.s.set_observer(&charges);
    Task& waker = d.task("kworker");
    Task& wakee = d.task("fio");
    waker.se.vruntime = 100'000'000;
    wakee.se.vruntime = 90'000'000;
    d.wake(waker);
    d.to(6242);
    CHECK(d.wake_only(wakee).preempts);
    d.now += 4900;  // the waker comes to its preemption point
    d.resched();
    CHECK(d.running() == "fio");
    d.now += 15624;
    d.s.update_curr(0, d.now);
    REQUIRE(charges.all.size() == (skip ? 2u : 3u));
    CHECK(charges.all.front().comm == "kworker");
    CHECK(charges.all.front().delta == 6242);
    if (!skip) CHECK(charges.all[1].delta == 4900);
    CHECK(charges.all.back().comm == "fio");
    CHECK(charges.all.back().delta == (skip ? 4900 + 15624 : 15624));
    CHECK(wakee.run_delay_ns == (skip ? 0 : 4900));
    CHECK(waker.sum_exec_runtime_ns + wakee.sum_exec_runtime_ns == d.now);
  }
}

TEST_CASE("other clock updates between wakeup and switch do count") {
  Driver d("6.12");
  Task& a = d.task("a");
  Task& b = d.task("b");
  b.se.vlag = 1'000'000;
  d.wake(a);
  d.to(kMs);
  CHECK(d.wake_only(b).preempts);
  d.now += 1000;
  d.s.tick(0, d.now);
  CHECK(a.sum_exec_runtime_ns == kMs + 1000);
  d.now += 500;
  d.resched();
  CHECK(a.sum_exec_runtime_ns == kMs + 1000);
  d.now += 500;
  d.s.update_curr(0, d.now);
  CHECK(b.sum_exec_runtime_ns == 1000);
}

TEST_CASE("waking an idle CPU skips the clock too") {
  Driver d("6.12");
  Task& a = d.task("a");
  d.to(kMs);
  d.wake_only(a);
  d.now += 3000;
  d.resched();
  CHECK(a.run_delay_ns == 0);
  d.now += 1000;
  d.s.update_curr(0, d.now);
  CHECK(a.sum_exec_runtime_ns == 4000);
}

TEST_CASE("run delay counts waiting after wakeup and after preemption") {
  Driver d("6.1");
  Task& a = d.task("a");
  Task& b = d.task("b");
  d.wake(a), d.wake(b);
  d.to(36 * kMs);  // a 0-12, b 12-24, a 24-36
  CHECK(a.pcount == 2);
  CHECK(b.pcount == 2);
  CHECK(b.run_delay_ns == 12 * kMs + 12 * kMs);
  CHECK(a.run_delay_ns == 12 * kMs);
}

TEST_CASE("interrupt time is nobody's") {
  Driver d("6.1");
  Task& a = d.task("a");
  d.wake(a);
  Time hard = 300 * kUs, soft = 0;
  d.s.watch_irq_time(0, hard, soft);
  d.now = kMs;
  d.s.update_curr(0, d.now);
  CHECK(a.sum_exec_runtime_ns == 700 * kUs);
  soft += 5 * kMs;  // more than passed: the rest comes off later
  d.now = 2 * kMs;
  d.s.update_curr(0, d.now);
  CHECK(a.sum_exec_runtime_ns == 700 * kUs);
  d.now = 10 * kMs;
  d.s.update_curr(0, d.now);
  CHECK(a.sum_exec_runtime_ns == 10 * kMs - 300 * kUs - 5 * kMs);
}

TEST_CASE("classes: stop over rt over fair over idle") {
  for (const char* version : {"6.1", "6.12"}) {
    Driver d(version);
    Task& fair = d.task("fair");
    Task& fifo = d.task("fifo", 0, nullptr, Policy::fifo, 50);
    Task& peer = d.task("peer", 0, nullptr, Policy::fifo, 50);
    Task& high = d.task("high", 0, nullptr, Policy::fifo, 60);
    Task& stop = d.task("migration/0", 0, nullptr, Policy::stop);
    CHECK(fifo.prio() == 49);
    CHECK(stop.prio() == 0);
    CHECK(fair.prio() == 120);
    d.wake(fair);
    d.to(100 * kUs);
    CHECK(d.wake(fifo).preempts);
    CHECK_FALSE(d.wake(peer).preempts);
    CHECK(d.wake(high).preempts);
    CHECK(d.running() == "high");
    CHECK(d.wake(stop).preempts);
    CHECK(d.running() == "migration/0");
    d.to(5 * kMs);
    CHECK(d.running() == "migration/0");
    d.sleep();
    CHECK(d.running() == "high");
    d.sleep();
    CHECK(d.running() == "fifo");  // kept its place at the head
    d.yield();
    CHECK(d.running() == "peer");
    d.sleep(), d.sleep();
    CHECK(d.running() == "fair");
    d.to(6 * kMs);
    d.sleep();
    CHECK(d.running() == "swapper/0");
    CHECK(fair.sum_exec_runtime_ns == 100 * kUs + kMs);
    CHECK(stop.sum_exec_runtime_ns == 5 * kMs - 100 * kUs);
    CHECK(d.s.nr_running(0) == 0);
  }
}

TEST_CASE("lazy preemption waits for user mode or the next tick") {
  kernel::Switches k = kernel::switches_of("6.12");
  k.preempt_lazy = true;
  Driver d(k, {8, 1000, 1});
  d.s.set_lazy(true);
  Task& a = d.task("a");
  Task& b = d.task("b");
  d.wake(a);
  CHECK_FALSE(d.s.resched_is_lazy(0));
  d.to(kMs / 2);
  b.se.vlag = 1'000'000;
  CHECK(d.wake_only(b).preempts);
  CHECK(d.s.need_resched(0));
  CHECK(d.s.resched_is_lazy(0));
  CHECK_FALSE(d.rq().clock_skip_requested);
  d.s.tick(0, kMs);
  CHECK_FALSE(d.s.resched_is_lazy(0));
  CHECK(d.s.need_resched(0));
  d.now = kMs;
  d.resched();
  CHECK_FALSE(d.s.need_resched(0));
  // A real-time task and an idle CPU get the full flag.
  Task& fifo = d.task("fifo", 0, nullptr, Policy::fifo, 1);
  d.wake_only(fifo);
  CHECK_FALSE(d.s.resched_is_lazy(0));
}

TEST_CASE("renice of running and queued tasks") {
  for (const char* version : {"6.1", "6.12"}) {
    Driver d(version);
    Task& a = d.task("a");
    Task& b = d.task("b");
    d.wake(a), d.wake(b);
    d.to(kMs);
    const std::uint64_t before = d.rq().cfs.load.weight;
    d.s.set_nice(b, 5, d.now);
    CHECK(b.prio() == 125);
    CHECK(b.se.load.weight == scale_load(335));
    CHECK(b.se.load.inv_weight == 12820798);
    CHECK(d.rq().cfs.load.weight == before - scale_load(1024 - 335));
    // EEVDF: a has run 1 ms and is not eligible any more, so b, put back, is the pick.
    CHECK(d.s.need_resched(0) == d.s.switches().eevdf);
    d.rq().resched = false;
    d.s.set_nice(a, 10, d.now);
    CHECK(a.se.load.weight == scale_load(110));
    CHECK(d.s.need_resched(0));  // the running one got weaker
    CHECK(&d.s.current(0) == &a);
    CHECK(d.rq().cfs.curr == &a.se);
    CHECK(d.s.nr_running(0) == 2);
    d.resched();
    Task& c = d.task("c");
    d.s.set_nice(c, -5, d.now);  // asleep
    CHECK(c.se.load.weight == scale_load(3121));
    CHECK_THROWS_AS(d.s.set_nice(a, 20, d.now), std::out_of_range);
  }
}

TEST_CASE("renice scales the lag of a sleeper [6.12]") {
  Driver d("6.12");
  Task& a = d.task("a");
  a.se.vlag = 1'000'000;
  d.s.set_nice(a, 5, 0);
  CHECK(a.se.vlag == 1'000'000ll * 1024 / 335);
}

TEST_CASE("changing policy moves a task between classes") {
  for (const char* version : {"6.1", "6.12"}) {
    Driver d(version);
    Task& a = d.task("a");
    Task& b = d.task("b");
    d.wake(a), d.wake(b);
    d.to(kMs);
    d.s.set_policy(b, Policy::fifo, 0, 10, d.now);
    CHECK(d.s.need_resched(0));
    d.resched();
    CHECK(d.running() == "b");
    CHECK(d.rq().cfs.h_nr_running == 1);
    d.to(2 * kMs);
    d.s.set_policy(b, Policy::other, 0, 0, d.now);
    CHECK(d.rq().cfs.h_nr_running == 2);
    CHECK(d.s.need_resched(0));
    d.resched();
    d.to(50 * kMs);
    CHECK(d.s.nr_running(0) == 2);
    d.s.set_policy(a, Policy::idle, 0, 0, d.now);
    CHECK(a.se.load.weight == scale_load(3));
    CHECK(d.rq().cfs.idle_h_nr_running == 1);
    CHECK(d.rq().cfs.idle_nr_running == 1);
    CHECK(a.sum_exec_runtime_ns + b.sum_exec_runtime_ns <= d.now);
  }
}

TEST_CASE("SCHED_IDLE goes at once, SCHED_BATCH never preempts at a wakeup") {
  for (const char* version : {"6.1", "6.6", "6.12"}) {
    Driver d(version);
    Task& idle = d.task("idle", 0, nullptr, Policy::idle);
    Task& batch = d.task("batch", 0, nullptr, Policy::batch);
    Task& normal = d.task("normal");
    d.wake(idle);
    d.to(100 * kUs);
    CHECK(d.wake_only(batch).preempts);  // even a batch task against an idle one
    d.resched();
    // 6.6 asks for the switch, but the protection of the idle task still decides the pick.
    const bool protected_idle = d.s.switches().eevdf && !d.s.switches().idle_loses_protection;
    CHECK(d.running() == (protected_idle ? "idle" : "batch"));
    if (protected_idle) continue;
    d.sleep();
    d.to(200 * kUs);
    CHECK(d.wake(normal).preempts);
    d.to(300 * kUs);
    if (batch.se.on_rq) continue;  // still delayed
    batch.se.vlag = 5'000'000;
    batch.se.vruntime = 0;
    CHECK_FALSE(d.wake(batch).preempts);
  }
}

TEST_CASE("cpu.idle groups lose against anything else") {
  for (const char* version : {"6.1", "6.12"}) {
    Driver d(version);
    TaskGroup* g = d.s.create_group("background", nullptr, kNice0Load, true);
    CHECK(g->shares == scale_load(3));
    Task& low = d.task("low", -20, g);
    Task& normal = d.task("normal", 19);
    d.wake(low);
    d.to(100 * kUs);
    CHECK(d.rq().cfs.idle_h_nr_running == 1);
    CHECK(d.wake(normal).preempts);
    CHECK(d.running() == "normal");
    d.to(150 * kUs);
    d.sleep();
    CHECK(d.running() == "low");
  }
}

TEST_CASE("group weights follow the load on two CPUs") {
  for (const char* version : {"6.1", "6.12"}) {
    Driver d(version, {2, 250, 2});
    TaskGroup* g = d.s.create_group("g", nullptr, kNice0Load);
    Task& a = d.task("a", 0, g);
    Task& b = d.task("b", 0, g);
    d.s.wake_up(a, 0, 0);
    d.s.schedule(0, false, 0);
    CHECK(g->se[0].load.weight == kNice0Load);
    d.s.wake_up(b, 1, 0);
    d.s.schedule(1, false, 0);
    for (Time t = 4 * kMs; t <= 400 * kMs; t += 4 * kMs) {
      d.s.tick(0, t);
      d.s.tick(1, t);
    }
    for (int cpu = 0; cpu < 2; ++cpu) {
      CHECK(g->se[static_cast<std::size_t>(cpu)].load.weight > kNice0Load * 45 / 100);
      CHECK(g->se[static_cast<std::size_t>(cpu)].load.weight < kNice0Load * 55 / 100);
    }
    d.s.set_shares(*g, 4 * kNice0Load, 400 * kMs);
    CHECK(g->se[0].load.weight > kNice0Load * 18 / 10);
  }
}

TEST_CASE("an emptied group's entity: 6.1 drops its weight, 6.12 keeps it") {
  Driver d("6.1");
  TaskGroup* g = d.s.create_group("g", nullptr, 4 * kNice0Load);
  Task& a = d.task("a", 0, g);
  d.wake(a);
  g->own_queues[0].avg = {};  // as if its load had decayed
  d.sleep();
  CHECK(g->se[0].load.weight == kMinShares);
  Driver e("6.12");
  TaskGroup* h = e.s.create_group("h", nullptr, 4 * kNice0Load);
  Task& b = e.task("b", 0, h);
  e.wake(b);
  h->own_queues[0].avg = {};
  e.sleep();
  CHECK(h->se[0].load.weight == 4 * kNice0Load);
}

TEST_CASE("a real-time task whose priority falls comes before its new equals, one that rises behind them") {
  Driver d("6.1");
  Task& runs = d.task("runs", 0, nullptr, Policy::fifo, 30);
  Task& equal = d.task("equal", 0, nullptr, Policy::fifo, 10);
  Task& falls = d.task("falls", 0, nullptr, Policy::fifo, 20);
  Task& rises = d.task("rises", 0, nullptr, Policy::fifo, 5);
  for (Task* t : {&runs, &equal, &falls, &rises}) d.wake(*t);
  d.s.set_policy(falls, Policy::fifo, 0, 10, d.now);
  d.s.set_policy(rises, Policy::fifo, 0, 10, d.now);
  std::string order;
  for (const Task* t = d.rq().rt.head; t != nullptr; t = t->rt_next) order += t->comm + " ";
  CHECK(order == "runs falls equal rises ");
}
