// SPDX-License-Identifier: GPL-2.0-or-later
// What a trace does not show of its start: which tasks are there, in which group, with which vruntime; and when it
// counts as known.
#include <fmt/format.h>

#include <algorithm>

#include "models/verify/follower.h"

namespace wakepath::verify {

using sched::CfsRq;
using sched::Class;
using sched::Entity;
using sched::Task;

namespace {

// EEVDF prints no vruntime, and lags are bounded: after so many ticks what is left of a wrong start is too small to
// decide anything.
constexpr std::int64_t kWarmTicks = 5;

std::int64_t diff(std::uint64_t a, std::uint64_t b) { return static_cast<std::int64_t>(a - b); }

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
  tasks_.clear();
  groups_.clear();
  bounds_.forget();
  sched_ = std::make_unique<sched::Scheduler>(setting_.switches, setting_.tunables, setting_.cpus);
  sched_->set_observer(this);
  for (const GroupSpec& g : setting_.groups) {
    groups_.push_back(sched_->create_group(g.name, nullptr, g.shares));
    if (setting_.switches.eevdf) {
      for (Entity& se : groups_.back()->se) se.vlag = start_lag(groups_.size() << 8);
      continue;
    }
    for (Entity& se : groups_.back()->se) bounds_.unknown(se);
  }
  for (Cpu& c : cpus_) c.started = false;
}

// EEVDF: the lag with which the nth entity slept before the trace began, one guess a start state: of either sign, from
// a 64th of a slice to a slice.
std::int64_t Follower::start_lag(std::size_t nth) const {
  if (start_state_ == 0 || !setting_.switches.eevdf) return 0;
  const std::uint64_t dice =
      (static_cast<std::uint64_t>(start_state_) * 0x9e3779b97f4a7c15ull) ^ ((nth + 1) * 0xbf58476d1ce4e5b9ull);
  const std::uint64_t mixed = (dice ^ (dice >> 29)) * 0x94d049bb133111ebull;
  const std::int64_t size = setting_.tunables.base_slice_ns >> ((mixed >> 33) % 7);
  return (mixed >> 60) % 2 == 0 ? size : -size;
}

sched::TaskGroup* Follower::group_of(const std::string& comm) {
  for (std::size_t i = 0; i < setting_.groups.size(); ++i) {
    for (const std::string& pattern : setting_.groups[i].tasks) {
      if (matches(pattern, comm)) return groups_[i];
    }
  }
  return nullptr;
}

Follower::TaskState& Follower::create(TaskState& t, const TaskName& name, int cpu, std::int64_t now_ns) {
  const PolicyOf p = policy_of(name.prio);
  const std::string& comm = pool_->str(name.comm);
  t.comm = name.comm;
  t.first_seen_ns = now_ns;
  sched_->init_task(t.task, comm, name.pid, p.policy, p.nice, p.rt_priority, group_of(comm), cpu);
  t.task.owner = &t;
  t.task.se.vlag = start_lag(tasks_.size());
  if (!setting_.switches.eevdf && p.policy == sched::Policy::other) bounds_.unknown(t.task.se);
  return t;
}

Follower::TaskState& Follower::task_of(const TaskName& name, int cpu, std::int64_t now_ns) {
  std::unique_ptr<TaskState>& slot = tasks_[name.pid];
  if (!slot) {
    slot = std::make_unique<TaskState>();
    return create(*slot, name, cpu, now_ns);
  }
  TaskState& t = *slot;
  if (t.comm != name.comm) {  // renamed: a kworker by its work, a program by exec, perhaps into a group
    t.comm = name.comm;
    t.task.comm = pool_->str(name.comm);
    sched::TaskGroup* const group = group_of(t.task.comm);
    if (t.task.on_rq == sched::OnRq::no && t.task.group != (group != nullptr ? group : sched_->root_group())) {
      bounds_.forget(t.task.se);
      slot = std::make_unique<TaskState>();
      return create(*slot, name, cpu, now_ns);
    }
  }
  if (t.task.prio() != name.prio) {
    const PolicyOf p = policy_of(name.prio);
    if (p.policy == t.task.policy && p.policy == sched::Policy::other) {
      sched_->set_nice(t.task, p.nice, now_ns);
    } else {
      sched_->set_policy(t.task, p.policy, p.nice, p.rt_priority, now_ns);
      t.lag_known = t.blocked_once = false;
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
  t.lag_known = t.blocked_once = false;
  if (!setting_.switches.eevdf && t.task.sched_class == Class::fair) bounds_.unknown(t.task.se);
  t.waiting_since_ns = now;
  before_wakeup(t);
  t.task.state = sched::State::interruptible;
  sched_->wake_up(t.task, cpu, now);
  after_wakeup(t);
  sched_->follow_resched(cpu, resched, skip);
}

void Follower::make_current(const TaskName& name, int cpu, std::int64_t now) {
  if (name.pid == 0) {
    if (sched_->current(cpu).sched_class != Class::idle) {
      ++resyncs_;
      restart();
    }
    return;
  }
  if (const auto it = tasks_.find(name.pid); it != tasks_.end()) {
    const Task& t = it->second->task;
    if (t.cpu != cpu && &sched_->current(t.cpu) == &t) {  // running in two places: something was not recorded
      ++resyncs_;
      restart();
    }
  }
  TaskState& t = task_of(name, cpu, now);
  make_runnable(t, cpu, now);
  sched_->follow_switch(cpu, t.task);
}

void Follower::before_wakeup(TaskState& t) {
  if (!setting_.switches.eevdf) {
    if (t.task.sched_class == Class::fair) bounds_.before_wakeup(t.task);
  } else if (t.blocked_once) {
    t.lag_known = true;
  }
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

bool Follower::known(const Task& t, std::int64_t now) const {
  if (t.sched_class != Class::fair || !setting_.switches.eevdf) return true;
  const auto& state = *static_cast<const TaskState*>(t.owner);
  return state.lag_known || now - state.first_seen_ns >= kWarmTicks * setting_.tunables.tick_ns;
}

bool Follower::queue_known(int cpu, std::int64_t now) const {
  if (!setting_.switches.eevdf) return true;
  return std::all_of(tasks_.begin(), tasks_.end(), [&](const auto& entry) {
    const Task& t = entry.second->task;
    return t.cpu != cpu || t.on_rq != sched::OnRq::queued || known(t, now);
  });
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
