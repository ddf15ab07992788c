// SPDX-License-Identifier: GPL-2.0-or-later
// The balancer over real run queues: scheduler spec 7.4-7.8, worked examples E40-E42, E44.
#include <deque>

#include "models/kernel/versions.h"
#include "models/sched/balance/balancer.h"
#include "models/sched/smp_rq.h"
#include "tests/unit/catch.h"

using namespace wakepath;
using namespace wakepath::sched;
using machine::CpuMask;
using machine::make_topology;
using machine::RegularTopology;

namespace {

constexpr Time kMs = 1'000'000;

struct Machine final : BalanceHost, Observer {
  explicit Machine(const RegularTopology& r, const char* version = "6.1")
      : k(kernel::switches_of(version)),
        s(k, Tunables::defaults(k, r.cpus, 250), r.cpus),
        d(make_topology(r)),
        b(s, d, *this, {}) {
    s.enable_smp(d, b, *this, 250);
    s.set_observer(this);
    for (int c = 0; c < r.cpus; ++c) only.emplace_back(r.cpus).set(c);
  }
  Task& task(const std::string& comm, int cpu, bool bound = false, TaskGroup* group = nullptr) {
    Task& t = tasks.emplace_back();
    s.init_task(t, comm, static_cast<int>(tasks.size()), Policy::other, 0, 0, group, cpu);
    if (bound) {
      t.smp.allowed = &only[static_cast<std::size_t>(cpu)];
      t.smp.cpus_allowed = 1;
      t.smp.kthread = t.smp.per_cpu_kthread = true;
    }
    return t;
  }
  // Runnable there; the first one runs.
  Task& put(const std::string& comm, int cpu, bool bound = false) {
    Task& t = task(comm, cpu, bound);
    s.wake_up_new(t, nullptr, cpu, now);
    if (s.current(cpu).comm != comm && s.current(cpu).pid == 0) s.schedule(cpu, false, now);
    return t;
  }
  void idle_pass(int cpu, Time at) {
    now = at;
    s.rq(cpu).smp->idle_balance = idle_cpu(s.rq(cpu));
    all_passes(cpu);
  }
  void all_passes(int cpu) {
    Balancer::Passes p = b.softirq(cpu);
    Effort e;
    while (b.step(p, now, e)) {
    }
  }
  std::uint32_t random_1024(int) override { return dice; }
  Time effort_ns(const Effort& e) override { return e.cpus * cost_per_cpu_ns; }
  void queue_active_balance(int cpu) override { stops.push_back(cpu); }
  void kick_idle_balance(int, int target) override { kicks.push_back(target); }
  void stat_runtime(int, const Task&, Time, std::uint64_t) override {}
  void migrate_task(Task& t, int from, int to, MigrationCause cause) override {
    moves.push_back(t.comm + " " + std::to_string(from) + ">" + std::to_string(to) + " " + cause_name(cause));
  }

  kernel::Switches k;
  Scheduler s;
  Domains d;
  Balancer b;
  std::deque<CpuMask> only;
  std::deque<Task> tasks;
  Time now = 0;
  std::uint32_t dice = 0;
  Time cost_per_cpu_ns = 10;
  std::vector<int> stops, kicks;
  std::vector<std::string> moves;
};

using Moves = std::vector<std::string>;

}  // namespace

TEST_CASE("E40: a running hog with a bound thread behind it is pushed after four failures") {
  Machine m({.cpus = 8});
  m.put("hog", 2);
  m.put("kworker", 2, true);
  CHECK(m.s.rq(2).nr_running == 2);
  Domain& d = *m.d.lowest(0);
  for (const int attempt : {1, 2, 3}) {
    m.idle_pass(0, attempt * 8 * kMs);
    CHECK(d.nr_balance_failed == static_cast<unsigned>(attempt));
    CHECK(m.stops.empty());
  }
  CHECK(d.balance_interval_ms == 8);
  SECTION("the fourth asks the stopper, which moves the hog it displaced") {
    m.idle_pass(0, 32 * kMs);
    CHECK(m.stops == std::vector<int>{2});
    CHECK(m.s.rq(2).smp->push_cpu == 0);
    // The stopper runs in the hog's place.
    Task& stopper = m.tasks.emplace_back();
    m.s.init_task(stopper, "migration/2", 99, Policy::stop, 0, 0, nullptr, 2);
    m.s.wake_up(stopper, 2, m.now);
    m.s.schedule(2, true, m.now);
    CHECK(m.s.current(2).comm == "migration/2");
    m.b.active_balance_stop(2, m.now);
    CHECK(m.moves == Moves{"hog 2>0 active_balance"});
    CHECK(m.tasks[0].smp.active_asked == 1);
    CHECK(m.tasks[0].smp.refused[static_cast<std::size_t>(Refusal::running)] == 4);
    CHECK(m.tasks[1].smp.refused[static_cast<std::size_t>(Refusal::bound)] == 4);
    CHECK(m.b.counters.failures_forgotten == 0);
    CHECK(d.nr_balance_failed == 0);
    CHECK_FALSE(m.s.rq(2).smp->active_balance);
    CHECK(m.s.rq(0).nr_running == 1);
  }
  SECTION("the thread gone at the next attempt: the count starts again and the interval doubles") {
    Scheduler::set_state(m.tasks[1], State::idle);
    m.s.rq(2).resched = true;
    m.now = 25 * kMs;
    while (m.s.current(2).comm != "kworker") m.s.tick(2, m.now += 4 * kMs), m.s.schedule(2, true, m.now);
    m.s.schedule(2, false, m.now);
    CHECK(m.s.rq(2).nr_running == 1);
    m.idle_pass(0, m.now + 8 * kMs);
    CHECK(d.nr_balance_failed == 0);
    CHECK(m.b.counters.failures_forgotten == 1);
    CHECK(d.balance_interval_ms == 16);
  }
}

TEST_CASE("5.4: who asked for active balance, or would have, begins again behind the limit") {
  Machine m({.cpus = 8}, "5.4");
  m.put("hog", 2);
  m.put("kworker", 2, true);
  for (const int attempt : {1, 2, 3, 4})
    for (const int cpu : {0, 1}) m.idle_pass(cpu, attempt * 8 * kMs);
  CHECK(m.stops == std::vector<int>{2});
  CHECK(m.d.lowest(0)->nr_balance_failed == 2);
  CHECK(m.d.lowest(0)->balance_interval_ms == 16);
  CHECK(m.d.lowest(1)->nr_balance_failed == 2);  // the stopper was asked already
  CHECK(m.d.lowest(1)->balance_interval_ms == 8);
}

TEST_CASE("active_balance_any_imbalance: without a shared cache only kernels before 5.12 push") {
  for (const char* version : {"5.4", "6.1"}) {
    CAPTURE(version);
    Machine m({.cpus = 8, .packages = 8}, version);
    m.put("hog", 2);
    m.put("kworker", 2, true);
    m.now = 100 * kMs;
    m.s.tick(2, m.now);  // its utilisation overloads the CPU
    for (const int attempt : {1, 2, 3, 4}) m.idle_pass(0, m.now + attempt * 8 * kMs);
    CHECK(m.stops.size() == (std::string(version) == "5.4" ? 1U : 0U));
  }
}

TEST_CASE("nohz_joins_early: a CPU that stops its tick is not waited for before 5.16") {
  for (const char* version : {"5.4", "6.1"}) {
    CAPTURE(version);
    Machine m({.cpus = 8}, version);
    m.put("busy", 2);
    m.b.enter_tickless_idle(0);
    m.b.tick(2, m.now = 8 * kMs);  // kicks for the blocked load of whoever joined; the next such kick is 32 ms later
    REQUIRE(m.kicks == std::vector<int>{0});
    m.b.idle_balance_kicked(0);
    m.all_passes(0);
    m.kicks.clear();
    m.b.enter_tickless_idle(1);
    m.b.tick(2, m.now += 4 * kMs);
    CHECK(m.kicks.size() == (std::string(version) == "5.4" ? 0U : 1U));
  }
}

TEST_CASE("who is beside a task that leaves its CPU: flags say it, not names") {
  Machine m({.cpus = 4}, "6.12");
  Task& leaves = m.task("leaves", 1);
  Rq& rq = m.s.rq(1);
  CHECK(beside(rq, leaves, nullptr) == Beside::nobody);
  Task& other = m.put("kworker/1:0", 1);  // by its name only
  CHECK(beside(rq, leaves, nullptr) == Beside::task);
  Task& bound = m.put("anything", 1, true);
  CHECK(beside(rq, leaves, nullptr) == Beside::kthread);
  CHECK(beside(rq, leaves, &bound) == Beside::kthread);  // it waits: whoever wakes is on another CPU
  bound.se.sched_delayed = true;
  CHECK(beside(rq, leaves, nullptr) == Beside::asleep);
  bound.se.sched_delayed = false;
  rq.curr = &bound;
  CHECK(beside(rq, leaves, &bound) == Beside::waker);
  CHECK(beside(rq, bound, nullptr) == Beside::task);
  rq.curr = &other;
}

TEST_CASE("a waiting task moves once it is not cache-hot") {
  Machine m({.cpus = 8});
  m.put("one", 2);
  m.put("two", 2);
  m.idle_pass(0, 8 * kMs);
  CHECK(m.moves == Moves{"two 2>0 periodic"});
  CHECK(m.s.rq(0).nr_running == 1);
  CHECK(m.d.lowest(0)->nr_balance_failed == 0);
}

TEST_CASE("a task that is pulled before its CPU idles goes on with the turn of the group it shares with who left") {
  for (const char* version : {"6.1", "6.12"}) {
    CAPTURE(version);
    Machine m({.cpus = 2}, version);
    TaskGroup* g = m.s.create_group("g", nullptr, kNice0Load);
    const auto start = [&](const char* comm, int cpu) {
      m.s.wake_up_new(m.task(comm, cpu, false, g), nullptr, cpu, 0);
      if (m.s.current(cpu).pid == 0) m.s.schedule(cpu, false, 0);
    };
    start("leaves", 0), start("stays", 1), start("waits", 1);
    Scheduler::set_state(m.tasks[0], State::interruptible);
    m.s.schedule(0, false, 5 * kMs);
    CHECK(m.moves == Moves{"waits 1>0 newidle"});
    CHECK(m.s.current(0).comm == "waits");
    CHECK(g->se[0].sum_exec_runtime == 5'000'000);
    CHECK(g->se[0].prev_sum_exec_runtime == 0);  // the group was not put, and not set anew
    CHECK(m.tasks[2].se.prev_sum_exec_runtime == m.tasks[2].se.sum_exec_runtime);
  }
}

TEST_CASE("of several tasks that move the last one off the queue is the first on the other") {
  Machine m({.cpus = 2}, "6.12");
  for (const char* comm : {"run", "x", "y", "z"}) m.put(comm, 1);
  m.idle_pass(0, 8 * kMs);
  CHECK(m.moves == Moves{"x 1>0 periodic", "y 1>0 periodic"});
  // V was 2 ms ahead of x when that left. y comes into an empty queue, where lag counts for nothing; x then gets its
  // own, 2 ms twice over for a queue of two.
  CHECK(m.tasks[2].se.vruntime - m.tasks[1].se.vruntime == 4'000'000);
  m.s.schedule(0, false, m.now);
  CHECK(m.s.current(0).comm == "x");
}

TEST_CASE("active balance asks nobody where the idle task is still current") {
  Machine m({.cpus = 4});
  m.s.wake_up_new(m.task("hog", 2), nullptr, 2, 0);  // not switched to yet
  m.d.lowest(2)->local_group().shared->imbalance = true;
  Domain& d = *m.d.lowest(0);
  for (int attempt = 1; attempt <= 4; ++attempt) m.idle_pass(0, attempt * 8 * kMs);
  CHECK(d.nr_balance_failed == 4);
  CHECK(m.stops.empty());
  CHECK(d.balance_interval_ms == 8);  // twice 4
  m.s.schedule(2, false, m.now);
  m.idle_pass(0, 64 * kMs);
  CHECK(m.stops == std::vector<int>{2});
}

TEST_CASE("active balance takes a delayed sleeper as well: what it looks for is not counted in tasks") {
  Machine m({.cpus = 4}, "6.18");
  m.put("one", 2), m.put("two", 2);
  Scheduler::set_state(m.tasks[0], State::interruptible);
  m.s.schedule(2, false, m.now = 2 * kMs);
  REQUIRE(m.tasks[0].se.sched_delayed);
  Task& stopper = m.tasks.emplace_back();
  m.s.init_task(stopper, "migration/2", 99, Policy::stop, 0, 0, nullptr, 2);
  m.s.wake_up(stopper, 2, m.now);
  m.s.schedule(2, true, m.now);
  m.s.rq(2).smp->active_balance = true;
  m.s.rq(2).smp->push_cpu = 0;
  m.b.active_balance_stop(2, m.now);
  CHECK(m.moves == Moves{"one 2>0 active_balance"});
  CHECK(m.tasks[0].se.sched_delayed);
}

TEST_CASE("a forked task: groups are looked at from its parent's on, by the CPUs it may use") {
  Machine m({.cpus = 4});
  m.put("parent", 2);
  Task& child = m.task("child", 2);
  CHECK(m.b.find_idlest_cpu(child, 2) == 3);  // all others are as idle
  m.d.lowest(3)->local_group().shared->imbalance = true;
  CHECK(m.b.find_idlest_cpu(child, 2) == 0);
  Machine two({.cpus = 8, .packages = 2});
  two.put("parent", 0);
  Task& bound = two.task("child", 0);
  CpuMask allowed(8);
  allowed.set(1), allowed.set(4);
  bound.smp.allowed = &allowed, bound.smp.cpus_allowed = 2;
  CHECK(two.b.find_idlest_cpu(bound, 0) == 1);  // one idle CPU it may use here and there: it stays near
}

TEST_CASE("balance_util_boost: utilisation is taken from the CPU with the most contention since 6.5") {
  for (const char* version : {"6.1", "6.12"}) {
    CAPTURE(version);
    Machine m({.cpus = 4, .packages = 2}, version);
    for (const char* comm : {"a", "b", "c"}) m.put(comm, 2);
    for (const char* comm : {"d", "e"}) m.put(comm, 3);
    m.s.rq(2).cfs.avg.util_avg = 600, m.s.rq(2).cfs.avg.runnable_avg = 1500;
    m.s.rq(3).cfs.avg.util_avg = 700, m.s.rq(3).cfs.avg.runnable_avg = 1000;
    m.idle_pass(0, 8 * kMs);
    REQUIRE_FALSE(m.moves.empty());
    CHECK(m.moves.front() == (std::string(version) == "6.1" ? "e 3>0 periodic" : "b 2>0 periodic"));
  }
}

TEST_CASE("a task that ended takes its load along") {
  Machine m({.cpus = 2});
  TaskGroup* g = m.s.create_group("g", nullptr, kNice0Load);
  m.s.wake_up_new(m.task("t", 0, false, g), nullptr, 0, 0);
  m.s.schedule(0, false, 0);
  m.s.tick(0, 100 * kMs);
  const CfsRq& q = *g->cfs_rq[0];
  CHECK(q.avg.load_avg > 900);
  m.s.exit_current(0);
  m.s.schedule(0, false, 101 * kMs);
  m.s.update_blocked_averages(0, 101 * kMs);
  CHECK(q.avg.load_avg <= 1);  // sums are rounded
  CHECK(g->load_avg <= 1);
}

TEST_CASE("what an empty queue contributed to its group is taken back even if that was too early before") {
  Machine m({.cpus = 2}, "6.12");
  TaskGroup* g = m.s.create_group("g", nullptr, kNice0Load);
  g->cfs_rq[0]->tg_load_avg_contrib = 1000;
  g->cfs_rq[0]->last_update_tg_load_avg = static_cast<std::uint64_t>(10 * kMs);
  g->load_avg = 1000;
  m.s.update_blocked_averages(0, 10 * kMs + 900'000);
  CHECK(g->load_avg == 1000);
  m.s.update_blocked_averages(0, 14 * kMs);
  CHECK(g->load_avg == 0);
}

TEST_CASE("a CPU that is left with SCHED_IDLE tasks only balances at its next tick") {
  for (const char* version : {"6.1", "6.12"}) {
    CAPTURE(version);
    Machine m({.cpus = 2}, version);
    m.put("normal", 0);
    Task& idle = m.tasks.emplace_back();
    m.s.init_task(idle, "idle", 9, Policy::idle, 0, 0, nullptr, 0);
    m.s.wake_up_new(idle, nullptr, 0, 0);
    m.s.rq(0).smp->next_balance = 1000;
    CHECK_FALSE(m.b.tick(0, 4 * kMs));
    Scheduler::set_state(m.tasks[0], State::dead);  // goes at once, whatever its lag
    m.s.schedule(0, false, 5 * kMs);
    CHECK(m.s.current(0).comm == "idle");
    CHECK(m.b.tick(0, 8 * kMs));
  }
}

TEST_CASE("a CPU says that it has two tasks when it comes to have them, not with each one more") {
  Machine m({.cpus = 2});
  m.put("one", 0);
  CHECK_FALSE(m.b.overload);
  m.put("two", 0);
  CHECK(m.b.overload);
  m.b.overload = false;
  m.put("three", 0);
  CHECK_FALSE(m.b.overload);
}

TEST_CASE("idle_reenters_fast: who idles and finds nothing looks for work elsewhere before 6.12") {
  for (const char* version : {"6.1", "6.12"}) {
    CAPTURE(version);
    Machine m({.cpus = 2}, version);
    m.put("one", 1), m.put("two", 1);
    m.s.schedule(0, false, 5 * kMs);
    CHECK(m.moves == (std::string(version) == "6.1" ? Moves{"two 1>0 newidle"} : Moves{}));
    CHECK((m.s.current(0).comm == "two") == (std::string(version) == "6.1"));
  }
}

TEST_CASE("a CPU that idles for long brings the load of sleeping ones up to date, at most every 32 ms") {
  Machine m({.cpus = 4});
  m.put("slept", 3);
  Scheduler::set_state(m.tasks[0], State::interruptible);
  m.s.schedule(3, false, kMs);
  m.b.enter_tickless_idle(3);
  const auto load = [&] { return m.s.rq(3).cfs.avg.load_avg; };
  const std::uint64_t before = load();
  const auto idles = [&](Time at) {
    Effort e;
    m.b.newidle(0, at, e);
    m.b.idle_entered(0, at);
  };
  m.s.rq(0).smp->avg_idle = 499'999;
  idles(40 * kMs);
  CHECK(load() == before);
  m.s.rq(0).smp->avg_idle = 500'000;
  idles(40 * kMs);
  const std::uint64_t after = load();
  CHECK(after < before);
  idles(68 * kMs);
  CHECK(load() == after);
  idles(72 * kMs);
  CHECK(load() < after);
}

TEST_CASE("a task that may not go there marks the group, one CPU of the group that may have it gets it") {
  Machine m({.cpus = 4, .packages = 2});
  Task& run = m.put("run", 2);
  Task& wait = m.put("wait", 2);
  CpuMask only1(4), only2(4);
  only1.set(1), only1.set(2), only2.set(2);
  run.smp.allowed = &only2, run.smp.cpus_allowed = 1;
  wait.smp.allowed = &only1, wait.smp.cpus_allowed = 2;
  m.s.rq(0).smp->idle_balance = true;
  m.d.lowest(0)->last_balance = 1000;  // only the package level is due
  m.idle_pass(0, 40 * kMs);
  CHECK(m.moves == Moves{"wait 2>1 periodic"});
  CHECK(m.b.counters.refused[static_cast<std::size_t>(Refusal::affinity)] >= 1);
}

TEST_CASE("E41: intervals in jiffies") {
  const RegularTopology eight{.cpus = 8};
  Machine m(eight);
  m.put("hog", 0);
  m.s.rq(0).smp->idle_balance = false;
  m.now = 200 * kMs;
  m.all_passes(0);
  CHECK(m.s.rq(0).smp->next_balance == 50 + 63);  // balanced: 16 ms now, times 16, in jiffies of 4 ms, less one
  Machine idle(eight);
  idle.idle_pass(3, 200 * kMs);
  CHECK(idle.s.rq(3).smp->next_balance == 50 + 4);  // balanced: 16 ms now
}

TEST_CASE("intervals by span and HZ, in jiffies (spec 7.4)") {
  struct Row {
    int weight;
    std::int64_t idle_250, busy_250, idle_1000, busy_1000;
  };
  for (const Row& row : {Row{2, 1, 7, 2, 31}, Row{8, 2, 31, 8, 127}, Row{16, 4, 63, 16, 255}}) {
    for (const int hz : {250, 1000}) {
      CAPTURE(row.weight, hz);
      Machine m({.cpus = 16}, "6.1");
      const Balancer::Tunables t{.hz = hz};
      const Balancer b(m.s, m.d, m, t);
      Domain d = *m.d.lowest(0);
      d.balance_interval_ms = static_cast<unsigned>(row.weight);
      CHECK(b.interval_of(d, false) == (hz == 250 ? row.idle_250 : row.idle_1000));
      CHECK(b.interval_of(d, true) == (hz == 250 ? row.busy_250 : row.busy_1000));
    }
  }
}

TEST_CASE("E42: average idle time") {
  Machine m({.cpus = 2});
  Rq& rq = m.s.rq(0);
  const auto after = [&](std::uint64_t avg, std::uint64_t idle) {
    rq.smp->avg_idle = avg;
    rq.smp->idle_stamp = 1000;
    rq.clock = 1000 + idle;
    m.b.wakeup_after_idle(rq);
    return rq.smp->avg_idle;
  };
  CHECK(after(1'000'000, 200'000) == 900'000);
  CHECK(after(900'000, 5'000'000) == 1'000'000);  // 1412500, capped at twice max_idle_balance_cost
  CHECK(after(500'000, 499'999) == 500'000);
}

TEST_CASE("newidle pulls a waiting task, unless the dice say no or the CPU idles too short") {
  Machine m({.cpus = 4});
  m.put("one", 1);
  m.put("two", 1);
  Effort e;
  SECTION("pulls") {
    CHECK(m.b.newidle(0, 5 * kMs, e));
    CHECK(m.moves == Moves{"two 1>0 newidle"});
    CHECK(e.cpus == 4);
  }
  SECTION("however long it took, that is what the next one is expected to take") {
    m.cost_per_cpu_ns = 200'000;
    CHECK(m.b.newidle(0, 5 * kMs, e));
    CHECK(m.d.lowest(0)->max_newidle_lb_cost_ns == 800'000);
    CHECK(m.s.rq(0).smp->max_idle_balance_cost == 800'000);
  }
  SECTION("the dice") {
    m.dice = 1023;  // against odds of 513 in 1024
    CHECK_FALSE(m.b.newidle(0, 5 * kMs, e));
    CHECK(m.d.lowest(0)->newidle_call == 513);
  }
  SECTION("short idle time") {
    m.d.lowest(0)->max_newidle_lb_cost_ns = 2'000'000;
    CHECK_FALSE(m.b.newidle(0, 5 * kMs, e));
    CHECK(e.domains == 0);
  }
  SECTION("nobody ever had two tasks") {
    m.b.overload = false;
    CHECK_FALSE(m.b.newidle(0, 5 * kMs, e));
  }
}

TEST_CASE("a busy tick with two tasks kicks the first tickless idle CPU, once a jiffy") {
  Machine m({.cpus = 4});
  m.put("hog", 1);
  m.put("kworker", 1, true);
  for (const int c : {0, 2, 3}) m.b.enter_tickless_idle(c);
  CHECK(m.d.llc_shared(0)->nr_busy_cpus == 1);
  m.b.tick(1, 4 * kMs);
  CHECK(m.kicks == std::vector<int>{0});
  m.b.idle_balance_kicked(0);
  CHECK(m.s.rq(0).smp->nohz_flags != 0);
  m.now = 4 * kMs;
  m.all_passes(0);
  // CPU 0 looked on behalf of 2, 3 and itself; each group's first idle CPU balances for it: here each is its own.
  CHECK(m.d.lowest(2)->nr_balance_failed + m.d.lowest(3)->nr_balance_failed + m.d.lowest(0)->nr_balance_failed == 3);
}

TEST_CASE("passes for sleeping CPUs are steps: the push that one asked for is under way when the next looks") {
  Machine m({.cpus = 4}, "5.4");
  m.put("hog", 1);
  m.put("kworker", 1, true);
  for (const int c : {0, 2, 3}) m.b.enter_tickless_idle(c);
  const auto kick = [&] {
    m.b.tick(1, m.now += 16 * kMs);
    m.b.idle_balance_kicked(0);
  };
  for (int failures = 0; failures < 3; ++failures) kick(), m.all_passes(0);
  CHECK(m.stops.empty());
  kick();
  Balancer::Passes p = m.b.softirq(0);
  Effort first, second;
  CHECK(m.b.step(p, m.now, first));  // for CPU 2, which has failed often enough
  CHECK(m.stops == std::vector<int>{1});
  CHECK(first.domains == 1);
  SECTION("the hog still runs: the stopper is asked once") {
    CHECK(m.b.step(p, m.now, second));  // for CPU 3
    CHECK(m.stops == std::vector<int>{1});
    CHECK(m.moves.empty());
  }
  SECTION("the stopper has displaced the hog, which waits: the next CPU pulls it") {
    Task& stopper = m.tasks.emplace_back();
    m.s.init_task(stopper, "migration/1", 99, Policy::stop, 0, 0, nullptr, 1);
    m.s.wake_up(stopper, 1, m.now);
    m.s.schedule(1, true, m.now);
    CHECK(m.b.step(p, m.now, second));
    CHECK(m.moves == Moves{"hog 1>3 nohz"});
    m.b.active_balance_stop(1, m.now);
    CHECK(m.moves.size() == 1);
  }
}

TEST_CASE("E44: load as seen from the root") {
  Machine m({.cpus = 2});
  TaskGroup* g = m.s.create_group("g", nullptr, 1024 << 10);
  Task& t = m.task("t", 0, false, g);
  m.s.wake_up_new(t, nullptr, 0, 0);
  m.s.rq(0).cfs.avg.load_avg = 2048;
  g->se[0].avg.load_avg = 1024;
  g->cfs_rq[0]->avg.load_avg = 3072;
  t.se.avg.load_avg = 1024;
  CHECK(m.s.task_h_load(t, 77) == 340);
  CHECK(g->cfs_rq[0]->h_load == 1023);
}
