// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/run/simulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>

#include "models/machine/stuck.h"
#include "models/machine/violation.h"
#include "models/scenario/affinity.h"
#include "models/scenario/event.h"

namespace wakepath::run {

using engine::Stop;
using machine::KTask;

// A renice of the user's: "kworker" covers the bound normal pools' workers, present and future; any other glob is
// applied once, to the tasks that exist at its time, as the renice command would.
struct Simulation::Rule {
  Rule(Simulation& simulation, const scenario::TaskRule& r) : s(simulation), rule(r) {
    timer.context = this;
    timer.fire = [](engine::Timer& t, engine::Time) { static_cast<Rule*>(t.context)->apply(); };
  }
  ~Rule() { s.machine_.engine.cancel(timer); }
  [[nodiscard]] bool standing() const { return rule.glob == "kworker"; }
  [[nodiscard]] bool matches(const KTask& t) const { return task_matches(rule.glob, t); }
  void apply() {
    active = true;
    for (KTask& t : s.machine_.tasks())
      if (matches(t)) renice(t);
  }
  void renice(KTask& t) const { change_task(s.machine_, t, rule); }
  Simulation& s;
  const scenario::TaskRule& rule;
  engine::Timer timer;
  bool active = false;
};

Simulation::Simulation(const scenario::Scenario& s, const Options& o)
    : scenario_(s),
      options_(o),
      machine_(s, o.sink, o.pool),
      workqueues_(machine_),
      queue_(machine_, workqueues_),
      fs_(machine_, queue_, workqueues_),
      events_(machine_, s.events) {
  if (s.ublk.present) make_ublk();
  int next_cpu = 0;
  if (std::any_of(s.workloads.begin(), s.workloads.end(), workload::FioJob::needs_page_cache) ||
      std::any_of(s.rings.begin(), s.rings.end(), workload::RingProgram::needs_page_cache) ||
      std::any_of(s.programs.begin(), s.programs.end(), workload::Program::needs_page_cache))
    page_cache();
  for (const auto& conf : s.workloads)
    for (int j = 0; j < std::max(1, conf.numjobs); ++j) {
      std::vector<int> cpus = scenario::effective_cpus(s, conf.cpus_allowed, conf.cgroup);
      if (conf.cpus_allowed_policy == "split" && !cpus.empty())
        cpus = {cpus[static_cast<std::size_t>(j) % cpus.size()]};
      const int cpu = cpus.empty() ? next_cpu++ % s.machine.cpus : cpus[static_cast<std::size_t>(j) % cpus.size()];
      jobs_.emplace_back(machine_, conf.disk == "ublk" ? ublk_->disk() : fs_, io_wqs_, conf, j, cpu, cpus.size() == 1);
      workload::FioJob& job = jobs_.back();
      if (machine_.smp) machine_.smp->set_affinity(job.task(), cpus);
      if (machine_.smp && job.reaper() != nullptr) machine_.smp->set_affinity(*job.reaper(), cpus);
      if (workload::FioJob::needs_page_cache(conf)) job.use(*page_cache_);
    }
  for (const auto& p : s.programs) {
    if (s.machine.cpus < p.min_cpus) continue;
    for (int copy = 0; copy < p.copies; ++copy) {
      workload::Program& program = programs_.emplace_back(machine_, pipes_, sync_, replay_softirq_, p, copy);
      if (workload::Program::needs_page_cache(p)) program.use(*page_cache_);
      KTask& task = program.task();
      if (machine_.smp && p.cpu < 0) machine_.smp->set_affinity(task, scenario::effective_cpus(s, {}, p.cgroup));
    }
  }
  for (const auto& r : s.rings) {
    rings_.emplace_back(machine_, fs_, io_wqs_, r, static_cast<int>(rings_.size()));
    if (workload::RingProgram::needs_page_cache(r)) rings_.back().use(*page_cache_);
  }
  for (const auto& r : s.task_rules) rules_.push_back(std::make_unique<Rule>(*this, r));
  machine_.task_hook = [this](KTask& t) {
    for (auto& r : rules_)
      if (r->active && r->standing() && r->matches(t)) r->renice(t);
  };
  if (o.waits) waits_ = std::make_unique<Waits>(machine_);
  machine_.switch_hook = [this](machine::Cpu& cpu, KTask* prev, std::uint16_t state, KTask* next) {
    if (waits_ != nullptr) waits_->on_switch(cpu, next);
    pingpong_.on_switch(prev, state, next);
    if (next == nullptr) return;
    next->run_delays.record(next->st.run_delay_ns - next->run_delay_seen_ns);
    next->run_delay_seen_ns = next->st.run_delay_ns;
  };
}

Simulation::~Simulation() {
  machine_.task_hook = nullptr;
  machine_.switch_hook = nullptr;
  if (ublk_live_ != nullptr) machine_.engine.cancel(*ublk_live_);
}

fs::PageCache& Simulation::page_cache() {
  if (page_cache_ == nullptr) {
    page_cache_ = std::make_unique<fs::PageCache>(machine_, queue_, workqueues_);
    fs_.use(*page_cache_);
  }
  return *page_cache_;
}

// Charged time, with what the running task has not been charged for yet (reading must not change the run).
std::int64_t Simulation::charged_ns(const KTask& t) const {
  const sched::Rq& rq = const_cast<Simulation*>(this)->machine_.sched.rq(t.st.cpu);
  if (rq.curr != &t.st) return t.st.sum_exec_runtime_ns;
  const auto clock_task =
      static_cast<std::int64_t>(rq.clock_task) + (machine_.now() - static_cast<std::int64_t>(rq.clock));
  return t.st.sum_exec_runtime_ns +
         std::max<std::int64_t>(0, clock_task - static_cast<std::int64_t>(t.st.se.exec_start));
}

void Simulation::apply_rules() {
  for (auto& r : rules_) {
    if (r->rule.at_ns > 0)
      machine_.engine.arm(r->timer, r->rule.at_ns);
    else
      r->apply();
  }
}

void Simulation::begin_window() {
  window_start_ = machine_.now();
  for (KTask& t : machine_.tasks()) {
    task_start_[&t] = {charged_ns(t), t.st.run_delay_ns, t.st.nvcsw,       t.st.nivcsw,          t.migrations,
                       t.st.wakeups,  t.moves,           t.st.smp.refused, t.st.smp.active_asked};
    t.run_delays = {};
  }
  cpu_start_.clear();
  for (int c = 0; c < machine_.cpu_count(); ++c) {
    machine::Cpu& cpu = machine_.cpu(c);
    cpu_start_.push_back({cpu.usage_now(), cpu.switches(), cpu.interrupts()});
  }
  wq_start_ = workqueues_.totals();
  io_wqs_.reset_peaks();
  io_wq_start_ = io_wqs_.totals();
  uring_start_ = uring_totals();
  block_start_ = queue_.counters;
  fs_start_ = fs_.counters;
  if (ublk_ != nullptr) ublk_start_ = ublk_start(*ublk_, *ublk_server_);
  if (page_cache_ != nullptr)
    page_cache_start_ = {page_cache_->counters, page_cache_->journal().counters,
                         page_cache_->device().counters.flushes};
  wakeups_start_ = machine_.wakeups;
  cpu_stat_start_ = cpu_stats();
  if (machine_.smp) balance_start_ = machine_.smp->balancer.counters;
  for (auto& j : jobs_) j.reset_window();
  for (auto& p : programs_) p.reset_window();
  pingpong_.reset();
  if (waits_ != nullptr) waits_->reset();
  machine_.tp.enable(true);
}

void Simulation::start_job(workload::FioJob& job) {
  if (job.uring() != nullptr && job.uring()->ring().sq_task() != nullptr)
    machine_.first_wake(*job.uring()->ring().sq_task());
  machine_.first_wake(job.task());
  if (job.reaper() != nullptr) machine_.first_wake(*job.reaper());
}

// Its users begin when START_DEV has returned; a later life of the server finds them waiting.
void Simulation::make_ublk() {
  ublk_ = std::make_unique<ublk::Device>(machine_, workqueues_, scenario_.ublk);
  ublk_server_ = std::make_unique<ublk::Server>(machine_, *ublk_, fs_, io_wqs_, scenario_.ublk);
  ublk_start_ = ublk_start(*ublk_, *ublk_server_);  // a run may end before its window begins
  ublk_live_ = std::make_unique<engine::Timer>();
  ublk_live_->context = this;
  ublk_live_->fire = [](engine::Timer& t, engine::Time) {
    auto& self = *static_cast<Simulation*>(t.context);
    for (auto& j : self.jobs_)
      if (j.conf().disk == "ublk") self.start_job(j);
  };
  ublk_->on_live = [this] {
    if (!std::exchange(ublk_begun_, true)) machine_.engine.arm(*ublk_live_, machine_.now());
  };
}

void Simulation::sample() {
  std::uint64_t completed = 0, switches = 0;
  for (auto& j : jobs_) completed += j.window().completed;
  for (int c = 0; c < machine_.cpu_count(); ++c)
    switches += machine_.cpu(c).switches() - cpu_start_[static_cast<std::size_t>(c)].switches;
  samples_.push_back({{"t_ns", machine_.now() - window_start_},
                      {"completed", completed - sampled_completed_},
                      {"context_switches", switches - sampled_switches_}});
  sampled_completed_ = completed;
  sampled_switches_ = switches;
}

void Simulation::start() {
  // Records cost CPU time from the start, so that the window begins in the traced machine's steady state; unless an
  // event turns the recorder on.
  const bool later = std::any_of(scenario_.events.begin(), scenario_.events.end(),
                                 [](const scenario::Event& e) { return e.set == scenario::kRecorderOn; });
  machine_.tp.charge(!later && (scenario_.costs[machine::CostId::trace_record].mean_ns() > 0 ||
                                scenario_.costs[machine::CostId::trace_record_sched].mean_ns() > 0));
  machine_.start();
  if (options_.perturb != nullptr) {
    machine_.tp.enable(true);  // an invariant may break before the window begins: its records are wanted too
    perturber_ = std::make_unique<Perturber>(machine_, *options_.perturb);
    perturber_->start();
  }
  apply_rules();
  events_.arm();
  for (auto& p : programs_) p.prepare();
  for (auto& p : programs_) p.start();
  for (auto& r : rings_) {
    if (r.ring().sq_task() != nullptr) machine_.first_wake(*r.ring().sq_task());
    machine_.first_wake(r.task());
  }
  if (ublk_server_ != nullptr) ublk_server_->start();
  for (auto& j : jobs_)
    if (j.conf().disk != "ublk") start_job(j);
}

void Simulation::end_window() {
  machine_.tp.enable(false);
  if (options_.check_accounting) check();
}

Stop Simulation::run() {
  const auto wall = std::chrono::steady_clock::now();
  const auto& r = scenario_.run;
  const engine::Time total = r.warmup_ns + r.duration_ns;
  engine::Engine::Limits limits;
  limits.max_events = r.max_events;
  limits.max_wall_ms = r.max_wall_ms;
  if (options_.progress)
    limits.progress = [&](engine::Time now) {
      return options_.progress(static_cast<double>(now) / static_cast<double>(total));
    };
  start();
  Stop end = machine_.engine.run(r.warmup_ns, limits);
  begin_window();
  const int points = std::max(1, r.samples);
  for (int i = 1; i <= points && end == Stop::time; ++i) {
    end = machine_.engine.run(r.warmup_ns + r.duration_ns / points * i + (i == points ? r.duration_ns % points : 0),
                              limits);
    if (r.samples > 0) sample();
  }
  end_window();
  wall_s_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - wall).count();
  return end;
}

void Simulation::check() const {
  machine_.check_accounting();
  io_wqs_.check();
  if (ublk_ != nullptr) ublk_->check();
  if (page_cache_ != nullptr) page_cache_->check();
  std::uint64_t submitted = 0, reaped = 0, in_use = 0, queued = 0;
  for (const auto& j : jobs_)
    submitted += j.submitted(), reaped += j.reaped(), in_use += static_cast<std::uint64_t>(j.in_use()),
        queued += static_cast<std::uint64_t>(j.queued());
  if (reaped > submitted || queue_.counters.completed > queue_.counters.submitted)
    throw std::logic_error(fmt::format("accounting does not close: {} reaped of {} submitted", reaped, submitted));
  // What a job has in use is queued in user space, in the path, or reaped and not yet returned; a running io_submit
  // makes the queued ones move, so this is a bound.
  if (reaped + in_use < submitted ||
      submitted + queued < reaped + in_use - std::min<std::uint64_t>(in_use, jobs_.size()))
    throw std::logic_error(fmt::format("accounting does not close: submitted {}, reaped {}, in use {}, queued {}",
                                       submitted, reaped, in_use, queued));
}

Outcome run(const scenario::Scenario& s, const Options& o) {
  Simulation sim(s, o);
  Outcome out;
  Stop end = Stop::time;
  try {
    end = sim.run();
  } catch (const machine::Violation& broken) {
    out.end = End::violation;
    out.limit = fmt::format("{}: {}", broken.rule, broken.what());
    sim.note(broken);
    end = Stop::asked;
  } catch (const machine::Stuck& stuck) {
    out.end = End::limit;
    out.limit = stuck.what();
    end = Stop::events;
  }
  if (out.end != End::violation && (end == Stop::cancelled || end == Stop::asked)) out.end = End::stopped;
  if (out.limit.empty() && (end == Stop::events || end == Stop::wall)) {
    out.end = End::limit;
    out.limit = end == Stop::events ? fmt::format("{} events", s.run.max_events)
                                    : fmt::format("{} ms of wall time", s.run.max_wall_ms);
  }
  out.json = sim.result(end).dump();
  if (o.fio_json) out.fio = sim.fio_result().dump(1);
  sim.stop_recording();
  if (o.sink != nullptr) o.sink->finish();
  return out;
}

}  // namespace wakepath::run
