// SPDX-License-Identifier: GPL-2.0-or-later
// One CPU that does nothing but schedule: ticks at multiples of the tick, switches that take no time, user mode only.
// Tests say who wakes, sleeps and forks; the driver keeps the clock and the order of switches.
#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "models/kernel/switches.h"
#include "models/kernel/versions.h"
#include "models/sched/sched.h"

namespace wakepath::sched_test {

using sched::Task;
using sched::Time;

inline constexpr Time kMs = 1'000'000;
inline constexpr Time kUs = 1'000;

struct Driver {
  struct Options {
    int tunables_cpus = 8;
    int hz = 250;
    int cpus = 1;
  };

  Driver(const kernel::Switches& k, const Options& o)
      : s(k, sched::Tunables::defaults(k, o.tunables_cpus, o.hz), o.cpus) {
    for (int cpu = 0; cpu < o.cpus; ++cpu) {  // virtual time starts at 0, as the worked examples do
      s.rq(cpu).cfs.min_vruntime = 0;
      s.rq(cpu).cfs.zero_vruntime = 0;
    }
    next_tick = s.tunables().tick_ns;
  }
  Driver(const char* version, const Options& o) : Driver(kernel::switches_of(version), o) {}
  explicit Driver(const char* version) : Driver(version, Options()) {}

  Task& task(const std::string& comm, int nice = 0, sched::TaskGroup* group = nullptr,
             sched::Policy policy = sched::Policy::other, int rt_priority = 0) {
    Task& t = tasks.emplace_back();
    s.init_task(t, comm, static_cast<int>(tasks.size()), policy, nice, rt_priority, group, 0);
    return t;
  }

  Task& current() { return s.current(0); }
  std::string running() { return current().comm; }

  void resched(bool in_kernel = false) {
    if (!s.need_resched(0)) return;
    record(s.schedule(0, in_kernel, now));
  }

  // To time `t`, with all ticks up to and including it; preemption at once.
  void to(Time t) {
    while (next_tick <= t) {
      now = next_tick;
      next_tick += s.tunables().tick_ns;
      s.tick(0, now);
      resched();
    }
    now = t;
  }

  sched::WakeResult wake(Task& t) {
    const sched::WakeResult r = s.wake_up(t, 0, now);
    resched();
    return r;
  }

  // At `t` both: wake without acting on the resched request.
  sched::WakeResult wake_only(Task& t) { return s.wake_up(t, 0, now); }

  void fork(Task& child, Task* parent) {
    s.wake_up_new(child, parent, 0, now);
    resched();
  }

  sched::SwitchResult sleep(sched::State state = sched::State::interruptible) {
    sched::Scheduler::set_state(current(), state);
    return record(s.schedule(0, false, now));
  }

  sched::SwitchResult yield() {
    s.yield(0, now);
    return record(s.schedule(0, false, now));
  }

  sched::SwitchResult record(sched::SwitchResult r) {
    if (r.next != r.prev) switches.emplace_back(now, r.next->comm);
    if (r.next->throttle_work && s.throttle_current(r.next->cpu, now)) record(s.schedule(r.next->cpu, false, now));
    return r;
  }

  sched::Rq& rq() { return s.rq(0); }

  sched::Scheduler s;
  std::deque<Task> tasks;
  std::vector<std::pair<Time, std::string>> switches;
  Time now = 0;
  Time next_tick = 0;
};

inline std::int64_t v(const sched::Entity& se) { return static_cast<std::int64_t>(se.vruntime); }
inline std::int64_t dl(const sched::Entity& se) { return static_cast<std::int64_t>(se.deadline); }

}  // namespace wakepath::sched_test
