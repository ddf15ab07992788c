// SPDX-License-Identifier: GPL-2.0-or-later
// One node built from a scenario: machine, workqueues, block device, filesystem, jobs; and the counters at the window's
// start.
#pragma once

#include <deque>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "models/fs/dio.h"
#include "models/machine/machine.h"
#include "models/machine/smp.h"
#include "models/machine/violation.h"
#include "models/run/events.h"
#include "models/run/migration_causes.h"
#include "models/run/perturber.h"
#include "models/run/pingpong.h"
#include "models/run/run.h"
#include "models/run/ublk_json.h"
#include "models/run/waits.h"
#include "models/workload/fio.h"
#include "models/workload/program.h"
#include "models/workload/ring_program.h"
#include "models/workqueue/workqueue.h"
#include "sim/engine/stats.h"

namespace wakepath::run {

class Simulation {
 public:
  Simulation(const scenario::Scenario& s, const Options& o);
  ~Simulation();
  engine::Stop run();  // warm-up and window
  [[nodiscard]] nlohmann::ordered_json result(engine::Stop end) const;
  [[nodiscard]] nlohmann::ordered_json fio_result() const;  // of the same window, in fio's schema
  void note(const machine::Violation& broken) { violation_ = broken; }

  // The parts of run(), for who drives several nodes in step: start; advance to the end of the warm-up; begin_window;
  // advance to the end; end_window. How the way is cut into advances changes no result.
  void start();
  engine::Stop advance(engine::Time until, const engine::Engine::Limits& limits = {}) {
    return machine_.engine.run(until, limits);
  }
  void stop_recording() { machine_.tp.enable(false); }
  void begin_window();
  void end_window();  // checks the accounting
  [[nodiscard]] machine::Machine& machine() { return machine_; }
  [[nodiscard]] fs::Filesystem& filesystem() { return fs_; }
  [[nodiscard]] workqueue::Workqueues& workqueues() { return workqueues_; }
  fs::PageCache& page_cache();  // made when it is first asked for, before start()

 private:
  struct Rule;
  void apply_rules();
  void make_ublk();
  void start_job(workload::FioJob& job);
  void sample();
  void check() const;
  [[nodiscard]] nlohmann::ordered_json io_json(double seconds) const;
  [[nodiscard]] nlohmann::ordered_json cpus_json() const;
  [[nodiscard]] nlohmann::ordered_json tasks_json(double seconds) const;
  [[nodiscard]] nlohmann::ordered_json groups_json(double seconds) const;
  [[nodiscard]] nlohmann::ordered_json totals_json(double seconds) const;
  [[nodiscard]] TaskDecisions decisions_about(const machine::KTask& t) const;  // migrations.cc
  [[nodiscard]] nlohmann::ordered_json migrations_json(double seconds) const;
  [[nodiscard]] nlohmann::ordered_json workqueue_json(double seconds) const;
  [[nodiscard]] nlohmann::ordered_json bandwidth_json() const;
  [[nodiscard]] nlohmann::ordered_json io_uring_json(double seconds) const;
  [[nodiscard]] nlohmann::ordered_json ublk_result(double seconds) const;
  [[nodiscard]] nlohmann::ordered_json page_cache_json(double seconds) const;
  [[nodiscard]] nlohmann::ordered_json programs_json() const;
  [[nodiscard]] std::int64_t charged_ns(const machine::KTask& t) const;

  struct TaskStart {
    std::int64_t exec_ns = 0, run_delay_ns = 0;
    std::uint64_t nvcsw = 0, nivcsw = 0, migrations = 0, wakeups = 0;
    machine::KTask::Moves moves{};
    decltype(sched::SmpTask::refused) refused{};
    std::uint32_t active_asked = 0;
  };
  struct CpuStart {
    machine::Usage usage;
    std::uint64_t switches = 0, interrupts = 0;
  };

  const scenario::Scenario& scenario_;
  const Options& options_;
  machine::Machine machine_;
  workqueue::Workqueues workqueues_;
  block::Queue queue_;
  fs::Filesystem fs_;
  io_uring::IoWqs io_wqs_;
  std::unique_ptr<ublk::Device> ublk_;  // where the scenario has one
  std::unique_ptr<ublk::Server> ublk_server_;
  std::unique_ptr<engine::Timer> ublk_live_;
  bool ublk_begun_ = false;
  std::unique_ptr<fs::PageCache> page_cache_;  // where a workload needs one
  std::deque<workload::FioJob> jobs_;
  workload::Pipes pipes_;
  workload::SyncObjects sync_;
  workload::ReplaySoftirq replay_softirq_{machine_};
  std::pmr::deque<workload::Program> programs_{&machine_.memory()};
  std::deque<workload::RingProgram> rings_;
  std::vector<std::unique_ptr<Rule>> rules_;
  Events events_;
  std::unique_ptr<Perturber> perturber_;  // of another schedule
  PingPong pingpong_{machine_};
  std::unique_ptr<Waits> waits_;  // where they are asked for
  std::map<const machine::KTask*, TaskStart> task_start_;
  std::vector<CpuStart> cpu_start_;
  workqueue::Pool::Counters wq_start_;
  struct PageCacheStart {
    fs::PageCache::Counters counters;
    fs::Journal::Counters journal;
    std::uint64_t flushes = 0;
  } page_cache_start_;
  block::Queue::Counters block_start_;
  fs::Filesystem::Counters fs_start_;
  UblkStart ublk_start_;
  struct CpuStat {  // of one cgroup: cpu.stat
    std::uint64_t nr_periods, nr_throttled;
    std::int64_t throttled_ns;
  };
  [[nodiscard]] std::vector<CpuStat> cpu_stats() const;  // in the order of the scenario
  std::vector<CpuStat> cpu_stat_start_;
  io_uring::IoWqCounters io_wq_start_;
  struct UringTotals {
    io_uring::Ring::Counters rings;
    std::uint64_t passes = 0;
  };
  [[nodiscard]] UringTotals uring_totals() const;
  UringTotals uring_start_;
  std::uint64_t wakeups_start_ = 0;
  sched::Balancer::Counters balance_start_;
  engine::Time window_start_ = 0;
  nlohmann::ordered_json samples_ = nlohmann::ordered_json::array();
  std::uint64_t sampled_completed_ = 0, sampled_switches_ = 0;
  double wall_s_ = 0;
  std::optional<machine::Violation> violation_;
};

}  // namespace wakepath::run
