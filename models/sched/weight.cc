// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/sched/weight.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <string>

#include "models/sched/sched.h"

namespace wakepath::sched {

namespace {

struct NiceRow {
  std::uint32_t weight, inverse;
};

constexpr NiceRow kNice[40] = {
    {88761, 48388},  {71755, 59856},  {56483, 76040},  {46273, 92818},  {36291, 118348}, {29154, 147320},
    {23254, 184698}, {18705, 229616}, {14949, 287308}, {11916, 360437}, {9548, 449829},  {7620, 563644},
    {6100, 704093},  {4904, 875809},  {3906, 1099582}, {3121, 1376151}, {2501, 1717300}, {1991, 2157191},
    {1586, 2708050}, {1277, 3363326}, {1024, 4194304}, {820, 5237765},  {655, 6557202},  {526, 8165337},
    {423, 10153587}, {335, 12820798}, {272, 15790321}, {215, 19976592}, {172, 24970740}, {137, 31350126},
    {110, 39045157}, {87, 49367440},  {70, 61356676},  {56, 76695844},  {45, 95443717},  {36, 119304647},
    {29, 148102320}, {23, 186737708}, {18, 238609294}, {15, 286331153},
};

const NiceRow& nice_row(int nice) {
  if (nice < -20 || nice > 19) throw std::out_of_range("nice " + std::to_string(nice) + " is not in -20..19");
  return kNice[nice + 20];
}

void compute_inverse(LoadWeight& lw) {
  constexpr std::uint64_t kMult = 0xffffffffu;
  const std::uint64_t w = scale_load_down(lw.weight);
  lw.inv_weight = w >= kMult ? 1u : w == 0 ? 0xffffffffu : static_cast<std::uint32_t>(kMult / w);
}

}  // namespace

std::uint64_t calc_delta(std::uint64_t delta, std::uint64_t weight, LoadWeight& lw) {
  if (lw.inv_weight == 0) compute_inverse(lw);
  std::uint64_t fact = scale_load_down(weight);
  int shift = 32;
  const auto keep_32_bits = [&] {
    const auto high = static_cast<std::uint32_t>(fact >> 32);
    if (high == 0) return;
    const auto excess = static_cast<int>(std::bit_width(high));
    fact >>= excess;
    shift -= excess;
  };
  keep_32_bits();
  fact = (fact & 0xffffffffu) * lw.inv_weight;
  keep_32_bits();
  return static_cast<std::uint64_t>((static_cast<unsigned __int128>(delta) * (fact & 0xffffffffu)) >> shift);
}

std::uint64_t weight_of_nice(int nice) { return nice_row(nice).weight; }

LoadWeight load_of_nice(int nice) {
  const NiceRow& row = nice_row(nice);
  return {scale_load(row.weight), row.inverse};
}

LoadWeight load_of_idle_policy() { return {scale_load(kIdlePolicyWeight), 1431655765u}; }

// kernel/sched/core.c:cpu_shares_write_u64
std::uint64_t shares_of_cpu_shares(std::uint64_t cpu_shares) {
  const std::uint64_t s = std::min(cpu_shares, kMaxShares);
  return std::clamp(scale_load(s), scale_load(kMinShares), scale_load(kMaxShares));
}

// kernel/sched/core.c:cpu_weight_write_u64. Rounded to the closest; weight 100 is one nice-0 task.
std::uint64_t shares_of_cpu_weight(std::uint64_t weight) {
  if (weight < 1 || weight > 10000) {
    throw std::out_of_range("cpu.weight " + std::to_string(weight) + " is not in 1..10000");
  }
  return std::clamp(scale_load((weight * 1024 + 50) / 100), scale_load(kMinShares), scale_load(kMaxShares));
}

// kernel/sched/core.c:cpu_weight_read_u64
std::uint64_t cpu_weight_of_shares(std::uint64_t shares, bool clamped) {
  const std::uint64_t weight = ((shares >> 10) * 100 + 512) / 1024;
  return clamped ? std::clamp<std::uint64_t>(weight, 1, 10000) : weight;
}

// kernel/sched/core.c:cpu_weight_nice_read_s64. The closest level, seen from the heavy end.
int cpu_weight_nice_of_shares(std::uint64_t shares) {
  const auto weight = static_cast<std::int64_t>(shares >> 10);
  std::int64_t last = std::numeric_limits<std::int64_t>::max();
  int level = 0;
  for (; level < 40; ++level) {
    const std::int64_t distance = std::abs(weight - static_cast<std::int64_t>(kNice[level].weight));
    if (distance >= last) break;
    last = distance;
  }
  return level - 1 - 20;
}

}  // namespace wakepath::sched
