// SPDX-License-Identifier: GPL-2.0-or-later
// Classification and imbalance of groups: scheduler spec 7.3, 7.5, worked examples E39, E43; scan depths of 6.5.
#include "models/kernel/versions.h"
#include "models/sched/balance/stats.h"
#include "tests/unit/catch.h"

using namespace wakepath;
using namespace wakepath::sched;
using machine::make_topology;

namespace {

GroupStats group(unsigned nr, std::uint64_t util, std::uint64_t runnable = 0, unsigned weight = 1) {
  GroupStats g;
  g.nr_running = g.h_nr_running = nr;
  g.util = util;
  g.runnable = runnable;
  g.weight = weight;
  g.capacity = 1024 * weight;
  return g;
}

GroupType type_of(GroupStats g, CpuIdle dst = CpuIdle::idle, const char* version = "6.1") {
  classify(g, 117, dst, kernel::switches_of(version));
  return g.type;
}

DomainStats against(GroupStats local, GroupStats busiest, const kernel::Switches& k, CpuIdle dst) {
  DomainStats s;
  classify(local, 117, CpuIdle::not_idle, k);
  classify(busiest, 117, dst, k);
  s.local = local;
  s.busiest = busiest;
  s.total_load = local.load + busiest.load;
  s.total_capacity = local.capacity + busiest.capacity;
  return s;
}

}  // namespace

TEST_CASE("E39: one CPU with two tasks") {
  CHECK(type_of(group(2, 876)) == GroupType::overloaded);
  CHECK(type_of(group(2, 875)) == GroupType::has_spare);
  CHECK(type_of(group(2, 0, 1199)) == GroupType::overloaded);
  CHECK(type_of(group(2, 0, 1198)) == GroupType::has_spare);
  CHECK(type_of(group(1, 1024)) == GroupType::fully_busy);
  const auto k = kernel::switches_of("6.1");
  const Domains d(make_topology({.cpus = 8}));
  for (const std::uint64_t util : {1024, 500}) {
    GroupStats idle = group(0, 0);
    idle.idle_cpus = 1;
    auto s = against(idle, group(2, util), k, CpuIdle::idle);
    const Imbalance i = find_imbalance(s, *d.lowest(0)->span, CpuIdle::idle, k);
    CHECK(i.type == MigrationType::task);
    CHECK(i.amount == 1);
  }
}

TEST_CASE("E43: siblings by cores") {
  const auto imbalance = [](int cores_local, int cores_busiest, unsigned nr_local, unsigned nr_busiest) {
    GroupStats l = group(nr_local, 0), b = group(nr_busiest, 0);
    l.cores = cores_local;
    b.cores = cores_busiest;
    return sibling_imbalance(b, l, CpuIdle::idle);
  };
  CHECK(imbalance(4, 2, 2, 5) == 6);
  CHECK(imbalance(4, 8, 0, 2) == 2);
  CHECK(imbalance(8, 4, 3, 2) == 1);
  CHECK(imbalance(2, 2, 0, 2) == 2);
  GroupStats l = group(0, 0), b = group(4, 0);
  CHECK(sibling_imbalance(b, l, CpuIdle::not_idle) == 0);
}

TEST_CASE("two tasks on a core: spread by prefer_sibling in 6.1, as smt_balance from 6.6") {
  GroupStats core = group(2, 800, 0, 2);
  core.smt = true;
  CHECK(type_of(core, CpuIdle::idle, "6.1") == GroupType::has_spare);
  CHECK(type_of(core, CpuIdle::idle, "6.12") == GroupType::smt_balance);
  CHECK(type_of(core, CpuIdle::not_idle, "6.12") == GroupType::has_spare);
  const Domains d(make_topology({.cpus = 8, .threads_per_core = 2}));
  const Span& mc = *d.lowest(0)->parent->span;
  for (const char* version : {"6.1", "6.12"}) {
    const auto k = kernel::switches_of(version);
    GroupStats local = group(0, 0, 0, 2);
    local.smt = true;
    local.idle_cpus = 2;
    auto s = against(local, core, k, CpuIdle::idle);
    s.prefer_sibling = true;
    const Imbalance i = find_imbalance(s, mc, CpuIdle::idle, k);
    CHECK(i.type == MigrationType::task);
    CHECK(i.amount == 1);
  }
}

TEST_CASE("without a shared cache an overloaded group gives away utilisation") {
  const auto k = kernel::switches_of("6.1");
  const Domains d(make_topology({.cpus = 16, .packages = 16}));
  GroupStats idle = group(0, 200);
  idle.idle_cpus = 1;
  auto s = against(idle, group(2, 1024), k, CpuIdle::idle);
  Imbalance i = find_imbalance(s, *d.lowest(0)->span, CpuIdle::idle, k);
  CHECK(i.type == MigrationType::util);
  CHECK(i.amount == 824);
  s.local.util = 1024;  // blocked utilisation: nothing to spare by the figures, but the CPU is idle
  i = find_imbalance(s, *d.lowest(0)->span, CpuIdle::idle, k);
  CHECK(i.type == MigrationType::task);
  CHECK(i.amount == 1);
}

TEST_CASE("a busy CPU takes nothing from a group that is not overloaded") {
  const auto k = kernel::switches_of("6.12");
  const Domains d(make_topology({.cpus = 8}));
  auto s = against(group(1, 900), group(2, 800), k, CpuIdle::not_idle);
  CHECK(find_imbalance(s, *d.lowest(0)->span, CpuIdle::not_idle, k).amount == 0);
}

TEST_CASE("both overloaded: load to the average, and only beyond imbalance_pct") {
  const auto k = kernel::switches_of("6.1");
  const Domains d(make_topology({.cpus = 8}));
  GroupStats local = group(2, 1024, 2048), busiest = group(6, 1024, 6000);
  local.load = 2048;
  busiest.load = 6144;
  auto s = against(local, busiest, k, CpuIdle::not_idle);
  const Imbalance i = find_imbalance(s, *d.lowest(0)->span, CpuIdle::not_idle, k);
  CHECK(i.type == MigrationType::load);
  CHECK(i.amount == 2048);  // 4096 is the average
  busiest.load = 2300;
  s = against(local, busiest, k, CpuIdle::not_idle);
  CHECK(find_imbalance(s, *d.lowest(0)->span, CpuIdle::not_idle, k).amount == 0);
}

TEST_CASE("numa_tolerates_pair: two tasks on one node are parted before 5.6") {
  for (const char* version : {"5.4", "6.1"}) {
    CAPTURE(version);
    const auto k = kernel::switches_of(version);
    const Domains d(make_topology({.cpus = 16, .packages = 2, .nodes = 2}));
    GroupStats none = group(0, 0), pair = group(2, 1024);
    none.weight = pair.weight = 8;
    none.idle_cpus = 8, pair.idle_cpus = 7;
    auto s = against(none, pair, k, CpuIdle::idle);
    s.prefer_sibling = true;
    const Span& node = *d.lowest(0)->parent->span;
    CHECK(find_imbalance(s, node, CpuIdle::idle, k).amount == (std::string(version) == "5.4" ? 1 : 0));
  }
}

TEST_CASE("a small difference between nodes is left") {
  CHECK(adjust_numa_imbalance(2, 1, 2) == 0);
  CHECK(adjust_numa_imbalance(3, 1, 2) == 3);
  CHECK(adjust_numa_imbalance(2, 3, 2) == 2);
}

TEST_CASE("the busiest group: by type, then by idle CPUs, load, or first found") {
  const auto k = kernel::switches_of("6.1");
  GroupStats a = group(2, 1024), b = group(1, 100);
  classify(a, 117, CpuIdle::idle, k);
  classify(b, 117, CpuIdle::idle, k);
  CHECK(is_busier(a, b, k));
  CHECK_FALSE(is_busier(b, a, k));
  CHECK_FALSE(is_busier(a, a, k));
  CHECK_FALSE(is_busier(group(0, 0), GroupStats{}, k));
  GroupStats more = b;
  more.nr_running = 3;
  CHECK(is_busier(more, b, k));
}

TEST_CASE("scan depth by utilisation") {
  CHECK(nr_idle_scan(0, 8, 117) == 8);
  CHECK(nr_idle_scan(2048, 8, 117) == 7);
  CHECK(nr_idle_scan(4096, 8, 117) == 5);
  CHECK(nr_idle_scan(6144, 8, 117) == 1);
  CHECK(nr_idle_scan(7000, 8, 117) == 0);
  CHECK(nr_idle_scan(8192, 16, 117) == 10);
}
