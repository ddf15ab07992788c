// SPDX-License-Identifier: GPL-2.0-or-later
// Topologies and the scheduling domains that the kernel builds from them: scheduler spec 7.1, published machines.
#include "tests/unit/catch.h"

#include "models/sched/domains.h"

using namespace wakepath;
using machine::make_topology;
using machine::RegularTopology;
using machine::Topology;
using sched::Domain;
using sched::Domains;
using sched::Level;

namespace {

std::vector<std::string> levels(const Domains& d, int cpu) {
  std::vector<std::string> out;
  for (const Domain* at = d.lowest(cpu); at != nullptr; at = at->parent)
    out.push_back(std::string(sched::level_name(at->span->level)) + " " + sched::cpu_list(at->span->cpus));
  return out;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("masks iterate in order and wrap from a start") {
  machine::CpuMask m(130);
  for (const int c : {0, 63, 64, 129}) m.set(c);
  std::vector<int> seen;
  for (int c = m.wrap_first(64); c >= 0; c = m.wrap_next(c, 64)) seen.push_back(c);
  CHECK(seen == std::vector<int>{64, 129, 0, 63});
  CHECK(m.weight() == 4);
  CHECK(machine::CpuMask(130, true).weight() == 130);
  CHECK(sched::cpu_list(m) == "0,63-64,129");
}

TEST_CASE("one socket without threads has MC only") {
  const Domains d(make_topology({.cpus = 8}));
  CHECK(levels(d, 3) == Names{"MC 0-7"});
  const auto& mc = *d.lowest(3)->span;
  CHECK(mc.groups.size() == 8);
  CHECK(mc.imbalance_pct == 117);
  CHECK(mc.cache_nice_tries == 1);
  CHECK(d.lowest(3)->local_group().cpus == std::vector<int>{3});
  CHECK(d.lowest(3)->min_interval_ms == 8);
  CHECK(d.llc_size(0) == 8);
}

TEST_CASE("one socket with threads has SMT and MC; groups of MC are cores") {
  const Domains d(make_topology({.cpus = 12, .threads_per_core = 2}));  // i3en.3xlarge
  CHECK(levels(d, 7) == Names{"SMT 1,7", "MC 0-11"});
  const Domain* mc = d.lowest(7)->parent;
  CHECK(mc->span->groups.size() == 6);
  CHECK(mc->local_group().cpus == std::vector<int>{1, 7});
  CHECK((mc->local_group().flags & sched::sd::kShareCpuCapacity) != 0);
  CHECK(d.lowest(7)->span->imbalance_pct == 110);
  CHECK(d.lowest(7)->span->cache_nice_tries == 0);
  CHECK(d.llc_domain(7) == mc);
}

TEST_CASE("sixteen one-core sockets share no cache: PKG alone, nobody's last-level cache") {
  const Domains d(make_topology({.cpus = 16, .packages = 16}));
  CHECK(levels(d, 0) == Names{"PKG 0-15"});
  CHECK(d.llc_domain(0) == nullptr);
  CHECK(d.llc_size(0) == 1);
  CHECK_FALSE(d.share_cache(0, 1));
  CHECK(d.share_cache(5, 5));
}

TEST_CASE("two sockets of four in two nodes: MC and NUMA, the package level adds nothing") {
  const Domains d(make_topology({.cpus = 8, .packages = 2, .nodes = 2}));
  CHECK(levels(d, 5) == Names{"MC 4-7", "NUMA 0-7"});
  const auto& numa = *d.lowest(5)->parent->span;
  CHECK((numa.flags & sched::sd::kPreferSibling) == 0);
  CHECK((numa.flags & sched::sd::kWakeAffine) != 0);
  CHECK(numa.cache_nice_tries == 2);
  CHECK(numa.imb_numa_nr == 1);  // one cache a node: an eighth of four CPUs, at least 1
}

TEST_CASE("several caches in a node give MC, PKG and NUMA") {
  const Domains d(make_topology({.cpus = 64, .threads_per_core = 2, .cores_per_llc = 4, .packages = 2, .nodes = 2}));
  CHECK(levels(d, 33) == Names{"SMT 1,33", "MC 0-3,32-35", "PKG 0-15,32-47", "NUMA 0-63"});
  CHECK(d.lowest(0)->parent->parent->span->groups.size() == 4);
  CHECK(d.lowest(0)->parent->parent->parent->span->imb_numa_nr == 4);  // caches of a node
  CHECK(d.lowest(0)->parent->parent->local_group().cores == 4);
}

TEST_CASE("NUMA levels by distance, far nodes lose wake affinity, groups may overlap") {
  Topology t = make_topology({.cpus = 8, .packages = 4, .nodes = 4});
  t.distance = {10, 20, 20, 40, 20, 10, 40, 20, 20, 40, 10, 20, 40, 20, 20, 10};  // a square of nodes
  REQUIRE(topology_error(t).empty());
  const Domains d(t);
  CHECK(levels(d, 0) == Names{"MC 0-1", "NUMA 0-5", "NUMA 0-7"});
  const Domain* near = d.lowest(0)->parent;
  CHECK(near->span->groups.size() == 3);
  const Domain* far = near->parent;
  CHECK((far->span->flags & sched::sd::kWakeAffine) == 0);
  // Built from the near spans of the CPUs not yet covered: node 0's, then node 3's, which overlap in nodes 1 and 2.
  REQUIRE(far->span->groups.size() == 2);
  CHECK(sched::cpu_list(far->span->groups[1].span) == "2-7");
  CHECK(sched::cpu_list(far->span->groups[1].balance_mask) == "6-7");
}

TEST_CASE("every topology gives spans that nest and groups that cover them") {
  const auto threads = GENERATE(1, 2);
  const auto packages = GENERATE(1, 2, 4);
  const auto nodes = GENERATE(1, 2, 8);
  const RegularTopology r{.cpus = 64, .threads_per_core = threads, .packages = packages, .nodes = nodes};
  REQUIRE(topology_error(r).empty());
  const Topology t = make_topology(r);
  REQUIRE(topology_error(t).empty());
  const Domains d(t);
  for (int cpu = 0; cpu < 64; ++cpu) {
    const Domain* below = nullptr;
    for (const Domain* at = d.lowest(cpu); at != nullptr; below = at, at = at->parent) {
      CHECK(at->span->cpus.test(cpu));
      if (below != nullptr) CHECK(below->span->cpus.subset_of(at->span->cpus));
      if (below != nullptr) CHECK(below->span->weight < at->span->weight);
      CHECK(at->local_group().span.test(cpu));
      machine::CpuMask covered(64);
      for (const auto& g : at->span->groups) covered |= g.span;
      CHECK(covered == at->span->cpus);
    }
  }
}

TEST_CASE("machines that cannot exist are named") {
  CHECK(topology_error(RegularTopology{.cpus = 7, .threads_per_core = 2}) ==
        "7 CPUs are no whole number of cores of 2 threads");
  CHECK_FALSE(topology_error(RegularTopology{.cpus = 8, .packages = 3}).empty());
  CHECK_FALSE(topology_error(RegularTopology{.cpus = 8, .cores_per_llc = 3}).empty());
  Topology t = make_topology({.cpus = 4, .threads_per_core = 2});
  t.llc = {0, 0, 1, 1};  // threads of a core in two caches
  CHECK(topology_error(t).find("share core 0 but not the last-level cache") != std::string::npos);
  t = make_topology({.cpus = 4, .packages = 2, .nodes = 2});
  t.distance = {10, 20, 30, 10};
  CHECK(topology_error(t).find("node_distance from 0 to 1 is 20, back it is 30") != std::string::npos);
  t.distance = {10, 20, 20};
  CHECK(topology_error(t).find("3 figures for 2 nodes") != std::string::npos);
}
