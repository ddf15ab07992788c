// SPDX-License-Identifier: GPL-2.0-or-later
// Carrying out steps, their clocks, and what is judged at each.
#include "models/verify/follower.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace wakepath::verify {

using sched::Class;
using sched::Task;

namespace {

constexpr std::size_t kWaitingSteps = 4096;  // a CPU whose clock stays untold longer gets estimates

bool fair(const Task& t) { return t.sched_class == Class::fair; }

}  // namespace

Follower::Follower(const Setting& setting, const trace::StringPool& pool, Start start, std::vector<Present> present)
    : setting_(setting),
      pool_(&pool),
      bounds_(setting.switches, setting.tunables),
      start_(std::move(start)),
      present_(std::move(present)) {
  cpus_.resize(static_cast<std::size_t>(setting.cpus));
  restart();
}

void Follower::on_step(const Step& s) {
  if (s.kind == StepKind::gap) {
    for (Cpu& c : cpus_) take(c, true);
    ++resyncs_;
    restart();
    return;
  }
  if (static_cast<std::size_t>(s.cpu) >= cpus_.size()) return;  // verify_file says so
  Cpu& c = cpus_[static_cast<std::size_t>(s.cpu)];
  if (!c.started && !present_.empty()) start_cpu(s.cpu);
  c.waiting.push_back(s);
  take(c, c.waiting.size() > kWaitingSteps);
}

void Follower::finish() {
  for (Cpu& c : cpus_) take(c, true);
}

StampClock::Key Follower::key_of(const Step& s, bool idle) {
  const std::int32_t pid = s.kind == StepKind::wake || s.kind == StepKind::wake_new ? s.task.pid : 0;
  return StampClock::key(static_cast<int>(s.kind), s.context, idle, pid);
}

// Steps whose clock is told, in order. A wakeup that preempts prints nothing where waker and wakee share no queue, but
// the switch that follows keeps its clock (spec §2.1b) and prints that.
void Follower::take(Cpu& c, bool at_end) {
  while (!c.waiting.empty()) {
    std::int64_t now = 0;
    if (!clock_of(c, c.waiting.front(), at_end, now)) return;
    const Step s = c.waiting.front();
    c.waiting.pop_front();
    run(c, s, now);
  }
}

bool Follower::clock_of(Cpu& c, const Step& s, bool at_end, std::int64_t& now) {
  const sched::Rq& rq = sched_->rq(s.cpu);
  const Task& curr = *rq.curr;
  const kernel::Switches& rules = setting_.switches;
  const bool idle = curr.sched_class == Class::idle;
  const auto latest = static_cast<std::int64_t>(rq.clock);
  const auto told = [&](const Step& by) {
    return by.print.seen && c.started && curr.pid == by.print.pid && !idle && curr.se.exec_start != 0;
  };
  const auto clock_by = [&](const Step& by) {
    return static_cast<std::int64_t>(curr.se.exec_start) + by.print.runtime_ns;
  };
  const StampClock::Key key = key_of(s, idle);
  c.spread = 0;
  if (told(s)) {
    c.accounted = true;
    now = clock_by(s);
    c.clock.learn(key, s.ts_ns, now);
    return true;
  }
  const bool wakes = s.kind == StepKind::wake || s.kind == StepKind::wake_new;
  std::int64_t limit = std::numeric_limits<std::int64_t>::max();
  if (wakes && c.started && !idle && s.resched_after == Seen::yes && rules.clock_skip_after_preempting_wakeup) {
    // Wait for the next accounting; if it is the switch's, and nothing but this wakeup came before, it kept this clock.
    const auto by = std::find_if(c.waiting.begin() + 1, c.waiting.end(),
                                 [&](const Step& x) { return x.kind == StepKind::schedule || told(x); });
    if (by == c.waiting.end() && !at_end) return false;
    if (by != c.waiting.end() && told(*by)) {
      limit = clock_by(*by);
      if (by == c.waiting.begin() + 1 && by->kind == StepKind::schedule) {
        now = limit;
        c.clock.learn(key, s.ts_ns, now);
        return true;
      }
    }
  }
  const std::int64_t stamp = s.print.seen ? s.print.ts_ns : s.ts_ns;
  const StampClock::Estimate estimate = c.clock.estimate(key, stamp, s.end_ns);
  c.spread = estimate.spread;
  now = std::max(std::min(estimate.now + start_.clock_error(s.line, estimate.spread), limit), latest);
  if (s.kind == StepKind::schedule && c.started && sched_->rq(s.cpu).clock_skip_requested) now = latest;
  if (idle) c.clock.idle();
  return true;
}

void Follower::run(Cpu& c, const Step& s, std::int64_t now) {
  charged_ = {};
  checked_line_ = 0;
  if (s.print.seen && s.kind != StepKind::schedule && c.started && sched_->current(s.cpu).pid != s.print.pid) {
    if (auto it = tasks_.find(s.print.pid); it != tasks_.end() && it->second->task.cpu == s.cpu) {
      make_current({s.print.comm, s.print.pid, it->second->task.prio()}, s.cpu, now);
    }
  }
  learn_before(s, now);
  switch (s.kind) {
    case StepKind::wake:
    case StepKind::wake_new:
      run_wake(s, now);
      break;
    case StepKind::tick:
      run_tick(s, now);
      break;
    case StepKind::account:
      if (c.started) sched_->update_curr(s.cpu, now);
      break;
    case StepKind::schedule:
      run_schedule(s, now);
      c.started = true;
      break;
    case StepKind::migrate:
      run_migrate(s, now);
      break;
    case StepKind::gap:
      break;
  }
  if (s.print.seen && s.print.line != checked_line_) check_print(s);
  if (c.spread == 0) bounds_.unblur(s.cpu, sched_->rq(s.cpu).clock_task);
  if (const Task& curr = sched_->current(s.cpu); !bounds_.all_exact() && fair(curr)) bounds_.settle(curr);
}

void Follower::run_wake(const Step& s, std::int64_t now) {
  TaskState& t = task_of(s.task, s.cpu, now);
  const bool started = cpus_[static_cast<std::size_t>(s.cpu)].started;
  Task& curr = sched_->current(s.cpu);
  if (&curr == &t.task) return;
  if (curr.sched_class == sched::Class::fair && curr.cpu != s.cpu) {  // it went elsewhere, and no record told
    ++resyncs_;
    restart();
    return;
  }
  const bool told = s.local && s.resched_before != Seen::unknown && s.resched_after != Seen::unknown && started;
  if (told && sched_->need_resched(s.cpu) != (s.resched_before == Seen::yes)) {
    sched_->follow_resched(s.cpu, s.resched_before == Seen::yes, false);
  }
  const bool judged_kind = fair(curr) && fair(t.task) && started;
  t.waiting_since_ns = now;
  if (const std::int64_t spread = cpus_[static_cast<std::size_t>(s.cpu)].spread;
      spread > 0 && judged_kind && !setting_.switches.eevdf) {
    bounds_.blur(curr, t.task, spread);
  }
  before_wakeup(t);
  t.task.state = sched::State::interruptible;
  const sched::WakeResult r = sched_->wake_up(t.task, s.cpu, now);
  after_wakeup(t);
  if (!told || s.resched_before == Seen::yes) {
    if (judged_kind) verdict(Kind::wakeup_preemption, s, false, {0, 0, false}, t.task, nullptr);
    if (told && !sched_->need_resched(s.cpu)) sched_->follow_resched(s.cpu, true, true);
    return;
  }
  const bool trace = s.resched_after == Seen::yes;
  if (judged_kind) {
    const bool can = setting_.switches.eevdf || bounds_.wakeup_is_determined(curr, t.task, trace);
    verdict(Kind::wakeup_preemption, s, can, {trace ? 1 : 0, r.preempts ? 1 : 0, false}, t.task, &t.task);
  }
  if (sched_->need_resched(s.cpu) != trace) sched_->follow_resched(s.cpu, trace, true);
}

void Follower::run_tick(const Step& s, std::int64_t now) {
  if (!cpus_[static_cast<std::size_t>(s.cpu)].started) return;
  Task& curr = sched_->current(s.cpu);
  const bool told = s.resched_before != Seen::unknown && s.resched_after != Seen::unknown;
  if (told && sched_->need_resched(s.cpu) != (s.resched_before == Seen::yes)) {
    sched_->follow_resched(s.cpu, s.resched_before == Seen::yes, false);
  }
  const bool choice = fair(curr) && sched_->rq(s.cpu).cfs.h_nr_running > 1;
  sched_->tick(s.cpu, now);
  const bool determined = setting_.switches.eevdf || !fair(curr) || bounds_.tick_is_determined(curr);
  if (!told || s.resched_before == Seen::yes) {
    if (choice) verdict(Kind::tick_preemption, s, false, {0, 0, false}, curr, nullptr);
    return;
  }
  const bool trace = s.resched_after == Seen::yes;
  const bool model = sched_->need_resched(s.cpu);
  if (choice) verdict(Kind::tick_preemption, s, determined, {trace ? 1 : 0, model ? 1 : 0, false}, curr, nullptr);
  if (model != trace) sched_->follow_resched(s.cpu, trace, false);
}

void Follower::run_schedule(const Step& s, std::int64_t now) {
  Cpu& c = cpus_[static_cast<std::size_t>(s.cpu)];
  if (!c.started || sched_->current(s.cpu).pid != s.prev.pid) {
    make_current(s.prev, s.cpu, now);
    if (!c.started && s.print.seen && sched_->current(s.cpu).pid == s.print.pid) {
      sched::Scheduler::assume_exec_start(sched_->current(s.cpu), now - s.print.runtime_ns);
    }
  }
  Task& prev = sched_->current(s.cpu);
  const bool idle_prev = prev.sched_class == Class::idle;
  Task* next = &sched_->idle_task(s.cpu);
  if (s.task.pid != 0) {
    TaskState& t = task_of(s.task, s.cpu, now);
    if (runs_elsewhere(t.task, s.cpu)) {
      ++resyncs_;
      restart();
      return;
    }
    if (&t.task != &prev || s.prev_state != 0) make_runnable(t, s.cpu, now);
    next = &t.task;
  }
  const bool preempted = s.prev_state == trace::kStatePreempted;
  const bool blocks = !preempted && s.prev_state != 0 && !idle_prev;
  if (blocks) {
    const bool dies = (s.prev_state & (trace::kStateDead | trace::kStateZombie)) != 0;
    sched::Scheduler::set_state(prev, dies ? sched::State::dead : sched::State::interruptible);
  } else if (!preempted && !idle_prev && s.resched_before == Seen::no && fair(prev) && !sched_->need_resched(s.cpu)) {
    sched_->yield(s.cpu, now);  // nobody asked it to go
  }
  if (!blocks && !idle_prev) static_cast<TaskState*>(prev.owner)->waiting_since_ns = now;
  const Task* naive = nullptr;
  int candidates = 0;
  const Bounds::Buddies buddies = bounds_.buddies(sched_->rq(s.cpu).cfs);
  for (const auto& [pid, other] : tasks_) {
    const Task& o = other->task;
    if (o.cpu != s.cpu || o.on_rq != sched::OnRq::queued || !fair(o) || o.se.sched_delayed) continue;
    if (&o == &prev && blocks) continue;
    ++candidates;
    const auto since = [](const Task& x) { return static_cast<const TaskState*>(x.owner)->waiting_since_ns; };
    if (naive == nullptr || since(o) < since(*naive) || (since(o) == since(*naive) && o.pid < naive->pid)) naive = &o;
  }
  const sched::SwitchResult r = sched_->schedule(s.cpu, preempted, now);
  if (c.started && candidates > 1 && fair(*next)) {
    const bool can = setting_.switches.eevdf || !fair(*r.next) || bounds_.pick_is_determined(*r.next, buddies);
    verdict(Kind::pick, s, can, {next->pid, r.next->pid, naive == next}, *next, r.next);
    if (!can && fair(*r.next) && !setting_.switches.eevdf) bounds_.narrow_by_pick(*next, *r.next);
  }
  if (r.next != next) {
    if (next->sched_class == Class::idle) {  // the model holds tasks runnable that are not
      restart();
      cpus_[static_cast<std::size_t>(s.cpu)].started = false;
      ++resyncs_;
      return;
    }
    make_runnable(*static_cast<TaskState*>(next->owner), s.cpu, now);
    sched_->follow_switch(s.cpu, *next);
  }
}

void Follower::run_migrate(const Step& s, std::int64_t now) {
  TaskState& t = task_of(s.task, s.cpu, now);
  if (t.task.cpu == s.cpu) return;
  if (t.task.on_rq != sched::OnRq::queued || &sched_->current(t.task.cpu) == &t.task) return;
  if (fair(t.task)) sched_->migrate_queued(t.task, s.cpu, now);
}

void Follower::check_print(const Step& s) {
  const auto it = tasks_.find(s.print.pid);
  if (it == tasks_.end()) return;
  TaskState& t = *it->second;
  if (!fair(t.task) || !s.print.has_vruntime || setting_.switches.eevdf) return;
  const std::uint64_t model = charged_.task == &t.task ? charged_.vruntime : t.task.se.vruntime;
  if (!bounds_.of(t.task.se).exact()) {
    judge_.not_judged(Kind::vruntime);
    bounds_.learn(t.task, s.print.vruntime, t.placement);
  } else {
    const bool equal = model == s.print.vruntime;
    const bool naive = t.printed && t.last_printed + static_cast<std::uint64_t>(s.print.runtime_ns) == s.print.vruntime;
    judge_.vruntime(equal, naive, t.was_placed, t.task.nice != 0);
    decided(Kind::vruntime, s, static_cast<std::int64_t>(model), equal, s.print.pid);
    if (!equal) {
      diverged(Kind::vruntime, s, t.task, std::to_string(s.print.vruntime),
               fmt::format("{} ({:+d} ns{})", model, static_cast<std::int64_t>(model - s.print.vruntime),
                           t.was_placed ? ", first after a placement" : ""),
               nullptr);
    }
  }
  t.was_placed = false;
  t.placement = {};
  t.printed = true;
  t.last_printed = s.print.vruntime;
}

// One decision other than a vruntime. `other` is shown beside the running task where they diverge.
void Follower::verdict(Kind k, const Step& s, bool can, Answers a, const Task& about, const Task* other) {
  can = can && cpus_[static_cast<std::size_t>(s.cpu)].accounted;  // else the trace tells no clock at all
  Outcome o{k, s.line, s.ordinal, can, a, about.pid, std::nullopt};
  if (can && a.trace != a.model && (outcomes_ == nullptr || keep_states_) && judge_.wants(k)) {
    const auto text = [&](std::int64_t answer) {
      if (k != Kind::pick) return std::string(answer != 0 ? "preempts" : "does not preempt");
      return fmt::format("{}-{}", name_of_pid(static_cast<std::int32_t>(answer)), answer);
    };
    o.divergence = {k, s.line, s.ts_ns, s.cpu, about.comm, text(a.trace), text(a.model), state_of(s.cpu, other)};
  }
  if (outcomes_ != nullptr) {
    outcomes_->push_back(std::move(o));
  } else {
    count(judge_, o, decisions_);
  }
}

void count(Judge& judge, Outcome& o, std::vector<Decision>* decisions) {
  if (!o.can) {
    judge.not_judged(o.kind);
    return;
  }
  const bool equal = o.answers.trace == o.answers.model;
  if (o.kind == Kind::pick) {
    judge.pick(equal, o.answers.naive);
  } else {
    judge.yes_no(o.kind, o.answers.trace != 0, o.answers.model != 0);
  }
  if (decisions != nullptr) decisions->push_back({o.kind, o.line, o.answers.model, equal, o.pid});
  if (o.divergence && judge.wants(o.kind)) judge.keep(std::move(*o.divergence));
}

void Follower::stat_runtime(int, const Task& t, sched::Time delta_ns, std::uint64_t vruntime) {
  charged_ = {&t, delta_ns, vruntime};
}

}  // namespace wakepath::verify
