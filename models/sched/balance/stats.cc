// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/sched/balance/stats.h"

#include <algorithm>

namespace wakepath::sched {

namespace {

std::int64_t positive_difference(std::int64_t a, std::int64_t b) { return a > b ? a - b : 0; }

// A core against a group whose CPUs are no siblings.
bool smt_against_other(const GroupStats& a, const GroupStats& b) { return a.smt != b.smt; }

}  // namespace

bool group_has_capacity(const GroupStats& g, unsigned pct) {
  if (g.nr_running < g.weight) return true;
  if (g.capacity * pct < g.runnable * 100) return false;
  return g.capacity * 100 > g.util * pct;
}

bool group_is_overloaded(const GroupStats& g, unsigned pct) {
  if (g.nr_running <= g.weight) return false;
  return g.capacity * 100 < g.util * pct || g.capacity * pct < g.runnable * 100;
}

void classify(GroupStats& g, unsigned pct, CpuIdle dst, const kernel::Switches& k) {
  const bool smt_balance = k.balance_by_cores && dst != CpuIdle::not_idle && g.smt && g.h_nr_running > 1;
  if (group_is_overloaded(g, pct)) {
    g.type = GroupType::overloaded;
    g.avg_load = g.load * 1024 / g.capacity;
  } else if (g.imbalance) {
    g.type = GroupType::imbalanced;
  } else if (smt_balance) {
    g.type = GroupType::smt_balance;
  } else {
    g.type = group_has_capacity(g, pct) ? GroupType::has_spare : GroupType::fully_busy;
  }
}

bool is_busier(const GroupStats& g, const GroupStats& busiest, const kernel::Switches& k) {
  if (g.h_nr_running == 0) return false;
  if (g.type != busiest.type) return g.type > busiest.type;
  const auto fewer_idle = [&] {
    if (g.idle_cpus != busiest.idle_cpus) return g.idle_cpus < busiest.idle_cpus;
    return g.nr_running > busiest.nr_running;
  };
  switch (g.type) {
    case GroupType::overloaded:
      return g.avg_load > busiest.avg_load;
    case GroupType::imbalanced:
      return false;
    case GroupType::smt_balance:
      if (g.idle_cpus != 0 || busiest.idle_cpus != 0) return fewer_idle();
      [[fallthrough]];
    case GroupType::fully_busy:  // their avg_load is 0: the first found stays, unless a core may be relieved
      return k.balance_by_cores && g.avg_load == busiest.avg_load && !busiest.smt;
    case GroupType::has_spare:
      if (k.balance_by_cores && smt_against_other(g, busiest)) return !(g.smt && g.h_nr_running <= 1);
      return fewer_idle();
  }
  return false;
}

// Tasks to move so that cores have equally many, twice the difference of the averages, rounded.
std::int64_t sibling_imbalance(const GroupStats& busiest, const GroupStats& local, CpuIdle dst) {
  if (dst == CpuIdle::not_idle || busiest.nr_running == 0) return 0;
  const std::int64_t nb = busiest.nr_running, nl = local.nr_running, cb = busiest.cores, cl = local.cores;
  if (cb == cl) return positive_difference(nb, nl);
  std::int64_t x = positive_difference(cl * nb, cb * nl);
  x = (2 * x + cl + cb) / (cl + cb);
  return x <= 1 && nl == 0 && nb > 1 ? 2 : x;
}

std::int64_t adjust_numa_imbalance(std::int64_t imbalance, unsigned dst_running, unsigned imb_numa_nr) {
  if (dst_running > imb_numa_nr) return imbalance;
  return imbalance <= 2 ? 0 : imbalance;  // a pair of communicating tasks is left alone
}

namespace {

std::uint64_t average(const DomainStats& s) { return s.total_load * 1024 / s.total_capacity; }

Imbalance spare_imbalance(const DomainStats& s, const Span& span, CpuIdle dst, const kernel::Switches& k) {
  const GroupStats &local = s.local, &busiest = *s.busiest;
  if (busiest.type > GroupType::fully_busy && (span.flags & sd::kShareLlc) == 0) {
    const auto room = static_cast<std::int64_t>(std::max(local.capacity, local.util) - local.util);
    if (dst != CpuIdle::not_idle && room == 0) return {MigrationType::task, 1};
    return {MigrationType::util, room};
  }
  Imbalance out;
  if (busiest.weight == 1 || s.prefer_sibling) {
    out.amount = k.balance_by_cores ? sibling_imbalance(busiest, local, dst)
                                    : positive_difference(busiest.nr_running, local.nr_running);
  } else {
    out.amount = positive_difference(local.idle_cpus, busiest.idle_cpus);
  }
  if ((span.flags & sd::kNuma) != 0 && k.numa_tolerates_pair)
    out.amount = adjust_numa_imbalance(out.amount, local.nr_running + 1, span.imb_numa_nr);
  out.amount >>= 1;
  return out;
}

Imbalance load_imbalance(DomainStats& s) {
  GroupStats& local = s.local;
  const GroupStats& busiest = *s.busiest;
  const std::uint64_t avg = average(s);
  if (local.type < GroupType::overloaded) {
    local.avg_load = local.load * 1024 / local.capacity;
    if (local.avg_load >= busiest.avg_load || local.avg_load >= avg) return {MigrationType::load, 0};
  }
  // Unsigned as the kernel's: a busiest group below the average gives a huge first term, and the second decides.
  const std::uint64_t out = (busiest.avg_load - avg) * busiest.capacity, in = (avg - local.avg_load) * local.capacity;
  return {MigrationType::load, static_cast<std::int64_t>(std::min(out, in) / 1024)};
}

Imbalance calculate_imbalance(DomainStats& s, const Span& span, CpuIdle dst, const kernel::Switches& k) {
  const GroupStats& busiest = *s.busiest;
  if (busiest.type == GroupType::smt_balance || busiest.type == GroupType::imbalanced) return {MigrationType::task, 1};
  if (s.local.type == GroupType::has_spare) return spare_imbalance(s, span, dst, k);
  return load_imbalance(s);
}

bool overloaded_but_fair(const DomainStats& s, unsigned pct) {
  const std::uint64_t local = s.local.avg_load, busiest = s.busiest->avg_load;
  return local >= busiest || local >= average(s) || 100 * busiest <= pct * local;
}

}  // namespace

Imbalance find_imbalance(DomainStats& s, const Span& span, CpuIdle dst, const kernel::Switches& k) {
  if (!s.busiest) return {};
  const GroupStats &local = s.local, &busiest = *s.busiest;
  if (busiest.type == GroupType::imbalanced) return calculate_imbalance(s, span, dst, k);
  if (local.type > busiest.type) return {};
  if (local.type == GroupType::overloaded && overloaded_but_fair(s, span.imbalance_pct)) return {};
  if (s.prefer_sibling && local.type == GroupType::has_spare) {
    const bool siblings =
        k.balance_by_cores ? sibling_imbalance(busiest, local, dst) > 1 : busiest.nr_running > local.nr_running + 1;
    if (siblings) return calculate_imbalance(s, span, dst, k);
  }
  if (busiest.type != GroupType::overloaded) {
    if (dst == CpuIdle::not_idle) return {};
    const bool core_to_spread = busiest.type == GroupType::smt_balance && smt_against_other(local, busiest);
    if (!core_to_spread) {
      if (busiest.weight > 1 && local.idle_cpus <= busiest.idle_cpus + 1) return {};
      if (busiest.h_nr_running == 1) return {};
    }
  }
  return calculate_imbalance(s, span, dst, k);
}

int nr_idle_scan(std::uint64_t sum_util, int llc_weight, unsigned pct) {
  const auto weight = static_cast<std::uint64_t>(llc_weight);
  const std::uint64_t x = sum_util / weight;
  const std::uint64_t busy = std::min<std::uint64_t>(1024, x * x * pct * pct / (10000 * 1024));
  return static_cast<int>((1024 - busy) * weight / 1024);
}

}  // namespace wakepath::sched
