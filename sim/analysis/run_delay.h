// SPDX-License-Identifier: GPL-2.0-or-later
// What each task did, by time: ran, was runnable and waited for its CPU, slept; and who had the CPU while it waited
// (its antagonists). From sched_switch, sched_waking and sched_wakeup alone.
//
// A task waits from the record of its waking (or of the switch that took the CPU from it) to the switch to it. The past
// of a task is kept as its last kPastKept changes, so that "what did it do between then and now" can be asked.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sim/analysis/told_time.h"
#include "sim/trace/event.h"
#include "sim/trace/string_pool.h"

namespace wakepath::analysis {

struct TaskTimes {
  std::int64_t run_ns = 0, wait_ns = 0, sleep_ns = 0;
  TaskTimes operator-(const TaskTimes& o) const {
    return {run_ns - o.run_ns, wait_ns - o.wait_ns, sleep_ns - o.sleep_ns};
  }
};

class RunDelay final : public trace::Sink {
 public:
  static constexpr std::size_t kPastKept = 4096;
  explicit RunDelay(const trace::StringPool& pool) : pool_(&pool) {}
  void on_event(const trace::Event& e) override;
  // The task's times from its first record up to `ns`; before what is kept of its past, the oldest that is kept.
  [[nodiscard]] TaskTimes at(std::int32_t pid, std::int64_t ns) const;
  // [{"task", "waits", "wait_ns", "by": [{"task", "wait_ns", "share"}]}], the longest wait first.
  [[nodiscard]] nlohmann::json json() const;
  // As a result has them: [{"comm", "tid", "cpu_ns_per_s", "voluntary_switches_per_s", …}], by CPU time.
  [[nodiscard]] nlohmann::json tasks_json() const;

 private:
  enum class State : std::uint8_t { unknown, run, wait, sleep };
  struct Change {
    std::int64_t ns;
    TaskTimes times;
    State state;
  };
  struct Task {
    State state = State::unknown;
    std::int64_t since_ns = 0;
    std::int32_t cpu = 0;
    TaskTimes times;
    std::uint32_t family = 0;
    std::int64_t waits = 0, voluntary = 0, involuntary = 0, wakeups = 0;
    trace::StringId comm = 0;
    std::deque<Change> past;
  };
  struct Cpu {
    std::int32_t current = -1;
    std::int64_t since_ns = 0;
    std::vector<std::int32_t> waiting;
  };
  Cpu& cpu(std::int32_t id);
  Task& task(std::int32_t pid, trace::StringId comm);
  void enter(Task& t, State s, std::int64_t ns);  // what it did until then is counted
  static void set(Task& t, State s, std::int64_t ns);
  void gap(std::int64_t ns);
  void wake(const trace::Event& e);
  void on_switch(const trace::Event& e);
  std::uint32_t family(trace::StringId comm);

  const trace::StringPool* pool_;
  std::unordered_map<std::int32_t, Task> tasks_;
  std::vector<Cpu> cpus_;
  ToldTime told_;
  std::vector<std::uint32_t> family_of_comm_;   // by StringId, plus 1
  std::vector<std::string> families_{"<...>"};  // first that of tasks whose name no record tells
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::int64_t> antagonists_;  // who waited, who ran
};

}  // namespace wakepath::analysis
