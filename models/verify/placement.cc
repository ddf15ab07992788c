// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/verify/placement.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "models/machine/topology.h"
#include "models/sched/balance/stats.h"

namespace wakepath::verify {

using nlohmann::json;
using trace::Event;
using trace::EventType;

// The CPUs as the trace shows them; remembers whether a load was looked at. What it does not show is given: which CPUs
// are utilised, and whether sleepers that may still be queued are.
struct PlacementJudge::View final : sched::CpuView {
  View(const std::vector<CpuSeen>& cpus, bool sleepers_queued)
      : cpu(cpus), full(static_cast<int>(cpus.size())), queued(sleepers_queued) {}
  [[nodiscard]] const CpuSeen& of(int c) const { return cpu[static_cast<std::size_t>(c)]; }
  [[nodiscard]] bool idle(int c) const override { return of(c).current <= 0 && of(c).queued == 0; }
  [[nodiscard]] bool sched_idle(int) const override { return false; }
  [[nodiscard]] unsigned nr_running(int c) const override { return of(c).nr_running() + nr_delayed(c); }
  [[nodiscard]] unsigned nr_delayed(int c) const override { return queued ? of(c).delayed : 0; }
  [[nodiscard]] std::uint64_t load(int c) const override {
    by_load = true;
    return 1024ULL * of(c).nr_running();
  }
  [[nodiscard]] std::uint64_t capacity(int) const override { return 1024; }
  [[nodiscard]] std::uint64_t waker_load() const override { return 1024; }
  [[nodiscard]] std::uint64_t wakee_load() const override { return 1024; }
  [[nodiscard]] bool wakeup_pending(int) const override { return false; }
  [[nodiscard]] unsigned nr_fair(int c) const override { return nr_running(c); }
  [[nodiscard]] std::uint64_t util(int c) const override { return full.test(c) ? capacity(c) : 0; }
  [[nodiscard]] std::uint64_t wakee_util() const override { return 0; }
  const std::vector<CpuSeen>& cpu;
  machine::CpuMask full;
  const bool queued;
  mutable bool by_load = false;
};

// What the rule says with nothing utilised, and every CPU that it names with some utilisations.
struct PlacementJudge::Choice {
  sched::Placement unused;
  machine::CpuMask cpus;
  bool searched = false, by_load = false;
  [[nodiscard]] bool by_util() const { return cpus.weight() > 1; }
};

PlacementJudge::PlacementJudge(const kernel::Switches& k, int cpus, int hz, std::vector<PinnedTasks> pinned,
                               const trace::StringPool& pool)
    : k_(k),
      domains_(machine::make_topology({.cpus = cpus})),
      pinned_(std::move(pinned)),
      pool_(pool),
      hz_(hz),
      delays_(k.eevdf && k.delay_dequeue),
      cpus_(static_cast<std::size_t>(cpus)) {}

// The kernel names what it binds to a CPU NAME/CPU or NAME/CPU:ID.
bool PlacementJudge::bound_by_name(const std::string& comm, int& cpu) const {
  const auto slash = comm.rfind('/');
  if (slash == std::string::npos) return false;
  const char *first = comm.data() + slash + 1, *last = comm.data() + comm.size();
  const auto [end, error] = std::from_chars(first, last, cpu);
  return error == std::errc() && end != first && (end == last || *end == ':');
}

PlacementJudge::TaskSeen& PlacementJudge::task_of(std::int32_t pid, trace::StringId comm, int prio) {
  const auto [it, is_new] = tasks_.try_emplace(pid);
  TaskSeen& t = it->second;
  t.prio = prio;
  if (!is_new && t.comm == comm) return t;
  t.comm = comm;
  const std::string& name = pool_.str(comm);
  int cpu = 0;
  t.bound = t.kthread = bound_by_name(name, cpu);
  for (const PinnedTasks& p : pinned_)
    for (const std::string& pattern : p.tasks)
      t.bound |= pattern.back() == '*' ? name.rfind(pattern.substr(0, pattern.size() - 1), 0) == 0 : name == pattern;
  return t;
}

void PlacementJudge::enqueue(TaskSeen& t, int cpu) {
  if (t.where == Where::queued && t.cpu == cpu) return;
  dequeue(t);
  t.cpu = cpu;
  t.where = Where::queued;
  ++cpu_of(cpu).queued;
}

void PlacementJudge::dequeue(TaskSeen& t) {
  if (t.where == Where::queued && cpu_of(t.cpu).queued > 0) --cpu_of(t.cpu).queued;
  t.where = Where::blocked;
}

void PlacementJudge::forget(const Event& e) {
  tasks_.clear();
  for (int c = 0; c < domains_.cpus(); ++c)
    if (e.cpu < 0 || e.cpu == c) cpu_of(c) = {};
}

void PlacementJudge::on_event(const Event& e, std::int64_t line) {
  if (domains_.cpus() < 2) return;
  if (e.type == EventType::lost_events) return forget(e);
  if (e.cpu < 0 || e.cpu >= domains_.cpus()) return;
  switch (e.type) {
    case EventType::sched_switch:
      return on_switch(e);
    case EventType::sched_waking:
      return on_waking(e, line);
    case EventType::sched_wakeup:
      return on_wakeup(e);
    case EventType::sched_migrate_task:
      return on_migrate(e, line);
    default:
      return;
  }
}

void PlacementJudge::on_switch(const Event& e) {
  const auto& s = e.u.sw;
  CpuSeen& here = cpu_of(e.cpu);
  account(here, e.ts_ns);
  here.current = s.next_pid;
  if (s.prev_pid > 0) {
    TaskSeen& prev = task_of(s.prev_pid, s.prev_comm, s.prev_prio);
    prev.where = Where::blocked;
    prev.cpu = e.cpu;
    const bool stays = s.prev_state == trace::kStateRunning || (s.prev_state & trace::kStatePreempted) != 0;
    if (stays) {
      enqueue(prev, e.cpu);
    } else {
      prev.may_be_delayed = delays_ && here.nr_running() > 0;
      prev.idle_epoch = here.idle_epoch;
      if (prev.may_be_delayed) ++here.delayed;
    }
  }
  if (s.next_pid <= 0) {
    ++here.idle_epoch;
    here.delayed = 0;
    here.queued = 0;  // whatever was missed
    return;
  }
  TaskSeen& next = task_of(s.next_pid, s.next_comm, s.next_prio);
  if (next.pending.open) answer(next, e.cpu);
  dequeue(next);
  next.where = Where::running;
  next.cpu = e.cpu;
}

void PlacementJudge::on_waking(const Event& e, std::int64_t line) {
  const auto& r = e.u.task;
  TaskSeen& t = task_of(r.pid, r.comm, r.prio);
  if (t.where == Where::queued || t.where == Where::running) return;
  if (r.target_cpu < 0 || r.target_cpu >= domains_.cpus()) return;
  if (cpu_of(e.cpu).current > 0) {
    auto& waker = tasks_[cpu_of(e.cpu).current];
    waker.flips.record(&t, e.ts_ns * hz_ / 1'000'000'000, hz_);
  }
  ask(t, e, line);
  CpuSeen& prev = cpu_of(r.target_cpu);
  if (t.may_be_delayed && prev.delayed > 0) --prev.delayed;
  t.may_be_delayed = false;
  enqueue(t, r.target_cpu);
}

void PlacementJudge::ask(TaskSeen& t, const Event& e, std::int64_t line) {
  const int prev = e.u.task.target_cpu;
  const CpuSeen& here = cpu_of(e.cpu);
  t.pending = {};  // not judged yet
  t.pending.open = true;
  t.pending.waker_cpu = e.cpu;
  t.pending.prev = prev;
  if (t.bound) {
    ++bound_;
    return;
  }
  if (t.prio < 100) return;  // real-time classes choose otherwise
  if (here.current == kUnknown || t.where == Where::unknown) {
    ++unseen_;
    return;
  }
  if (t.may_be_delayed && cpu_of(prev).idle_epoch == t.idle_epoch) {
    ++delayed_;
    return;
  }
  TaskSeen* const waker = here.current > 0 ? &tasks_[here.current] : nullptr;
  sched::Wakeup w;
  w.this_cpu = e.cpu;
  w.prev_cpu = prev;
  w.recent_used_cpu = t.recent_used_cpu;
  w.waker_in_task = (e.flags & (trace::kHardirq | trace::kSoftirq)) == 0;
  w.waker_is_idle = e.pid == 0;
  w.waker_is_kthread = waker != nullptr && waker->kthread;
  w.waker_cpus_allowed = w.waker_is_kthread ? 1 : domains_.cpus();
  w.waker_flips = waker != nullptr ? waker->flips.flips : 0;
  w.wakee_flips = t.flips.flips;
  least_scan_ = least_idle_scan(e.cpu, e.ts_ns);
  const Choice plain = choose(w, false);
  const bool sleepers_decide = plain.cpus != choose(w, true).cpus;
  w.sync = true;
  const Choice sync = choose(w, false);
  // The CPU it used before its previous one is tried before the search, and no record tells the first.
  const bool guess = t.recent_used_cpu == kUnknown && plain.searched;
  t.recent_used_cpu = plain.unused.recent_used_cpu;
  if (k_.recent_used_by_waker && plain.unused.wants_affine && waker != nullptr) waker->recent_used_cpu = e.cpu;
  if (guess || sleepers_decide || plain.by_util() || sync.by_util()) {
    ++(guess ? unseen_ : sleepers_decide ? delayed_ : by_util_);
    return;
  }
  t.pending.judged = plain.unused.cpu == sync.unused.cpu;
  if (!t.pending.judged) ++sync_;
  t.pending.by_load = plain.by_load || sync.by_load;
  t.pending.model = plain.unused;
  t.pending.line = line;
  t.pending.ts_ns = e.ts_ns;
}

void PlacementJudge::account(CpuSeen& cpu, std::int64_t ts_ns) {
  const auto now = static_cast<std::uint64_t>(ts_ns);
  const bool busy = cpu.current != 0;
  if (cpu.most.last_update_time == 0) {
    cpu.most.last_update_time = now;
    cpu.most.util_sum = 1024 * cpu.most.divider();
    cpu.most.util_avg = 1024;
  }
  if (sched::pelt_update_sums(cpu.most, now, busy ? 1 : 0, 0, busy)) sched::pelt_update_averages(cpu.most, 1);
}

int PlacementJudge::least_idle_scan(int cpu, std::int64_t ts_ns) {
  const sched::Domain* llc = domains_.llc_domain(cpu);
  if (llc == nullptr) return 0;
  std::uint64_t util = 0;
  const machine::CpuMask& span = llc->span->cpus;
  for (int c = span.first(); c >= 0; c = span.next(c)) {
    account(cpu_of(c), ts_ns);
    util += cpu_of(c).most.util_avg;
  }
  return sched::nr_idle_scan(util, llc->span->weight, llc->span->imbalance_pct);
}

// A CPU that has room for it with nothing utilised may have none, and the search for an idle one may not be made.
PlacementJudge::Choice PlacementJudge::choose(const sched::Wakeup& w, bool sleepers_queued) {
  Choice out;
  out.cpus = machine::CpuMask(domains_.cpus());
  View view(cpus_, sleepers_queued);
  for (bool first = true;; first = false) {
    const sched::Placement p = sched::select_task_rq_fair(view, k_, domains_, w);
    if (first) out.unused = p;
    out.cpus.set(p.cpu);
    out.searched |= p.step > sched::Step::recent_idle && p.step <= sched::Step::target;
    const bool scanned = p.step == sched::Step::idle_core || p.step == sched::Step::idle_cpu;
    if (sched::LlcShared* shared = domains_.llc_shared(p.target); scanned && k_.sis_util && shared != nullptr) {
      const int all = std::exchange(shared->nr_idle_scan, least_scan_);
      out.cpus.set(sched::select_task_rq_fair(view, k_, domains_, w).cpu);
      shared->nr_idle_scan = all;
    }
    if (p.step != sched::Step::pack_sync && p.step != sched::Step::pack_awake) break;
    view.full.set(p.cpu);
  }
  out.by_load = view.by_load;
  return out;
}

void PlacementJudge::answer(TaskSeen& t, int cpu) {
  const Pending p = std::exchange(t.pending, {});
  if (!p.judged) return;
  const bool equal = p.model.cpu == cpu;
  (p.by_load ? load_ : idle_).add(equal, p.prev == cpu);
  if (equal || p.by_load) return;
  keep(p.line, p.ts_ns, p.waker_cpu, t, fmt::format("CPU {}", cpu),
       fmt::format("CPU {} ({}, was on {})", p.model.cpu, sched::step_name(p.model.step), p.prev));
}

// Where the trace has it: a task that moves once it was woken was moved by the balancer.
void PlacementJudge::on_wakeup(const Event& e) {
  const auto& r = e.u.task;
  if (r.target_cpu < 0 || r.target_cpu >= domains_.cpus()) return;
  TaskSeen& t = task_of(r.pid, r.comm, r.prio);
  if (t.pending.open) answer(t, r.target_cpu);
  if (t.where != Where::running) enqueue(t, r.target_cpu);
}

void PlacementJudge::on_migrate(const Event& e, std::int64_t line) {
  const auto& r = e.u.task;
  const int dest = r.dest_cpu;
  if (dest < 0 || dest >= domains_.cpus() || r.orig_cpu < 0 || r.orig_cpu >= domains_.cpus()) return;
  TaskSeen& t = task_of(r.pid, r.comm, r.prio);
  if (t.pending.open && e.cpu == t.pending.waker_cpu) {
    answer(t, dest);
  } else if (t.where == Where::queued || t.where == Where::running) {
    if (t.pending.open) answer(t, t.cpu);  // it had stayed
    if (t.prio >= 100) judge_move(t, e, line);
  }
  enqueue(t, dest);
}

// ---- balance -------------------------------------------------------------------------------------------------------

void PlacementJudge::judge_move(const TaskSeen& t, const Event& e, std::int64_t line) {
  const int from = e.u.task.orig_cpu, to = e.u.task.dest_cpu;
  ++moves_.n;
  const bool legal = !t.bound && t.where == Where::queued && t.cpu == from && from != to;
  // In __schedule, by a CPU whose task is about to sleep: it is idle but for that.
  const bool newly_idle = e.cpu == to && (e.flags & (trace::kHardirq | trace::kSoftirq)) == 0;
  const bool chosen = legal && would_balance(from, to, newly_idle);
  moves_.legal += legal ? 1 : 0;
  moves_.chosen += chosen ? 1 : 0;
  if (chosen) return;
  keep(line, e.ts_ns, e.cpu, t, fmt::format("moved from {} to {}", from, to),
       !legal ? "not legal: it runs, is bound, or is not there" : "the domain is in balance");
}

bool PlacementJudge::would_balance(int from, int to, bool newly_idle) const {
  for (const sched::Domain* d = domains_.lowest(to); d != nullptr; d = d->parent) {
    if (!d->span->cpus.test(from)) continue;
    const unsigned pct = d->span->imbalance_pct;
    const bool dst_idle = newly_idle || cpus_[static_cast<std::size_t>(to)].nr_running() == 0;
    const sched::CpuIdle idle = dst_idle ? sched::CpuIdle::idle : sched::CpuIdle::not_idle;
    sched::DomainStats stats;
    sched::GroupStats nobody;
    nobody.idle_cpus = static_cast<unsigned>(domains_.cpus()) + 1;
    const std::size_t n = d->span->groups.size();
    for (std::size_t i = 0; i < n; ++i) {
      const sched::Group& g = d->span->groups[(static_cast<std::size_t>(d->local) + i) % n];
      sched::GroupStats one;
      one.capacity = 0;
      for (const int c : g.cpus) {
        const CpuSeen& seen = cpus_[static_cast<std::size_t>(c)];
        // The stopper that carries a task away came after the decision.
        const auto cur = tasks_.find(seen.current);
        const bool stopper = cur != tasks_.end() && cur->second.prio < 1;
        const bool leaves = stopper || (newly_idle && c == to && seen.current > 0);
        const unsigned nr = seen.nr_running() - (leaves ? 1U : 0U) + seen.delayed;
        one.capacity += 1024;
        one.load += 1024ULL * nr;
        one.runnable += 1024ULL * nr;
        one.util += nr > 0 ? 1024U : 0U;
        one.nr_running += nr;
        one.h_nr_running += nr;
        one.idle_cpus += nr == 0 ? 1U : 0U;
      }
      one.weight = static_cast<unsigned>(g.weight());
      one.cores = g.cores;
      one.smt = (g.flags & sched::sd::kShareCpuCapacity) != 0;
      sched::classify(one, pct, i == 0 ? sched::CpuIdle::not_idle : idle, k_);
      stats.total_load += one.load;
      stats.total_capacity += one.capacity;
      stats.total_util += one.util;
      if (i == 0) {
        stats.local = one;
      } else if (sched::is_busier(one, stats.busiest.value_or(nobody), k_)) {
        stats.busiest = one;
        stats.busiest_group = &g;
      }
    }
    if (stats.busiest_group == nullptr) continue;
    const auto& cpus = stats.busiest_group->cpus;
    if (std::find(cpus.begin(), cpus.end(), from) == cpus.end()) continue;
    if (sched::find_imbalance(stats, *d->span, idle, k_).amount > 0) return true;
  }
  return false;
}

// ---- result --------------------------------------------------------------------------------------------------------

void PlacementJudge::keep(std::int64_t line, std::int64_t ts_ns, int cpu, const TaskSeen& t, std::string trace,
                          std::string model) {
  if (divergences_.size() >= kKept) return;
  Divergence d;
  d.kind = Kind::placement;
  d.line = line;
  d.ts_ns = ts_ns;
  d.cpu = cpu;
  d.task = pool_.str(t.comm);
  d.trace = std::move(trace);
  d.model = std::move(model);
  for (int c = 0; c < domains_.cpus(); ++c) {
    const CpuSeen& seen = cpu_of(c);
    const auto cur = tasks_.find(seen.current);
    d.state.push_back(fmt::format("CPU {}: {} runs, {} wait", c,
                                  cur == tasks_.end() ? "nobody" : pool_.str(cur->second.comm), seen.queued));
  }
  divergences_.push_back(std::move(d));
}

std::string PlacementJudge::below_bar() const {
  constexpr std::int64_t kBar = 950;  // parts of a thousand
  if (idle_.equal * 1000 >= kBar * idle_.n) return {};
  return fmt::format("placement by idle state: {} of {} agree, 95 % are asked for", idle_.equal, idle_.n);
}

json PlacementJudge::to_json() const {
  const auto tally = [](const Tally& t) {
    const auto share = [&t](std::int64_t part) {
      return t.n == 0 ? json() : json(static_cast<double>(part) / static_cast<double>(t.n));
    };
    return json{{"n", t.n}, {"equal", t.equal}, {"equal_share", share(t.equal)}, {"naive_share", share(t.naive)}};
  };
  json out = tally(idle_);
  out["not_judged"] = bound_ + sync_ + delayed_ + by_util_ + unseen_;
  out["not_judged_why"] = {
      {"bound", bound_}, {"sync", sync_}, {"may_be_delayed", delayed_}, {"utilisation", by_util_}, {"unseen", unseen_}};
  out["by_load"] = tally(load_);
  out["moves"] = {{"n", moves_.n}, {"legal", moves_.legal}, {"chosen", moves_.chosen}};
  return out;
}

}  // namespace wakepath::verify
