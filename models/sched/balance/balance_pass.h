// SPDX-License-Identifier: GPL-2.0-or-later
// One pass of the balancer over one domain of one CPU (struct lb_env). Private to models/sched/balance.
#pragma once

#include "models/sched/balance/balancer.h"

namespace wakepath::sched {

struct Balancer::Pass {
  int this_cpu = 0;
  Domain* d = nullptr;
  CpuIdle idle = CpuIdle::idle;
  int dst = 0;              // who gets tasks; another CPU of the group where affinity asks for it
  CpuMask* cpus = nullptr;  // still considered
  Rq* src = nullptr;
  Imbalance imbalance;
  Time now = 0;
  bool all_pinned = false, some_pinned = false, dst_pinned = false, active = false;
  int new_dst = -1;
  int loop_max = 0;
  MigrationCause cause = MigrationCause::periodic;
  Effort* effort = nullptr;
};

}  // namespace wakepath::sched
