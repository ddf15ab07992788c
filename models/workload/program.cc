// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/workload/program.h"

#include <algorithm>

namespace wakepath::workload {

using machine::Call;
using machine::CostId;
using machine::KTask;
using machine::Mode;
using machine::run_cost;
using machine::Time;
using sched::State;

namespace {
sched::Policy policy_of(const std::string& name) {
  if (name == "batch") return sched::Policy::batch;
  if (name == "idle") return sched::Policy::idle;
  if (name == "fifo") return sched::Policy::fifo;
  return sched::Policy::other;
}
constexpr Time kSpinSliceNs = 1'000'000'000;  // a hog's segment; interrupts cut it
}  // namespace

Program::Program(machine::Machine& m, Pipes& pipes, const scenario::Program& conf)
    : machine_(m), pipes_(pipes), conf_(conf), sleep_(m) {
  task_ = &m.add_task(conf.name, conf.name, conf.cgroup, conf.nice, std::max(0, conf.cpu), conf.cpu >= 0, false,
                      policy_of(conf.policy), conf.rt_priority);
  task_->body = body(*task_);
  task_->resume_at = task_->body.handle();
  if (conf.kind == "ping" && conf.in == 0 && pipes_[0].bytes == 0) pipes_[0].bytes = 1;  // one byte starts the circle
}

Call<void> Program::body(KTask& t) {
  next_ = machine_.now();
  for (;;) {
    if (conf_.kind == "hog") {
      co_await t.run_ns(kSpinSliceNs, Mode::user);
      continue;
    }
    if (conf_.kind == "per" || conf_.kind == "psrc") co_await next_period(t);
    if (conf_.kind == "ping" || conf_.kind == "sink") co_await read(t, pipes_[conf_.in]);
    co_await t.run_ns(conf_.run_ns, Mode::user);
    if (conf_.kind == "yield") co_await yield(t);
    if (conf_.kind == "duty") co_await machine::sleep_until(t, sleep_, machine_.now() + conf_.sleep_ns);
    if (conf_.kind == "ping" || conf_.kind == "src" || conf_.kind == "psrc") co_await write(t, pipes_[conf_.out]);
  }
}

Call<void> Program::yield(KTask& t) {
  co_await run_cost(machine_, t, CostId::syscall_entry);
  machine_.sched.yield(t.cpu->id(), machine_.now());
  co_await t.schedule();
  co_await run_cost(machine_, t, CostId::syscall_exit, Mode::irqs_off);
}

Call<void> Program::next_period(KTask& t) {
  next_ += conf_.period_ns;
  if (next_ > machine_.now()) co_await machine::sleep_until(t, sleep_, next_);
}

Call<void> Program::read(KTask& t, Pipe& p) {
  co_await run_cost(machine_, t, CostId::syscall_entry);
  while (p.bytes == 0) {
    p.readers.push_back(&t);
    t.set_state(State::interruptible);
    if (p.bytes == 0) co_await t.schedule();
    t.set_state(State::running);
    std::erase(p.readers, &t);
  }
  --p.bytes;
  if (!p.writers.empty()) {
    KTask* w = p.writers.front();
    p.writers.erase(p.writers.begin());
    co_await machine_.wake(t, *w, true);
  }
  while (t.resched_at_user_exit()) co_await t.schedule();
  co_await run_cost(machine_, t, CostId::syscall_exit, Mode::irqs_off);
}

Call<void> Program::write(KTask& t, Pipe& p) {
  co_await run_cost(machine_, t, CostId::syscall_entry);
  while (p.bytes >= Pipe::kCapacity) {
    p.writers.push_back(&t);
    t.set_state(State::interruptible);
    if (p.bytes >= Pipe::kCapacity) co_await t.schedule();
    t.set_state(State::running);
    std::erase(p.writers, &t);
  }
  ++p.bytes;
  if (!p.readers.empty()) {
    KTask* r = p.readers.front();
    p.readers.erase(p.readers.begin());
    co_await machine_.wake(t, *r, true);
  }
  while (t.resched_at_user_exit()) co_await t.schedule();
  co_await run_cost(machine_, t, CostId::syscall_exit, Mode::irqs_off);
}

}  // namespace wakepath::workload
