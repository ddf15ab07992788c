// SPDX-License-Identifier: GPL-2.0-or-later
// One model that follows a trace: carries out its steps on models/sched, asks the judge at each decision, and goes on
// from the trace's decision where the model's differs.
//
// From the trace it takes what comes from outside the scheduler: who wakes, who blocks, how long each stint on the CPU
// was charged for (and so the run queue's clock), nice values. From the setting: groups, tunables. What a trace cannot
// show of its start: on CFS it is held as ranges (bounds.h), and nothing that depends on them is judged; a vruntime is
// taken over from the trace only there. On EEVDF it is a Start that somebody chose; what that leaves to be judged is
// found by comparing several (search.h).
//
// Invariants: after each schedule step the model's current task is the trace's next; clocks of a CPU do not go back.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "models/kernel/switches.h"
#include "models/sched/sched.h"
#include "models/verify/bounds.h"
#include "models/verify/clock.h"
#include "models/verify/judge.h"
#include "models/verify/start.h"
#include "models/verify/step.h"
#include "sim/trace/string_pool.h"

namespace wakepath::verify {

struct GroupSpec {
  std::string name;
  std::uint64_t shares = 1u << 20;  // tg->shares, scaled
  std::vector<std::string> tasks;   // comm of its tasks; "x*": all that begin so
};

struct Setting {
  kernel::Switches switches;
  sched::Tunables tunables;
  int cpus = 1;
  bool prints_vruntime = true;  // the recorded kernel's, whatever is tried
  std::vector<GroupSpec> groups;
};

// A decision the model was asked for, beside the trace's: yes or no (1, 0), or a pid.
struct Answers {
  std::int64_t trace = 0, model = 0;
  bool naive = false;  // the naive rule is right (picks)
};
struct Outcome {
  Kind kind = Kind::pick;
  std::int64_t line = 0, ordinal = 0;  // of the step
  bool can = false;                    // be judged
  Answers answers;
  std::int32_t pid = 0;
  std::optional<Divergence> divergence;
};
void count(Judge& judge, Outcome& o, std::vector<Decision>* decisions);

// A task of the trace and what it did before that began.
struct Present {
  enum class How : std::uint8_t { asleep, queued, running };
  TaskName name;
  int cpu = 0;
  How how = How::asleep;
  std::int64_t since_ns = 0;  // running: last accounted then
};

class Follower final : public StepSink, private sched::Observer {
 public:
  Follower(const Setting& setting, const trace::StringPool& pool, Start start = {}, std::vector<Present> present = {});

  void on_step(const Step& s) override;
  void finish();

  [[nodiscard]] const Judge& judge() const { return judge_; }
  [[nodiscard]] const Start& start() const { return start_; }  // with what was drawn on the way
  [[nodiscard]] std::int64_t assumed_tasks() const { return assumed_; }
  [[nodiscard]] std::int64_t resyncs() const { return resyncs_; }
  [[nodiscard]] std::string name_of_pid(std::int32_t pid) const;
  void collect_decisions(std::vector<Decision>* into) { decisions_ = into; }
  // Outcomes are handed over instead of judged; with the model's state where they diverge.
  void collect_outcomes(std::vector<Outcome>* into, bool keep_states) { outcomes_ = into, keep_states_ = keep_states; }

 private:
  struct TaskState {
    sched::Task task;
    trace::StringId comm = 0;
    std::int64_t waiting_since_ns = 0;  // for the naive pick
    bool printed = false;
    std::uint64_t last_printed = 0;
    bool was_placed = false;  // its vruntime was moved by the last wakeup
    std::uint64_t vruntime_before = 0;
    Bounds::Placement placement;
  };
  struct Cpu {
    bool started = false;    // its current task is the trace's
    bool accounted = false;  // a sched_stat_runtime told its clock
    std::deque<Step> waiting;
    StampClock clock;
    std::int64_t spread = 0;  // of the clock of the step that is carried out; 0: told
  };

  // follower.cc
  void restart();
  void take(Cpu& cpu, bool at_end);
  void run(Cpu& cpu, const Step& s, std::int64_t now);
  [[nodiscard]] bool clock_of(Cpu& cpu, const Step& s, bool at_end, std::int64_t& now);
  [[nodiscard]] static StampClock::Key key_of(const Step& s, bool idle);
  void run_wake(const Step& s, std::int64_t now);
  void run_tick(const Step& s, std::int64_t now);
  void run_schedule(const Step& s, std::int64_t now);
  void run_migrate(const Step& s, std::int64_t now);
  void check_print(const Step& s);
  void verdict(Kind k, const Step& s, bool can, Answers a, const sched::Task& about, const sched::Task* other);
  [[nodiscard]] Start::Key key_of(const sched::Entity& se, Start::What what) const;
  void assume_lag(sched::Entity& se);
  void assume_used_up(sched::Task& t, const sched::Entity* queued_before);
  void assume_unprotected(sched::Task& t);
  void assume_present(int cpu, std::int64_t now);
  void start_cpu(int cpu);
  // follower_state.cc
  TaskState& task_of(const TaskName& name, int cpu, std::int64_t now);
  TaskState& create(TaskState& t, const TaskName& name, int cpu);
  sched::TaskGroup* group_of(const std::string& comm);
  void make_runnable(TaskState& t, int cpu, std::int64_t now);
  [[nodiscard]] bool runs_elsewhere(const sched::Task& t, int cpu) const;
  void make_current(const TaskName& name, int cpu, std::int64_t now);
  void before_wakeup(TaskState& t);
  void after_wakeup(TaskState& t);
  void learn_before(const Step& s, std::int64_t now);
  [[nodiscard]] std::vector<std::string> state_of(int cpu, const sched::Task* other) const;
  void diverged(Kind k, const Step& s, const sched::Task& t, std::string trace, std::string model,
                const sched::Task* other);
  void decided(Kind k, const Step& s, std::int64_t answer, bool equal, std::int32_t pid);
  void stat_runtime(int cpu, const sched::Task& t, sched::Time delta_ns, std::uint64_t vruntime) override;

  const Setting setting_;
  const trace::StringPool* pool_;
  std::unique_ptr<sched::Scheduler> sched_;
  std::vector<sched::TaskGroup*> groups_;
  Bounds bounds_;
  std::unordered_map<std::int32_t, std::unique_ptr<TaskState>> tasks_;
  std::vector<Cpu> cpus_;
  Judge judge_;
  std::vector<Decision>* decisions_ = nullptr;
  std::vector<Outcome>* outcomes_ = nullptr;
  bool keep_states_ = true;
  Start start_;
  std::vector<Present> present_;
  int epoch_ = 0;  // of restarts: what is assumed after one is not what was assumed before
  struct {
    const sched::Task* task = nullptr;
    std::int64_t runtime_ns = 0;
    std::uint64_t vruntime = 0;
  } charged_;                      // the model's last accounting of the step
  std::int64_t checked_line_ = 0;  // the print that was looked at before the step was carried out
  std::int64_t assumed_ = 0, resyncs_ = 0;
};

}  // namespace wakepath::verify
