// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/sched/domains.h"

#include <fmt/format.h>

#include <map>

#include "models/sched/domain_graph.h"

namespace wakepath::sched {

const char* level_name(Level l) {
  switch (l) {
    case Level::smt:
      return "SMT";
    case Level::mc:
      return "MC";
    case Level::pkg:
      return "PKG";
    case Level::numa:
      return "NUMA";
  }
  return "?";
}

std::string cpu_list(const CpuMask& m) {
  std::string out;
  for (int c = m.first(); c >= 0;) {
    int last = c;
    while (last + 1 < m.size() && m.test(last + 1)) ++last;
    out += fmt::format("{}{}", out.empty() ? "" : ",", c);
    if (last > c) out += fmt::format("-{}", last);
    c = m.next(last);
  }
  return out;
}

Domains::Domains(const machine::Topology& t) {
  const DomainGraph g = build_domain_graph(t, spans_);
  const auto n = static_cast<std::size_t>(t.cpus());
  lowest_.resize(n);
  llc_domain_.resize(n);
  llc_shared_.resize(n);
  llc_id_.resize(n);
  llc_size_.resize(n);
  for (int cpu = 0; cpu < t.cpus(); ++cpu) {
    smt_.push_back(t.siblings(cpu));
    capacity_.push_back(static_cast<std::uint64_t>(t.capacity[index(cpu)]));
    has_smt_ = has_smt_ || smt_.back().weight() > 1;
    Domain* child = nullptr;
    for (const auto v : g.path[index(cpu)]) {
      Domain& d = domains_.emplace_back();
      d.span = g.graph[v].span;
      d.child = child;
      (child != nullptr ? child->parent : lowest_[index(cpu)]) = &d;
      for (std::size_t i = 0; i < d.span->groups.size(); ++i)
        if (d.span->groups[i].balance_mask.test(cpu)) d.local = static_cast<int>(i);
      d.min_interval_ms = d.balance_interval_ms = static_cast<unsigned>(d.span->weight);
      d.max_interval_ms = 2 * d.min_interval_ms;
      child = &d;
    }
  }
  for (int cpu = 0; cpu < t.cpus(); ++cpu) find_llc(cpu);
}

// The largest domain whose CPUs share a cache (update_top_cache_domain).
void Domains::find_llc(int cpu) {
  const std::size_t i = index(cpu);
  for (const Domain* d = lowest_[i]; d != nullptr && (d->flags() & sd::kShareLlc) != 0; d = d->parent)
    llc_domain_[i] = d;
  const Domain* const d = llc_domain_[i];
  llc_id_[i] = d != nullptr ? d->span->cpus.first() : cpu;
  llc_size_[i] = d != nullptr ? d->span->weight : 1;
  if (d == nullptr) return;
  if (llc_id_[i] == cpu) {
    LlcShared& shared = shared_.emplace_back();
    shared.nr_busy_cpus = d->span->weight;
    // A machine that has been up and idle: its periodic balance has long set what is 0 at boot.
    shared.nr_idle_scan = d->span->weight;
    shared.has_idle_cores = has_smt_;
    llc_shared_[i] = &shared;
  } else {
    llc_shared_[i] = llc_shared_[index(llc_id_[i])];
  }
}

std::string Domains::text() const {
  std::string out;
  for (const Span& s : spans_) {
    out += fmt::format("{}{} {}:", level_name(s.level), s.numa_distance > 0 ? fmt::format("({})", s.numa_distance) : "",
                       cpu_list(s.cpus));
    for (const Group& g : s.groups) out += fmt::format(" [{}]", cpu_list(g.span));
    out += "\n";
  }
  return out;
}

}  // namespace wakepath::sched
