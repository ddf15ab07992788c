// SPDX-License-Identifier: GPL-2.0-or-later
// Workqueues by themselves: items that run and sleep, queued by a task; how many at once, in which order, by which
// worker, and how many workers are left.
#include "models/workqueue/workqueue.h"

#include <algorithm>
#include <map>
#include <memory>

#include "models/machine/sleep.h"
#include "tests/unit/catch.h"
#include "tests/unit/path_fixture.h"

using namespace path_test;
using machine::Call;
using machine::KTask;
using machine::Machine;
using machine::Mode;
using machine::Time;
using workqueue::Pool;
using workqueue::Work;
using workqueue::Workqueue;
using workqueue::Workqueues;

namespace {

constexpr Time kUs = 1'000, kMs = 1'000'000;

struct Fixture;

struct Item : Work {
  Item(Fixture& fixture, std::string item_name, Time run, Time sleep);
  Call<void> function(KTask& t) override;
  Fixture& f;
  std::string name;
  Time run_ns, sleep_ns, after_ns = 0;  // spends, sleeps, spends
  machine::SleepTimer timer;
};

struct Fixture {
  struct Ran {
    std::string item, worker;
    Time begin, end;
  };
  struct Order {  // of the caller: at `at` queue `item`
    Time at;
    Workqueue* wq;
    Item* item;
  };

  explicit Fixture(const std::string& version = "6.1", int cpus = 1) {
    s = small_machine(version, 1);
    s.machine.cpus = cpus;
    s.kernel.preempt = scenario::Preempt::full;  // an item that spins lets others in
    s.dio_wq.idle_timeout_ns = 10 * kMs;
    m = std::make_unique<Machine>(s);
    wqs = std::make_unique<Workqueues>(*m);
  }
  ~Fixture() {
    items.clear();  // their timers are the machine's
  }

  Item& item(const std::string& name, Time run, Time sleep = 0) {
    return *items.emplace_back(std::make_unique<Item>(*this, name, run, sleep));
  }
  Workqueue& wq(int max_active = 256, bool unbound = false, bool intensive = false) {
    Workqueue::Flags flags;
    flags.max_active = max_active;
    flags.unbound = unbound;
    flags.cpu_intensive = intensive;
    return wqs->create("wq" + std::to_string(++count), flags);
  }
  void at(Time when, Workqueue& q, Item& i) { orders.push_back({when, &q, &i}); }

  machine::Body caller_body(KTask& t) {
    machine::SleepTimer timer(*m);
    for (const Order& o : orders) {
      if (o.at > m->now()) co_await machine::block_until(t, timer, o.at);
      co_await o.wq->queue(t, *o.item);
    }
    t.set_state(sched::State::interruptible);
    co_await t.schedule();
  }
  void run(Time until) {
    if (caller == nullptr) {
      caller = &m->add_task("caller", "caller", "", -20, 0, true, true);
      caller->body = caller_body(*caller);
      caller->resume_at = caller->body.handle();
      m->start();
      m->first_wake(*caller);
    }
    m->engine.run(until, {});
  }
  const Ran& of(const std::string& name) const {
    const auto it = std::find_if(ran.begin(), ran.end(), [&](const Ran& r) { return r.item == name; });
    REQUIRE(it != ran.end());
    return *it;
  }
  std::string order() const {
    std::vector<Ran> by_begin = ran;
    std::stable_sort(by_begin.begin(), by_begin.end(), [](const Ran& a, const Ran& b) { return a.begin < b.begin; });
    std::string out;
    for (const Ran& r : by_begin) out += r.item;
    return out;
  }
  bool overlap() const {
    for (const Ran& a : ran)
      for (const Ran& b : ran)
        if (&a != &b && a.begin < b.end && b.begin < a.end) return true;
    return false;
  }
  KTask* task(const std::string& name) {
    for (KTask& t : m->tasks())
      if (t.st.comm == name) return &t;
    return nullptr;
  }

  scenario::Scenario s;
  std::unique_ptr<Machine> m;
  std::unique_ptr<Workqueues> wqs;
  std::vector<std::unique_ptr<Item>> items;
  std::vector<Order> orders;
  std::vector<Ran> ran;
  KTask* caller = nullptr;
  int count = 0;
};

Item::Item(Fixture& fixture, std::string item_name, Time run, Time sleep)
    : f(fixture), name(std::move(item_name)), run_ns(run), sleep_ns(sleep), timer(*fixture.m) {}

Call<void> Item::function(KTask& t) {
  const Time begin = f.m->now();
  co_await t.run_ns(run_ns);
  if (sleep_ns > 0) co_await machine::block_until(t, timer, f.m->now() + sleep_ns);
  if (after_ns > 0) co_await t.run_ns(after_ns);
  f.ran.push_back({name, t.st.comm, begin, f.m->now()});
}

}  // namespace

TEST_CASE("max_active: no more at once, the rest in their order", "[workqueue]") {
  for (const int most : {1, 2}) {
    Fixture f;
    Workqueue& q = f.wq(most);
    for (const char* name : {"a", "b", "c", "d"}) f.at(0, q, f.item(name, 10 * kUs, kMs));
    f.at(1500 * kUs, q, f.item("x", 10 * kUs, kMs));  // behind those that wait
    for (const char* name : {"e", "f", "g", "h"}) f.at(20 * kMs, q, f.item(name, 10 * kUs, kMs));
    f.run(50 * kMs);
    REQUIRE(f.ran.size() == 9);
    CHECK(f.order() == "abcdxefgh");
    CHECK(f.overlap() == (most == 2));
    CHECK(f.of("c").begin >= f.of("a").end);
    if (most == 1) CHECK(f.of("b").begin >= f.of("a").end);
    if (most == 2) CHECK(f.of("b").begin < f.of("a").end);
    CHECK(q.limits[0].nr_active == 0);
    CHECK(q.limits[0].inactive_head == nullptr);
  }
}

TEST_CASE("an item that is pending is not queued twice; once it runs it may be queued again", "[workqueue]") {
  Fixture f;
  Workqueue& q = f.wq();
  Item& a = f.item("a", kMs);
  f.at(0, q, a);
  f.at(0, q, a);
  f.at(5 * kMs, q, a);
  f.run(50 * kMs);
  CHECK(f.ran.size() == 2);
  CHECK(f.wqs->totals().queued == 2);
  CHECK(f.wqs->totals().items == 2);
}

TEST_CASE("a persistent item waits for the worker that runs it", "[workqueue]") {
  Fixture f;
  Workqueue& q = f.wq();
  Item& p = f.item("p", 10 * kUs, kMs);
  p.persistent = true;
  // Queued again while it sleeps: another worker finds it running and leaves it to the first. Three times over.
  for (int i = 0; i < 6; ++i) f.at(i * 600 * kUs, q, p);
  f.run(50 * kMs);
  CHECK_FALSE(f.overlap());
  REQUIRE(f.ran.size() == 4);
  for (const auto& r : f.ran) CHECK(r.worker == f.ran[0].worker);
  CHECK(p.running == nullptr);
  CHECK_FALSE(p.pending);
}

TEST_CASE("who sleeps lets the next one run, who runs does not", "[workqueue]") {
  Fixture f;
  Workqueue& q = f.wq();
  f.at(0, q, f.item("a", 100 * kUs, kMs));
  f.at(0, q, f.item("b", 100 * kUs));
  f.run(20 * kMs);
  CHECK(f.of("b").end < f.of("a").end);
  CHECK(f.of("a").worker != f.of("b").worker);
  Fixture g;
  Workqueue& r = g.wq();
  g.at(0, r, g.item("a", 3 * kMs));
  g.at(0, r, g.item("b", 100 * kUs));
  g.run(20 * kMs);
  CHECK(g.of("b").begin >= g.of("a").end);
  CHECK(g.of("a").worker == g.of("b").worker);
  CHECK(g.wqs->totals().created == 0);
  CHECK(g.wqs->totals().activations == 1);
  CHECK(g.wqs->totals().kicks == 1);
  CHECK(g.wqs->totals().nop_wakes <= 1);  // woken for the second one too before it has begun
}

TEST_CASE("a worker stops where another one runs; what is left is that one's", "[workqueue]") {
  Fixture f;
  Workqueue& q = f.wq();
  Item& a = f.item("a", 10 * kUs, kMs);
  a.after_ns = 40 * kMs;
  f.at(0, q, a);
  f.at(0, q, f.item("b", 15 * kMs));
  f.at(0, q, f.item("c", kMs));
  f.run(100 * kMs);
  CHECK(f.of("b").end < f.of("a").end);
  CHECK(f.of("c").begin >= f.of("a").end);
  CHECK(f.of("c").worker == f.of("a").worker);
}

TEST_CASE("while one worker waits for a new one to be made, another works and makes none", "[workqueue]") {
  Fixture f("6.1", 2);  // kthreadd runs on the other CPU
  f.s.costs[machine::CostId::worker_create].ns = 40 * kMs;
  f.m = std::make_unique<Machine>(f.s);
  f.wqs = std::make_unique<Workqueues>(*f.m);
  Workqueue& q = f.wq();
  f.at(0, q, f.item("a", 10 * kUs, kMs));
  f.at(0, q, f.item("b", 10 * kUs));
  f.at(2 * kMs, q, f.item("c", 10 * kUs));
  f.run(200 * kMs);
  REQUIRE(f.ran.size() == 3);
  CHECK(f.wqs->totals().created == 1);
}

TEST_CASE("a queue of CPU-intensive items, an unbound one: nobody waits for who runs", "[workqueue]") {
  for (const bool unbound : {false, true}) {
    Fixture f;
    Workqueue& q = f.wq(256, unbound, !unbound);
    f.at(0, q, f.item("a", 30 * kMs));
    f.at(0, q, f.item("b", kMs));
    f.run(100 * kMs);
    CHECK(f.of("b").end < f.of("a").end);
    CHECK(f.of("a").worker != f.of("b").worker);
    Fixture alone;
    Workqueue& r = alone.wq(256, unbound, !unbound);
    alone.at(0, r, alone.item("a", kMs, kMs));
    alone.run(100 * kMs);
    CHECK(alone.wqs->totals().kicks == 1);
    CHECK(alone.wqs->totals().activations == 1);
    CHECK(alone.wqs->pool(0, r).nr_running() == 0);
  }
}

TEST_CASE("after an intensive item a worker counts again", "[workqueue]") {
  Fixture f;
  Workqueue& intensive = f.wq(256, false, true);
  Workqueue& q = f.wq();
  f.at(0, intensive, f.item("a", kMs, kMs));
  f.at(5 * kMs, q, f.item("b", 30 * kMs));
  f.at(6 * kMs, q, f.item("c", kMs));
  f.run(100 * kMs);
  CHECK(f.of("c").begin >= f.of("b").end);
  CHECK(f.wqs->pool(0, q).nr_running() == 0);
}

TEST_CASE("the 10 ms are those of the item, not of its worker", "[workqueue]") {
  Fixture f("6.12");
  Workqueue& q = f.wq();
  f.at(0, q, f.item("s", 10 * kUs, kMs));  // while it sleeps a third worker is made: another one that is woken begins
  f.at(0, q, f.item("a", 6 * kMs));
  f.at(20 * kMs, q, f.item("b", 9'500 * kUs));
  f.at(20 * kMs, q, f.item("c", kMs));
  f.at(25 * kMs, q, f.item("d", kMs));  // behind a tick: asks whether another worker is needed
  f.run(100 * kMs);
  CHECK(f.of("a").worker == f.of("b").worker);
  CHECK(f.of("c").begin >= f.of("b").end);
}

TEST_CASE("after 10 ms of CPU an item counts as intensive by itself, where the kernel has that", "[workqueue]") {
  for (const char* version : {"6.1", "6.12"}) {
    Fixture f(version);
    Workqueue& q = f.wq();
    f.at(0, q, f.item("a", 60 * kMs));
    f.at(30 * kMs, q, f.item("b", kMs));
    f.run(200 * kMs);
    CHECK((f.of("b").begin < f.of("a").end) == f.m->k.wq_auto_cpu_intensive);
    CHECK(f.wqs->pool(0, q).nr_running() == 0);
  }
}

TEST_CASE("the tick that finds an item intensive wakes a worker for those behind it", "[workqueue]") {
  for (const char* version : {"6.1", "6.12"}) {
    CAPTURE(version);
    Fixture f(version);
    Workqueue& q = f.wq();
    f.at(0, q, f.item("a", 60 * kMs));
    f.at(kMs, q, f.item("b", kMs));  // nothing is queued after it that could ask for a worker
    f.run(200 * kMs);
    if (f.m->k.wq_auto_cpu_intensive) {
      CHECK(f.of("b").begin >= 10 * kMs);
      CHECK(f.of("b").begin < 20 * kMs);
      CHECK(f.of("b").worker != f.of("a").worker);
    } else {
      CHECK(f.of("b").begin >= f.of("a").end);
    }
    CHECK(f.wqs->pool(0, q).nr_running() == 0);
  }
}

TEST_CASE("idle workers beyond two stay while busy ones are more than four for each", "[workqueue]") {
  struct Case {
    int sleepers_long, sleepers_short, left;
  };
  for (const Case& c : {Case{5, 2, 8}, Case{4, 3, 6}, Case{0, 7, 2}}) {
    Fixture f;
    Workqueue& q = f.wq();
    for (int i = 0; i < c.sleepers_long; ++i) f.at(0, q, f.item("l", 10 * kUs, 400 * kMs));
    for (int i = 0; i < c.sleepers_short; ++i) f.at(0, q, f.item("s", 10 * kUs, 20 * kMs));
    f.run(25 * kMs);
    CAPTURE(c.sleepers_long);
    const Pool& pool = f.wqs->pool(0, q);
    CHECK(pool.nr_workers() == 8);  // seven that sleep and the one in reserve
    CHECK(f.wqs->totals().created == 6);
    f.run(29 * kMs);
    CHECK(pool.nr_workers() == 8);  // they have been idle for 9 ms
    f.run(60 * kMs);
    CHECK(pool.nr_workers() == c.left);
    CHECK(f.wqs->totals().retired == static_cast<std::uint64_t>(8 - c.left));
  }
}

TEST_CASE("each idle worker has its own time to go", "[workqueue]") {
  Fixture f;
  Workqueue& q = f.wq();
  for (int i = 0; i < 3; ++i) f.at(0, q, f.item("s", 10 * kUs, 20 * kMs));
  for (int i = 0; i < 4; ++i) f.at(0, q, f.item("t", 10 * kUs, 26 * kMs));
  f.run(34 * kMs);
  CHECK(f.wqs->pool(0, q).nr_workers() == 4);  // three, and the one that was in reserve all the time, are gone
  f.run(60 * kMs);
  CHECK(f.wqs->pool(0, q).nr_workers() == 2);
}

TEST_CASE("ids of workers that are gone are used again", "[workqueue]") {
  Fixture f;
  Workqueue& q = f.wq();
  for (int i = 0; i < 4; ++i) f.at(0, q, f.item("s", 10 * kUs, 5 * kMs));
  for (int i = 0; i < 4; ++i) f.at(100 * kMs, q, f.item("t", 10 * kUs, 5 * kMs));
  f.run(200 * kMs);
  REQUIRE(f.ran.size() == 8);
  std::map<std::string, int> names;
  for (const KTask& t : f.m->tasks()) ++names[t.st.comm];
  CHECK(names["kworker/0:4"] == 2);  // the fifth, made twice
  CHECK(names.count("kworker/0:5") == 0);
}

TEST_CASE("what kind of tasks workers are", "[workqueue]") {
  Fixture f("6.12", 2);
  REQUIRE(f.task("kworker/1:0") != nullptr);
  const KTask& bound = *f.task("kworker/1:0");
  CHECK((bound.st.kthread && bound.bound_cpu == 1 && bound.st.nice == 0 && bound.st.smp.per_cpu_kthread));
  REQUIRE(f.task("kworker/1:1H") != nullptr);
  CHECK(f.task("kworker/1:1H")->st.nice == -20);
  REQUIRE(f.task("kworker/u2:0") != nullptr);
  const KTask& unbound = *f.task("kworker/u2:0");
  CHECK((unbound.st.kthread && unbound.bound_cpu == -1 && !unbound.st.smp.per_cpu_kthread));
  CHECK(f.task("kworker/1:2") == nullptr);
  REQUIRE(f.task("kthreadd") != nullptr);
  CHECK((f.task("kthreadd")->st.nice == 0 && f.task("kthreadd")->st.kthread));
  CHECK(f.wqs->workers() == 2 * (2 + 2) + 2);
}

TEST_CASE("workers of a strict scope stay in it, others only begin there", "[workqueue]") {
  for (const bool strict : {false, true}) {
    Fixture f("6.12", 2);
    Workqueue::Flags flags;
    flags.unbound = true;
    flags.scope = workqueue::Scope::cpu;
    flags.strict = strict;
    Workqueue& q = f.wqs->create("own", flags);
    const Workqueue& same = f.wqs->create("same", flags);
    CHECK(&f.wqs->pool(1, q) == &f.wqs->pool(1, same));
    CHECK(&f.wqs->pool(0, q) != &f.wqs->pool(1, q));
    flags.strict = !strict;
    CHECK(&f.wqs->pool(1, q) != &f.wqs->pool(1, f.wqs->create("other", flags)));
    CHECK(f.wqs->pool(1, q).nr_workers() == 2);
    CHECK(f.wqs->pool(1, q).slot == 1);
    int tied = 0;
    for (const KTask& t : f.m->tasks()) tied += t.st.comm.rfind("kworker/u", 0) == 0 && (t.st.smp.cpus_allowed == 1);
    CHECK(tied == 4);  // of either the strict queue or the other strict one: two pods of two workers
  }
}
