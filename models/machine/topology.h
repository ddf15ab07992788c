// SPDX-License-Identifier: GPL-2.0-or-later
// Which CPUs share a core, a last-level cache, a package and a memory node, and how far nodes are apart: plain data,
// given in a scenario (machine.topology) or read from a real machine's sysfs or lscpu.
//
// Invariants (checked by topology_error): one entry a CPU; a core lies in one cache, a cache in one package and one
// node; distances are symmetric, least on the diagonal.
#pragma once

#include <string>
#include <vector>

#include "models/machine/cpumask.h"

namespace wakepath::machine {

struct Topology {
  std::vector<int> core, llc, package, node;  // ids by CPU, any numbers that are equal where the thing is shared
  std::vector<int> capacity;                  // by CPU, 1024 the largest
  std::vector<int> distance;                  // between nodes, row by row, in the order of node ids from 0
  [[nodiscard]] int cpus() const { return static_cast<int>(core.size()); }
  [[nodiscard]] int nodes() const;  // node ids are 0 to nodes - 1
  [[nodiscard]] int distance_between(int a, int b) const { return distance[static_cast<std::size_t>(a * nodes() + b)]; }
  [[nodiscard]] CpuMask sharing(const std::vector<int>& id, int cpu) const;  // the CPUs with cpu's id
  [[nodiscard]] CpuMask siblings(int cpu) const { return sharing(core, cpu); }
};

// A regular machine: equal packages of equal caches of equal cores.
struct RegularTopology {
  int cpus = 1;
  int threads_per_core = 1;
  int cores_per_llc = 0;  // 0: all cores of a package (or of a node, where that is smaller)
  int packages = 1, nodes = 1;
  bool threads_adjacent = false;  // the threads of a core are numbered n, n+1; otherwise all first threads come first
};

// What makes it impossible, in words; "" when it can exist.
std::string topology_error(const RegularTopology& r);
std::string topology_error(const Topology& t);
Topology make_topology(const RegularTopology& r);

}  // namespace wakepath::machine
