// SPDX-License-Identifier: GPL-2.0-or-later
// Scheduling domains: which CPUs balance among each other, level by level, in which groups. Built from a topology by
// the kernel's rules: a span for each level (SMT, MC, PKG, NODE, NUMA by distance), groups from the spans of the level
// below, and the removal of levels that add nothing.
//
// What CPUs of one span share is a Span; what a CPU has for itself at a level (intervals, failures, costs) is its
// Domain. Domain::parent is the next larger one of the same CPU.
// Invariants: a CPU's spans grow strictly; the groups of a span cover it; groups[local] contains the CPU.
// Source: kernel/sched/topology.c (sd_init, build_sched_domains, cpu_attach_domain, build_overlap_sched_groups), 6.1
// and 6.12; scheduler spec 7.1. Clusters that share an L2, asymmetric packing and energy-aware domains are not built.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "models/machine/cpumask.h"
#include "models/machine/topology.h"

namespace wakepath::sched {

using machine::CpuMask;

enum class Level : std::uint8_t { smt, mc, pkg, numa };
const char* level_name(Level l);

namespace sd {  // flags
inline constexpr unsigned kShareCpuCapacity = 1, kShareLlc = 2, kNuma = 4, kSerialize = 8, kPreferSibling = 16,
                          kWakeAffine = 32, kExec = 64, kFork = 128, kBalanceNewidle = 256;
}

// Of one group, shared by all who balance it.
struct GroupShared {
  std::uint64_t capacity = 0;
  bool imbalance = false;  // affinity kept the level below from being balanced
};

struct Group {
  CpuMask span, balance_mask;
  std::vector<int> cpus;
  int cores = 1;       // of the group
  unsigned flags = 0;  // of the domain it stands for; 0: single CPUs
  std::shared_ptr<GroupShared> shared;
  [[nodiscard]] int weight() const { return static_cast<int>(cpus.size()); }
};

// What the CPUs of one last-level cache share.
struct LlcShared {
  int nr_idle_scan = 0;
  bool has_idle_cores = false;
  int nr_busy_cpus = 0;
};

struct Span {
  Level level = Level::mc;
  CpuMask cpus;
  int weight = 0;
  unsigned flags = 0;
  unsigned imbalance_pct = 117, cache_nice_tries = 0, imb_numa_nr = 0;
  int numa_distance = 0;
  std::vector<Group> groups;  // in the cyclic order of the kernel's list, from the one with the span's first CPU
};

struct Domain {
  const Span* span = nullptr;
  Domain *parent = nullptr, *child = nullptr;
  int local = 0;  // own group's place in span->groups
  // This CPU's own state at this level; jiffies and ns.
  std::int64_t last_balance = 0;
  unsigned balance_interval_ms = 1, min_interval_ms = 1, max_interval_ms = 2;
  unsigned nr_balance_failed = 0;
  std::uint64_t max_newidle_lb_cost_ns = 0;
  std::int64_t last_decay_max_lb_cost = 0;
  unsigned newidle_call = 512, newidle_success = 256, newidle_ratio = 512;
  [[nodiscard]] unsigned flags() const { return span->flags; }
  [[nodiscard]] const Group& local_group() const { return span->groups[static_cast<std::size_t>(local)]; }
};

class Domains {
 public:
  explicit Domains(const machine::Topology& t);
  [[nodiscard]] Domain* lowest(int cpu) { return lowest_[index(cpu)]; }  // null: the CPU balances with nobody
  [[nodiscard]] const Domain* lowest(int cpu) const { return lowest_[index(cpu)]; }
  [[nodiscard]] const Domain* llc_domain(int cpu) const { return llc_domain_[index(cpu)]; }
  [[nodiscard]] LlcShared* llc_shared(int cpu) { return llc_shared_[index(cpu)]; }  // null: no shared cache
  [[nodiscard]] const LlcShared* llc_shared(int cpu) const { return llc_shared_[index(cpu)]; }
  [[nodiscard]] int llc_size(int cpu) const { return llc_size_[index(cpu)]; }
  [[nodiscard]] bool share_cache(int a, int b) const { return llc_id_[index(a)] == llc_id_[index(b)]; }
  [[nodiscard]] const CpuMask& smt_siblings(int cpu) const { return smt_[index(cpu)]; }  // with itself
  [[nodiscard]] std::uint64_t capacity(int cpu) const { return capacity_[index(cpu)]; }
  [[nodiscard]] bool smt() const { return has_smt_; }
  [[nodiscard]] int cpus() const { return static_cast<int>(lowest_.size()); }
  [[nodiscard]] const std::deque<Span>& spans() const { return spans_; }
  [[nodiscard]] std::string text() const;  // one line a span: level, CPUs, groups

 private:
  static std::size_t index(int cpu) { return static_cast<std::size_t>(cpu); }
  void find_llc(int cpu);

  std::deque<Span> spans_;  // stable addresses
  std::deque<Domain> domains_;
  std::deque<LlcShared> shared_;
  std::vector<Domain*> lowest_;
  std::vector<const Domain*> llc_domain_;
  std::vector<LlcShared*> llc_shared_;
  std::vector<int> llc_id_, llc_size_;
  std::vector<CpuMask> smt_;
  std::vector<std::uint64_t> capacity_;
  bool has_smt_ = false;
};

std::string cpu_list(const CpuMask& m);  // "0-3,8"

}  // namespace wakepath::sched
