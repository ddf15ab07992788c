// SPDX-License-Identifier: GPL-2.0-or-later
// How often a task woke somebody else than the last time, halved once a second (kernel/sched/fair.c:record_wakee).
#pragma once

#include <cstdint>

namespace wakepath::sched {

struct WakeeFlips {
  const void* last_wakee = nullptr;
  unsigned flips = 0;
  std::int64_t decayed_at_jiffy = 0;

  void record(const void* wakee, std::int64_t jiffies, int hz) {
    if (jiffies > decayed_at_jiffy + hz) {
      flips >>= 1;
      decayed_at_jiffy = jiffies;
    }
    if (last_wakee == wakee) return;
    last_wakee = wakee;
    ++flips;
  }
};

}  // namespace wakepath::sched
