// SPDX-License-Identifier: GPL-2.0-or-later
// Distribution of a group's shares over CPUs, groups below groups, while load and shares change: scheduler spec §1.4.
#include "tests/unit/catch.h"

#include "tests/unit/sched_driver.h"

using namespace wakepath;
using namespace wakepath::sched;
using namespace wakepath::sched_test;

namespace {

// Two CPUs, an outsider on each; tasks of g/inner: `first` on CPU 0, `second` on CPU 1.
struct TwoCpus {
  Driver d;
  TaskGroup* g = d.s.create_group("g", nullptr, shares_of_cpu_weight(1000));
  TaskGroup* inner = d.s.create_group("g/inner", g, shares_of_cpu_weight(200));

  TwoCpus(const char* version, int first, int second) : d(version, {2, 250, 2}) {
    for (const int cpu : {0, 1}) {
      d.s.wake_up(d.task("out"), cpu, 0);
      for (int i = 0; i < (cpu == 0 ? first : second); ++i) d.s.wake_up(d.task("in", 0, inner), cpu, 0);
      d.s.schedule(cpu, false, 0);
    }
  }
  void to(Time end) {
    while (d.next_tick <= end) {
      d.now = d.next_tick;
      d.next_tick += d.s.tunables().tick_ns;
      for (const int cpu : {0, 1}) {
        d.s.tick(cpu, d.now);
        if (d.s.need_resched(cpu)) d.s.schedule(cpu, false, d.now);
      }
    }
  }
  [[nodiscard]] static double part(const TaskGroup& g, int cpu) {
    return static_cast<double>(g.se[static_cast<std::size_t>(cpu)].load.weight) / static_cast<double>(g.shares);
  }
};

}  // namespace

TEST_CASE("a group's parts are those of its load, and never less than its shares in all") {
  for (const char* version : {"6.1", "6.12", "6.18"}) {
    CAPTURE(version);
    TwoCpus x(version, 3, 1);
    for (Time t = 100 * kMs; t <= 2000 * kMs; t += 100 * kMs) {
      x.to(t);
      // The gate of tg.load_avg leaves up to a 64th of each contribution out.
      CHECK(TwoCpus::part(*x.inner, 0) + TwoCpus::part(*x.inner, 1) > 0.98);
      CHECK(TwoCpus::part(*x.g, 0) + TwoCpus::part(*x.g, 1) > 0.98);
    }
    CHECK(TwoCpus::part(*x.inner, 0) == Approx(0.75).margin(0.03));
    CHECK(TwoCpus::part(*x.inner, 1) == Approx(0.25).margin(0.03));
    // One level up the load is that of the group's entities: the same parts again.
    CHECK(TwoCpus::part(*x.g, 0) == Approx(0.75).margin(0.05));
    CHECK(TwoCpus::part(*x.g, 1) == Approx(0.25).margin(0.05));
  }
}

TEST_CASE("new load and new shares move the parts") {
  for (const char* version : {"6.1", "6.12", "6.18"}) {
    CAPTURE(version);
    TwoCpus x(version, 1, 1);
    x.to(1000 * kMs);
    CHECK(TwoCpus::part(*x.inner, 0) == Approx(0.5).margin(0.02));
    for (int i = 0; i < 2; ++i) x.d.s.wake_up(x.d.task("in", 0, x.inner), 1, x.d.now);
    x.to(2000 * kMs);
    CHECK(TwoCpus::part(*x.inner, 0) == Approx(0.25).margin(0.03));
    CHECK(TwoCpus::part(*x.inner, 1) == Approx(0.75).margin(0.03));
    x.d.s.set_shares(*x.g, shares_of_cpu_weight(100), x.d.now);
    CHECK(x.g->shares == kNice0Load);
    CHECK(TwoCpus::part(*x.g, 1) == Approx(0.75).margin(0.05));  // at once, on every CPU
    CHECK(x.g->se[1].load.weight < kNice0Load);
  }
}

TEST_CASE("what a group gets follows its part on each CPU") {
  for (const char* version : {"6.1", "6.12"}) {
    CAPTURE(version);
    TwoCpus x(version, 1, 1);
    x.to(2000 * kMs);
    Time before[2], after[2];
    const auto outsiders = [&](Time* out) {
      for (const int cpu : {0, 1}) x.d.s.update_curr(cpu, x.d.now);
      int n = 0;
      for (const Task& t : x.d.tasks)
        if (t.comm == "out") out[n++] = t.sum_exec_runtime_ns;
    };
    outsiders(before);
    x.to(12000 * kMs);
    outsiders(after);
    // Weight 1000 on two CPUs is 5120 on each, beside 1024.
    for (const int cpu : {0, 1}) {
      const double share = static_cast<double>(after[cpu] - before[cpu]) / (10000.0 * kMs);
      CHECK(share == Approx(1024.0 / (1024 + 5120)).margin(0.01));
    }
  }
}
