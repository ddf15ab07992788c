// SPDX-License-Identifier: GPL-2.0-or-later
// The spans of a topology as a graph, before single CPUs get their domains: vertices are spans, an edge leads from a
// span to each span of the level below that lies in it. A CPU's domains are the path from a root down to it.
//
// A level that adds nothing to the one below is not in the graph. (The flag that the kernel passes on from such a
// level, PREFER_SIBLING, every level but NUMA has by itself.) Source: kernel/sched/topology.c (default_topology,
// sched_init_numa, sd_parent_degenerate), 6.1, 6.12.
#pragma once

#include <boost/graph/adjacency_list.hpp>
#include <deque>
#include <vector>

#include "models/sched/domains.h"

namespace wakepath::sched {

struct SpanVertex {
  Span* span = nullptr;
};
using SpanGraph = boost::adjacency_list<boost::vecS, boost::vecS, boost::bidirectionalS, SpanVertex>;

struct DomainGraph {
  SpanGraph graph;
  std::vector<std::vector<SpanGraph::vertex_descriptor>> path;  // by CPU: its spans, smallest first
};

DomainGraph build_domain_graph(const machine::Topology& t, std::deque<Span>& spans);

}  // namespace wakepath::sched
