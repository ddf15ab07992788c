// SPDX-License-Identifier: GPL-2.0-or-later
// Defaults of the tunables. Source: kernel/sched/fair.c:get_update_sysctl_factor; scheduler spec §5.1.
#include <algorithm>
#include <bit>

#include "models/kernel/switches.h"
#include "models/sched/sched.h"

namespace wakepath::sched {

Tunables Tunables::defaults(const kernel::Switches& k, int cpus, int hz) {
  const Time factor = std::bit_width(static_cast<unsigned>(std::clamp(cpus, 1, 8)));  // 1 + floor(log2)
  Tunables t;
  t.latency_ns = 6'000'000 * factor;
  t.min_granularity_ns = 750'000 * factor;
  t.wakeup_granularity_ns = 1'000'000 * factor;
  t.idle_min_granularity_ns = 750'000;
  t.nr_latency = 8;
  t.normalized_base_slice_ns = k.base_slice_ns;
  t.base_slice_ns = k.base_slice_ns * factor;
  t.tick_ns = (1'000'000'000 + hz / 2) / hz;
  return t;
}

}  // namespace wakepath::sched
