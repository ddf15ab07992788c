// SPDX-License-Identifier: GPL-2.0-or-later
// What runs on a CPU: a task, a softirq, a hard interrupt, the switch itself. Each is a coroutine with at most one
// segment of CPU time, in one or more pieces, that it is waiting to have spent. A task has a frame stack of its own;
// what interrupts tasks nests as their frames do, so one does for all of a CPU's.
#pragma once

#include <coroutine>
#include <cstdint>

#include "models/machine/costs.h"
#include "models/machine/pieces.h"
#include "sim/engine/process.h"
#include "sim/engine/time.h"

namespace wakepath::machine {

using engine::Body;
using engine::Call;

class Cpu;

struct Usage {  // ns
  Time user = 0, sys = 0, irq = 0, softirq = 0, idle = 0;
  [[nodiscard]] Time total() const { return user + sys + irq + softirq + idle; }
};

struct ExecContext {
  enum class Kind : std::uint8_t { task, softirq, hardirq, switcher, idle };

  ExecContext(Kind k, engine::FrameStack& frames, Pieces& pieces)
      : kind(k),
        kernel_bucket(k == Kind::hardirq   ? &Usage::irq
                      : k == Kind::softirq ? &Usage::softirq
                                           : &Usage::sys),
        owed(pieces),
        frames_(frames) {}
  ~ExecContext() = default;
  ExecContext(const ExecContext&) = delete;
  ExecContext& operator=(const ExecContext&) = delete;
  [[nodiscard]] engine::FrameStack& frames() const { return frames_; }

  Kind kind;
  bool bh_disabled = false;      // of a task: softirqs it raises wait for local_bh_enable()
  bool serving_softirq = false;  // from softirq_entry to softirq_exit, also in a task
  Point at_point = Point::none;  // before its piece; it has not been passed
  Mode mode = Mode::kernel;
  Time left_ns = 0;                   // of the current piece
  std::coroutine_handle<> resume_at;  // what to resume when the segment is spent
  Cpu* cpu = nullptr;
  Time Usage::*const kernel_bucket;  // where its time is counted, but for a task's in user mode
  Pieces& owed;                      // costs not yet begun; of a segment under way, the pieces after this one

  // Awaitables; defined in cpu.h.
  struct RunAwaiter;
  template <void (Cpu::*kGoOn)()>
  struct ParkAwaiter;
  struct ScheduleAwaiter;
  RunAwaiter run_ns(Time ns, Mode m = Mode::kernel);
  RunAwaiter settle();             // runs what is owed
  template <void (Cpu::*kGoOn)()>  // what its CPU does meanwhile
  ParkAwaiter<kGoOn> park();

 private:
  engine::FrameStack& frames_;
};

}  // namespace wakepath::machine
