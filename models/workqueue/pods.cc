// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/workqueue/pods.h"

#include <array>
#include <map>
#include <utility>

namespace wakepath::workqueue {

Scope scope_of(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, Scope>, 5> kNames{{{"cpu", Scope::cpu},
                                                                      {"smt", Scope::smt},
                                                                      {"cache", Scope::cache},
                                                                      {"numa", Scope::numa},
                                                                      {"system", Scope::system}}};
  for (const auto& [n, s] : kNames)
    if (n == name) return s;
  return Scope::cache;
}

Pods make_pods(const machine::Topology& t, Scope s) {
  Pods p;
  std::map<int, int> pod_of_id;
  for (int c = 0; c < t.cpus(); ++c) {
    const auto i = static_cast<std::size_t>(c);
    const int id = s == Scope::cpu     ? c
                   : s == Scope::smt   ? t.core[i]
                   : s == Scope::cache ? t.llc[i]
                   : s == Scope::numa  ? t.node[i]
                                       : 0;
    const auto [at, fresh] = pod_of_id.emplace(id, static_cast<int>(p.cpus.size()));
    if (fresh) p.cpus.emplace_back(t.cpus());
    p.cpus[static_cast<std::size_t>(at->second)].set(c);
    p.of_cpu.push_back(at->second);
  }
  return p;
}

}  // namespace wakepath::workqueue
