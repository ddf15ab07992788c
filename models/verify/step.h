// SPDX-License-Identifier: GPL-2.0-or-later
// What a trace says the scheduler of one CPU was asked to do, one call a step, and what can be seen of its answer.
//
// A step is what several records tell together: sched_waking, the sched_stat_runtime printed on the way and
// sched_wakeup are one wakeup; the last sched_stat_runtime before a sched_switch belongs to that switch. A step holds
// no state of the model, so that several models can follow the same steps.
//
// Source: kernel/sched/core.c (order of the tracepoints in try_to_wake_up, __schedule, scheduler_tick); spec §11.
#pragma once

#include <cstdint>

#include "sim/trace/event.h"

namespace wakepath::verify {

enum class StepKind : std::uint8_t {
  wake,      // task becomes runnable on cpu
  wake_new,  // ... for the first time
  tick,      // the running task is accounted and may have to go
  account,   // the running task is accounted, nothing else (fork, readers of its CPU time)
  schedule,  // prev leaves, task runs next; task == prev: the scheduler was asked and nothing changed
  migrate,   // a queued task moves to cpu
  gap        // records are missing, or time went back: nothing before it says anything about what follows
};

enum class Seen : std::int8_t { unknown = -1, no = 0, yes = 1 };

struct TaskName {
  trace::StringId comm = 0;
  std::int32_t pid = -1;
  std::int32_t prio = 0;
};

struct Step {
  StepKind kind = StepKind::gap;
  std::int16_t cpu = 0;      // the run queue it is about; -1 (gap): all
  bool local = true;         // recorded on that CPU: its need_resched is seen
  std::uint8_t context = 0;  // trace::kHardirq, kSoftirq or 0: where it was called from
  std::uint16_t prev_state = 0;
  Seen resched_before = Seen::unknown;  // need_resched of the CPU, before and after
  Seen resched_after = Seen::unknown;
  std::int64_t line = 0;     // of the record that names the step
  std::int64_t ordinal = 0;  // in the stretch that is followed (ensemble.h)
  std::int64_t ts_ns = 0;    // of its first record (sched_waking for a wakeup)
  std::int64_t end_ns = 0;   // of its last
  TaskName task;             // wakee, next
  TaskName prev;             // of a schedule
  struct {
    bool seen = false;
    std::int64_t line = 0, ts_ns = 0;
    trace::StringId comm = 0;
    std::int32_t pid = -1;
    std::int64_t runtime_ns = 0;
    std::uint64_t vruntime = 0;
    bool has_vruntime = false;
  } print;  // sched_stat_runtime
};

class StepSink {
 public:
  virtual ~StepSink() = default;
  virtual void on_step(const Step& s) = 0;
};

}  // namespace wakepath::verify
