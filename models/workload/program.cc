// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/workload/program.h"

#include <algorithm>

#include "models/machine/smp.h"

namespace wakepath::workload {

using machine::Call;
using machine::CostId;
using machine::KTask;
using machine::Mode;
using machine::Time;

namespace {
sched::Policy policy_of(const std::string& name) {
  if (name == "batch") return sched::Policy::batch;
  if (name == "idle") return sched::Policy::idle;
  if (name == "fifo") return sched::Policy::fifo;
  return sched::Policy::other;
}
constexpr Time kSpinSliceNs = 1'000'000'000;  // a hog's segment; interrupts cut it
}  // namespace

Program::Program(machine::Machine& m, Pipes& pipes, SyncObjects& sync, ReplaySoftirq& softirq,
                 const scenario::Program& conf, int copy)
    : sleep_(m), machine_(m), pipes_(pipes), conf_(conf), in_(conf.in + copy * conf.in_step) {
  const bool in_kernel = conf.kind == "replay";
  const std::string name = conf.copies == 1 ? conf.name : conf.name + std::to_string(copy + 1);
  const bool users = !in_kernel && conf.kind != "kthread" && conf.kind != "rcu";
  task_ = &m.add_task(name, conf.name, users ? m.group_of_session(conf.cgroup, conf.session) : conf.cgroup, conf.nice,
                      std::max(0, conf.cpu), conf.cpu >= 0, in_kernel, policy_of(conf.policy), conf.rt_priority);
  if (conf.kind == "replay") {
    replay_ = std::make_unique<Replay>(m, softirq, *task_, conf.turns);
    task_->body = replay_->body(*task_);
  } else if (conf.kind == "steps") {
    steps_ = std::make_unique<Steps>(m, sync, *task_, name, conf);
    task_->body = steps_->body(*task_);
  } else if (conf.kind == "rcu" && m.smp) {
    task_->body = m.smp->rcu.thread_body(*task_, conf.run_ns);
  } else if (conf.kind == "rcu") {
    rcu_ = std::make_unique<machine::LoneRcu>(m);
    task_->body = rcu_->thread_body(*task_, conf.run_ns, conf.period_ns);
  } else if (conf.kind == "kthread") {
    task_->body = kthread_body(*task_);
  } else {
    task_->body = body(*task_);
  }
  task_->resume_at = task_->body.handle();
  if (conf.kind == "ping" && in_ == 0 && pipes_[0].empty()) {
    pipes_[0].put(conf.message_bytes);  // one message starts the circle
  }
}

bool Program::needs_page_cache(const scenario::Program& conf) {
  if (conf.kind != "steps") return false;
  const auto steps = *scenario::parse_steps(conf.turns);
  return std::any_of(steps.begin(), steps.end(), scenario::is_of_file);
}

void Program::prepare() {
  if (conf_.start_vruntime_ns) machine_.sched.set_slept_vruntime(task_->st, *conf_.start_vruntime_ns);
}

Program::~Program() { machine_.engine.cancel(begin_); }

void Program::start() {
  if (conf_.startdelay_ns == 0) return begin();
  begin_.context = this;
  begin_.fire = [](engine::Timer& t, Time) { static_cast<Program*>(t.context)->begin(); };
  machine_.engine.arm(begin_, machine_.now() + conf_.startdelay_ns);
}

void Program::begin() {
  if (replay_)
    replay_->start();
  else
    machine_.first_wake(*task_, !conf_.start_vruntime_ns);
}

machine::Body Program::body(KTask& t) {
  while (conf_.kind == "hog") co_await t.run_ns(kSpinSliceNs, Mode::user);
  // The frame has at hand what a turn asks for.
  const bool yields = conf_.kind == "yield", sleeps = conf_.kind == "duty";
  const bool is_periodic = conf_.kind == "per" || conf_.kind == "psrc";
  const bool reads = conf_.kind == "ping" || conf_.kind == "sink";
  const bool writes = conf_.kind == "ping" || conf_.kind == "src" || conf_.kind == "psrc";
  const bool calls_rcu = conf_.call_rcu && machine_.smp;
  const Time run_ns = conf_.run_ns, period_ns = conf_.period_ns;
  Time next = machine_.now();
  for (;;) {
    // An absolute time that has passed is slept for all the same: the timer expires at once.
    if (is_periodic) co_await machine::clock_nanosleep(t, sleep_, next += period_ns);
    if (reads) co_await pipes_[in_].read(machine_, t, conf_.message_bytes);
    co_await t.run_ns(run_ns, Mode::user);
    if (calls_rcu) machine_.smp->rcu.call(t.cpu->id());
    if (yields) co_await yield(t);
    if (sleeps) co_await machine::clock_nanosleep(t, sleep_, machine_.now() + conf_.sleep_ns);
    if (!writes) continue;
    for (int i = 0; i < conf_.pipes; ++i) co_await pipes_[conf_.out + i].write(machine_, t, conf_.message_bytes);
  }
}

Call<void> Program::yield(KTask& t) {
  co_await run_cost(machine_, t, CostId::syscall_entry);
  machine_.sched.yield(t.cpu->id(), machine_.now());
  co_await t.schedule();
  if (t.work_at_user_exit()) co_await machine::exit_to_user_mode_loop(t);
  co_await run_cost(machine_, t, CostId::syscall_exit, Mode::irqs_off);
}

// A kernel thread's own timer: no system call around its sleep.
machine::Body Program::kthread_body(KTask& t) {
  Time next = machine_.now();
  for (;;) {
    next += conf_.period_ns;
    if (next > machine_.now()) co_await machine::sleep_until(t, sleep_, next);
    co_await t.run_ns(conf_.run_ns, Mode::user);
  }
}

}  // namespace wakepath::workload
