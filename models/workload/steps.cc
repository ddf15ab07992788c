// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/workload/steps.h"

#include <algorithm>
#include <utility>

#include "models/machine/task_work.h"
#include "models/scenario/affinity.h"

namespace wakepath::workload {

using machine::Call;
using machine::CostId;
using machine::KTask;
using machine::Machine;
using machine::Mode;
using machine::run_cost;
using machine::Time;
using scenario::Step;

constexpr Time kSpinLookNs = 10'000;  // how often who spins looks at the clock

Steps::Steps(Machine& m, SyncObjects& shared, KTask& task, std::string name, const scenario::Program& conf)
    : machine_(m),
      shared_(shared),
      name_(std::move(name)),
      steps_(*scenario::parse_steps(conf.turns)),
      turns_(steps_.size(), 0),
      sleep_(m) {
  shared_.suspensions[name_].task = &task;
  for (Step& s : steps_) {
    if (s.kind == Step::Kind::cpus) s.cpus = scenario::effective_cpus(m.scenario, s.cpus, conf.cgroup);
    if (s.kind == Step::Kind::run)
      s.time_ns = static_cast<Time>(static_cast<__int128>(s.time_ns) * conf.run_percent / 100);
  }
}

void Steps::use(fs::PageCache& cache) {
  cache_ = &cache;
  std::map<std::string, std::int64_t> bytes;
  for (const Step& s : steps_)
    if (scenario::is_of_file(s)) bytes[s.name] = std::max(bytes[s.name], s.offset + s.count);
  for (const auto& [name, size] : bytes) files_[name] = &cache.add_file(size);
}

machine::Body Steps::body(KTask& t) {
  Time began = machine_.now();
  for (std::size_t at = 0;; ++at) {
    if (at == steps_.size()) {
      at = 0;
      ++passes.count;
      passes.ns += machine_.now() - began;
      began = machine_.now();
    }
    const Step& s = steps_[at];
    if (s.kind == Step::Kind::end) {
      if (++turns_[s.other] < steps_[s.other].count)
        at = s.other;
      else
        turns_[s.other] = 0;
      continue;
    }
    co_await step(t, s);
  }
}

Call<void> Steps::step(KTask& t, const Step& s) {
  const Step::Kind kind = s.kind;
  if (kind == Step::Kind::run) co_await t.run_ns(machine_.at_clock(*t.cpu, s.time_ns), Mode::user);
  if (kind == Step::Kind::spin) {
    const Time until = machine_.now() + s.time_ns;
    while (machine_.now() < until) co_await t.run_ns(std::min(kSpinLookNs, until - machine_.now()), Mode::user);
  }
  if (kind == Step::Kind::sleep) co_await machine::clock_nanosleep(t, sleep_, machine_.now() + s.time_ns);
  if (kind == Step::Kind::timer) co_await timer(t, s);
  if (kind == Step::Kind::lock) co_await lock(t, s.name);
  if (kind == Step::Kind::unlock) co_await unlock(t, s.name);
  if (kind == Step::Kind::wait) co_await wait(t, s);
  if (kind == Step::Kind::signal) co_await futex_wake(t, shared_.conditions[s.name], 1);
  if (kind == Step::Kind::broadcast)
    co_await futex_wake(t, shared_.conditions[s.name], shared_.conditions[s.name].size());
  if (kind == Step::Kind::suspend) co_await suspend(t);
  if (kind == Step::Kind::resume) co_await resume(t, s.name);
  if (kind == Step::Kind::cpus) co_await set_affinity(t, s.cpus);
  if (kind == Step::Kind::exec) co_await exec(t);
  if (scenario::is_of_file(s)) co_await file(t, s);
  if (kind == Step::Kind::yield) {
    co_await run_cost(machine_, t, CostId::syscall_entry);
    machine_.sched.yield(t.cpu->id(), machine_.now());
    co_await t.schedule();
    co_await run_cost(machine_, t, CostId::syscall_exit, Mode::irqs_off);
  }
  while (kind == Step::Kind::stop) {
    t.set_state(sched::State::interruptible);
    co_await t.schedule();
  }
}

// rt-app's relative timer: the grid begins anew where the program came too late for it.
Call<void> Steps::timer(KTask& t, const Step& s) {
  const auto [it, fresh] = next_.try_emplace(s.name, machine_.now());
  Time& next = it->second;
  next += s.time_ns;
  if (next > machine_.now())
    co_await machine::clock_nanosleep(t, sleep_, next);
  else
    next = machine_.now();
}

Call<void> Steps::lock(KTask& t, const std::string& name) {
  SyncObjects::Mutex& m = shared_.mutexes[name];
  while (m.owner != nullptr) co_await futex_wait(t, m.sleepers);
  m.owner = &t;
}

Call<void> Steps::unlock(KTask& t, const std::string& name) {
  SyncObjects::Mutex& m = shared_.mutexes[name];
  if (m.owner == &t) m.owner = nullptr;  // another's is left alone, as pthread_mutex_unlock of an error-checking one
  if (m.owner == nullptr) co_await futex_wake(t, m.sleepers, 1);
}

Call<void> Steps::wait(KTask& t, const Step& s) {
  // It is on the list before the mutex is free: a signal that comes then is not missed.
  SyncObjects::Sleepers& sleepers = shared_.conditions[s.name];
  sleepers.push_back(&t);
  co_await unlock(t, s.mutex);
  if (std::find(sleepers.begin(), sleepers.end(), &t) != sleepers.end()) co_await futex_wait(t, sleepers);
  co_await lock(t, s.mutex);
}

Call<void> Steps::suspend(KTask& t) {
  SyncObjects::Suspension& own = shared_.suspensions[name_];
  if (own.kept > 0) {
    --own.kept;
    co_return;
  }
  co_await run_cost(machine_, t, CostId::syscall_entry);
  own.asleep = true;
  while (own.asleep) {
    t.set_state(sched::State::interruptible);
    if (own.asleep) co_await t.schedule();
  }
  t.set_state(sched::State::running);
  co_await leave(t);
}

// sched_setaffinity(0): who runs where it may no longer is taken away by that CPU's stopper.
Call<void> Steps::set_affinity(KTask& t, const std::vector<int>& cpus) {
  co_await run_cost(machine_, t, CostId::syscall_entry);
  if (machine_.smp) {
    machine_.smp->set_affinity(t, cpus);
    while (!t.st.smp.may_use(t.cpu->id())) {
      machine_.smp->push(t, t.st.smp.allowed->wrap_first(t.cpu->id()));
      co_await t.schedule(true);
    }
  }
  co_await leave(t);
}

// Of execve what the scheduler has to do with it (kernel/sched/core.c:sched_exec): before its new image has touched
// memory, a task goes to the idlest CPU.
Call<void> Steps::exec(KTask& t) {
  co_await run_cost(machine_, t, CostId::syscall_entry);
  if (machine_.smp && t.st.smp.cpus_allowed != 1) {
    const int dest = machine_.sched.select_task_rq_fork(t.st, t.cpu->id(), machine_.now());
    if (dest != t.cpu->id() && machine_.smp->push(t, dest)) co_await t.schedule(true);
  }
  co_await leave(t);
}

Call<void> Steps::resume(KTask& t, const std::string& name) {
  SyncObjects::Suspension& other = shared_.suspensions[name];
  if (!other.asleep) {
    ++other.kept;
    co_return;
  }
  co_await run_cost(machine_, t, CostId::syscall_entry);
  other.asleep = false;
  co_await machine_.wake(t, *other.task);
  co_await leave(t);
}

Call<void> Steps::futex_wait(KTask& t, SyncObjects::Sleepers& sleepers) {
  const auto waits = [&] { return std::find(sleepers.begin(), sleepers.end(), &t) != sleepers.end(); };
  if (!waits()) sleepers.push_back(&t);
  co_await run_cost(machine_, t, CostId::syscall_entry);
  while (waits()) {
    t.set_state(sched::State::interruptible);
    if (waits()) co_await t.schedule();
  }
  t.set_state(sched::State::running);
  co_await leave(t);
}

Call<void> Steps::futex_wake(KTask& t, SyncObjects::Sleepers& sleepers, std::size_t most) {
  if (sleepers.empty()) co_return;  // no system call
  co_await run_cost(machine_, t, CostId::syscall_entry);
  for (std::size_t n = 0; n < most && !sleepers.empty(); ++n) {
    KTask& woken = *sleepers.front();
    sleepers.pop_front();
    co_await machine_.wake(t, woken);
  }
  co_await leave(t);
}

Call<void> Steps::file(KTask& t, const Step& s) {
  fs::File& f = *files_.at(s.name);
  co_await run_cost(machine_, t, CostId::syscall_entry);
  if (s.kind == Step::Kind::create) co_await cache_->create(t, f);
  if (s.kind == Step::Kind::touch) co_await cache_->touch(t, f);
  if (s.kind == Step::Kind::write) co_await cache_->write(t, dirtier_, f, s.offset, s.count);
  if (s.kind == Step::Kind::fsync) co_await cache_->fsync(t, f, false);
  co_await leave(t);
}

Call<void> Steps::leave(KTask& t) {
  if (t.work_at_user_exit()) co_await machine::exit_to_user_mode_loop(t);
  co_await run_cost(machine_, t, CostId::syscall_exit, Mode::irqs_off);
}

}  // namespace wakepath::workload
