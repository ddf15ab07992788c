// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/block/queue_map.h"

#include <fmt/format.h>

#include <algorithm>

namespace wakepath::block {

using machine::CpuMask;
using machine::Topology;

namespace {

struct NodeShare {
  int node = 0, cpus = 0, groups = 0;
};

// Groups for each node by its share of the CPUs still without one, the smallest node first; at least one each.
std::vector<NodeShare> share_groups(const Topology& t, int groups) {
  std::vector<NodeShare> out;
  for (int n = 0; n < t.nodes(); ++n)
    out.push_back({n, static_cast<int>(std::count(t.node.begin(), t.node.end(), n)), 0});
  std::stable_sort(out.begin(), out.end(), [](const NodeShare& a, const NodeShare& b) { return a.cpus < b.cpus; });
  int left = t.cpus();
  groups = std::min(groups, left);
  for (NodeShare& s : out) {
    s.groups = std::max(1, groups * s.cpus / left);
    left -= s.cpus;
    groups -= s.groups;
  }
  return out;
}

// Takes `count` CPUs out of `free`: the first, then its siblings, and so on.
void take(const Topology& t, CpuMask& group, CpuMask& free, int count) {
  while (count > 0) {
    const int cpu = free.first();
    if (cpu < 0) return;
    free.clear(cpu);
    group.set(cpu);
    --count;
    const CpuMask siblings = t.siblings(cpu);
    for (int s = siblings.first(); s >= 0 && count > 0; s = siblings.next(s)) {
      if (!free.test(s)) continue;
      free.clear(s);
      group.set(s);
      --count;
    }
  }
}

QueueMap from_masks(std::vector<CpuMask> masks, int cpus) {
  QueueMap m;
  m.cpus_of = std::move(masks);
  m.queue_of.assign(static_cast<std::size_t>(cpus), -1);
  for (std::size_t q = 0; q < m.cpus_of.size(); ++q)
    for (int c = m.cpus_of[q].first(); c >= 0; c = m.cpus_of[q].next(c))
      m.queue_of[static_cast<std::size_t>(c)] = static_cast<int>(q);
  return m;
}

// CPUs in turn while queues last; then each core's other threads go where its first went.
QueueMap map_in_turn(const Topology& t, int queues) {
  std::vector<int> queue_of;
  int q = 0;
  for (int cpu = 0; cpu < t.cpus(); ++cpu) {
    const int first = t.siblings(cpu).first();
    if (q < queues || first == cpu) {
      queue_of.push_back(q++ % queues);
    } else {
      queue_of.push_back(queue_of[static_cast<std::size_t>(first)]);
    }
  }
  return map_from_list(queue_of, queues);
}

}  // namespace

int QueueMap::irq_cpu(int queue) const {
  const auto& cpus = cpus_of[static_cast<std::size_t>(queue)];
  int last = 0;
  for (int c = cpus.first(); c >= 0; c = cpus.next(c)) last = c;
  return last;
}

std::vector<CpuMask> group_cpus_evenly(const Topology& t, int groups) {
  std::vector<CpuMask> out(static_cast<std::size_t>(groups), CpuMask(t.cpus()));
  std::size_t at = 0;
  if (groups <= t.nodes()) {
    for (int n = 0; n < t.nodes(); ++n) {
      for (int c = 0; c < t.cpus(); ++c)
        if (t.node[static_cast<std::size_t>(c)] == n) out[at].set(c);
      at = (at + 1) % out.size();
    }
    return out;
  }
  for (const NodeShare& s : share_groups(t, groups)) {
    CpuMask free(t.cpus());
    for (int c = 0; c < t.cpus(); ++c)
      if (t.node[static_cast<std::size_t>(c)] == s.node) free.set(c);
    int extra = s.cpus - s.groups * (s.cpus / s.groups);
    for (int g = 0; g < s.groups; ++g, ++at) {
      take(t, out[at % out.size()], free, s.cpus / s.groups + (extra > 0 ? 1 : 0));
      extra = std::max(0, extra - 1);
    }
  }
  return out;
}

QueueMap map_queues(const Topology& t, int queues, bool spread_interrupts, bool grouped) {
  if (spread_interrupts || grouped) return from_masks(group_cpus_evenly(t, queues), t.cpus());
  return map_in_turn(t, queues);
}

QueueMap map_from_list(const std::vector<int>& queue_of, int queues) {
  QueueMap m;
  m.queue_of = queue_of;
  m.cpus_of.assign(static_cast<std::size_t>(queues), CpuMask(static_cast<int>(queue_of.size())));
  for (std::size_t c = 0; c < queue_of.size(); ++c)
    if (queue_of[c] >= 0 && queue_of[c] < queues)
      m.cpus_of[static_cast<std::size_t>(queue_of[c])].set(static_cast<int>(c));
  return m;
}

QueueGraph queue_graph(const QueueMap& m) {
  const std::size_t cpus = m.queue_of.size();
  QueueGraph g(cpus + m.cpus_of.size());
  for (std::size_t q = 0; q < m.cpus_of.size(); ++q)
    for (int c = m.cpus_of[q].first(); c >= 0; c = m.cpus_of[q].next(c))
      boost::add_edge(static_cast<std::size_t>(c), cpus + q, g);
  return g;
}

std::string queue_map_error(const QueueMap& m, int cpus) {
  if (m.queue_of.size() != static_cast<std::size_t>(cpus))
    return fmt::format("the queue map names {} CPUs of {}", m.queue_of.size(), cpus);
  for (std::size_t c = 0; c < m.queue_of.size(); ++c)
    if (m.queue_of[c] >= static_cast<int>(m.cpus_of.size()))
      return fmt::format("CPU {} is mapped to queue {}, but there are queues 0 to {}", c, m.queue_of[c],
                         m.cpus_of.size() - 1);
  const QueueGraph g = queue_graph(m);
  for (std::size_t c = 0; c < m.queue_of.size(); ++c)
    if (boost::degree(c, g) == 0) return fmt::format("CPU {} has no hardware queue", c);
  return {};
}

}  // namespace wakepath::block
