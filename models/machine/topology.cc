// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/machine/topology.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace wakepath::machine {

int Topology::nodes() const { return node.empty() ? 0 : *std::max_element(node.begin(), node.end()) + 1; }

CpuMask Topology::sharing(const std::vector<int>& id, int cpu) const {
  CpuMask m(cpus());
  for (int c = 0; c < cpus(); ++c)
    if (id[static_cast<std::size_t>(c)] == id[static_cast<std::size_t>(cpu)]) m.set(c);
  return m;
}

std::string topology_error(const RegularTopology& r) {
  if (r.cpus % r.threads_per_core != 0)
    return fmt::format("{} CPUs are no whole number of cores of {} threads", r.cpus, r.threads_per_core);
  const int cores = r.cpus / r.threads_per_core;
  if (cores % r.packages != 0) return fmt::format("{} cores cannot be split over {} packages", cores, r.packages);
  if (cores % r.nodes != 0) return fmt::format("{} cores cannot be split over {} nodes", cores, r.nodes);
  const int most = std::max(r.packages, r.nodes);
  if (most % std::min(r.packages, r.nodes) != 0)
    return fmt::format("{} packages and {} nodes do not nest", r.packages, r.nodes);
  const int unit = cores / most;
  if (r.cores_per_llc > 0 && unit % r.cores_per_llc != 0)
    return fmt::format("caches of {} cores do not divide the {} cores of a {}", r.cores_per_llc, unit,
                       r.nodes > r.packages ? "node" : "package");
  return {};
}

Topology make_topology(const RegularTopology& r) {
  Topology t;
  const int cores = r.cpus / r.threads_per_core;
  const int per_llc = r.cores_per_llc > 0 ? r.cores_per_llc : cores / std::max(r.packages, r.nodes);
  for (int cpu = 0; cpu < r.cpus; ++cpu) {
    const int core = r.threads_adjacent ? cpu / r.threads_per_core : cpu % cores;
    t.core.push_back(core);
    t.llc.push_back(core / per_llc);
    t.package.push_back(core / (cores / r.packages));
    t.node.push_back(core / (cores / r.nodes));
    t.capacity.push_back(1024);
  }
  for (int a = 0; a < r.nodes; ++a)
    for (int b = 0; b < r.nodes; ++b) t.distance.push_back(a == b ? 10 : 20);
  return t;
}

namespace {

// The first CPU pair that shares `inner` but not `outer`.
std::string not_nested(const Topology& t, const std::vector<int>& inner, const char* inner_name,
                       const std::vector<int>& outer, const char* outer_name) {
  std::map<int, int> first;  // by inner id: the first CPU that has it
  for (int c = 0; c < t.cpus(); ++c) {
    const auto i = static_cast<std::size_t>(c);
    const auto [at, fresh] = first.try_emplace(inner[i], c);
    if (!fresh && outer[static_cast<std::size_t>(at->second)] != outer[i])
      return fmt::format("CPUs {} and {} share {} {} but not the {}", at->second, c, inner_name, inner[i], outer_name);
  }
  return {};
}

std::string distance_error(const Topology& t) {
  const int n = t.nodes();
  if (t.distance.size() != static_cast<std::size_t>(n) * static_cast<std::size_t>(n))
    return fmt::format("node_distance has {} figures for {} nodes: it takes {}", t.distance.size(), n, n * n);
  for (int a = 0; a < n; ++a)
    for (int b = 0; b < n; ++b) {
      if (t.distance_between(a, b) != t.distance_between(b, a))
        return fmt::format("node_distance from {} to {} is {}, back it is {}", a, b, t.distance_between(a, b),
                           t.distance_between(b, a));
      if (a != b && t.distance_between(a, b) <= t.distance_between(a, a))
        return fmt::format("node {} is not farther from node {} ({}) than from itself ({})", b, a,
                           t.distance_between(a, b), t.distance_between(a, a));
    }
  return {};
}

}  // namespace

std::string topology_error(const Topology& t) {
  struct Named {
    const char* name;
    const std::vector<int>& ids;
  };
  const Named all[] = {
      {"core", t.core}, {"llc", t.llc}, {"package", t.package}, {"node", t.node}, {"capacity", t.capacity}};
  for (const Named& n : all)
    if (n.ids.size() != t.core.size())
      return fmt::format("topology.{} names {} CPUs, topology.core {}", n.name, n.ids.size(), t.core.size());
  for (int id = 0; id < t.nodes(); ++id)
    if (std::find(t.node.begin(), t.node.end(), id) == t.node.end())
      return fmt::format("node {} has no CPU; nodes are numbered from 0 without gaps", id);
  if (auto bad = not_nested(t, t.core, "core", t.llc, "last-level cache"); !bad.empty()) return bad;
  if (auto bad = not_nested(t, t.llc, "last-level cache", t.package, "package"); !bad.empty()) return bad;
  if (auto bad = not_nested(t, t.llc, "last-level cache", t.node, "node"); !bad.empty()) return bad;
  for (const int c : t.capacity)
    if (c < 1 || c > 1024) return fmt::format("a capacity is 1 to 1024, not {}", c);
  return distance_error(t);
}

}  // namespace wakepath::machine
