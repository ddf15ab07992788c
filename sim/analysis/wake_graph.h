// SPDX-License-Identifier: GPL-2.0-or-later
// Who wakes whom and who takes the CPU from whom, as a graph of tasks (families of comms label the vertices), and the
// cycles in it: strongly connected components, and in each the heaviest cycles (for every heavy edge the cheapest way
// back, where a switch costs the less the more often it happens).
//
// Each switch edge carries what its switches took: from the last record of the task that left to the first record of
// its own work of the one that came, and the wakeup before it where the one that left had woken the other.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "sim/trace/event.h"
#include "sim/trace/string_pool.h"

namespace wakepath::analysis {

struct WakeEdge {
  std::int64_t wakeups = 0, wakeup_ns = 0;                 // `ns`: of those written with both records
  std::int64_t switches = 0, switch_ns = 0, runnable = 0;  // switches from the one to the other; of them runnable ones
};

struct WakeCycle {
  std::vector<std::string> tasks;  // in switching order, the alphabetically first one first
  std::int64_t switches = 0;       // of its rarest edge, times its length
  double ns_per_round = 0;         // switches and wakeups of one round
};

class WakeGraph final : public trace::Sink {
 public:
  static constexpr std::size_t kLongest = 6, kCyclesKept = 16;
  static constexpr std::int64_t kSwitchesLeast = 10;

  explicit WakeGraph(const trace::StringPool& pool) : pool_(&pool) {}
  void on_event(const trace::Event& e) override;
  // The heaviest first. Idle is no task: a CPU that idles is not fought over.
  [[nodiscard]] std::vector<WakeCycle> cycles() const;
  // {"tasks", "edges": [{from, to, wakeups_per_s, switches_per_s, …}], "components", "cycles"}
  [[nodiscard]] nlohmann::json json() const;

 private:
  using Node = std::uint32_t;
  struct Cpu {
    std::int64_t last_ns = -1;  // of the last record
    Node waker = 0;
    std::int64_t waking_ns = -1;  // of a sched_waking whose sched_wakeup has not come
    std::int32_t waking = -1;
    bool interrupted = false;
    int irqs = 0;
    bool arriving = false;  // a switch whose second half is not over
    std::pair<Node, Node> edge;
  };
  Node named(std::string name);
  Node node(std::int32_t pid, trace::StringId comm);
  Cpu& cpu(std::int32_t id);
  void on_switch(const trace::Event& e, Cpu& c);
  void on_wake(const trace::Event& e, Cpu& c);

  const trace::StringPool* pool_;
  std::vector<std::string> names_;
  std::map<std::string, Node> ids_;
  std::vector<Node> node_of_comm_;  // plus 1
  std::map<std::pair<Node, Node>, WakeEdge> edges_;
  std::vector<Cpu> cpus_;
  std::int64_t first_ns_ = -1, last_ns_ = 0;
};

}  // namespace wakepath::analysis
