// SPDX-License-Identifier: GPL-2.0-or-later
// Fair scheduling written from the papers, as plainly as can be: all entities are looked at, sums are exact in 128
// bits, nothing is remembered between questions. It shares no code with models/sched.
//
// EEVDF: I. Stoica, H. Abdel-Wahab, "Earliest Eligible Virtual Deadline First", Old Dominion University TR-95-22, 1995.
// V is the average of the virtual times weighted by the weights; who is not ahead of it is eligible; of those, the
// earliest virtual deadline runs.
// CFS: the least virtual runtime runs; a wakee is placed at most a credit behind the least one.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace wakepath::reference {

__extension__ using Int = __int128;

struct Entity {
  Int v = 0, deadline = 0;
  Int weight = 1;
};

// Sum of the weighted distances to `v`: not negative where the average is at or past it.
inline Int advance_of_average(const std::vector<Entity>& all, Int v) {
  Int sum = 0;
  for (const Entity& e : all) sum += e.weight * (e.v - v);
  return sum;
}

inline bool eligible(const std::vector<Entity>& all, std::size_t i) { return advance_of_average(all, all[i].v) >= 0; }

// The average, rounded down.
inline Int average(const std::vector<Entity>& all) {
  Int sum = 0, weight = 0;
  for (const Entity& e : all) sum += e.weight * e.v, weight += e.weight;
  Int v = sum / weight;
  if (v * weight > sum) --v;
  return v;
}

// Of equal deadlines the one that comes first in `all`.
inline std::optional<std::size_t> pick_eevdf(const std::vector<Entity>& all) {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (eligible(all, i) && (!best || all[i].deadline < all[*best].deadline)) best = i;
  return best;
}

inline std::optional<std::size_t> pick_cfs(const std::vector<Entity>& all) {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (!best || all[i].v < all[*best].v) best = i;
  return best;
}

inline Int place_cfs(Int v, Int least, Int credit) { return v < least - credit ? least - credit : v; }

}  // namespace wakepath::reference
