// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/sched/domain_graph.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace wakepath::sched {

namespace {

using machine::Topology;

// RECLAIM_DISTANCE: nodes farther than this do not place wakeups, forks and execs on each other.
constexpr int kReclaimDistance = 30;
constexpr unsigned kDefaultFlags = sd::kBalanceNewidle | sd::kExec | sd::kFork | sd::kWakeAffine | sd::kPreferSibling;

struct LevelMask {
  Level level;
  int distance;
  CpuMask cpus;
};

std::vector<int> remote_distances(const Topology& t) {
  std::set<int> all;
  for (int a = 0; a < t.nodes(); ++a)
    for (int b = 0; b < t.nodes(); ++b)
      if (a != b) all.insert(t.distance_between(a, b));
  return {all.begin(), all.end()};
}

// Every level of one CPU, also those that will turn out to add nothing.
std::vector<LevelMask> levels_of(const Topology& t, const std::vector<int>& distances, int cpu) {
  std::vector<LevelMask> out;
  out.push_back({Level::smt, 0, t.siblings(cpu)});
  out.push_back({Level::mc, 0, t.sharing(t.llc, cpu)});
  out.push_back({Level::pkg, 0, t.sharing(t.node, cpu)});  // cpu_cpu_mask: the node, whatever the package
  const int own = t.node[static_cast<std::size_t>(cpu)];
  for (const int d : distances) {
    CpuMask m(t.cpus());
    for (int c = 0; c < t.cpus(); ++c)
      if (t.distance_between(own, t.node[static_cast<std::size_t>(c)]) <= d) m.set(c);
    out.push_back({Level::numa, d, std::move(m)});
  }
  return out;
}

void init_span(Span& s) {  // sd_init
  s.weight = s.cpus.weight();
  s.flags = kDefaultFlags;
  switch (s.level) {
    case Level::smt:
      s.flags |= sd::kShareCpuCapacity | sd::kShareLlc;
      s.imbalance_pct = 110;
      break;
    case Level::mc:
      s.flags |= sd::kShareLlc;
      s.cache_nice_tries = 1;
      break;
    case Level::pkg:
      s.cache_nice_tries = 1;
      break;
    case Level::numa:
      s.flags |= sd::kNuma | sd::kSerialize;
      s.flags &= ~sd::kPreferSibling;
      s.cache_nice_tries = 2;
      if (s.numa_distance > kReclaimDistance) s.flags &= ~(sd::kExec | sd::kFork | sd::kWakeAffine);
      break;
  }
}

int count_cores(const Topology& t, const std::vector<int>& cpus) {
  std::set<int> cores;
  for (const int c : cpus) cores.insert(t.core[static_cast<std::size_t>(c)]);
  return static_cast<int>(cores.size());
}

class GraphBuilder {
 public:
  GraphBuilder(const Topology& t, std::deque<Span>& spans) : t_(t), spans_(spans), distances_(remote_distances(t)) {}

  DomainGraph build() {
    out_.path.resize(static_cast<std::size_t>(t_.cpus()));
    for (int cpu = 0; cpu < t_.cpus(); ++cpu) add_path(cpu);
    for (int cpu = 0; cpu < t_.cpus(); ++cpu) add_groups(cpu);
    return std::move(out_);
  }

 private:
  using Vertex = SpanGraph::vertex_descriptor;
  std::vector<Vertex>& path(int cpu) { return out_.path[static_cast<std::size_t>(cpu)]; }
  Span& span(Vertex v) { return *out_.graph[v].span; }

  void add_path(int cpu) {
    const CpuMask* below = nullptr;
    for (LevelMask& l : levels_of(t_, distances_, cpu)) {
      if (l.cpus.weight() == 1) continue;                  // sd_degenerate
      if (below != nullptr && l.cpus == *below) continue;  // sd_parent_degenerate
      const Vertex v = vertex(l, cpu);
      if (!path(cpu).empty()) {
        const Vertex child = path(cpu).back();
        if (!boost::edge(v, child, out_.graph).second) boost::add_edge(v, child, out_.graph);
      }
      path(cpu).push_back(v);
      below = &span(v).cpus;
    }
  }

  // Spans of NUMA levels may overlap; then nodes with the same span still group it differently.
  [[nodiscard]] bool overlaps() const { return distances_.size() > 1; }

  Vertex vertex(const LevelMask& l, int cpu) {
    std::vector<int> key{static_cast<int>(l.level), l.distance,
                         l.level == Level::numa && overlaps() ? t_.node[static_cast<std::size_t>(cpu)] : -1};
    for (int c = l.cpus.first(); c >= 0; c = l.cpus.next(c)) key.push_back(c);
    const auto [at, fresh] = vertices_.try_emplace(std::move(key));
    if (fresh) {
      Span& s = spans_.emplace_back();
      s.level = l.level;
      s.cpus = l.cpus;
      s.numa_distance = l.distance;
      init_span(s);
      if (l.level == Level::numa) s.imb_numa_nr = imb_numa_nr(cpu, s.weight);
      at->second = boost::add_vertex(SpanVertex{&s}, out_.graph);
    }
    return at->second;
  }

  // How many tasks a node may have more than another before NUMA levels balance.
  [[nodiscard]] unsigned imb_numa_nr(int cpu, int weight) const {
    const auto levels = levels_of(t_, distances_, cpu);
    const int llc = levels[1].cpus.weight(), node = levels[2].cpus.weight(), first = levels[3].cpus.weight();
    const int llcs = node / llc;
    const int base = std::max(1, llcs == 1 ? node >> 3 : llcs);
    return static_cast<unsigned>(base * std::max(1, weight / first));
  }

  // The span of the level below `v` on this CPU's path; the CPU alone where there is none.
  CpuMask below(Vertex v, int cpu) {
    const auto& p = path(cpu);
    const auto at = std::find_if(p.begin(), p.end(), [&](Vertex x) {
      return span(x).level == span(v).level && span(x).numa_distance == span(v).numa_distance;
    });
    // A CPU without a domain at this level: what it has up to it.
    const auto end = at != p.end()
                         ? at
                         : std::find_if(p.begin(), p.end(), [&](Vertex x) { return span(x).weight >= span(v).weight; });
    if (end == p.begin()) {
      CpuMask only(t_.cpus());
      only.set(cpu);
      return only;
    }
    return span(*(end - 1)).cpus;
  }

  unsigned flags_below(Vertex v, int cpu) {
    const auto& p = path(cpu);
    const auto at = std::find(p.begin(), p.end(), v);
    return at == p.begin() || at == p.end() ? 0 : span(*(at - 1)).flags;
  }

  void add_groups(int cpu) {
    for (const Vertex v : path(cpu)) {
      Span& s = span(v);
      if (!s.groups.empty()) continue;
      CpuMask covered(t_.cpus());
      for (int i = s.cpus.wrap_first(cpu); i >= 0; i = s.cpus.wrap_next(i, cpu)) {
        if (covered.test(i)) continue;
        Group g;
        g.span = below(v, i);
        covered |= g.span;
        g.balance_mask = balance_mask(v, g.span);
        for (int c = g.span.first(); c >= 0; c = g.span.next(c)) g.cpus.push_back(c);
        g.cores = count_cores(t_, g.cpus);
        g.flags = flags_below(v, i);
        g.shared = shared(s, g);
        s.groups.push_back(std::move(g));
      }
    }
  }

  // Those CPUs of a group whose own group it is: with overlapping spans not all of them are.
  CpuMask balance_mask(Vertex v, const CpuMask& group) {
    CpuMask m(t_.cpus());
    for (int c = group.first(); c >= 0; c = group.next(c))
      if (below(v, c) == group) m.set(c);
    return m;
  }

  std::shared_ptr<GroupShared> shared(const Span& s, const Group& g) {
    auto& made = shared_[{static_cast<int>(s.level), s.numa_distance, g.cpus}];
    if (!made) {
      made = std::make_shared<GroupShared>();
      for (const int c : g.cpus) made->capacity += static_cast<std::uint64_t>(t_.capacity[static_cast<std::size_t>(c)]);
    }
    return made;
  }

  const Topology& t_;
  std::deque<Span>& spans_;
  std::vector<int> distances_;
  DomainGraph out_;
  std::map<std::vector<int>, Vertex> vertices_;
  std::map<std::tuple<int, int, std::vector<int>>, std::shared_ptr<GroupShared>> shared_;
};

}  // namespace

DomainGraph build_domain_graph(const machine::Topology& t, std::deque<Span>& spans) {
  return GraphBuilder(t, spans).build();
}

}  // namespace wakepath::sched
