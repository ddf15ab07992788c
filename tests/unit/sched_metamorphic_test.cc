// SPDX-License-Identifier: GPL-2.0-or-later
// What may not matter: the unit of time, the numbers of CPUs, a task that never wakes. And what the theory says: shares
// within a slice, lags within a request.
#include "tests/unit/catch.h"

#include "models/sched/fair/eevdf.h"
#include "tests/unit/sched_driver.h"
#include "tests/unit/sched_random.h"

using namespace wakepath;
using namespace wakepath::sched;
using namespace wakepath::sched_test;

namespace {

using Switch = std::pair<Time, std::string>;
const char* const kVersions[] = {"6.1", "6.6", "6.12", "6.18"};

// Wakes, sleeps and yields at random times on one CPU, everything in units of `unit` ns.
std::vector<Switch> random_run(const char* version, std::uint64_t seed, Time unit, int sleepers_never_woken = 0) {
  const kernel::Switches k = kernel::switches_of(version);
  Tunables t = Tunables::defaults(k, 8, 250);
  for (Time* const ns : {&t.latency_ns, &t.min_granularity_ns, &t.wakeup_granularity_ns, &t.idle_min_granularity_ns,
                         &t.base_slice_ns, &t.normalized_base_slice_ns, &t.tick_ns}) {
    *ns *= unit;
  }
  Scheduler s(k, t, 1);
  std::deque<Task> tasks;
  TaskGroup* g = s.create_group("g", nullptr, kNice0Load);
  for (int i = 0; i < 6 + sleepers_never_woken; ++i) {
    s.init_task(tasks.emplace_back(), "t" + std::to_string(i), i + 1, Policy::other, 0, 0, i % 2 == 0 ? g : nullptr, 0);
  }
  Random random{seed};
  std::vector<Switch> out;
  const auto schedule = [&](Time now) {
    const SwitchResult r = s.schedule(0, false, now);
    if (r.next != r.prev) out.emplace_back(now / unit, r.next->comm);
  };
  Time next_tick = t.tick_ns;
  for (Time now = 0; out.size() < 400;) {
    now += unit * (1 + random.below(3'000'000));
    for (; next_tick <= now; next_tick += t.tick_ns) {
      s.tick(0, next_tick);
      if (s.need_resched(0)) schedule(next_tick);
    }
    const int what = random.below(8);
    Task& task = tasks[static_cast<std::size_t>(random.below(6))];
    if (what < 5) {
      s.wake_up(task, 0, now);
      if (s.need_resched(0)) schedule(now);
    } else if (&s.current(0) != &s.idle_task(0)) {
      if (what == 7) {
        s.yield(0, now);
      } else {
        Scheduler::set_state(s.current(0), State::interruptible);
      }
      schedule(now);
    }
  }
  return out;
}

}  // namespace

TEST_CASE("time in other units: the same schedule") {
  for (const char* version : kVersions) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      CAPTURE(version, seed);
      CHECK(random_run(version, seed * 7919, 1) == random_run(version, seed * 7919, 7));
    }
  }
}

TEST_CASE("a task that never wakes changes nothing") {
  for (const char* version : kVersions) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      CAPTURE(version, seed);
      CHECK(random_run(version, seed * 104729, 1) == random_run(version, seed * 104729, 1, 3));
    }
  }
}

namespace {

struct Ran {
  std::vector<std::int64_t> exec_ns;
  std::vector<std::uint64_t> group_weights;
  bool operator==(const Ran&) const = default;
};

// Three CPUs with tasks of shared groups; CPU i of the story is CPU number[i] of the machine.
Ran renumbered_run(const char* version, std::uint64_t seed, const std::vector<int>& number, int cpus) {
  const kernel::Switches k = kernel::switches_of(version);
  Scheduler s(k, Tunables::defaults(k, 3, 250), cpus);
  TaskGroup* g = s.create_group("g", nullptr, shares_of_cpu_weight(700));
  TaskGroup* inner = s.create_group("g/inner", g, shares_of_cpu_weight(40));
  std::deque<Task> tasks;
  for (int i = 0; i < 9; ++i) {
    TaskGroup* const groups[] = {g, inner, nullptr};
    s.init_task(tasks.emplace_back(), "t" + std::to_string(i), i + 1, Policy::other, i - 4, 0, groups[i / 3],
                number[static_cast<std::size_t>(i % 3)]);
  }
  Random random{seed};
  Time now = 0, next_tick = s.tunables().tick_ns;
  for (int step = 0; step < 3000; ++step) {
    now += 1 + random.below(900'000);
    for (; next_tick <= now; next_tick += s.tunables().tick_ns)
      for (int i = 0; i < 3; ++i) {
        const int cpu = number[static_cast<std::size_t>(i)];
        s.tick(cpu, next_tick);
        if (s.need_resched(cpu)) s.schedule(cpu, false, next_tick);
      }
    Task& t = tasks[static_cast<std::size_t>(random.below(9))];
    const int cpu = t.cpu;
    if (random.below(2) == 0) {
      s.wake_up(t, cpu, now);
    } else if (&s.current(cpu) == &t) {
      Scheduler::set_state(t, State::interruptible);
      s.schedule(cpu, false, now);
    } else if (random.below(4) == 0 && t.on_rq == OnRq::queued) {
      s.migrate_queued(t, number[static_cast<std::size_t>(random.below(3))], now);
    }
    for (int i = 0; i < 3; ++i) {
      const int each = number[static_cast<std::size_t>(i)];
      if (s.need_resched(each)) s.schedule(each, false, now);
    }
  }
  Ran out;
  for (const Task& t : tasks) out.exec_ns.push_back(t.sum_exec_runtime_ns);
  for (const int cpu : number) out.group_weights.push_back(g->se[static_cast<std::size_t>(cpu)].load.weight);
  return out;
}

}  // namespace

TEST_CASE("other numbers for the CPUs, or one more that idles: the same run") {
  for (const char* version : kVersions) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      CAPTURE(version, seed);
      const Ran run = renumbered_run(version, seed * 31337, {0, 1, 2}, 3);
      CHECK(run == renumbered_run(version, seed * 31337, {2, 0, 1}, 3));
      CHECK(run == renumbered_run(version, seed * 31337, {4, 1, 3}, 6));
    }
  }
}

// EEVDF's theorem: nobody is ever further from its exact share than one request. Here a request ends at the first tick
// past it, so the bound is the slice up to the next tick, plus the tick.
TEST_CASE("EEVDF: lags stay within a request, shares within a slice") {
  for (const char* version : {"6.6", "6.12", "6.18"}) {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
      Driver d(version, {8, 1000, 1});
      Random random{seed * 65537};
      const int n = random.between(2, 6);
      double total = 0;
      for (int i = 0; i < n; ++i) {
        Task& t = d.task("t" + std::to_string(i), random.between(-5, 5));
        d.wake(t);
        total += static_cast<double>(weight_of_nice(t.nice));
      }
      const Time bound = d.s.tunables().base_slice_ns + 2 * d.s.tunables().tick_ns;
      double worst = 0;
      for (int tick = 1; tick <= 3000; ++tick) {
        d.to(tick * kMs);
        for (Task& t : d.tasks) {
          const double share = static_cast<double>(d.now) * static_cast<double>(weight_of_nice(t.nice)) / total;
          worst = std::max(worst, std::abs(share - static_cast<double>(t.sum_exec_runtime_ns)));
        }
      }
      CAPTURE(version, seed, n);
      CHECK(worst <= static_cast<double>(bound));
    }
  }
}
