// SPDX-License-Identifier: GPL-2.0-or-later
// Random waking, sleeping, ticking, forking, renicing, moving, reweighting and throttling, on every version: the
// invariants hold throughout.
#include "tests/unit/catch.h"

#include <algorithm>
#include <map>
#include <set>

#include "models/sched/fair/eevdf.h"
#include "tests/unit/sched_driver.h"
#include "tests/unit/sched_random.h"

using namespace wakepath;
using namespace wakepath::sched;
using namespace wakepath::sched_test;

namespace {

struct Sum : Observer {
  Time total = 0;
  void stat_runtime(int, const Task&, Time delta, std::uint64_t) override {
    CHECK(delta > 0);
    total += delta;
  }
};

struct Seen {
  std::uint64_t weight = 0;
  std::uint32_t entities = 0, tasks = 0, delayed = 0, idle = 0, idle_entities = 0;
  std::int64_t key_sum = 0;
  std::uint64_t scaled = 0;
};

// Walks one queue and everything below it.
Seen walk(const CfsRq& q, bool eevdf) {
  Seen seen;
  const auto add = [&](const Entity& e, bool in_timeline) {
    REQUIRE(e.on_rq);
    REQUIRE(e.cfs_rq == &q);
    seen.weight += e.load.weight;
    ++seen.entities;
    if (in_timeline) {
      const auto w = static_cast<std::int64_t>(scale_load_down(e.load.weight));
      seen.key_sum += static_cast<std::int64_t>(e.vruntime - q.zero_vruntime) * w;
      seen.scaled += static_cast<std::uint64_t>(w);
    }
    if (e.my_q != nullptr) {
      const Seen below = walk(*e.my_q, eevdf);
      seen.tasks += below.tasks;
      seen.delayed += below.delayed;
      seen.idle += e.my_q->idle ? below.tasks : below.idle;
      REQUIRE(e.sched_delayed == (below.entities == 0));
      REQUIRE_FALSE(e.my_q->throttle.off_queue);
    } else {
      ++seen.tasks;
      if (e.sched_delayed) ++seen.delayed;
      if (e.task->policy == Policy::idle) ++seen.idle;
    }
    if (entity_is_idle(e)) ++seen.idle_entities;
  };
  std::uint64_t previous = 0;
  bool first = true;
  q.timeline.for_each([&](const Entity& e) {
    const std::uint64_t key = eevdf ? e.deadline : e.vruntime;
    REQUIRE(key == e.queued_key);
    if (!first) REQUIRE(static_cast<std::int64_t>(key - previous) >= 0);
    previous = key, first = false;
    add(e, true);
  });
  if (q.curr != nullptr && q.curr->on_rq) add(*q.curr, false);
  REQUIRE(q.load.weight == seen.weight);
  REQUIRE(q.nr_running == seen.entities);
  REQUIRE(q.h_nr_running == seen.tasks);
  REQUIRE(q.h_nr_delayed == seen.delayed);
  REQUIRE(q.idle_h_nr_running == seen.idle);
  REQUIRE(q.idle_nr_running == seen.idle_entities);
  if (eevdf) {
    REQUIRE(q.avg_vruntime == seen.key_sum);
    REQUIRE(q.avg_load == seen.scaled);
  }
  return seen;
}

// The earliest deadline among the eligible, by looking at all of them.
void check_pick(CfsRq& q, const kernel::Switches& k, const Tunables& t) {
  if (q.nr_running < 2) return;
  const Eevdf eevdf(k, t);
  const Entity* best = nullptr;
  q.timeline.for_each([&](const Entity& e) {
    if (best == nullptr && Eevdf::entity_eligible(q, e)) best = &e;
  });
  const Entity* curr = q.curr != nullptr && q.curr->on_rq && Eevdf::entity_eligible(q, *q.curr) ? q.curr : nullptr;
  if (best == nullptr || (curr != nullptr && before(curr->deadline, best->deadline))) best = curr;
  REQUIRE(best != nullptr);  // somebody is always eligible
  REQUIRE(eevdf.pick_eevdf(q, false) == best);
}

struct Chaos : BandwidthHost {
  using Timers = std::map<TaskGroup*, std::pair<int, Time>>;
  kernel::Switches k;
  Random random;
  int cpus;
  Scheduler s;
  Sum charges;
  std::deque<Task> tasks;
  std::vector<TaskGroup*> groups{nullptr};
  Time now = 0;
  std::map<const CfsRq*, std::uint64_t> min_vruntime;
  Timers period, slack;
  std::set<const Task*> reslept;  // given another slice or weight while asleep: the limit was that of the sleep
  std::vector<int> interrupts;
  std::uint64_t throttlings = 0;  // tasks seen in limbo

  Chaos(const char* version, std::uint64_t seed, int n)
      : k(kernel::switches_of(version)), random{seed}, cpus(n), s(k, Tunables::defaults(k, n, 250), n) {
    s.set_observer(&charges);
    s.set_bandwidth_host(this);
    groups.push_back(s.create_group("a", nullptr, shares_of_cpu_weight(1000)));
    groups.push_back(s.create_group("a/b", groups[1], shares_of_cpu_weight(30)));
    groups.push_back(s.create_group("idle", nullptr, 0, true));
    for (int i = 0; i < 12; ++i) {
      const Policy p = i == 7 ? Policy::batch : i == 8 ? Policy::idle : Policy::other;
      s.init_task(tasks.emplace_back(), "t" + std::to_string(i), i + 1, p, random.below(40) - 20, 0,
                  groups[static_cast<std::size_t>(random.below(4))], random.below(cpus));
    }
    s.init_task(tasks.emplace_back(), "fifo", 100, Policy::fifo, 0, 50, nullptr, 0);
  }

  void arm_period_timer(TaskGroup& g, int cpu, Time at) override { period[&g] = {cpu, at}; }
  void arm_slack_timer(TaskGroup& g, int cpu, Time at) override { slack[&g] = {cpu, at}; }
  void interrupt_to_unthrottle(int cpu) override { interrupts.push_back(cpu); }

  template <class Fire>
  void fire(Timers& timers, Fire call) {
    for (auto it = timers.begin(); it != timers.end();) {
      if (it->second.second > now) {
        ++it;
        continue;
      }
      TaskGroup& g = *it->first;
      const int cpu = it->second.first;
      it = timers.erase(it);
      call(g, cpu);
      it = timers.begin();
    }
  }

  void run_timers() {
    fire(period, [this](TaskGroup& g, int cpu) {
      while (s.period_timer(g, cpu, now)) continue;
    });
    fire(slack, [this](TaskGroup& g, int cpu) { s.slack_timer(g, cpu, now); });
    if (random.below(3) == 0)  // interrupts take their time
      for (const int cpu : std::exchange(interrupts, {})) s.unthrottle_queued(cpu, now);
  }

  [[nodiscard]] bool by_task() const { return k.throttle_tasks && k.eevdf; }

  // Somebody's way to user mode.
  void leave_kernel(int cpu) {
    if (s.current(cpu).throttle_work && s.throttle_current(cpu, now)) s.schedule(cpu, random.below(2) == 0, now);
  }

  // A group's queues: who is throttled is in the list and has nothing; the counters of throttled ancestors add up.
  void check_group(const TaskGroup& g) {
    std::map<const CfsRq*, int> listed;
    for (const CfsRq* q = g.bandwidth.first_throttled; q != nullptr; q = q->throttle.next) ++listed[q];
    std::int64_t contributions = 0;
    for (int cpu = 0; cpu < cpus; ++cpu) {
      const CfsRq& q = *g.cfs_rq[static_cast<std::size_t>(cpu)];
      const Entity& se = g.se[static_cast<std::size_t>(cpu)];
      const CfsRq& parent = *g.parent->cfs_rq[static_cast<std::size_t>(cpu)];
      REQUIRE(q.throttle.throttled == (listed[&q] == 1));
      REQUIRE(q.throttle.count == parent.throttle.count + (q.throttle.throttled ? 1 : 0));
      REQUIRE(q.throttle.off_queue == (q.throttle.throttled && !by_task()));
      if (q.throttle.off_queue) REQUIRE_FALSE(se.on_rq);
      REQUIRE((q.throttle.limbo.empty() || (by_task() && q.throttle.count != 0)));
      REQUIRE(q.throttle.pelt_stopped == (q.throttle.count != 0 && (!by_task() || q.nr_running == 0)));
      for (const Task* t : q.throttle.limbo) {
        REQUIRE((t->throttled && t->on_rq == OnRq::queued && !t->se.on_rq && t->se.cfs_rq == &q));
        ++throttlings;
      }
      if (q.throttle.throttled) {
        REQUIRE((q.throttle.runtime_remaining_ns <= 0 || q.throttle.unthrottle_queued));
      }
      if (!se.on_rq) walk(q, k.eevdf);
      contributions += static_cast<std::int64_t>(q.tg_load_avg_contrib);
      REQUIRE(se.load.weight >= kMinShares);
    }
    REQUIRE(g.load_avg == contributions);
    const BandwidthLimit& limit = g.bandwidth.limit;
    if (limit.quota_ns != kRuntimeInf) {
      REQUIRE(g.bandwidth.runtime_ns >= 0);
      REQUIRE((g.bandwidth.first_throttled == nullptr || g.bandwidth.period_active));
    }
  }

  void check() {
    for (std::size_t i = 1; i < groups.size(); ++i) check_group(*groups[i]);
    for (int cpu = 0; cpu < cpus; ++cpu) {
      Rq& rq = s.rq(cpu);
      const Seen seen = walk(rq.cfs, k.eevdf);
      REQUIRE(rq.nr_running == seen.tasks + rq.rt.nr_running);
      if (k.eevdf) {
        check_pick(rq.cfs, k, s.tunables());
      } else {
        std::uint64_t& last = min_vruntime.try_emplace(&rq.cfs, rq.cfs.min_vruntime).first->second;
        REQUIRE(static_cast<std::int64_t>(rq.cfs.min_vruntime - last) >= 0);
        last = rq.cfs.min_vruntime;
      }
    }
    if (!k.eevdf) return;
    for (Task& t : tasks) {
      if (t.on_rq != OnRq::no) reslept.erase(&t);
      if (t.on_rq != OnRq::no || reslept.count(&t) != 0) continue;
      LoadWeight lw = t.se.load;
      const auto tick = static_cast<std::uint64_t>(s.tunables().tick_ns);
      std::uint64_t real = std::max<std::uint64_t>(2 * t.se.slice, tick);
      if (k.lag_limit_by_max_slice)  // by then, of any that was beside it
        for (const Task& other : tasks) real = std::max(real, other.se.slice + tick);
      const auto limit = static_cast<std::int64_t>(calc_delta_fair(real, lw));
      // A renice while asleep rescales and rounds.
      REQUIRE(std::abs(t.se.vlag) <= limit + limit / 8 + 16);
    }
  }

  void reschedule(int cpu, bool in_kernel) {
    if (s.need_resched(cpu)) s.schedule(cpu, in_kernel, now);
  }

  // What an administrator does to groups and tasks.
  void change(int what, Task& t) {
    switch (what) {
      case 12: {
        BandwidthLimit limit;
        if (random.below(3) != 0) {
          limit.period_ns = 1'000'000 * (1 + random.below(20));
          limit.quota_ns = 1'000'000 * (1 + random.below(8));
          limit.burst_ns = random.below(2) == 0 ? 0 : limit.quota_ns / 2;
        }
        if (random.below(8) == 0) s.set_bandwidth(*groups[static_cast<std::size_t>(1 + random.below(3))], limit, now);
        break;
      }
      case 13:
        if (random.below(8) == 0) {
          TaskGroup& g = *groups[static_cast<std::size_t>(1 + random.below(3))];
          s.set_idle(g, !g.idle, now);
        }
        break;
      case 14:
        reslept.insert(&t);
        s.set_slice(t, random.below(3) == 0 ? 0 : 100'000 * (1 + random.below(60)), now);
        break;
      case 15:
        if (t.sched_class == Class::fair && random.below(4) == 0) {
          reslept.insert(&t);
          const Policy policies[] = {Policy::other, Policy::batch, Policy::idle};
          s.set_policy(t, policies[random.below(3)], t.nice, 0, now);
        }
        break;
    }
  }

  void step() {
    now += random.below(10) == 0 ? random.below(3'000'000) : random.below(200'000);
    const int cpu = random.below(cpus);
    Task& t = tasks[static_cast<std::size_t>(random.below(static_cast<int>(tasks.size())))];
    run_timers();
    const int what = random.below(16);
    switch (what) {
      case 0:
      case 1:
      case 2:
      case 3: {
        const bool delayed = t.se.sched_delayed;
        const int target = random.below(4) == 0 ? random.below(cpus) : t.cpu;
        const WakeResult r = s.wake_up(t, target, now);
        REQUIRE(r.was_delayed == (r.woken && delayed));
        break;
      }
      case 4:
      case 5:
      case 6:
        if (&s.current(cpu) != &s.idle_task(cpu)) {
          Scheduler::set_state(s.current(cpu), State::interruptible);
          s.schedule(cpu, false, now);
        }
        break;
      case 7:
      case 8:
        s.tick(cpu, now);
        break;
      case 9:
        if (&s.current(cpu) != &s.idle_task(cpu)) {
          s.yield(cpu, now);
          s.schedule(cpu, false, now);
        }
        break;
      case 10:
        if (t.sched_class == Class::fair) s.set_nice(t, random.below(40) - 20, now);
        break;
      case 11:
        if (t.on_rq == OnRq::queued && &s.current(t.cpu) != &t && cpus > 1)
          s.migrate_queued(t, cpu, now);
        else if (!groups[1]->idle)
          s.set_shares(*groups[1], shares_of_cpu_weight(static_cast<std::uint64_t>(1 + random.below(2000))), now);
        break;
      default:
        change(what, t);
    }
    if (random.below(3) != 0) reschedule(random.below(cpus), random.below(2) == 0);
    if (by_task() && random.below(3) != 0) leave_kernel(random.below(cpus));
  }
};

}  // namespace

TEST_CASE("random sequences keep the invariants") {
  for (const char* version : {"5.4", "6.1", "6.6", "6.8", "6.12", "6.18"}) {
    std::uint64_t periods_throttled = 0, throttlings = 0;
    for (const int cpus : {1, 3}) {
      for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        CAPTURE(version, cpus, seed);
        Chaos chaos(version, seed * 7919, cpus);
        for (int i = 0; i < 1500; ++i) {
          chaos.step();
          if (i % 3 == 0) chaos.check();
        }
        for (std::size_t g = 1; g < chaos.groups.size(); ++g)
          periods_throttled += chaos.groups[g]->bandwidth.nr_throttled;
        throttlings += chaos.throttlings;
      }
    }
    CHECK(periods_throttled > 100);  // the limits were reached
    CHECK((throttlings > 1000) == kernel::switches_of(version).throttle_tasks);
  }
}

TEST_CASE("charges add up to the time the CPU was busy") {
  for (const char* version : {"6.1", "6.12", "6.18"}) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      Driver d(version, {1, 250, 1});
      Sum charges;
      d.s.set_observer(&charges);
      Random random{seed * 104729};
      TaskGroup* g = d.s.create_group("g", nullptr, shares_of_cpu_weight(500));
      for (int i = 0; i < 5; ++i) d.task("t" + std::to_string(i), random.below(11) - 5, i % 2 == 0 ? g : nullptr);
      Task& hog = d.task("hog");  // never sleeps: the CPU is never idle
      d.wake(hog);
      for (int i = 0; i < 2000; ++i) {
        d.to(d.now + 1 + random.below(400'000));
        Task& t = d.tasks[static_cast<std::size_t>(random.below(5))];
        if (random.below(2) == 0) {
          d.wake(t);
        } else if (&d.current() != &hog) {
          d.sleep();
        }
      }
      d.s.update_curr(0, d.now);
      CHECK(charges.total == d.now);
      Time by_task = 0;
      for (const Task& t : d.tasks) by_task += t.sum_exec_runtime_ns;
      CHECK(by_task == d.now);
    }
  }
}

TEST_CASE("hogs share a CPU by weight, within a slice") {
  for (const char* version : {"6.1", "6.12", "6.18"}) {
    for (const auto& [nice_a, nice_b] : {std::pair{0, 0}, {0, 3}, {-5, 0}, {-3, 5}}) {
      Driver d(version, {8, 250, 1});
      Task& a = d.task("a", nice_a);
      Task& b = d.task("b", nice_b);
      d.wake(a), d.wake(b);
      d.to(20'000 * kMs);
      d.s.update_curr(0, d.now);
      const double wa = static_cast<double>(weight_of_nice(nice_a));
      const double wb = static_cast<double>(weight_of_nice(nice_b));
      CAPTURE(version, nice_a, nice_b);
      const double expected = static_cast<double>(d.now) * wa / (wa + wb);
      CHECK(static_cast<double>(a.sum_exec_runtime_ns) == Approx(expected).margin(40.0 * kMs));
      CHECK(a.sum_exec_runtime_ns + b.sum_exec_runtime_ns == d.now);
    }
  }
}

TEST_CASE("a group's share is its weight's, whatever is inside") {
  for (const char* version : {"6.1", "6.12", "6.18"}) {
    Driver d(version, {8, 250, 1});
    TaskGroup* g = d.s.create_group("g", nullptr, shares_of_cpu_weight(300));
    for (int i = 0; i < 3; ++i) d.wake(d.task("in", i * 3, g));
    Task& out = d.task("out");
    d.wake(out);
    d.to(20'000 * kMs);
    d.s.update_curr(0, d.now);
    CHECK(static_cast<double>(out.sum_exec_runtime_ns) == Approx(5000.0 * kMs).margin(60.0 * kMs));
  }
}

// Virtual time scales with weights, real time does not. (CFS compares a virtual distance with a real slice in the
// tick's second rule and in placement, so there it holds among equals only.)
TEST_CASE("doubling all weights changes nothing") {
  for (const char* version : {"6.1", "6.12", "6.18"}) {
    std::vector<std::pair<Time, std::string>> runs[2];
    for (const int twice : {0, 1}) {
      Driver d(version, {8, 250, 1});
      for (int i = 0; i < 3; ++i) {
        const int weight = d.s.switches().eevdf ? 2 * i + 3 : 1;
        TaskGroup* g = d.s.create_group("g", nullptr, static_cast<std::uint64_t>(weight) << (20 + twice));
        d.to(i * 137 * kUs);  // no two deadlines alike
        d.wake(d.task("t" + std::to_string(i), 0, g));
      }
      d.to(1000 * kMs);
      runs[twice] = d.switches;
    }
    CAPTURE(version);
    CHECK(runs[0].size() > 40);
    // Reciprocals are rounded: a tie may fall the other way now and then.
    const auto size = [&](int i) { return static_cast<int>(runs[i].size()); };
    CHECK(std::abs(size(0) - size(1)) <= 2);
  }
}

TEST_CASE("the same sequence twice gives the same state") {
  for (const char* version : {"6.1", "6.12"}) {
    Chaos a(version, 42, 2), b(version, 42, 2);
    for (int i = 0; i < 3000; ++i) a.step();
    for (int i = 0; i < 3000; ++i) b.step();
    for (std::size_t i = 0; i < a.tasks.size(); ++i) {
      CHECK(a.tasks[i].se.vruntime == b.tasks[i].se.vruntime);
      CHECK(a.tasks[i].sum_exec_runtime_ns == b.tasks[i].sum_exec_runtime_ns);
      CHECK(a.tasks[i].run_delay_ns == b.tasks[i].run_delay_ns);
    }
  }
}
