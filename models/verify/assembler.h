// SPDX-License-Identifier: GPL-2.0-or-later
// Trace records -> steps. Streaming: of each CPU it keeps the wakeup that is open, the last accounting whose reason is
// not told yet, and one step whose answer (need_resched) the next record will show. Memory does not grow with the
// trace.
//
// Which sched_stat_runtime is what: between sched_waking and sched_wakeup it is the wakeup's; directly before a
// sched_switch the switch's; in the tick's timer function the tick's; with need_resched set before it and clear after
// it, a call of the scheduler that kept the running task; everything else is an accounting that decides nothing.
//
// perf script prints no flags. There the answer of a wakeup that charged the running task is told by the next switch of
// the CPU: one after a preempting wakeup keeps that wakeup's clock, so it has no runtime to print; one that prints a
// runtime followed none (spec §2.1b). Steps wait for that, in order; kHeldSteps of them at most.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "models/verify/step.h"
#include "sim/trace/event.h"
#include "sim/trace/string_pool.h"

namespace wakepath::verify {

class Assembler {
 public:
  Assembler(trace::StringPool& pool, StepSink& sink);

  void on_event(const trace::Event& e, std::int64_t line);
  void finish();

  [[nodiscard]] std::int64_t gaps() const { return gaps_; }
  [[nodiscard]] std::int64_t stamps_back() const { return stamps_back_; }
  [[nodiscard]] std::int64_t unpaired() const { return unpaired_; }  // sched_wakeup without its sched_waking

 private:
  struct Cpu {
    bool open = false;  // between sched_waking and sched_wakeup
    Step wake;
    bool printed = false;  // an accounting whose reason is not told yet
    Step account;
    bool held = false;  // complete but for resched_after
    Step answer;
    bool in_tick = false;
    Seen resched = Seen::unknown;  // as of the last record
    bool clear_once = false;       // ... but for one record that shows it clear, which may be older than it seems
    std::int64_t clear_line = 0, clear_ns = 0;
    bool any = false;
    std::int64_t last_ns = 0;
    TaskName current;                      // pid -1: not known yet
    std::vector<std::int64_t> unanswered;  // wakeups since its last switch, by their number in line
  };

  Cpu& cpu_of(int cpu);
  void gap(int cpu, const trace::Event& e, std::int64_t line);
  void emit(const Step& s);
  void hold_wakeup(Cpu& c);
  void answer_wakeups(Cpu& c, bool told, bool switch_prints);
  void release();
  void settle(Cpu& c, const trace::Event& e, Seen resched, std::int64_t line);
  void settle_account(Cpu& c, const trace::Event& e, Seen resched);
  void emit_kept(Cpu& c, std::int16_t cpu);
  void on_waking(Cpu& c, const trace::Event& e, Seen resched, std::int64_t line);
  void on_wakeup(Cpu& c, const trace::Event& e, Seen resched, std::int64_t line);
  void on_runtime(Cpu& c, const trace::Event& e, Seen resched, std::int64_t line);
  void on_switch(Cpu& c, const trace::Event& e, std::int64_t line);
  void on_migrate(const trace::Event& e, Cpu& c, std::int64_t line);
  [[nodiscard]] bool is_tick_function(trace::StringId id);

  trace::StringPool* pool_;
  StepSink* sink_;
  std::vector<Cpu> cpus_;
  struct Waiting {
    Step step;
    bool answered = true;
  };
  std::deque<Waiting> line_;
  std::int64_t released_ = 0;               // of the line so far: the number of its first
  std::vector<std::int8_t> tick_function_;  // by StringId: -1 not looked at
  std::int64_t gaps_ = 0, stamps_back_ = 0, unpaired_ = 0;
};

}  // namespace wakepath::verify
