// SPDX-License-Identifier: GPL-2.0-or-later
// Where a woken task goes: wake_affine, the search for an idle CPU near the target, and the rule that leaves a task
// woken by a per-CPU kernel thread on its own CPU. Plain functions: what they ask about CPUs they ask a CpuView, be it
// the simulator's run queues or the idle states that a trace shows.
//
// The result carries the decision records: which step of wake_affine and of select_idle_sibling decided.
// Source: kernel/sched/fair.c (select_task_rq_fair, wake_affine, select_idle_sibling and what they call), 6.1 and 6.12;
// scheduler spec 6. Asymmetric capacities, energy-aware placement and clusters are not in it.
#pragma once

#include <cstdint>
#include <vector>

#include "models/kernel/switches.h"
#include "models/sched/domains.h"
#include "models/sched/placement/wakee_flips.h"

namespace wakepath::sched {

class CpuView {
 public:
  virtual ~CpuView() = default;
  [[nodiscard]] virtual bool idle(int cpu) const = 0;  // the idle task runs, nothing is queued, no wakeup under way
  [[nodiscard]] virtual bool sched_idle(int cpu) const = 0;      // has tasks, all of them SCHED_IDLE
  [[nodiscard]] virtual unsigned nr_running(int cpu) const = 0;  // delayed ones included
  [[nodiscard]] virtual unsigned nr_delayed(int cpu) const = 0;
  [[nodiscard]] virtual std::uint64_t load(int cpu) const = 0;  // cpu_load: the root queue's load_avg
  [[nodiscard]] virtual std::uint64_t capacity(int cpu) const = 0;
  [[nodiscard]] virtual std::uint64_t waker_load() const = 0;  // task_h_load of the current task, of the wakee
  [[nodiscard]] virtual std::uint64_t wakee_load() const = 0;
  // Asked for sched_vcpu_pack only.
  [[nodiscard]] virtual bool wakeup_pending(int cpu) const = 0;  // handed over and not done yet
  [[nodiscard]] virtual unsigned nr_fair(int cpu) const = 0;     // tasks of nr_running that are in the fair class
  [[nodiscard]] virtual std::uint64_t util(int cpu) const = 0;   // cpu_util: of its fair tasks, at most the capacity
  [[nodiscard]] virtual std::uint64_t wakee_util() const = 0;    // task_util_est of the wakee
};

// A view of given figures.
struct PlainCpus final : CpuView {
  struct State {
    bool idle = true, sched_idle = false;
    unsigned nr_running = 0, nr_delayed = 0, nr_fair = 0;
    std::uint64_t load = 0, capacity = 1024, util = 0;
    bool wakeup_pending = false;
  };
  explicit PlainCpus(int cpus) : cpu(static_cast<std::size_t>(cpus)) {}
  std::vector<State> cpu;
  std::uint64_t load_of_waker = 0, load_of_wakee = 0, util_of_wakee = 0;
  [[nodiscard]] const State& of(int c) const { return cpu[static_cast<std::size_t>(c)]; }
  [[nodiscard]] bool idle(int c) const override { return of(c).idle; }
  [[nodiscard]] bool sched_idle(int c) const override { return of(c).sched_idle; }
  [[nodiscard]] unsigned nr_running(int c) const override { return of(c).nr_running; }
  [[nodiscard]] unsigned nr_delayed(int c) const override { return of(c).nr_delayed; }
  [[nodiscard]] std::uint64_t load(int c) const override { return of(c).load; }
  [[nodiscard]] std::uint64_t capacity(int c) const override { return of(c).capacity; }
  [[nodiscard]] std::uint64_t waker_load() const override { return load_of_waker; }
  [[nodiscard]] std::uint64_t wakee_load() const override { return load_of_wakee; }
  [[nodiscard]] bool wakeup_pending(int c) const override { return of(c).wakeup_pending; }
  [[nodiscard]] unsigned nr_fair(int c) const override { return of(c).nr_fair; }
  [[nodiscard]] std::uint64_t util(int c) const override { return of(c).util; }
  [[nodiscard]] std::uint64_t wakee_util() const override { return util_of_wakee; }
};

struct Wakeup {
  int this_cpu = 0;                  // where the waker runs
  int prev_cpu = 0;                  // the wakee's last CPU
  int recent_used_cpu = -1;          // of the wakee
  const CpuMask* allowed = nullptr;  // null: every CPU
  bool sync = false;                 // the waker is about to sleep
  bool waker_in_task = true;         // not an interrupt on this CPU
  bool waker_is_idle = false;        // the current task of this CPU is its idle task
  bool waker_is_kthread = false;     // the current task of this CPU, interrupted or not
  int waker_cpus_allowed = 0;        // number of CPUs it may use
  unsigned waker_flips = 0, wakee_flips = 0;
  [[nodiscard]] bool may_use(int cpu) const { return allowed == nullptr || allowed->test(cpu); }
};

// Bits of sched_vcpu_pack.
namespace pack {
inline constexpr std::int64_t kInterruptedIdle = 1, kSync = 2, kAwake = 4, kFork = 8;
}

// Which test of wake_affine decided; not_asked: the waker is on the wakee's CPU, or no domain covers both.
enum class Affine : std::uint8_t { not_asked, this_idle, prev_beside_idle, sync, prev_idle, this_lighter, prev };
// Which step of select_idle_sibling decided.
enum class Step : std::uint8_t {
  only_cpu,  // the mask has one CPU, or the machine
  target_idle,
  prev_idle,
  kthread_stack,  // the waker is the per-CPU kernel thread of the wakee's CPU: it stays with it
  recent_idle,
  smt_idle,  // a sibling of the previous CPU's core
  idle_core,
  idle_cpu,
  target,                 // nothing idle was found
  pack_interrupted_idle,  // sched_vcpu_pack: the CPU that the interrupt has woken
  pack_sync,              // ... the waker's, which is about to sleep
  pack_awake              // ... one that is awake and has room
};
inline constexpr int kPlacementSteps = static_cast<int>(Step::pack_awake) + 1;
const char* affine_name(Affine a);
const char* step_name(Step s);

struct Placement {
  int cpu = 0;
  Affine affine = Affine::not_asked;
  Step step = Step::target;
  int target = 0;                  // what wake_affine chose
  int recent_used_cpu = -1;        // of the wakee from now on
  int tested = 0;                  // CPUs looked at
  bool wants_affine = false;       // the waker's CPU was one to go to
  bool clears_idle_cores = false;  // the search for an idle core failed: the cache's flag is cleared
};

bool wake_wide(unsigned waker_flips, unsigned wakee_flips, int llc_size);
Affine wake_affine(const CpuView& v, const kernel::Switches& k, const Wakeup& w, unsigned imbalance_pct,
                   bool share_cache);
Placement select_idle_sibling(const CpuView& v, const kernel::Switches& k, const Domains& d, const Wakeup& w,
                              int target);
// sched_vcpu_pack: may the wakee share this CPU? At most one other runnable task, all fair, and 70 % of the capacity
// not used up by them together.
bool vcpu_pack_room(const CpuView& v, const Wakeup& w, int cpu);
// select_task_rq_fair of a wakeup, of a fork as far as sched_vcpu_pack decides it (-1: it does not).
int vcpu_pack_fork(const CpuView& v, const kernel::Switches& k, const Wakeup& w);
Placement select_task_rq_fair(const CpuView& v, const kernel::Switches& k, const Domains& d, const Wakeup& w);

// ttwu_queue_cond: is the wakeup handed to the target CPU instead of done for it?
bool wakeup_is_queued(const kernel::Switches& k, const Domains& d, int this_cpu, int target,
                      unsigned target_nr_running);

}  // namespace wakepath::sched
