// SPDX-License-Identifier: GPL-2.0-or-later
// The clock of a CPU under intel_pstate's powersave governor: at most every 10 ms it is set to 5/4 of the share of time
// that the CPU was busy since; where it was higher it falls half the way. Looked at where a program of steps begins to
// run something, which is what it stretches; the kernel's own costs are as they are. Source: drivers/cpufreq/
// intel_pstate.c (intel_pstate_update_util, get_target_pstate), 6.1, which looks at each update of a CPU's load. Not
// modelled: iowait_boost, which every update but that of an I/O's sleeper halves; hardware's own clocks.
#pragma once

#include <algorithm>

#include "sim/engine/time.h"

namespace wakepath::machine {

class Clock {
 public:
  // What `ns` of work at the highest clock take now, on a CPU that was idle for `idle` up to now.
  engine::Time stretch(engine::Time ns, engine::Time now, engine::Time idle, int min_percent) {
    const engine::Time since = now - sampled_at_;
    if (since >= kSamplingInterval) {
      const engine::Time busy = since - (idle - idle_then_);
      const int target = static_cast<int>(std::clamp<engine::Time>(busy * 1250 / since, min_percent * 10, kHighest));
      permille_ = target + std::max(0, permille_ - target) / 2;
      sampled_at_ = now;
      idle_then_ = idle;
    }
    return static_cast<engine::Time>(static_cast<__int128>(ns) * kHighest / permille_);  // of ten years, too
  }

 private:
  static constexpr engine::Time kSamplingInterval = 10'000'000;
  static constexpr int kHighest = 1000;
  engine::Time sampled_at_ = 0, idle_then_ = 0;
  int permille_ = kHighest;  // of the highest clock
};

}  // namespace wakepath::machine
