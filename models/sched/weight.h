// SPDX-License-Identifier: GPL-2.0-or-later
// Weights of entities and queues, and the multiply-shift division by them.
//
// `weight` is the scaled load.weight (nice weight << 10); `inv_weight` is 2^32 / (weight >> 10), from the table for
// tasks and computed on demand (rounded down) for groups and queues: the two differ by one for several nice levels,
// and that is visible in vruntimes. Exact integer arithmetic; the results are the kernel's to the nanosecond.
//
// Source: kernel/sched/core.c (sched_prio_to_weight, sched_prio_to_wmult), kernel/sched/fair.c:__calc_delta; 6.1, 6.12.
#pragma once

#include <cstdint>

namespace wakepath::sched {

inline constexpr std::uint64_t kNice0Load = 1u << 20;
inline constexpr std::uint64_t kMinShares = 2;
inline constexpr std::uint64_t kMaxShares = 1u << 18;
inline constexpr std::uint64_t kIdlePolicyWeight = 3;

constexpr std::uint64_t scale_load(std::uint64_t weight) { return weight << 10; }

// Zero stays zero; everything else is at least 2, so that no division meets a vanishing weight.
constexpr std::uint64_t scale_load_down(std::uint64_t weight) {
  if (weight == 0) return 0;
  const std::uint64_t down = weight >> 10;
  return down < 2 ? 2 : down;
}

struct LoadWeight {
  std::uint64_t weight = 0;
  std::uint32_t inv_weight = 0;  // 0: not computed yet

  void add(std::uint64_t w) { weight += w, inv_weight = 0; }
  void sub(std::uint64_t w) { weight -= w, inv_weight = 0; }
  void set(std::uint64_t w) { weight = w, inv_weight = 0; }
};

// delta * weight / lw.weight; caches lw's inverse.
std::uint64_t calc_delta(std::uint64_t delta, std::uint64_t weight, LoadWeight& lw);

// Wall time to virtual time. A weight of exactly nice 0 is not divided at all.
inline std::uint64_t calc_delta_fair(std::uint64_t delta, LoadWeight& lw) {
  return lw.weight == kNice0Load ? delta : calc_delta(delta, kNice0Load, lw);
}

std::uint64_t weight_of_nice(int nice);  // unscaled, -20..19
LoadWeight load_of_nice(int nice);       // with the table's inverse
LoadWeight load_of_idle_policy();

}  // namespace wakepath::sched
