// SPDX-License-Identifier: GPL-2.0-or-later
// The driver of sched_driver.h with the timers that bandwidth control needs, on any number of CPUs.
#pragma once

#include <map>

#include "tests/unit/sched_driver.h"

namespace wakepath::sched_test {

struct LimitedDriver : Driver, sched::BandwidthHost {
  LimitedDriver(const kernel::Switches& k, const Options& o) : Driver(k, o), cpus(o.cpus) {
    s.set_bandwidth_host(this);
  }
  LimitedDriver(const char* version, const Options& o) : LimitedDriver(kernel::switches_of(version), o) {}
  explicit LimitedDriver(const char* version) : LimitedDriver(version, Options()) {}

  void arm_period_timer(sched::TaskGroup& g, int cpu, Time at) override { period[&g] = {cpu, at}; }
  void arm_slack_timer(sched::TaskGroup& g, int cpu, Time at) override { slack[&g] = {cpu, at}; }
  void interrupt_to_unthrottle(int cpu) override { interrupts.push_back(cpu); }

  // All ticks, refills and switches up to and including `t`, on all CPUs; a refill comes before a tick of its time.
  void all_to(Time t) {
    while (true) {
      Time next = next_tick;
      for (const auto& timers : {period, slack})
        for (const auto& [g, timer] : timers) next = std::min(next, timer.at);
      if (next > t) break;
      now = next;
      fire();
      if (now == next_tick) {
        next_tick += s.tunables().tick_ns;
        for (int cpu = 0; cpu < cpus; ++cpu) s.tick(cpu, now);
      }
      resched_all();
    }
    now = t;
  }

  void fire() {
    std::vector<std::pair<sched::TaskGroup*, int>> due;
    for (auto it = period.begin(); it != period.end();)
      if (it->second.at <= now)
        due.emplace_back(it->first, it->second.cpu), it = period.erase(it);
      else
        ++it;
    for (const auto& [g, cpu] : due)
      while (s.period_timer(*g, cpu, now)) continue;
    due.clear();
    for (auto it = slack.begin(); it != slack.end();)
      if (it->second.at <= now)
        due.emplace_back(it->first, it->second.cpu), it = slack.erase(it);
      else
        ++it;
    for (const auto& [g, cpu] : due) s.slack_timer(*g, cpu, now), ++slack_fired;
    while (!interrupts.empty()) {
      const int cpu = interrupts.front();
      interrupts.erase(interrupts.begin());
      s.unthrottle_queued(cpu, now);
    }
  }

  void resched_all() {
    for (int cpu = 0; cpu < cpus; ++cpu)
      if (s.need_resched(cpu)) record(s.schedule(cpu, false, now));
  }

  struct Timer {
    int cpu;
    Time at;
  };
  std::map<sched::TaskGroup*, Timer> period, slack;
  std::vector<int> interrupts;
  int cpus, slack_fired = 0;
};

}  // namespace wakepath::sched_test
