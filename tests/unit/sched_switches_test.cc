// SPDX-License-Identifier: GPL-2.0-or-later
// Every switch of the fair class changes what it is named for, and only where it is on.
#include "tests/unit/catch.h"

#include "models/sched/fair/eevdf.h"
#include "tests/unit/sched_driver.h"

using namespace wakepath;
using namespace wakepath::sched;
using namespace wakepath::sched_test;

namespace {

// The same scenario with the switch off and on; the result is whatever the scenario returns.
template <class Scenario>
auto off_and_on(const char* version, bool kernel::Switches::*member, Scenario scenario) {
  kernel::Switches off = kernel::switches_of(version);
  kernel::Switches on = off;
  off.*member = false;
  on.*member = true;
  return std::make_pair(scenario(off), scenario(on));
}

const Driver::Options k8{8, 250, 1};

}  // namespace

TEST_CASE("gentle_fair_sleepers halves the credit") {
  const auto [off, on] = off_and_on("6.1", &kernel::Switches::gentle_fair_sleepers, [](const kernel::Switches& k) {
    Driver d(k, k8);
    Task& a = d.task("a");
    d.rq().cfs.min_vruntime = 1'000'000'000;
    a.se.vruntime = 1;
    d.wake_only(a);
    return a.se.vruntime;
  });
  CHECK(off == 976'000'000);
  CHECK(on == 988'000'000);
}

TEST_CASE("idle_sleeper_credit: a SCHED_IDLE sleeper gets less") {
  const auto [off, on] = off_and_on("6.1", &kernel::Switches::idle_sleeper_credit, [](const kernel::Switches& k) {
    Driver d(k, k8);
    Task& a = d.task("a", 0, nullptr, Policy::idle);
    d.rq().cfs.min_vruntime = 1'000'000'000;
    a.se.vruntime = 1;
    d.wake_only(a);
    return a.se.vruntime;
  });
  CHECK(off == 988'000'000);
  CHECK(on == 998'500'000);
}

TEST_CASE("new_task_util_scaled: a new task is taken for as busy as its queue, not for half of what is left") {
  const auto [off, on] = off_and_on("6.12", &kernel::Switches::new_task_util_scaled, [](const kernel::Switches& k) {
    Driver d(k, k8);
    d.rq().cfs.avg.util_avg = 100;
    d.rq().cfs.avg.load_avg = 1023;
    Task& a = d.task("a");
    d.fork(a, nullptr);
    return a.se.avg.util_avg;
  });
  CHECK(off == 462);  // (1024 - 100) / 2
  CHECK(on == 100);   // 100 * 1024 / 1024
}

TEST_CASE("start_debit places a forked task late") {
  const auto [off, on] = off_and_on("6.1", &kernel::Switches::start_debit, [](const kernel::Switches& k) {
    Driver d(k, k8);
    Task& parent = d.task("parent");
    Task& child = d.task("child");
    d.wake(parent);
    d.fork(child, &parent);
    return child.se.vruntime;
  });
  CHECK(off == 0);
  CHECK(on == 11999994);
}

TEST_CASE("last_buddy returns to the preempted task") {
  const auto [off, on] = off_and_on("6.1", &kernel::Switches::last_buddy, [](const kernel::Switches& k) {
    Driver d(k, k8);
    Task& hog = d.task("hog");
    hog.se.vruntime = 20'000'000;
    d.wake(hog);
    for (int i = 0; i < 8; ++i) {
      Task& other = d.task("other");
      other.se.vruntime = 19'000'000;  // left of the hog, within the granularity
      d.wake(other);
    }
    Task& wakee = d.task("wakee");
    wakee.se.vruntime = 1;
    d.wake(wakee);
    CHECK(d.running() == "wakee");
    d.sleep();
    return d.running();
  });
  CHECK(off == "other");
  CHECK(on == "hog");
}

TEST_CASE("next_buddy remembers a wakee that does not preempt") {
  for (const char* version : {"6.6", "6.12", "6.17"}) {
    const auto [off, on] = off_and_on(version, &kernel::Switches::next_buddy, [](const kernel::Switches& k) {
      Driver d(k, k8);
      d.wake(d.task("a"));
      Task& b = d.task("b");
      d.wake(b);
      Task& c = d.task("c");
      d.wake(c);
      d.to(kMs);
      d.sleep();
      return d.running();
    });
    CAPTURE(version);
    CHECK(off == "b");
    CHECK(on == "c");
  }
}

TEST_CASE("next_buddy of late 6.18: an eligible wakee preempts, one with a later deadline than the buddy is none") {
  const auto [off, on] = off_and_on("6.18", &kernel::Switches::next_buddy, [](const kernel::Switches& k) {
    Driver d(k, k8);
    d.wake(d.task("a"));
    d.wake(d.task("b"));
    return d.running();
  });
  CHECK(off == "a");
  CHECK(on == "b");
  kernel::Switches k = kernel::switches_of("6.18");
  k.next_buddy = true;
  Driver d(k, k8);
  Task& a = d.task("a");
  Task& b = d.task("b");
  d.wake(a);
  d.wake_only(b);
  REQUIRE(d.rq().cfs.next == &b.se);
  Task& c = d.task("c");
  c.se.vlag = -1'000'000;
  d.rq().resched = false;
  d.wake_only(c);
  CHECK(d.rq().cfs.next == &b.se);
}

TEST_CASE("next_buddy_picks: before PICK_BUDDY the one feature did both") {
  for (const bool picks : {false, true}) {
    kernel::Switches k = kernel::switches_of("6.6");
    k.next_buddy = true;
    k.next_buddy_picks = picks;
    Driver d(k, k8);
    d.wake(d.task("a"));
    d.wake(d.task("b"));
    d.wake(d.task("c"));
    d.to(kMs);
    d.sleep();
    CHECK(d.running() == (picks ? "c" : "b"));
  }
}

TEST_CASE("wakeup_preemption off leaves it to the tick") {
  for (const char* version : {"6.1", "6.12"}) {
    const auto [off, on] = off_and_on(version, &kernel::Switches::wakeup_preemption, [](const kernel::Switches& k) {
      Driver d(k, k8);
      Task& a = d.task("a");
      Task& b = d.task("b");
      a.se.vruntime = 50'000'000;
      b.se.vlag = 5'000'000;
      d.wake(a);
      d.to(kMs);
      return d.wake(b).preempts;
    });
    CHECK_FALSE(off);
    CHECK(on);
  }
}

TEST_CASE("alt_period counts the whole hierarchy") {
  const auto [off, on] = off_and_on("6.1", &kernel::Switches::alt_period, [](const kernel::Switches& k) {
    Driver d(k, k8);
    TaskGroup* g = d.s.create_group("g", nullptr, kNice0Load);
    Task& a = d.task("a");
    d.wake_only(a);
    for (int i = 0; i < 15; ++i) d.wake_only(d.task("g", 0, g));
    d.resched();
    d.to(8 * kMs);  // one level has 2 entities, the CPU 16 tasks: 24 ms or 48 ms
    d.to(20 * kMs);
    return a.sum_exec_runtime_ns;
  });
  CHECK(off != on);
}

TEST_CASE("base_slice_floor keeps small slices at the granularity") {
  const auto [off, on] = off_and_on("6.1", &kernel::Switches::base_slice_floor, [](const kernel::Switches& k) {
    Driver d(k, {8, 1000, 1});
    d.wake(d.task("heavy", -10));
    Task& light = d.task("light", 10);
    d.wake(light);
    while (&d.current() != &light) d.to(d.now + kMs);
    const Time start = d.now;
    while (&d.current() == &light) d.to(d.now + kMs);
    return d.now - start;
  });
  CHECK(off == kMs);
  CHECK(on == 3 * kMs);  // then it may go, being far ahead (check_preempt_tick's second rule)
}

TEST_CASE("place_lag keeps lag through sleep") {
  const auto [off, on] = off_and_on("6.12", &kernel::Switches::place_lag, [](const kernel::Switches& k) {
    Driver d(k, k8);
    d.wake(d.task("a"));
    d.to(kMs);
    Task& b = d.task("b");
    b.se.vlag = 1'000'000;
    d.wake_only(b);
    return v(b.se);
  });
  CHECK(off == 1'000'000);
  CHECK(on == -1'000'000);
}

TEST_CASE("place_deadline_initial halves the first slice") {
  const auto [off, on] = off_and_on("6.12", &kernel::Switches::place_deadline_initial, [](const kernel::Switches& k) {
    Driver d(k, k8);
    Task& a = d.task("a");
    d.fork(a, nullptr);
    return dl(a.se) - v(a.se);
  });
  CHECK(off == 2'800'000);
  CHECK(on == 1'400'000);
}

TEST_CASE("place_rel_deadline keeps the distance to the deadline over a move") {
  const auto [off, on] = off_and_on("6.12", &kernel::Switches::place_rel_deadline, [](const kernel::Switches& k) {
    Driver d(k, {8, 250, 2});
    Task& a = d.task("a");
    Task& b = d.task("b");
    d.wake(b);
    d.wake(a);
    d.to(kMs);
    d.sleep();  // b ran 1 ms and sleeps, delayed
    d.to(kMs + kMs / 2);
    d.wake(b);
    d.s.migrate_queued(b, 1, d.now);
    return dl(b.se) - v(b.se);
  });
  CHECK(off == 2'800'000);
  CHECK(on == 1'800'000);
}

TEST_CASE("run_to_parity protects the running task") {
  const auto [off, on] = off_and_on("6.12", &kernel::Switches::run_to_parity, [](const kernel::Switches& k) {
    Driver d(k, k8);
    Task& a = d.task("a", 1);  // a longer virtual slice: its deadline is later
    d.wake(a);
    return d.wake(d.task("b")).preempts;
  });
  CHECK(off);
  CHECK_FALSE(on);
}

TEST_CASE("preempt_short lets shorter slices through") {
  const auto [off, on] = off_and_on("6.12", &kernel::Switches::preempt_short, [](const kernel::Switches& k) {
    Driver d(k, k8);
    d.wake(d.task("a"));
    d.to(kMs);
    Task& b = d.task("b");
    d.s.set_slice(b, 500'000);
    return d.wake(b).preempts;
  });
  CHECK_FALSE(off);
  CHECK(on);
}

TEST_CASE("delay_dequeue and delay_zero") {
  const auto sleeper = [](const kernel::Switches& k, Time wake_at) {
    Driver d(k, k8);
    Task& a = d.task("a");
    d.wake(a), d.wake(d.task("b"));
    d.to(2 * kMs);
    d.sleep();
    CHECK(a.se.sched_delayed == k.delay_dequeue);
    d.to(wake_at);
    d.wake_only(a);
    return a.se.vlag;
  };
  const auto delay = off_and_on("6.12", &kernel::Switches::delay_dequeue,
                                [&](const kernel::Switches& k) { return sleeper(k, 3 * kMs); });
  CHECK(delay.first == -1'000'000);   // lag kept as it was at the sleep
  CHECK(delay.second == -1'000'000);  // lag as V (not accounted since) shows it
  // At 8 ms the tick finds it eligible with +2 ms and takes it off.
  const auto zero =
      off_and_on("6.12", &kernel::Switches::delay_zero, [&](const kernel::Switches& k) { return sleeper(k, 9 * kMs); });
  CHECK(zero.first == 2'000'000);
  CHECK(zero.second == 0);
}

TEST_CASE("pick_buddy prefers the group that lost a sleeper") {
  const auto [off, on] = off_and_on("6.12", &kernel::Switches::pick_buddy, [](const kernel::Switches& k) {
    Driver d(k, k8);
    TaskGroup* g = d.s.create_group("g", nullptr, kNice0Load);
    Task& g1 = d.task("g1", 0, g);
    Task& g2 = d.task("g2", 0, g);
    d.wake(d.task("a"));
    d.to(kMs);
    d.wake(g1), d.wake(g2);
    d.to(4 * kMs);
    CHECK(d.running() == "g1");
    d.to(5 * kMs);
    // Let `a` look better than the group by deadline.
    Entity& a = d.tasks[2].se;
    Eevdf::dequeue_from_timeline(d.rq().cfs, a);
    a.deadline = g->se[0].deadline - 1'000'000;
    a.vruntime = g->se[0].vruntime + 1'000'000;  // equal once the group is accounted
    Eevdf::enqueue_in_timeline(d.rq().cfs, a);
    g->se[0].vlag = 0;                            // not protected
    g1.se.vruntime = g2.se.vruntime - 1'000'000;  // eligible, so its sleep is no delayed dequeue
    d.sleep();
    return d.running();
  });
  CHECK(off == "a");
  CHECK(on == "g2");
}

TEST_CASE("custom_slice hands slices up to groups") {
  const auto [off, on] = off_and_on("6.12", &kernel::Switches::custom_slice, [](const kernel::Switches& k) {
    Driver d(k, k8);
    TaskGroup* g = d.s.create_group("g", nullptr, kNice0Load);
    Task& a = d.task("a", 0, g);
    d.s.set_slice(a, 500'000);
    d.wake(a);
    return g->se[0].slice;
  });
  CHECK(off == 2'800'000);
  CHECK(on == 500'000);
}

TEST_CASE("protect_by_vruntime: protection ends at a vruntime, one least slice away") {
  // A shorter slice waits.
  kernel::Switches k = kernel::switches_of("6.18");
  const Eevdf eevdf(k, Tunables::defaults(k, 8, 250));
  Rq rq;
  CfsRq& q = rq.cfs;
  Entity curr, other;
  curr.load = other.load = load_of_nice(0);
  curr.slice = 2'800'000, other.slice = 1'000'000;
  curr.deadline = 2'800'000, other.deadline = 1'000'000;
  curr.on_rq = other.on_rq = true;
  q.nr_running = 2;
  q.curr = &curr;
  Eevdf::enqueue_in_timeline(q, other);
  eevdf.set_protect_slice(q, curr);
  CHECK(curr.vprot == 1'000'000);
  curr.vruntime = 999'999;
  CHECK(eevdf.protect_slice(curr));
  curr.vruntime = 1'000'000;
  CHECK_FALSE(eevdf.protect_slice(curr));
  curr.vruntime = 0;
  eevdf.cancel_protect_slice(curr);
  CHECK_FALSE(eevdf.protect_slice(curr));
  k.protect_by_vruntime = false;
  const Eevdf by_stamp(k, Tunables::defaults(k, 8, 250));
  by_stamp.set_protect_slice(q, curr);
  curr.vruntime = 2'799'999;
  CHECK(by_stamp.protect_slice(curr));
  curr.vruntime = 0;
  k.protect_by_vruntime = true;
  k.run_to_parity = false;
  curr.slice = other.slice = 2'800'000;
  Eevdf(k, Tunables::defaults(k, 8, 250)).set_protect_slice(q, curr);
  CHECK(curr.vprot == 700'000);  // the unscaled base slice
}

TEST_CASE("tick_unprotected ends a run whose protection is over") {
  // Eligible, unprotected, before its deadline.
  for (const bool unprotected : {false, true}) {
    kernel::Switches k = kernel::switches_of("6.18");
    k.tick_unprotected = unprotected;
    Driver d(k, {8, 1000, 1});
    Task& a = d.task("a");
    d.wake(a);
    d.to(100 * kUs);
    Task& b = d.task("b");
    b.se.vlag = -3'000'000;
    d.wake(b);
    a.se.vprot = a.se.vruntime;
    d.now = 500 * kUs;
    d.s.update_curr(0, d.now);
    CHECK(d.s.need_resched(0) == unprotected);
  }
}

TEST_CASE("yield_if_eligible") {
  const auto [off, on] = off_and_on("6.12", &kernel::Switches::yield_if_eligible, [](const kernel::Switches& k) {
    Driver d(k, k8);
    Task& a = d.task("a");
    d.wake(a), d.wake(d.task("b"));
    d.to(300 * kUs);
    d.yield();
    return dl(a.se);
  });
  CHECK(off == 5'600'000);
  CHECK(on == 2'800'000);
}

TEST_CASE("idle_loses_protection") {
  const auto [off, on] = off_and_on("6.12", &kernel::Switches::idle_loses_protection, [](const kernel::Switches& k) {
    Driver d(k, k8);
    d.wake(d.task("idle", 0, nullptr, Policy::idle));
    d.wake(d.task("normal"));
    return d.running();
  });
  CHECK(off == "idle");
  CHECK(on == "normal");
}

TEST_CASE("three ways to reweight a queued entity") {
  struct Result {
    std::int64_t v, dl;
    bool operator==(const Result&) const = default;
  };
  const auto reweigh = [](bool scales_lag, bool by_place) {
    kernel::Switches k = kernel::switches_of("6.12");
    k.reweight_scales_lag = scales_lag;
    k.reweight_by_place = by_place;
    Driver d(k, k8);
    TaskGroup* g = d.s.create_group("g", nullptr, kNice0Load);
    d.wake(d.task("a"));
    d.to(kMs);
    d.wake(d.task("g", 0, g));  // at V = 1 ms
    d.to(2 * kMs);
    d.s.update_curr(0, d.now);  // a at 2 ms, g at 1 ms: V = 1.5 ms
    d.s.set_shares(*g, 2 * kNice0Load, d.now);
    return Result{v(g->se[0]), dl(g->se[0])};
  };
  CHECK(reweigh(false, false) == Result{1'000'000, 2'400'000});             // only the deadline's distance halves
  CHECK(reweigh(true, false) == Result{1'250'000, 1'500'000 + 1'150'000});  // lag 0.5 -> 0.25 ms around V
  // By placement: lag 0.25 ms is inflated against a alone, V = a's 2 ms: 2 - 0.25 * 3 = 1.25 ms.
  CHECK(reweigh(false, true) == Result{1'250'000, 1'250'000 + 1'400'000});
}

TEST_CASE("batch_test_after_idle: a batch task against an idle group") {
  const auto [off, on] = off_and_on("6.12", &kernel::Switches::batch_test_after_idle, [](const kernel::Switches& k) {
    Driver d(k, k8);
    TaskGroup* g = d.s.create_group("idle", nullptr, kNice0Load, true);
    d.wake(d.task("low", 0, g));
    return d.wake(d.task("batch", 0, nullptr, Policy::batch)).preempts;
  });
  CHECK_FALSE(off);
  CHECK(on);
}

TEST_CASE("base_slice_ns and the defaults of tunables") {
  kernel::Switches k = kernel::switches_of("6.12");
  for (const auto& [cpus, factor] : {std::pair{1, 1}, {2, 2}, {3, 2}, {4, 3}, {7, 3}, {8, 4}, {64, 4}}) {
    const Tunables t = Tunables::defaults(k, cpus, 250);
    CHECK(t.base_slice_ns == 700'000 * factor);
    CHECK(t.normalized_base_slice_ns == 700'000);
    CHECK(t.latency_ns == 6'000'000 * factor);
    CHECK(t.min_granularity_ns == 750'000 * factor);
    CHECK(t.wakeup_granularity_ns == 1'000'000 * factor);
    CHECK(t.idle_min_granularity_ns == 750'000);
  }
  k.base_slice_ns = 1'000'000;
  CHECK(Tunables::defaults(k, 8, 250).base_slice_ns == 4'000'000);
  CHECK(Tunables::defaults(k, 8, 1000).tick_ns == 1'000'000);
  CHECK(Tunables::defaults(k, 8, 300).tick_ns == 3'333'333);
}
