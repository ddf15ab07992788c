// SPDX-License-Identifier: GPL-2.0-or-later
// What a trace does not show of its start: which tasks are there, in which group, with which vruntime; and when it
// counts as known.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "models/sched/follow.h"
#include "models/verify/bounds.h"
#include "models/verify/follower.h"

namespace wakepath::verify {

using sched::CfsRq;
using sched::Class;
using sched::Entity;
using sched::Task;

namespace {

struct PolicyOf {
  sched::Policy policy;
  int nice, rt_priority;
};

// The prio of a trace: 120 + nice, or 99 - rt priority (-1: deadline; 0 also the stopper).
PolicyOf policy_of(std::int32_t prio) {
  if (prio >= 100) return {sched::Policy::other, std::clamp(prio - 120, -20, 19), 0};
  return {sched::Policy::fifo, 0, 99 - std::max(prio, -1)};
}

bool matches(const std::string& pattern, const std::string& comm) {
  if (!pattern.empty() && pattern.back() == '*')
    return comm.compare(0, pattern.size() - 1, pattern, 0, pattern.size() - 1) == 0;
  return pattern == comm;
}

std::string entity_text(const char* role, const std::string& name, const Entity& se, bool eevdf) {
  std::string out = fmt::format("{} {}: weight {}, vruntime {}", role, name, se.load.weight >> 10, se.vruntime);
  if (eevdf) {
    out += fmt::format(", deadline {:+d}, vlag {}{}", diff(se.deadline, se.vruntime), se.vlag,
                       se.sched_delayed ? ", delayed" : "");
  }
  return out;
}

}  // namespace

void Follower::restart() {
  ++epoch_;
  tasks_.clear();
  groups_.clear();
  bounds_.forget();
  sched_ = std::make_unique<sched::Scheduler>(setting_.switches, setting_.tunables, setting_.cpus);
  sched_->set_observer(this);
  for (const GroupSpec& g : setting_.groups) {
    groups_.push_back(sched_->create_group(g.name, nullptr, g.shares));
    if (setting_.switches.eevdf) {
      for (Entity& se : groups_.back()->se) assume_lag(se);
      continue;
    }
    for (Entity& se : groups_.back()->se) bounds_.unknown(se);
  }
  for (Cpu& c : cpus_) c.started = false;
}

// EEVDF: the lag an entity slept with before the trace began; what a dequeue leaves at most (entity_lag).
void Follower::assume_lag(Entity& se) {
  const auto slice = static_cast<std::uint64_t>(setting_.tunables.base_slice_ns);
  const auto tick = static_cast<std::uint64_t>(setting_.tunables.tick_ns);
  const std::uint64_t most = setting_.switches.lag_limit_by_max_slice ? slice + tick : std::max(2 * slice, tick);
  se.vlag = start_.value(key_of(se, Start::lag), static_cast<std::int64_t>(sched::calc_delta_fair(most, se.load)));
}

Start::Key Follower::key_of(const Entity& se, Start::What what) const {
  if (se.task != nullptr) return Start::task(se.task->pid, epoch_, what);
  const auto it = std::find(groups_.begin(), groups_.end(), se.my_q->tg);
  return Start::group(static_cast<std::size_t>(it - groups_.begin()), epoch_, what);
}

// EEVDF: of the request of a task that was queued before the trace began, and of its groups' up to one that was queued
// already.
void Follower::assume_used_up(Task& t, const Entity* queued_before) {
  if (!setting_.switches.eevdf || t.sched_class != Class::fair) return;
  for (Entity* se = &t.se; se != queued_before; se = se->parent) {
    const std::int64_t part = start_.value(key_of(*se, Start::used_up), diff(se->deadline, se->vruntime));
    sched::assume_deadline(*se, se->deadline - static_cast<std::uint64_t>(part < 0 ? -part : part));
  }
}

// EEVDF up to 6.16: whether the one that runs at the start has begun a new request since it was switched in.
void Follower::assume_unprotected(Task& t) {
  if (!setting_.switches.eevdf || t.sched_class != Class::fair) return;
  for (Entity* se = &t.se; se != nullptr; se = se->parent) {
    if (start_.value(key_of(*se, Start::unprotected), Start::kWhole) > 0) sched::assume_unprotected(*se);
  }
}

// Who waited, and who slept but was still queued, it or its group, for its negative lag.
void Follower::assume_present(int cpu, std::int64_t now) {
  for (const Present& p : present_) {
    if (p.cpu == cpu && p.how == Present::How::queued) make_runnable(task_of(p.name, cpu, now), cpu, now);
  }
  for (const Present& p : present_) {
    if (p.cpu != cpu || p.how != Present::How::asleep || !setting_.switches.delay_dequeue) continue;
    Task& t = task_of(p.name, cpu, now).task;
    if (t.se.on_rq || t.cpu != cpu) continue;  // another CPU began before this one, and has it by now
    if (start_.value(Start::task(t.pid, epoch_, Start::delayed), Start::kWhole) <= Start::kWhole / 2) continue;
    for (Entity* se = &t.se; se != nullptr && !se->on_rq; se = se->parent) se->vlag = -std::abs(se->vlag);
    make_runnable(*static_cast<TaskState*>(t.owner), cpu, now);
    sched_->follow_switch(cpu, t);
    sched::Scheduler::set_state(t, sched::State::interruptible);
    sched_->schedule(cpu, false, now);
  }
}

// The CPU as it was when the trace began. The one that runs is queued first: it counts in every average.
void Follower::start_cpu(int cpu) {
  const auto runs = std::find_if(present_.begin(), present_.end(),
                                 [cpu](const Present& p) { return p.cpu == cpu && p.how == Present::How::running; });
  if (runs == present_.end()) return;
  const std::int64_t since = runs->since_ns;
  if (runs->name.pid != 0) make_runnable(task_of(runs->name, cpu, since), cpu, since);
  assume_present(cpu, since);
  if (runs->name.pid != 0) {
    make_current(runs->name, cpu, since);
    Task& curr = sched_->current(cpu);
    assume_unprotected(curr);
    sched::Scheduler::assume_exec_start(curr, since);
  }
  cpus_[static_cast<std::size_t>(cpu)].started = true;
}

sched::TaskGroup* Follower::group_of(const std::string& comm) {
  for (std::size_t i = 0; i < setting_.groups.size(); ++i) {
    for (const std::string& pattern : setting_.groups[i].tasks) {
      if (matches(pattern, comm)) return groups_[i];
    }
  }
  return nullptr;
}

Follower::TaskState& Follower::create(TaskState& t, const TaskName& name, int cpu) {
  const PolicyOf p = policy_of(name.prio);
  const std::string& comm = pool_->str(name.comm);
  t.comm = name.comm;
  sched_->init_task(t.task, comm, name.pid, p.policy, p.nice, p.rt_priority, group_of(comm), cpu);
  t.task.owner = &t;
  if (setting_.switches.eevdf) assume_lag(t.task.se);
  if (!setting_.switches.eevdf && p.policy == sched::Policy::other) bounds_.unknown(t.task.se);
  return t;
}

Follower::TaskState& Follower::task_of(const TaskName& name, int cpu, std::int64_t now) {
  std::unique_ptr<TaskState>& slot = tasks_[name.pid];
  if (!slot) {
    slot = std::make_unique<TaskState>();
    return create(*slot, name, cpu);
  }
  TaskState& t = *slot;
  if (t.comm != name.comm) {  // renamed: a kworker by its work, a program by exec, perhaps into a group
    t.comm = name.comm;
    t.task.comm = pool_->str(name.comm);
    sched::TaskGroup* const group = group_of(t.task.comm);
    if (t.task.on_rq == sched::OnRq::no && t.task.group != (group != nullptr ? group : sched_->root_group())) {
      bounds_.forget(t.task.se);
      slot = std::make_unique<TaskState>();
      return create(*slot, name, cpu);
    }
  }
  if (t.task.prio() != name.prio) {
    const PolicyOf p = policy_of(name.prio);
    if (p.policy == t.task.policy && p.policy == sched::Policy::other) {
      sched_->set_nice(t.task, p.nice, now);
    } else {
      sched_->set_policy(t.task, p.policy, p.nice, p.rt_priority, now);
      if (!setting_.switches.eevdf && p.policy == sched::Policy::other) bounds_.unknown(t.task.se);
    }
  }
  return t;
}

// It is on the run queue by what the trace says, though no wakeup was seen: it was there at the start.
void Follower::make_runnable(TaskState& t, int cpu, std::int64_t now) {
  if (t.task.on_rq == sched::OnRq::queued && t.task.cpu != cpu && &sched_->current(t.task.cpu) != &t.task) {
    sched_->migrate_queued(t.task, cpu, now);
  }
  if (t.task.on_rq == sched::OnRq::queued && !t.task.se.sched_delayed) {
    t.task.state = sched::State::running;
    return;
  }
  sched::Rq& rq = sched_->rq(cpu);
  const bool resched = rq.resched;
  const bool skip = rq.clock_skip_requested;
  ++assumed_;
  if (!setting_.switches.eevdf && t.task.sched_class == Class::fair) bounds_.unknown(t.task.se);
  t.waiting_since_ns = now;
  const Entity* queued = &t.task.se;
  while (queued != nullptr && !queued->on_rq) queued = queued->parent;
  before_wakeup(t);
  t.task.state = sched::State::interruptible;
  sched_->wake_up(t.task, cpu, now);
  after_wakeup(t);
  if (!cpus_[static_cast<std::size_t>(cpu)].started) assume_used_up(t.task, queued);
  sched_->follow_resched(cpu, resched, skip);
}

// It would run in two places: something was not recorded.
bool Follower::runs_elsewhere(const Task& t, int cpu) const { return t.cpu != cpu && &sched_->current(t.cpu) == &t; }

void Follower::make_current(const TaskName& name, int cpu, std::int64_t now) {
  if (name.pid == 0) {
    if (sched_->current(cpu).sched_class != Class::idle) {
      ++resyncs_;
      restart();
    }
    return;
  }
  if (const auto it = tasks_.find(name.pid); it != tasks_.end() && runs_elsewhere(it->second->task, cpu)) {
    ++resyncs_;
    restart();
  }
  TaskState& t = task_of(name, cpu, now);
  make_runnable(t, cpu, now);
  sched_->follow_switch(cpu, t.task);
}

void Follower::before_wakeup(TaskState& t) {
  if (!setting_.switches.eevdf && t.task.sched_class == Class::fair) bounds_.before_wakeup(t.task);
  t.vruntime_before = t.task.se.vruntime;
}

void Follower::after_wakeup(TaskState& t) {
  if (setting_.switches.eevdf || t.task.sched_class != Class::fair) return;
  t.placement = bounds_.after_wakeup(t.task);
  t.was_placed = t.task.se.vruntime != t.vruntime_before;
}

// A wakeup prints the running task's vruntime before it places the wakee by it.
void Follower::learn_before(const Step& s, std::int64_t now) {
  if (setting_.switches.eevdf || bounds_.all_exact() || !cpus_[static_cast<std::size_t>(s.cpu)].started) return;
  const Task& curr = sched_->current(s.cpu);
  if (curr.sched_class != Class::fair) return;
  if (s.print.seen && s.print.pid == curr.pid) {
    const sched::Rq& rq = sched_->rq(s.cpu);
    const bool leaves = s.kind == StepKind::schedule;
    const std::int64_t until = leaves && rq.clock_skip_requested ? static_cast<std::int64_t>(rq.clock) : now;
    leaves ? sched_->follow_charge(s.cpu, until) : sched_->update_curr(s.cpu, until);
    if (s.print.has_vruntime && !bounds_.of(curr.se).exact()) {
      check_print(s);
      checked_line_ = s.print.line;
    }
  }
  bounds_.settle(curr);
}

std::vector<std::string> Follower::state_of(int cpu, const Task* other) const {
  sched::Rq& rq = sched_->rq(cpu);
  const Task& curr = *rq.curr;
  const bool eevdf = setting_.switches.eevdf;
  std::vector<std::string> out;
  const auto add = [&](const char* role, const Task& t) {
    if (t.sched_class != Class::fair) {
      out.push_back(fmt::format("{} {}: prio {}", role, t.comm, t.prio()));
      return;
    }
    for (const Entity* se = &t.se; se != nullptr; se = se->parent) {
      out.push_back(entity_text(role, se->task != nullptr ? t.comm : "group " + se->my_q->tg->name, *se, eevdf));
    }
  };
  add("running", curr);
  if (other != nullptr && other != &curr) add("other", *other);
  out.push_back(fmt::format("queue of CPU {}: {} fair tasks, {} {}", cpu, rq.cfs.h_nr_running,
                            eevdf ? "zero_vruntime" : "min_vruntime",
                            eevdf ? rq.cfs.zero_vruntime : rq.cfs.min_vruntime));
  return out;
}

std::string Follower::name_of_pid(std::int32_t pid) const {
  const auto it = tasks_.find(pid);
  return it == tasks_.end() ? std::string() : it->second->task.comm;
}

void Follower::diverged(Kind k, const Step& s, const Task& t, std::string trace, std::string model, const Task* other) {
  if (!judge_.wants(k)) return;
  judge_.keep({k, s.line, s.ts_ns, s.cpu, t.comm, std::move(trace), std::move(model), state_of(s.cpu, other)});
}

void Follower::decided(Kind k, const Step& s, std::int64_t answer, bool equal, std::int32_t pid) {
  if (decisions_ != nullptr)
    decisions_->push_back({k, k == Kind::vruntime ? s.print.line : s.line, answer, equal, pid});
}

}  // namespace wakepath::verify
