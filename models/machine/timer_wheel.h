// SPDX-License-Identifier: GPL-2.0-or-later
// When a kernel timer (timer_list) of some jiffies expires: the wheel rounds up to the granularity of its level, 8
// times coarser a level. Source: kernel/time/timer.c (calc_wheel_index), 6.1 to 6.18.
#pragma once

#include "sim/engine/time.h"

namespace wakepath::machine {

inline engine::Time timer_wheel_expiry(engine::Time now_ns, engine::Time delay_ns, engine::Time tick_ns) {
  constexpr int kLevelShift = 3, kLevelLast = 8;
  constexpr engine::Time kSlots = 64;
  const engine::Time jiffies = now_ns / tick_ns;
  const engine::Time delay = (delay_ns + tick_ns - 1) / tick_ns;
  int level = 0;
  while (level < kLevelLast && delay >= (kSlots - 1) << (level * kLevelShift)) ++level;
  const int shift = level * kLevelShift;
  return ((((jiffies + delay) >> shift) + 1) << shift) * tick_ns;
}

}  // namespace wakepath::machine
