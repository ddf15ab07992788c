// SPDX-License-Identifier: GPL-2.0-or-later
// Questions about one CPU's run queue that placement and balance ask.
//
// Source: kernel/sched/core.c:idle_cpu, kernel/sched/fair.c (sched_idle_cpu, cpu_load, cpu_util_cfs, cpu_runnable),
// 6.1, 6.12.
#pragma once

#include <algorithm>

#include "models/kernel/switches.h"
#include "models/sched/entity.h"

namespace wakepath::sched {

inline bool idle_cpu(const Rq& rq) { return rq.curr == &rq.idle && rq.nr_running == 0 && !rq.smp->ttwu_pending; }
inline bool sched_idle_cpu(const Rq& rq) { return rq.nr_running != 0 && rq.nr_running == rq.cfs.idle_h_nr_running; }
inline std::uint64_t cpu_load(const Rq& rq) { return rq.cfs.avg.load_avg; }
inline std::uint64_t cpu_runnable(const Rq& rq) { return rq.cfs.avg.runnable_avg; }
inline std::uint64_t cpu_util_cfs(const Rq& rq, bool with_waiting = false) {
  const std::uint64_t util = with_waiting ? std::max(rq.cfs.avg.util_avg, cpu_runnable(rq)) : rq.cfs.avg.util_avg;
  return std::min(std::max(util, rq.smp->util_est), rq.smp->capacity);
}
inline std::uint64_t task_util_est(const Task& t) {
  return std::max({t.se.avg.util_avg, t.smp.util_est_ewma, t.smp.util_est_enqueued});
}

// What the queued fair tasks of a CPU are expected to use.
inline void util_est_enqueue(SmpRq& s, const Task& t) {
  s.util_est += std::max(t.smp.util_est_ewma, t.smp.util_est_enqueued);
}
inline void util_est_dequeue(SmpRq& s, const Task& t) {
  s.util_est -= std::min(s.util_est, std::max(t.smp.util_est_ewma, t.smp.util_est_enqueued));
}
void util_est_update(const SmpRq& s, const kernel::Switches& k, Task& t);  // it goes to sleep (core_smp.cc)

// Who is on a CPU that t leaves, the stopper apart; waker: the task that wakes it, if one does.
[[nodiscard]] Beside beside(const Rq& rq, const Task& t, const Task* waker);

// The list of fair tasks of a CPU, for the balancer.
inline void cfs_tasks_add(SmpRq& s, Task& t) {
  t.listed_before = nullptr;
  t.listed_after = s.first;
  (s.first != nullptr ? s.first->listed_before : s.last) = &t;
  s.first = &t;
}
inline void cfs_tasks_del(SmpRq& s, Task& t) {
  (t.listed_before != nullptr ? t.listed_before->listed_after : s.first) = t.listed_after;
  (t.listed_after != nullptr ? t.listed_after->listed_before : s.last) = t.listed_before;
  t.listed_before = t.listed_after = nullptr;
}
inline void cfs_tasks_to_front(SmpRq& s, Task& t) {
  if (s.first == &t) return;
  cfs_tasks_del(s, t);
  cfs_tasks_add(s, t);
}

}  // namespace wakepath::sched
