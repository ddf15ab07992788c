// SPDX-License-Identifier: GPL-2.0-or-later
// On which CPUs a workload's tasks may run: its own list within the cpuset of its cgroup.
//
// Source: kernel/cgroup/cpuset.c, kernel/sched/core.c:__set_cpus_allowed_ptr; a list wholly outside the cpuset gives
// way to it. Scheduler spec 7.9.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "models/scenario/scenario.h"

namespace wakepath::scenario {

// Empty: every CPU.
inline std::vector<int> effective_cpus(const Scenario& s, const std::vector<int>& own, const std::string& cgroup) {
  const std::vector<int>* set = nullptr;
  std::string at = cgroup;
  while (set == nullptr && !at.empty()) {
    const auto g = std::find_if(s.cgroups.begin(), s.cgroups.end(), [&](const auto& x) { return x.path == at; });
    if (g == s.cgroups.end()) break;
    if (!g->cpuset_cpus.empty()) set = &g->cpuset_cpus;
    at = g->parent;
  }
  if (set == nullptr) return own;
  std::vector<int> both;
  for (const int c : own)
    if (std::find(set->begin(), set->end(), c) != set->end()) both.push_back(c);
  return both.empty() ? *set : both;
}

}  // namespace wakepath::scenario
