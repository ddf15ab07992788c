// SPDX-License-Identifier: GPL-2.0-or-later
// A scheduler experiment in a trace: the tasks of the experiment (by comm), who follows whom on the CPU, how long a
// woken one waits; and what only a recording tells of the moment they were released: the tick's phase, their vruntimes,
// and what the machine's other threads did meanwhile. One CPU.
//
// "Other" threads (kworkers, rcu, ksoftirqd, the program that started the recording) are left out of the sequence:
// h1 > kworker > h1 is no switch, h1 > kworker > h2 is one. Idle is kept: whether a task finds the CPU free matters.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "sim/trace/error.h"
#include "sim/trace/event.h"
#include "sim/trace/string_pool.h"

namespace wakepath::analysis {

struct FreeRunTurn {                   // one waking of another thread, and how long it ran until it slept again
  std::int64_t at_ns = 0, run_ns = 0;  // at: of the waking, on the trace's clock
  std::int64_t irq_ns = -1;            // of the timer interrupt before it, when nothing but it lies between
  bool in_softirq = false;
};

struct FreeRun {
  std::vector<std::string> names;      // tasks of the experiment; index len(names) stands for idle
  std::vector<std::uint8_t> sequence;  // who runs, in order, others left out
  std::vector<std::int64_t> run_ns;    // CPU time by task, from switch to switch; others' time is not in it
  int running = -1;                    // task that has the CPU at the end, -1: none of them; since:
  std::int64_t running_since_ns = 0;
  std::vector<std::vector<std::int64_t>> wait_ns;  // by task: sched_waking to the switch to it
  std::int64_t begin_ns = 0, end_ns = 0;           // first switch to a task of the experiment, last record
  std::int64_t tick_ns = -1;                       // of the first local_timer_entry that runs the tick; -1: none
  std::int64_t other_ns = 0;                       // CPU time of the others
  std::vector<std::int64_t> first_vruntime;        // CFS: at the first accounting, by task; where has_vruntime
  std::vector<std::int64_t> first_ran;             // what it had run by then: who knows its weight takes it off
  std::vector<bool> has_vruntime;
  std::map<std::string, std::vector<FreeRunTurn>> others;  // by comm
  std::map<std::string, std::int32_t> other_prio;
  std::map<std::string, std::int64_t> records;  // by tracepoint
};

// Reads a whole trace. An error where it is damaged, has lost records, or holds no switch to any of the tasks.
[[nodiscard]] tl::expected<FreeRun, trace::Error> read_free_run(const std::string& path,
                                                                const std::vector<std::string>& names);

// Levenshtein distance, every edit counts 1.
[[nodiscard]] std::int64_t edit_distance(const std::vector<std::uint8_t>& a, const std::vector<std::uint8_t>& b);
// How far apart two distributions of waits are, 0 to 1: the greatest share that lies further to one side in the one
// than in the other, where values within kWaitSlackNs or a twentieth of each other count as equal (a Kolmogorov
// distance with slack: waits of a deterministic kernel are a few constants, which no model meets to the nanosecond). 1
// when only one of them is empty.
inline constexpr std::int64_t kWaitSlackNs = 2000;
[[nodiscard]] double wait_distance(std::vector<std::int64_t> a, std::vector<std::int64_t> b);

// For the Python side: what a run must be given to begin as the recording did.
[[nodiscard]] nlohmann::json start_json(const FreeRun& f);
// Two free runs of the same tasks beside each other, `real` first.
[[nodiscard]] nlohmann::json compare_free_runs(const FreeRun& real, const FreeRun& simulated);

}  // namespace wakepath::analysis
