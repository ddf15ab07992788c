// SPDX-License-Identifier: GPL-2.0-or-later
// Where the time of each CPU went: every interval between two records of a CPU goes to one part, so the parts of a CPU
// add up to the window. The part follows from the records around the interval and from what the task was doing
// (system call, work item), never from names: a worker is a task that was seen executing work items, a program that
// does I/O one that was seen in its system calls.
//
// An interval that begins with a record also holds the cost of writing it: `records` counts them by part, so that the
// recording's own cost can be taken off (kernel/trace: the stamp is taken when space is reserved, before the fields
// are copied). An interval of no length cannot hold it: a simulation pays with its next cost, so the count goes to the
// next interval. Intervals that an interrupt cut go on in their part afterwards.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sim/trace/event.h"
#include "sim/trace/string_pool.h"

namespace wakepath::analysis {

enum class Part : std::uint8_t {
  idle,
  user,            // program that does I/O, outside its system calls
  submit,          // in io_submit, io_uring_enter that submits
  reap,            // in io_getevents, io_uring_enter that waits; while on the CPU
  switch_out,      // from the last record of the one that leaves to the switch
  switch_in,       // from the switch until a sleeper is back at its own work
  wakeup,          // try_to_wake_up in task context
  work,            // a work item
  worker,          // a worker between items
  completion_irq,  // interrupts that complete requests, and in softirqs what completes them
  other_irq,       // the others
  softirq,         // outside hard interrupts
  other,           // everybody else
  lost,            // no records: before the first of a CPU, and gaps
  count_
};
inline constexpr std::size_t kParts = static_cast<std::size_t>(Part::count_);
[[nodiscard]] std::string_view name_of(Part p);

struct PartTime {
  std::int64_t ns = 0;
  std::int64_t records = 0, sched_records = 0;  // whose writing is in it: plain ones; scheduler and system call ones
};

// Sums for a line through (I/Os at once, time for them), records in it apart. Products do not fit an integer where a
// trace is damaged.
struct LineSums {
  std::int64_t calls = 0, ios = 0, ns = 0, records = 0, sched_records = 0;
  double ios_squared = 0, ns_ios = 0, records_ios = 0, sched_records_ios = 0;
  void point(std::int64_t n, const PartTime& time);
};

// Calls that submit; a program's own time from one reaping to the next; interrupts and softirqs that end I/Os.
struct Lines {
  LineSums submit, user, end;
};

// What the parts are divided by.
struct CpuUnits {
  std::int64_t submitted = 0, reaped = 0, reap_calls = 0, submit_calls = 0, completions = 0, interrupts = 0, items = 0;
  std::int64_t wakeups = 0, switches = 0, resumes = 0;
  CpuUnits& operator+=(const CpuUnits& o);
};

// Waking a task that ran on another CPU last, which may take telling that CPU; a share of Part::wakeup.
struct RemoteWakeups {
  std::int64_t wakeups = 0;
  PartTime time;
};

// Of all items of one function; a share of Part::work.
struct ItemTime {
  std::int64_t items = 0;
  PartTime time;
};

struct CpuTimeTable : CpuUnits {  // of all CPUs
  std::int64_t begin_ns = 0, end_ns = 0;
  std::vector<std::array<PartTime, kParts>> cpus;
  std::array<PartTime, kParts> total;
  std::vector<CpuUnits> units;                // by CPU
  std::vector<Lines> lines;                   // by CPU
  std::vector<RemoteWakeups> remote_wakeups;  // by CPU
  std::vector<std::pair<trace::StringId, ItemTime>> functions;
};

class CpuTime final : public trace::Sink {
 public:
  void on_event(const trace::Event& e) override;
  [[nodiscard]] CpuTimeTable table() const;

 private:
  enum class Mode : std::uint8_t { plain, submit, reap, work };
  struct Task {
    Mode mode = Mode::plain;
    bool does_io = false, works = false, slept = false;
    // Of the call that submits, and of what the program does with what it reaped; 0: the begin was not seen.
    std::int64_t call_ios = 0, loop_ios = 0;
    PartTime call, loop;
    ItemTime* item = nullptr;  // of the function it executes
  };
  struct Cpu {
    bool known = false;
    std::int64_t last_ns = 0;
    trace::EventType last = trace::EventType::unknown;
    std::int32_t current = -1;
    Task* task = nullptr;  // of current; null: idle
    int irqs = 0, softirqs = 0;
    bool last_in_softirq = false;
    bool completed = false;  // this interrupt
    PartTime irq;            // of the interrupt under way
    CpuUnits units;
    Lines lines;
    std::int64_t ended = 0;  // I/Os, by the interrupt or softirq under way
    PartTime ending;
    PartTime unpaid;  // records since the last interval of any length
    bool waking = false, waking_remote = false, resuming = false;
    RemoteWakeups remote;
    std::array<PartTime, kParts> parts{};
    std::unordered_map<std::int32_t, PartTime> plain;  // by task, in Mode::plain: what it is is known at the end
    PartTime* plain_of_current = nullptr;
    struct Resumes {
      std::int64_t times = 0;
      PartTime time;
    };
    std::unordered_map<std::int32_t, Resumes> resumes;  // likewise, after it had slept
    Resumes* resume = nullptr;                          // of current
  };
  Task& task(std::int32_t pid) { return tasks_[pid]; }
  void spend(Cpu& c, const trace::Event& e);
  void split_switch(Cpu& c, const trace::Event& e);
  [[nodiscard]] static bool leaves_at_once(const Cpu& c, const trace::Event& e);
  [[nodiscard]] PartTime& part_of(Cpu& c, const trace::Event& e);
  void close_irq(Cpu& c);
  static void close_ending(Cpu& c);
  void follow(Cpu& c, const trace::Event& e);
  void on_switch(Cpu& c, const trace::Event& e);
  void on_syscall(Cpu& c, const trace::Event& e);

  std::vector<Cpu> cpus_;
  std::unordered_map<std::int32_t, Task> tasks_;  // references stay valid
  std::unordered_map<trace::StringId, ItemTime> functions_;
  std::int64_t first_ns_ = -1, last_ns_ = 0;
  std::int64_t pure_switches_ = 0, pure_ns_ = 0;
};

// {"window_ns", "parts": {name: {ns, records, sched_records, share}}, "units": {…}, "cpus": [{id, parts, units,
// lines, remote_wakeups}]}
[[nodiscard]] nlohmann::json to_json(const CpuTimeTable& t);
// {function: {items, ns, records, sched_records}}
[[nodiscard]] nlohmann::json functions_json(const CpuTimeTable& t, const trace::StringPool& pool);

}  // namespace wakepath::analysis
