// SPDX-License-Identifier: GPL-2.0-or-later
// Per-entity load tracking: geometric averages of how much an entity was runnable and running, in 1024 ns units and
// periods of 1024 units, halved every 32 periods. They decide group weights on several CPUs, placement and balance.
//
// Invariants: a sum grows only by what passed since last_update_time; averages change only when a period ends.
// Source: kernel/sched/pelt.c, identical arithmetic in 6.1 and 6.12.
#pragma once

#include <cstdint>

namespace wakepath::sched {

inline constexpr std::uint32_t kPeltLoadAvgMax = 47742;
inline constexpr std::uint32_t kPeltMinDivider = kPeltLoadAvgMax - 1024;

struct Pelt {
  std::uint64_t last_update_time = 0;
  std::uint64_t load_sum = 0;  // unweighted for entities, weighted for queues
  std::uint64_t runnable_sum = 0;
  std::uint32_t util_sum = 0;
  std::uint32_t period_contrib = 0;
  std::uint64_t load_avg = 0, runnable_avg = 0, util_avg = 0;
  bool changed = false;  // the averages, since an estimate was made of them (util_est_update)

  [[nodiscard]] std::uint32_t divider() const { return kPeltMinDivider + period_contrib; }
};

std::uint64_t pelt_decay(std::uint64_t value, std::uint64_t periods);

// The part of pelt_update_sums where at least one period ends with these units.
void pelt_end_periods(Pelt& avg, std::uint64_t units, std::uint64_t load, std::uint64_t runnable, bool running);

// Brings the sums up to `now`; true when a period ended (then the caller recomputes the averages).
inline bool pelt_update_sums(Pelt& avg, std::uint64_t now, std::uint64_t load, std::uint64_t runnable, bool running) {
  const std::uint64_t delta = now - avg.last_update_time;
  if (static_cast<std::int64_t>(delta) < 0) {
    avg.last_update_time = now;
    return false;
  }
  const std::uint64_t units = delta >> 10;
  if (units == 0) return false;
  avg.last_update_time += units << 10;
  if (load == 0) runnable = 0, running = false;
  if (units + avg.period_contrib >= 1024) {
    pelt_end_periods(avg, units, load, runnable, running);
    return true;
  }
  avg.period_contrib += static_cast<std::uint32_t>(units);
  avg.load_sum += load * units;
  avg.runnable_sum += (runnable * units) << 10;
  if (running) avg.util_sum += static_cast<std::uint32_t>(units) << 10;
  return false;
}

void pelt_update_averages(Pelt& avg, std::uint64_t load_multiplier);

}  // namespace wakepath::sched
