// SPDX-License-Identifier: GPL-2.0-or-later
// Where woken tasks went and what the balancer moved, in a trace of several CPUs, against the model's own functions.
//
// It follows the records alone: who runs and who waits on each CPU. At sched_waking it asks select_task_rq_fair over
// what the trace shows of the CPUs; the answer of the kernel is the sched_migrate_task that follows, or the CPU of the
// sched_wakeup or switch to the task. A wakeup is judged where idle states and affinity decide; where the load decides,
// a utilisation, or the sync flag that no record shows, it is counted apart. A move that no wakeup made is the
// balancer's: was it legal, and would the model's group statistics, over the tasks that the trace shows, have asked for
// it from there to there?
//
// Loads are not in a trace: a CPU with n tasks is taken to have n times 1024. Nor are utilisations, on which hang how
// many CPUs the search for an idle one tests (SIS_UTIL) and which CPU has room (sched_vcpu_pack): the rule is asked for
// every CPU that it may name, and a wakeup is judged where that is one. A cache is used at most by what the trace
// shows. On a kernel with delayed dequeue a sleeper may still be queued until its CPU idled: its wakeup is not judged,
// nor one that depends on how many tasks are queued there. Source: kernel/sched/fair.c (select_task_rq_fair,
// can_migrate_task, find_busiest_group), 6.1 and 6.12.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <unordered_map>
#include <vector>

#include "models/kernel/switches.h"
#include "models/sched/domains.h"
#include "models/sched/pelt.h"
#include "models/sched/placement/placement.h"
#include "models/verify/judge.h"
#include "sim/trace/event.h"
#include "sim/trace/string_pool.h"

namespace wakepath::verify {

struct PinnedTasks {
  std::vector<std::string> tasks;  // comm; "x*": all that begin so
  int cpu = 0;
};

class PlacementJudge {
 public:
  PlacementJudge(const kernel::Switches& k, int cpus, int hz, std::vector<PinnedTasks> pinned,
                 const trace::StringPool& pool);

  void on_event(const trace::Event& e, std::int64_t line);
  [[nodiscard]] nlohmann::json to_json() const;
  [[nodiscard]] std::string below_bar() const;  // in words; "": it holds
  [[nodiscard]] std::int64_t judged() const { return idle_.n; }
  [[nodiscard]] const std::vector<Divergence>& divergences() const { return divergences_; }

 private:
  static constexpr std::size_t kKept = 20;
  static constexpr int kUnknown = -1;
  enum class Where : std::uint8_t { unknown, blocked, queued, running };
  struct Pending {  // a wakeup whose answer is not known yet
    bool open = false, judged = false, by_load = false;
    int waker_cpu = 0, prev = 0;
    sched::Placement model;
    std::int64_t line = 0, ts_ns = 0;
  };
  struct TaskSeen {
    trace::StringId comm = 0;
    int cpu = kUnknown, prio = 120;
    Where where = Where::unknown;
    bool bound = false, kthread = false;  // to one CPU; by the kernel
    int recent_used_cpu = kUnknown;
    bool may_be_delayed = false;  // it blocked beside others,
    std::int64_t idle_epoch = 0;  // and its CPU has not idled since
    sched::WakeeFlips flips;
    Pending pending;
  };
  struct CpuSeen {
    std::int32_t current = kUnknown;
    unsigned queued = 0, delayed = 0;
    std::int64_t idle_epoch = 0;
    sched::Pelt most;  // how much it can have been used, by what the trace shows: all of it before
    [[nodiscard]] unsigned nr_running() const { return queued + (current > 0 ? 1U : 0U); }
  };
  struct View;
  struct Choice;

  TaskSeen& task_of(std::int32_t pid, trace::StringId comm, int prio);
  CpuSeen& cpu_of(int c) { return cpus_[static_cast<std::size_t>(c)]; }
  void on_switch(const trace::Event& e);
  void on_waking(const trace::Event& e, std::int64_t line);
  void on_migrate(const trace::Event& e, std::int64_t line);
  void forget(const trace::Event& e);
  void enqueue(TaskSeen& t, int cpu);
  void dequeue(TaskSeen& t);
  void on_wakeup(const trace::Event& e);
  void ask(TaskSeen& t, const trace::Event& e, std::int64_t line);
  Choice choose(const sched::Wakeup& w, bool sleepers_queued);
  void account(CpuSeen& cpu, std::int64_t ts_ns);
  int least_idle_scan(int cpu, std::int64_t ts_ns);
  void answer(TaskSeen& t, int cpu);
  void judge_move(const TaskSeen& t, const trace::Event& e, std::int64_t line);
  [[nodiscard]] bool would_balance(int from, int to, bool newly_idle) const;
  [[nodiscard]] bool bound_by_name(const std::string& comm, int& cpu) const;
  void keep(std::int64_t line, std::int64_t ts_ns, int cpu, const TaskSeen& t, std::string trace, std::string model);

  const kernel::Switches& k_;
  sched::Domains domains_;
  const std::vector<PinnedTasks> pinned_;
  const trace::StringPool& pool_;
  const int hz_;
  const bool delays_;
  std::unordered_map<std::int32_t, TaskSeen> tasks_;
  std::vector<CpuSeen> cpus_;
  int least_scan_ = 0;  // nr_idle_scan of the wakeup's cache, at least
  Tally idle_, load_;   // naive: it stays where it was
  std::int64_t bound_ = 0, sync_ = 0, delayed_ = 0, by_util_ = 0, unseen_ = 0;
  struct {
    std::int64_t n = 0, legal = 0, chosen = 0;
  } moves_;
  std::vector<Divergence> divergences_;
};

}  // namespace wakepath::verify
