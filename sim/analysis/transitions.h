// SPDX-License-Identifier: GPL-2.0-or-later
// The event pattern of a trace, simulated or real: who switches to whom and why, how many work items a kworker does per
// activation, how many events an io_getevents returns, and what a wakeup does. Two traces of one setting show the same
// pattern when these tables agree (sim/analysis/compare.h).
//
// Memory does not grow with the trace. A loss of records (lost_events) resets all state: nothing is judged across it. A
// trace may lack records without saying so (perf drops those of the idle loop): a sched_switch whose prev is not the
// task that was switched to before is counted as a missing switch, and completions that were issued but never seen are
// told; nothing is inferred in their place.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <unordered_map>
#include <vector>

#include "sim/analysis/counter.h"
#include "sim/analysis/task_class.h"
#include "sim/trace/event.h"
#include "sim/trace/string_pool.h"

namespace wakepath::analysis {

// Why the task that left the CPU left it: sched_switch's prev_state.
enum class Leave : std::uint8_t {
  runnable,     // R: schedule() of a runnable task, on return to user space or by yield
  preempted,    // R+: a preemption point inside the kernel
  sleep,        // S
  disk_sleep,   // D
  idle_worker,  // I: a kworker out of work
  other,        // dead, stopped, parked
  count_
};
[[nodiscard]] std::string_view letter_of(Leave l);
[[nodiscard]] Leave leave_of(std::uint16_t prev_state);

// Of one class of kworkers.
struct WorkerCounts {
  Counter items_per_activation;  // execute_start records between switch-in and switch-out
  std::int64_t items = 0;        // all execute_start records
  std::int64_t wakeups = 0;      // sched_waking records
};

struct TransitionTable {
  std::int64_t records = 0;
  std::int64_t duration_ns = 0;  // without gaps
  std::int64_t gaps = 0, lost_events = 0;
  std::int64_t switches = 0;
  std::int64_t missing_switches = 0;  // places where the trace lacks at least one sched_switch
  std::array<std::array<std::array<std::int64_t, static_cast<std::size_t>(Leave::count_)>, kTaskClasses>, kTaskClasses>
      transitions{};                               // [from][to][leave]
  std::array<WorkerCounts, kTaskClasses> workers;  // by class; only the kworker ones are filled
  std::int64_t queue_works = 0;
  std::int64_t queue_works_nop = 0;  // without a wakeup: the pool had a worker at work already

  std::int64_t getevents_returns = 0;  // whose entry was seen too
  std::int64_t getevents_slept = 0;    // of these: blocked at least once
  std::int64_t getevents_sleeps = 0;   // blocked how often in all: woken too early, a waiter sleeps again
  Counter events_per_getevents;        // results that are not negative
  Counter submit_nr;                   // nr of io_submit entries

  std::int64_t fio_wakings = 0;
  std::int64_t fio_wakeups = 0;             // sched_wakeup records
  std::int64_t fio_wakeups_judged = 0;      // of these: with latency columns, so that need_resched can be seen
  std::int64_t fio_wakeups_preempting = 0;  // of these: need_resched appeared between sched_waking and sched_wakeup
  std::int64_t fio_wakeups_to_switch = 0;   // the next switch on that CPU went from a runnable task to the woken one

  std::int64_t interrupts = 0;             // irq_handler, local_timer and reschedule entries
  Counter completions_per_interrupt;       // of those that completed something
  std::int64_t issued = 0, completed = 0;  // block_rq_*

  // The number of I/Os that "per I/O" divides by: perf traces lack completions, some traces lack issues.
  [[nodiscard]] std::int64_t ios() const { return issued > completed ? issued : completed; }
  [[nodiscard]] std::int64_t at(TaskClass from, TaskClass to, Leave leave) const {
    return transitions[static_cast<std::size_t>(from)][static_cast<std::size_t>(to)][static_cast<std::size_t>(leave)];
  }
  [[nodiscard]] double per_s(std::int64_t n) const {
    return duration_ns == 0 ? 0.0 : static_cast<double>(n) * 1e9 / static_cast<double>(duration_ns);
  }
};

class Transitions final : public trace::Sink {
 public:
  explicit Transitions(const trace::StringPool& pool) : classes_(pool) {}
  void on_event(const trace::Event& e) override;
  [[nodiscard]] const TransitionTable& table() const { return table_; }

 private:
  struct Cpu {
    bool known = false;  // current holds
    bool whole = false;  // switched in within sight: its activation counts
    std::int32_t current = 0;
    TaskClass current_class = TaskClass::other;
    std::int64_t items = 0;
    bool queued = false;          // the record before was queue_work
    std::int32_t waking = -1;     // pid of the last sched_waking written here
    bool resched_before = false;  // need_resched there
    std::int32_t woken = -1;      // last fio task woken to this CPU
    bool in_interrupt = false;
    std::int64_t completions = 0;
  };
  struct Call {
    std::int64_t sleeps = 0;
  };

  Cpu& cpu(std::int32_t id);
  void gap(const trace::Event& e);
  void on_switch(const trace::Event& e, Cpu& c);
  void on_waking(const trace::Event& e, Cpu& c);
  void on_wakeup(const trace::Event& e, const Cpu& c);
  void on_return(const trace::Event& e);
  void close_interrupt(Cpu& c);

  TransitionTable table_;
  TaskClasses classes_;
  std::vector<Cpu> cpus_;
  std::unordered_map<std::int32_t, Call> calls_;  // tasks inside io_getevents
  std::int64_t last_ts_ns_ = 0;
  bool started_ = false;
};

[[nodiscard]] nlohmann::json to_json(const TransitionTable& t);

}  // namespace wakepath::analysis
