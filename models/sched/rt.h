// SPDX-License-Identifier: GPL-2.0-or-later
// The classes above fair, as far as they matter here: FIFO real-time tasks and the per-CPU stopper. Strict priority;
// within one priority first come, first served; no throttling, no round robin, no push or pull between CPUs.
//
// Source: kernel/sched/rt.c, kernel/sched/stop_task.c (6.1, 6.12); scheduler spec §9.
#pragma once

#include "models/sched/entity.h"
#include "models/sched/sched.h"

namespace wakepath::sched {

void enqueue_task_rt(Rq& rq, Task& p, bool at_head);
void dequeue_task_rt(Rq& rq, Task& p);
void requeue_task_rt(Rq& rq, Task& p);  // to the tail of its priority: sched_yield
void set_next_task_rt(Rq& rq, Task& p);
void update_curr_rt(Rq& rq, Observer* observer);  // running time of an rt or stop task
bool wakeup_preempts_rt(const Task& curr, const Task& p);

}  // namespace wakepath::sched
