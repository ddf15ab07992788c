// SPDX-License-Identifier: GPL-2.0-or-later
// Entities, run queues, groups and the scheduler's part of a task. (The fair class owner fills this in.)
#pragma once

#include <cstdint>
#include <string>

namespace wakepath::sched {

enum class Policy : std::uint8_t;
enum class State : std::uint16_t;
struct TaskGroup;
struct Rq;

struct Task {
  std::string comm;
  std::int32_t pid = 0;
  int cpu = 0;
  TaskGroup* group = nullptr;
  // Counters, always kept:
  std::int64_t sum_exec_runtime_ns = 0;   // charged time
  std::uint64_t nvcsw = 0, nivcsw = 0;    // switches away: blocked, still runnable
  std::uint64_t wakeups = 0;
  std::int64_t run_delay_ns = 0;          // time runnable and waiting (sched_info)
  std::uint64_t pcount = 0;
  void* owner = nullptr;                  // the machine's task
};

}  // namespace wakepath::sched
