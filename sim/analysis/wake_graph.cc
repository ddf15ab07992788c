// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/analysis/wake_graph.h"

#include <algorithm>
#include <boost/graph/compressed_sparse_row_graph.hpp>
#include <boost/graph/dijkstra_shortest_paths.hpp>
#include <boost/graph/strong_components.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "sim/analysis/counter.h"
#include "sim/analysis/damaged_input.h"
#include "sim/analysis/task_class.h"

namespace wakepath::analysis {

using trace::Event;
using trace::EventType;

namespace {

constexpr std::size_t kNodesKept = 4096;

struct Weight {
  std::int64_t cost = 0;
};
using Graph = boost::compressed_sparse_row_graph<boost::directedS, boost::no_property, Weight>;
using Vertex = boost::graph_traits<Graph>::vertex_descriptor;
using Pair = std::pair<std::uint32_t, std::uint32_t>;

// Rare switches are dear: the cheapest way is the busiest one.
std::int64_t cost_of(std::int64_t switches) { return (std::int64_t{1} << 40) / std::max<std::int64_t>(1, switches); }

std::vector<std::uint32_t> turned(std::vector<std::uint32_t> cycle, const std::vector<std::string>& names) {
  const auto first = std::min_element(cycle.begin(), cycle.end(),
                                      [&](std::uint32_t a, std::uint32_t b) { return names[a] < names[b]; });
  std::rotate(cycle.begin(), first, cycle.end());
  return cycle;
}

}  // namespace

WakeGraph::Cpu& WakeGraph::cpu(std::int32_t id) {
  const auto i = cpu_index(id);
  if (i >= cpus_.size()) cpus_.resize(i + 1);
  return cpus_[i];
}

WakeGraph::Node WakeGraph::named(std::string name) {
  if (names_.size() >= kNodesKept && !ids_.contains(name)) name = "(others)";
  const auto [it, fresh] = ids_.try_emplace(name, static_cast<Node>(names_.size()));
  if (fresh) names_.push_back(name);
  return it->second;
}

WakeGraph::Node WakeGraph::node(std::int32_t pid, trace::StringId comm) {
  if (pid == 0) return named("idle");
  if (comm >= node_of_comm_.size()) node_of_comm_.resize(comm + 1, 0);
  if (node_of_comm_[comm] == 0) node_of_comm_[comm] = named(family_of_comm(pool_->str(comm))) + 1;
  return node_of_comm_[comm] - 1;
}

void WakeGraph::on_switch(const Event& e, Cpu& c) {
  const auto& s = e.u.sw;
  const Node from = node(s.prev_pid, s.prev_comm), to = node(s.next_pid, s.next_comm);
  WakeEdge& edge = edges_[{from, to}];
  ++edge.switches;
  edge.runnable += (s.prev_state & ~trace::kStatePreempted) == 0 && s.prev_pid != 0;
  if (c.last_ns >= 0) edge.switch_ns += between(c.last_ns, e.ts_ns);
  c.arriving = true;
  c.edge = {from, to};
  c.irqs = 0;
  c.waking = -1;
}

void WakeGraph::on_wake(const Event& e, Cpu& c) {
  const bool interrupted =
      e.has_flags ? (e.flags & (trace::kHardirq | trace::kSoftirq | trace::kNmi)) != 0 : c.irqs > 0;
  if (e.type == EventType::sched_waking) {
    const Node to = node(e.u.task.pid, e.u.task.comm);
    c.waker = interrupted ? named("interrupt") : node(e.pid, e.comm);
    ++edges_[{c.waker, to}].wakeups;
    c.waking = e.u.task.pid;
    c.waking_ns = e.ts_ns;
  } else if (c.waking == e.u.task.pid) {
    edges_[{c.waker, node(e.u.task.pid, e.u.task.comm)}].wakeup_ns += between(c.waking_ns, e.ts_ns);
    c.waking = -1;
  }
}

void WakeGraph::on_event(const Event& e) {
  if (e.type == EventType::lost_events) {
    cpus_.clear();
    return;
  }
  if (first_ns_ < 0) first_ns_ = e.ts_ns;
  last_ns_ = std::max(last_ns_, e.ts_ns);
  Cpu& c = cpu(e.cpu);
  if (c.arriving) {
    // An interrupt that comes first, or a task that was preempted at its own work, shows no end of the switch.
    const bool own = e.type == EventType::workqueue_execute_start || e.type == EventType::sys_exit_io_getevents ||
                     e.type == EventType::sys_exit_io_uring_enter || e.type == EventType::sched_stat_runtime;
    if (own) edges_[c.edge].switch_ns += between(c.last_ns, e.ts_ns);
    c.arriving = false;
  }
  switch (e.type) {
    case EventType::sched_switch:
      on_switch(e, c);
      break;
    case EventType::sched_waking:
    case EventType::sched_wakeup:
      on_wake(e, c);
      break;
    case EventType::irq_handler_entry:
    case EventType::local_timer_entry:
    case EventType::reschedule_entry:
      ++c.irqs;
      break;
    case EventType::irq_handler_exit:
    case EventType::local_timer_exit:
    case EventType::reschedule_exit:
      c.irqs = std::max(0, c.irqs - 1);
      break;
    default:
      break;
  }
  c.last_ns = e.ts_ns;
}

std::vector<WakeCycle> WakeGraph::cycles() const {
  std::vector<Pair> ends;
  std::vector<Weight> weights;
  std::map<Pair, const WakeEdge*> taken;
  for (const auto& [ends_of, edge] : edges_) {
    const auto [from, to] = ends_of;
    if (edge.switches < kSwitchesLeast || names_[from] == "idle" || names_[to] == "idle" || from == to) continue;
    ends.push_back(ends_of);
    weights.push_back({cost_of(edge.switches)});
    taken[ends_of] = &edge;
  }
  if (ends.empty()) return {};
  const Graph g(boost::edges_are_sorted, ends.begin(), ends.end(), weights.begin(), names_.size());
  std::vector<int> component(names_.size());
  boost::strong_components(g, boost::make_iterator_property_map(component.begin(), get(boost::vertex_index, g)));
  std::set<std::vector<Node>> found;
  for (const auto& [from, to] : ends) {
    if (component[from] != component[to]) continue;
    std::vector<Vertex> before(names_.size());
    std::vector<std::int64_t> far(names_.size());
    boost::dijkstra_shortest_paths(
        g, to,
        boost::weight_map(get(&Weight::cost, g))
            .predecessor_map(boost::make_iterator_property_map(before.begin(), get(boost::vertex_index, g)))
            .distance_map(boost::make_iterator_property_map(far.begin(), get(boost::vertex_index, g))));
    std::vector<Node> cycle{from};
    for (Vertex v = from; v != to && cycle.size() <= kLongest; v = before[v])
      cycle.push_back(static_cast<Node>(before[v]));
    std::reverse(cycle.begin(), cycle.end());  // from the edge's target along the way back to its source
    if (cycle.size() <= kLongest) found.insert(turned(cycle, names_));
  }
  std::vector<WakeCycle> out;
  for (const auto& cycle : found) {
    WakeCycle row;
    std::int64_t rarest = -1;
    for (std::size_t i = 0; i < cycle.size(); ++i) {
      const Pair ends_of{cycle[i], cycle[(i + 1) % cycle.size()]};
      const WakeEdge& edge = *taken.at(ends_of);
      row.tasks.push_back(names_[cycle[i]]);
      rarest = rarest < 0 ? edge.switches : std::min(rarest, edge.switches);
      row.ns_per_round += ratio(edge.switch_ns, edge.switches) + ratio(edge.wakeup_ns, edge.switches);
    }
    row.switches = rarest * static_cast<std::int64_t>(cycle.size());
    out.push_back(std::move(row));
  }
  std::sort(out.begin(), out.end(), [](const WakeCycle& a, const WakeCycle& b) {
    return a.switches != b.switches ? a.switches > b.switches : a.tasks < b.tasks;
  });
  if (out.size() > kCyclesKept) out.resize(kCyclesKept);
  return out;
}

nlohmann::json WakeGraph::json() const {
  const std::int64_t span = last_ns_ - std::max<std::int64_t>(0, first_ns_);
  const auto per_s = [&](double n) { return span > 0 ? n * 1e9 / static_cast<double>(span) : 0.0; };
  std::vector<std::pair<Pair, WakeEdge>> sorted(edges_.begin(), edges_.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return a.second.wakeups + a.second.switches > b.second.wakeups + b.second.switches;
  });
  nlohmann::json edges = nlohmann::json::array(), rows = nlohmann::json::array();
  for (const auto& [ends, edge] : sorted)
    edges.push_back({{"from", names_[ends.first]},
                     {"to", names_[ends.second]},
                     {"wakeups_per_s", per_s(static_cast<double>(edge.wakeups))},
                     {"wakeup_ns", ratio(edge.wakeup_ns, edge.wakeups)},
                     {"switches_per_s", per_s(static_cast<double>(edge.switches))},
                     {"runnable_share", ratio(edge.runnable, edge.switches)},
                     {"switch_ns", ratio(edge.switch_ns, edge.switches)}});
  for (const WakeCycle& c : cycles()) {
    const double rounds = per_s(static_cast<double>(c.switches) / static_cast<double>(c.tasks.size()));
    rows.push_back({{"tasks", c.tasks},
                    {"rounds_per_s", rounds},
                    {"switches_per_s", per_s(static_cast<double>(c.switches))},
                    {"ns_per_round", c.ns_per_round},
                    {"cpu_share", rounds * c.ns_per_round / 1e9}});
  }
  return {{"edges", std::move(edges)}, {"cycles", std::move(rows)}};
}

}  // namespace wakepath::analysis
