// SPDX-License-Identifier: GPL-2.0-or-later
// Is a domain out of balance, and by how much? Group statistics, their classification, the busiest group, and what has
// to move for balance: plain functions over plain structs.
//
// Source: kernel/sched/fair.c (group_classify, update_sd_pick_busiest, find_busiest_group, calculate_imbalance,
// sibling_imbalance, update_idle_cpu_scan), 6.1 and 6.12; scheduler spec 7.3, 7.5, 6.5. Misfit tasks and asymmetric
// packing need unequal CPUs and are not computed.
#pragma once

#include <cstdint>
#include <optional>

#include "models/kernel/switches.h"
#include "models/sched/domains.h"

namespace wakepath::sched {

enum class GroupType : std::uint8_t { has_spare, fully_busy, smt_balance, imbalanced, overloaded };  // in rising order
enum class CpuIdle : std::uint8_t { not_idle, idle, newly_idle };
enum class MigrationType : std::uint8_t { load, util, task };

struct GroupStats {
  std::uint64_t load = 0, util = 0, runnable = 0, capacity = 1024;
  std::uint64_t avg_load = 0;  // only of overloaded groups
  unsigned nr_running = 0, h_nr_running = 0, idle_cpus = 0, weight = 1;
  int cores = 1;
  bool smt = false;        // the CPUs of a core
  bool imbalance = false;  // affinity held tasks back below
  GroupType type = GroupType::has_spare;
};

struct DomainStats {
  GroupStats local;
  std::optional<GroupStats> busiest;
  const Group* busiest_group = nullptr;
  std::uint64_t total_load = 0, total_capacity = 0, total_util = 0;
  bool prefer_sibling = false;
};

struct Imbalance {
  MigrationType type = MigrationType::task;
  std::int64_t amount = 0;  // tasks, load or utilisation; 0: balanced
};

bool group_has_capacity(const GroupStats& g, unsigned imbalance_pct);
bool group_is_overloaded(const GroupStats& g, unsigned imbalance_pct);
void classify(GroupStats& g, unsigned imbalance_pct, CpuIdle dst, const kernel::Switches& k);  // sets type and avg_load
// Is `g` busier than the busiest so far? With no task it never is.
bool is_busier(const GroupStats& g, const GroupStats& busiest, const kernel::Switches& k);
std::int64_t sibling_imbalance(const GroupStats& busiest, const GroupStats& local, CpuIdle dst);
std::int64_t adjust_numa_imbalance(std::int64_t imbalance, unsigned dst_running, unsigned imb_numa_nr);
// What has to move to the local group's CPU; amount 0: nothing.
Imbalance find_imbalance(DomainStats& s, const Span& span, CpuIdle dst, const kernel::Switches& k);
// CPUs that a search for an idle one may test, from the utilisation of the cache's CPUs.
int nr_idle_scan(std::uint64_t sum_util, int llc_weight, unsigned imbalance_pct);

}  // namespace wakepath::sched
