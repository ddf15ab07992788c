// SPDX-License-Identifier: GPL-2.0-or-later
// The figures of wakepath.result/1 (design, section 5), all but made_by.
#include <algorithm>

#include "models/run/fio_json.h"
#include "models/run/io_wq_json.h"
#include "models/run/simulation.h"

namespace wakepath::run {

using json = nlohmann::ordered_json;
using machine::KTask;

namespace {

json latency(const engine::Histogram& h) {
  return {{"mean", h.count() > 0 ? static_cast<double>(h.sum()) / static_cast<double>(h.count()) : 0.0},
          {"min", h.count() > 0 ? h.min() : 0},
          {"max", h.count() > 0 ? h.max() : 0},
          {"p50", h.percentile(50, 100)},
          {"p90", h.percentile(90, 100)},
          {"p99", h.percentile(99, 100)},
          {"p999", h.percentile(999, 1000)}};
}

}  // namespace

json Simulation::io_json(double seconds) const {
  std::uint64_t completed = 0, submits = 0, reaps = 0;
  engine::Histogram slat, clat, lat;
  json jobs = json::array();
  std::uint64_t waiter_wakes = 0, sleeps = 0;
  for (const auto& j : jobs_) {
    const auto& w = j.window();
    completed += w.completed, submits += w.submit_calls, reaps += w.getevents_calls;
    slat.merge(w.slat), clat.merge(w.clat), lat.merge(w.lat);
    waiter_wakes += j.aio().counters.waiter_wakes, sleeps += j.aio().counters.sleeps;
    jobs.push_back({{"name", j.conf().name},
                    {"iops", static_cast<double>(w.completed) / seconds},
                    {"completed", w.completed},
                    {"reads", w.reads},
                    {"slat_ns", latency(w.slat)},
                    {"clat_ns", latency(w.clat)},
                    {"lat_ns", latency(w.lat)}});
  }
  return {{"iops", static_cast<double>(completed) / seconds},
          {"completed", completed},
          {"slat_ns", latency(slat)},
          {"clat_ns", latency(clat)},
          {"lat_ns", latency(lat)},
          {"io_submit_per_s", static_cast<double>(submits) / seconds},
          {"io_getevents_per_s", static_cast<double>(reaps) / seconds},
          {"in_flight_at_end", queue_.in_flight()},
          {"deferred_to_workqueue", fs_.counters.deferred - fs_start_.deferred},
          {"completed_in_interrupt", fs_.counters.in_completer - fs_start_.in_completer},
          {"jobs", jobs}};
}

// Of those that are lists of steps: how often a list was gone through to its end, and the mean time of that.
json Simulation::programs_json() const {
  std::map<std::string, workload::Steps::Passes> by_name;
  for (const auto& p : programs_) {
    const auto one = p.passes();
    if (one.count == 0) continue;
    auto& all = by_name[p.conf().name];
    all.count += one.count, all.ns += one.ns;
  }
  json out = json::object();
  for (const auto& [name, p] : by_name)
    out[name] = {{"passes", p.count}, {"pass_ns", static_cast<double>(p.ns) / static_cast<double>(p.count)}};
  return out;
}

json Simulation::cpus_json() const {
  json out = json::array();
  for (std::size_t c = 0; c < cpu_start_.size(); ++c) {
    machine::Cpu& cpu = const_cast<Simulation*>(this)->machine_.cpu(static_cast<int>(c));
    const machine::Usage now = cpu.usage_now(), &then = cpu_start_[c].usage;
    const double total = static_cast<double>(std::max<engine::Time>(1, now.total() - then.total()));
    const auto part = [&](engine::Time a, engine::Time b) { return static_cast<double>(a - b) / total; };
    const double idle = now.total() > then.total() ? part(now.idle, then.idle) : 1.0;  // else it ended in the warm-up
    out.push_back(
        {{"id", cpu.id()},
         {"user", part(now.user, then.user)},
         {"sys", part(now.sys, then.sys)},
         {"irq", part(now.irq, then.irq)},
         {"softirq", part(now.softirq, then.softirq)},
         {"idle", idle},
         {"busy", 1.0 - idle},
         {"context_switches_per_s", static_cast<double>(cpu.switches() - cpu_start_[c].switches) * 1e9 / total},
         {"interrupts_per_s", static_cast<double>(cpu.interrupts() - cpu_start_[c].interrupts) * 1e9 / total}});
  }
  return out;
}

json Simulation::tasks_json(double seconds) const {
  json out = json::array();
  for (const KTask& t : const_cast<Simulation*>(this)->machine_.tasks()) {
    const auto it = task_start_.find(&t);
    const TaskStart start = it != task_start_.end() ? it->second : TaskStart{};
    const std::int64_t cpu_ns = charged_ns(t) - start.exec_ns;
    if (cpu_ns == 0 && t.st.nvcsw == start.nvcsw && t.group_name != "fio") continue;  // it never ran in the window
    out.push_back(
        {{"comm", t.st.comm},
         {"tid", t.st.pid},
         {"cgroup", "/" + t.cgroup},
         {"group", t.group_name},
         {"cpu_ns_per_s", static_cast<double>(cpu_ns) / seconds},
         {"voluntary_switches_per_s", static_cast<double>(t.st.nvcsw - start.nvcsw) / seconds},
         {"involuntary_switches_per_s", static_cast<double>(t.st.nivcsw - start.nivcsw) / seconds},
         {"migrations_per_s", static_cast<double>(t.migrations - start.migrations) / seconds},
         {"wakeups_per_s", static_cast<double>(t.st.wakeups - start.wakeups) / seconds},
         {"run_delay_ns_per_s", static_cast<double>(t.st.run_delay_ns - start.run_delay_ns) / seconds},
         {"run_delay_ns",
          {{"p50", t.run_delays.sorted().percentile(50, 100)}, {"p99", t.run_delays.sorted().percentile(99, 100)}}}});
  }
  return out;
}

json Simulation::groups_json(double seconds) const {
  struct Sum {
    std::int64_t cpu = 0;
    std::uint64_t voluntary = 0, involuntary = 0;
  };
  std::map<std::string, Sum> groups;
  for (const char* name : {"fio", "kworker", "iou_wrk", "ksoftirqd"}) groups[name];
  for (const KTask& t : const_cast<Simulation*>(this)->machine_.tasks()) {
    const auto it = task_start_.find(&t);
    const TaskStart start = it != task_start_.end() ? it->second : TaskStart{};
    Sum& g = groups[t.group_name];
    g.cpu += charged_ns(t) - start.exec_ns;
    g.voluntary += t.st.nvcsw - start.nvcsw;
    g.involuntary += t.st.nivcsw - start.nivcsw;
  }
  json out = json::object();
  for (const auto& [name, g] : groups)
    out[name] = {{"cpu_ns_per_s", static_cast<double>(g.cpu) / seconds},
                 {"voluntary_switches_per_s", static_cast<double>(g.voluntary) / seconds},
                 {"involuntary_switches_per_s", static_cast<double>(g.involuntary) / seconds}};
  return out;
}

json Simulation::totals_json(double seconds) const {
  std::uint64_t switches = 0, interrupts = 0, migrations = 0;
  auto& m = const_cast<Simulation*>(this)->machine_;
  for (std::size_t c = 0; c < cpu_start_.size(); ++c) {
    switches += m.cpu(static_cast<int>(c)).switches() - cpu_start_[c].switches;
    interrupts += m.cpu(static_cast<int>(c)).interrupts() - cpu_start_[c].interrupts;
  }
  for (const KTask& t : m.tasks()) {
    const auto it = task_start_.find(&t);
    migrations += t.migrations - (it != task_start_.end() ? it->second.migrations : 0);
  }
  return {{"context_switches_per_s", static_cast<double>(switches) / seconds},
          {"migrations_per_s", static_cast<double>(migrations) / seconds},
          {"interrupts_per_s", static_cast<double>(interrupts) / seconds},
          {"wakeups_per_s", static_cast<double>(m.wakeups - wakeups_start_) / seconds}};
}

json Simulation::workqueue_json(double seconds) const {
  const auto now = workqueues_.totals();
  const auto rate = [&](std::uint64_t a, std::uint64_t b) { return static_cast<double>(a - b) / seconds; };
  const std::uint64_t runs = now.activations - wq_start_.activations;
  return {{"items_per_s", rate(now.items, wq_start_.items)},
          {"queued_per_s", rate(now.queued, wq_start_.queued)},
          {"activations_per_s", rate(now.activations, wq_start_.activations)},
          {"items_per_activation",
           runs > 0 ? static_cast<double>(now.items - wq_start_.items) / static_cast<double>(runs) : 0.0},
          {"wakeups_per_s", rate(now.kicks, wq_start_.kicks)},
          {"nop_wakeups_per_s", rate(now.nop_wakes, wq_start_.nop_wakes)},
          {"workers", workqueues_.workers()},
          {"workers_created", now.created - wq_start_.created},
          {"workers_retired", now.retired - wq_start_.retired}};
}

std::vector<Simulation::CpuStat> Simulation::cpu_stats() const {
  std::vector<CpuStat> out;
  for (const auto& g : scenario_.cgroups) {
    const sched::CfsBandwidth& b = const_cast<Simulation*>(this)->machine_.group(g.path).bandwidth;
    out.push_back({b.nr_periods, b.nr_throttled, b.throttled_time_ns});
  }
  return out;
}

// cpu.stat of the groups that had a limit in the window.
json Simulation::bandwidth_json() const {
  json out = json::array();
  const auto now = cpu_stats();
  for (std::size_t i = 0; i < now.size() && i < cpu_stat_start_.size(); ++i) {
    const CpuStat& start = cpu_stat_start_[i];
    if (now[i].nr_periods == start.nr_periods) continue;
    out.push_back({{"path", scenario_.cgroups[i].path},
                   {"nr_periods", now[i].nr_periods - start.nr_periods},
                   {"nr_throttled", now[i].nr_throttled - start.nr_throttled},
                   {"throttled_ns", now[i].throttled_ns - start.throttled_ns}});
  }
  return out;
}

Simulation::UringTotals Simulation::uring_totals() const {
  UringTotals sum;
  const auto add = [&](io_uring::Ring& ring) {
    const auto& c = ring.counters;
    auto& r = sum.rings;
    r.enters += c.enters, r.sleeps += c.sleeps, r.punted += c.punted, r.inline_done += c.inline_done;
    r.overflows += c.overflows, r.local_passes += c.local_passes, r.polls += c.polls, r.completed += c.completed;
    sum.passes += ring.tctx().counters.passes;
  };
  auto& self = const_cast<Simulation&>(*this);
  for (auto& j : self.jobs_)
    if (j.uring() != nullptr) add(j.uring()->ring());
  for (auto& r : self.rings_) add(r.ring());
  return sum;
}

json Simulation::io_uring_json(double seconds) const {
  const UringTotals now = uring_totals();
  const auto &a = now.rings, &b = uring_start_.rings;
  const auto rate = [&](std::uint64_t x, std::uint64_t y) { return static_cast<double>(x - y) / seconds; };
  return {{"completed_per_s", rate(a.completed, b.completed)},
          {"enters_per_s", rate(a.enters, b.enters)},
          {"sleeps_per_s", rate(a.sleeps, b.sleeps)},
          {"punted_per_s", rate(a.punted, b.punted)},
          {"inline_per_s", rate(a.inline_done, b.inline_done)},
          {"task_work_passes_per_s", rate(now.passes, uring_start_.passes)},
          {"local_work_passes_per_s", rate(a.local_passes, b.local_passes)},
          {"polls_per_s", rate(a.polls, b.polls)},
          {"cq_overflows", a.overflows - b.overflows}};
}

json Simulation::fio_result() const {
  return fio_json(jobs_, static_cast<double>(std::max<engine::Time>(1, machine_.now() - window_start_)) / 1e9);
}

json Simulation::ublk_result(double seconds) const {
  std::map<const KTask*, UblkTask> tasks;
  for (const auto& t : ublk_server_->threads()) {
    const KTask& task = const_cast<ublk::ServerThread&>(t).task();
    const auto it = task_start_.find(&task);
    const TaskStart start = it != task_start_.end() ? it->second : TaskStart{};
    tasks[&task] = {static_cast<double>(charged_ns(task) - start.exec_ns) / seconds,
                    static_cast<double>(task.st.run_delay_ns - start.run_delay_ns) / seconds};
  }
  UblkLoad load;
  for (const auto& job : jobs_) {
    auto& j = const_cast<workload::FioJob&>(job);
    for (const KTask* task : {&j.task(), j.reaper()}) {
      if (task == nullptr) continue;
      const auto it = task_start_.find(task);
      const double ns = static_cast<double>(charged_ns(*task) - (it != task_start_.end() ? it->second.exec_ns : 0));
      load.busiest_client = std::max(load.busiest_client, ns / 1e9 / seconds);
    }
  }
  const json cpus = cpus_json();
  for (const auto& cpu : cpus) load.cpus.push_back(cpu["busy"].get<double>());
  return ublk_json(*ublk_, *ublk_server_, ublk_start_, tasks, scenario_.ublk, load, seconds);
}

json Simulation::result(engine::Stop end) const {
  const engine::Time window = std::max<engine::Time>(1, machine_.now() - window_start_);
  const double seconds = static_cast<double>(window) / 1e9;
  json r;
  r["schema"] = "wakepath.result/1";
  r["status"] = violation_                                                   ? "violation"
                : end == engine::Stop::time                                  ? "finished"
                : (end == engine::Stop::events || end == engine::Stop::wall) ? "limit"
                                                                             : "stopped";
  r["window_ns"] = window;
  r["warmup_ns"] = scenario_.run.warmup_ns;
  r["io"] = io_json(seconds);
  r["totals"] = totals_json(seconds);
  r["cpus"] = cpus_json();
  r["tasks"] = tasks_json(seconds);
  r["groups"] = groups_json(seconds);
  if (const json limited = bandwidth_json(); !limited.empty()) r["cgroups"] = limited;
  if (machine_.smp) r["migrations"] = migrations_json(seconds);
  r["workqueue"] = workqueue_json(seconds);
  const auto rate = [&](std::uint64_t a, std::uint64_t b) { return static_cast<double>(a - b) / seconds; };
  r["block"] = {{"requests_per_s", rate(queue_.counters.completed, block_start_.completed)},
                {"doorbells_per_s", rate(queue_.counters.doorbells, block_start_.doorbells)},
                {"tag_waits_per_s", rate(queue_.counters.tag_waits, block_start_.tag_waits)},
                {"ring_full_per_s", rate(queue_.counters.ring_full, block_start_.ring_full)}};
  r["io_wq"] = io_wq_json(const_cast<Simulation*>(this)->io_wqs_.totals().since(io_wq_start_), seconds);
  r["io_uring"] = io_uring_json(seconds);
  r["ublk"] = ublk_ != nullptr ? ublk_result(seconds) : json::object();
  if (violation_) {
    r["violation"] = {{"rule", violation_->rule},
                      {"text", violation_->what()},
                      {"facts", violation_->facts},
                      {"pid", violation_->pid},
                      {"marks", json::array()}};
    for (const auto& mark : violation_->marks)
      r["violation"]["marks"].push_back({{"sector", mark.sector}, {"text", mark.text}});
  }
  if (perturber_ != nullptr) {
    r["explore"] = perturber_->json();
    r["explore"]["at_ns"] = machine_.now();
  }
  if (page_cache_ != nullptr) r["page_cache"] = page_cache_json(seconds);
  if (json programs = programs_json(); !programs.empty()) r["programs"] = std::move(programs);
  r["pingpong"] = json::array();
  for (const auto& p : pingpong_.rows(window))
    r["pingpong"].push_back({{"cycle", p.cycle},
                             {"switches_per_s", p.switches_per_s},
                             {"share", p.share},
                             {"cause", p.cause},
                             {"text", p.text}});
  if (waits_ != nullptr) r["waits"] = waits_->json(window);
  if (scenario_.run.samples > 0) r["samples"] = samples_;
  const auto events = machine_.engine.events() + machine_.engine.steps();
  r["engine"] = {{"events", events},
                 {"queue_events", machine_.engine.events()},
                 {"wall_s", wall_s_},
                 {"events_per_s", wall_s_ > 0 ? static_cast<double>(events) / wall_s_ : 0.0},
                 {"simulated_per_wall", wall_s_ > 0 ? static_cast<double>(machine_.now()) / 1e9 / wall_s_ : 0.0}};
  return r;
}

}  // namespace wakepath::run
