// SPDX-License-Identifier: GPL-2.0-or-later
// The CPUs whose unbound workers share a pool: an item queued on a CPU goes to the pool of that CPU's pod.
//
// From 6.6 a pod is an affinity scope (cpu, smt, cache, numa, system), cache by default; its workers begin there and,
// unless the workqueue is strict, may be moved. Before, it was the NUMA node, and workers stayed in it.
// Source: kernel/workqueue.c (wq_pod_type, init_pod_type; 6.1: wq_numa_possible_cpumask), 6.1 and 6.12.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "models/machine/topology.h"

namespace wakepath::workqueue {

enum class Scope : std::uint8_t { cpu, smt, cache, numa, system };

Scope scope_of(std::string_view name);

struct Pods {
  std::vector<machine::CpuMask> cpus;  // in the order of their first CPU
  std::vector<int> of_cpu;
};

Pods make_pods(const machine::Topology& t, Scope s);

}  // namespace wakepath::workqueue
