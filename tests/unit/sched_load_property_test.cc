// SPDX-License-Identifier: GPL-2.0-or-later
// Load averages under random waking, sleeping, moving and reweighting: what a queue says of itself is the sum of what
// its entities say, sleepers included; a group's entity says what the group's queue says; a group's load is that of its
// queues. The averages come by three ways (own time, joining and leaving, propagation), which have to agree.
#include "tests/unit/catch.h"

#include <algorithm>
#include <deque>
#include <functional>

#include "tests/unit/sched_driver.h"
#include "tests/unit/sched_random.h"

using namespace wakepath;
using namespace wakepath::sched;
using namespace wakepath::sched_test;

namespace {

struct Averages {
  double load = 0, util = 0, runnable = 0;
  int entities = 0;
};

struct Loads {
  static constexpr int kCpus = 2, kTasks = 9;
  kernel::Switches k;
  Random random;
  Scheduler s;
  std::deque<Task> tasks;
  std::vector<TaskGroup*> groups{nullptr};
  Time now = 0;

  Loads(const char* version, std::uint64_t seed)
      : k(kernel::switches_of(version)), random{seed}, s(k, Tunables::defaults(k, kCpus, 250), kCpus) {
    groups.push_back(s.create_group("a", nullptr, shares_of_cpu_weight(500)));
    groups.push_back(s.create_group("a/b", groups[1], shares_of_cpu_weight(100)));
    groups.push_back(s.create_group("c", nullptr, shares_of_cpu_weight(20)));
    for (int i = 0; i < kTasks; ++i)
      s.init_task(tasks.emplace_back(), "t" + std::to_string(i), i + 1, Policy::other, random.below(11) - 5, 0,
                  groups[static_cast<std::size_t>(i % 4)], random.below(kCpus));
  }

  void step() {
    now += random.below(12) == 0 ? random.below(9'000'000) : random.below(900'000);
    Task& t = tasks[static_cast<std::size_t>(random.below(kTasks))];
    const int cpu = random.below(kCpus);
    switch (random.below(9)) {
      case 0:
      case 1:
      case 2:
        s.wake_up(t, random.below(3) == 0 ? random.below(kCpus) : t.cpu, now);
        break;
      case 3:
      case 4:
        if (&s.current(cpu) != &s.idle_task(cpu)) {
          Scheduler::set_state(s.current(cpu), State::interruptible);
          s.schedule(cpu, false, now);
        }
        break;
      case 5:
      case 6:
        s.tick(cpu, now);
        break;
      case 7:
        if (t.on_rq == OnRq::queued && &s.current(t.cpu) != &t) s.migrate_queued(t, cpu, now);
        break;
      default:
        if (random.below(6) == 0) s.set_shares(*groups[1], shares_of_cpu_weight(1 + random.next() % 900), now);
        // A sleeper's load is not brought up to date for it, in the kernel neither.
        if (t.on_rq == OnRq::queued && random.below(6) == 0) s.set_nice(t, random.below(11) - 5, now);
    }
    for (int c = 0; c < kCpus; ++c)
      if (s.need_resched(c)) s.schedule(c, false, now);
  }

  void each_entity(const CfsRq& q, const std::function<void(const Entity&)>& see) {
    const auto cpu = static_cast<std::size_t>(q.rq->cpu);
    for (const Task& t : tasks)
      if (t.se.cfs_rq == &q && t.se.attached) see(t.se);
    for (std::size_t g = 1; g < groups.size(); ++g)
      if (groups[g]->se[cpu].cfs_rq == &q) see(groups[g]->se[cpu]);
  }

  // Of an entity, brought to the time of its queue.
  static Pelt aged(const Entity& se) {
    Pelt p = se.avg;
    const std::uint64_t runnable = se.my_q != nullptr ? se.runnable_weight : se.on_rq && !se.sched_delayed ? 1 : 0;
    const bool ended =
        pelt_update_sums(p, se.cfs_rq->avg.last_update_time, se.on_rq ? 1 : 0, runnable, se.cfs_rq->curr == &se);
    if (ended) pelt_update_averages(p, scale_load_down(se.load.weight));
    return p;
  }

  Averages sum(const CfsRq& q) {
    Averages out;
    each_entity(q, [&out](const Entity& se) {
      const Pelt p = aged(se);
      out.load += static_cast<double>(p.load_avg);
      out.util += static_cast<double>(p.util_avg);
      out.runnable += static_cast<double>(p.runnable_avg);
      ++out.entities;
    });
    return out;
  }

  std::vector<CfsRq*> queues() {
    std::vector<CfsRq*> out;
    for (int cpu = 0; cpu < kCpus; ++cpu) {
      out.push_back(&s.rq(cpu).cfs);
      for (std::size_t g = 1; g < groups.size(); ++g) out.push_back(groups[g]->cfs_rq[static_cast<std::size_t>(cpu)]);
    }
    return out;
  }
};

double of(std::uint64_t v) { return static_cast<double>(v); }

}  // namespace

TEST_CASE("a queue's averages are the sums of its entities'") {
  for (const char* version : {"6.1", "6.12"}) {
    double busiest = 0;
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
      CAPTURE(version, seed);
      Loads loads(version, seed * 7919);
      for (int i = 0; i < 900; ++i) {
        loads.step();
        if (i % 5 != 0) continue;
        for (int cpu = 0; cpu < Loads::kCpus; ++cpu) loads.s.update_blocked_averages(cpu, loads.now);
        for (CfsRq* q : loads.queues()) {
          const Averages sum = loads.sum(*q);
          CAPTURE(i, q->tg->name, q->rq->cpu, sum.entities);
          // Each rounds down on its own, and a group that was propagated to has the phase of its own queue.
          const double slack = 30 + 3 * sum.entities;
          REQUIRE(std::abs(of(q->avg.util_avg) - sum.util) <= slack);
          REQUIRE(q->avg.util_sum >= q->avg.util_avg * kPeltMinDivider);
          REQUIRE(q->avg.runnable_sum >= q->avg.runnable_avg * kPeltMinDivider);
          REQUIRE(q->avg.load_sum >= q->avg.load_avg * kPeltMinDivider);
          busiest = std::max(busiest, sum.util);
          if (loads.k.delay_dequeue) continue;  // sleepers that are queued count in some of the sums, as in the kernel
          REQUIRE(std::abs(of(q->avg.runnable_avg) - sum.runnable) <= slack + 0.02 * sum.runnable);
          REQUIRE(std::abs(of(q->avg.load_avg) - sum.load) <= slack + 0.03 * sum.load);
        }
      }
    }
    CHECK(busiest > 500);
  }
}

TEST_CASE("a group's entity says of itself what the group's queue says") {
  for (const char* version : {"6.1", "6.12"}) {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
      CAPTURE(version, seed);
      Loads loads(version, seed * 104729);
      for (int i = 0; i < 900; ++i) {
        loads.step();
        if (i % 5 != 0) continue;
        for (int cpu = 0; cpu < Loads::kCpus; ++cpu) loads.s.update_blocked_averages(cpu, loads.now);
        for (std::size_t g = 1; g < loads.groups.size(); ++g) {
          const TaskGroup& group = *loads.groups[g];
          for (std::size_t cpu = 0; cpu < Loads::kCpus; ++cpu) {
            const Pelt se = Loads::aged(group.se[cpu]);
            CAPTURE(i, group.name, cpu);
            // Their periods end at different times: what passes in one is between them.
            const double period = 25;
            const Pelt& queue = group.cfs_rq[cpu]->avg;
            REQUIRE(std::abs(of(se.util_avg) - of(queue.util_avg)) <= period);
            if (loads.k.delay_dequeue) continue;
            REQUIRE(std::abs(of(se.runnable_avg) - of(queue.runnable_avg)) <= period * Loads::kTasks);
          }
        }
      }
    }
  }
}

TEST_CASE("a group's load is what its queues have, to a 64th") {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    Loads loads("6.1", seed * 31337);
    for (int i = 0; i < 900; ++i) {
      loads.step();
      const bool all = i % 5 == 0;
      if (all) loads.now += 2'100'000;  // so that a period ends for every queue
      for (int cpu = 0; all && cpu < Loads::kCpus; ++cpu) loads.s.update_blocked_averages(cpu, loads.now);
      for (std::size_t g = 1; g < loads.groups.size(); ++g) {
        const TaskGroup& group = *loads.groups[g];
        std::int64_t sum = 0;
        for (const CfsRq* q : group.cfs_rq) sum += static_cast<std::int64_t>(q->tg_load_avg_contrib);
        REQUIRE(group.load_avg == sum);
        for (const CfsRq* q : group.cfs_rq) {
          const auto contrib = static_cast<std::int64_t>(q->tg_load_avg_contrib);
          CAPTURE(seed, i, group.name, contrib, q->avg.load_avg);
          if (all) REQUIRE(std::abs(static_cast<std::int64_t>(q->avg.load_avg) - contrib) <= contrib / 64);
        }
      }
    }
  }
}
