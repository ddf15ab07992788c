// SPDX-License-Identifier: GPL-2.0-or-later
// Which CPU submits to which hardware queue, and which CPUs a queue's interrupt may go to.
//
// A driver whose interrupts are spread by the core (nvme, virtio with per-queue vectors) maps each queue to the CPUs
// of its interrupt, spread evenly over nodes and cores in every version. A driver without such interrupts (null_blk)
// uses the generic map: up to 6.2 CPUs in turn, then siblings with their first one; from 6.3 the even spread too.
//
// Source: block/blk-mq-cpumap.c:blk_mq_map_queues, block/blk-mq-pci.c, lib/group_cpus.c:group_cpus_evenly (before 6.3
// kernel/irq/affinity.c, the same algorithm), 6.1 and 6.12.
#pragma once

#include <boost/graph/adjacency_list.hpp>
#include <string>
#include <vector>

#include "models/machine/topology.h"

namespace wakepath::block {

struct QueueMap {
  std::vector<int> queue_of;              // by CPU
  std::vector<machine::CpuMask> cpus_of;  // by queue; may be empty where there are more queues than CPUs
  // Where a managed interrupt goes: of its CPUs the one with the fewest of such vectors, the highest-numbered on a tie
  // (kernel/irq/matrix.c:matrix_find_best_cpu_managed); a machine with one device has ties only.
  [[nodiscard]] int irq_cpu(int queue) const;
};

// CPUs and queues as two sorts of vertices: 0 to cpus-1, then the queues.
using QueueGraph = boost::adjacency_list<boost::vecS, boost::vecS, boost::undirectedS>;

std::vector<machine::CpuMask> group_cpus_evenly(const machine::Topology& t, int groups);
QueueMap map_queues(const machine::Topology& t, int queues, bool spread_interrupts, bool grouped);
QueueMap map_from_list(const std::vector<int>& queue_of, int queues);  // as the user gave it
QueueGraph queue_graph(const QueueMap& m);
// A CPU without a queue, a queue that does not exist; "" when all is well.
std::string queue_map_error(const QueueMap& m, int cpus);

}  // namespace wakepath::block
