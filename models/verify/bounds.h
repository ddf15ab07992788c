// SPDX-License-Identifier: GPL-2.0-or-later
// CFS: how far the vruntimes of a recording's start are known, and what each record adds to that.
//
// A trace prints the vruntime of tasks, when they are charged; never that of a group's entity or a queue's
// min_vruntime. Each is held as the model's value plus something from `low` to `high`, carried through placements and
// the growth of min_vruntime, and narrowed by what the trace shows: a first printed vruntime (a placement cannot put a
// task lower than min_vruntime less the credit), a preemption, a pick. Exact (low = high = 0) is for good.
//
// Invariant: the model's value lies within; nothing that is exact is ever changed.
// Source: kernel/sched/fair.c (place_entity, update_min_vruntime, wakeup_preempt_entity, pick_next_entity), 6.1.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "models/kernel/switches.h"
#include "models/sched/sched.h"

namespace wakepath::verify {

// Of two vruntimes, which wrap.
[[nodiscard]] constexpr std::int64_t diff(std::uint64_t a, std::uint64_t b) { return static_cast<std::int64_t>(a - b); }

struct Range {
  static constexpr std::int64_t kAny = 1ll << 60;
  std::int64_t low = 0, high = 0;
  [[nodiscard]] bool exact() const { return low == 0 && high == 0; }
  [[nodiscard]] std::int64_t width() const { return high - low; }
};

class Bounds {
 public:
  Bounds(const kernel::Switches& rules, const sched::Tunables& tunables) : rules_(rules), tunables_(tunables) {}

  void forget() { unsure_.clear(), queues_.clear(), moved_.clear(), blurred_.clear(), all_exact_ = false; }
  void forget(const sched::Entity& se) { unsure_.erase(&se); }
  void unknown(sched::Entity& se);
  [[nodiscard]] Range of(const sched::Entity& se) const {
    if (all_exact_) return {};
    const auto it = unsure_.find(&se);
    return it == unsure_.end() ? Range{} : it->second;
  }
  [[nodiscard]] bool all_exact() const { return all_exact_; }  // nothing to carry along
  [[nodiscard]] bool exact(const sched::Task& t) const;        // it and its groups
  // Is the order of the running entity and the first that waits known, for the tick's test?
  [[nodiscard]] bool tick_is_determined(const sched::Task& curr) const;
  // The buddies before a pick, and whether the pick then does not depend on what is unknown.
  using Buddies = std::vector<std::pair<const sched::CfsRq*, const sched::Entity*>>;
  [[nodiscard]] Buddies buddies(const sched::CfsRq& root) const;
  [[nodiscard]] bool pick_is_determined(sched::Task& picked, const Buddies& before) const;

  // What a wakeup placed, against which min_vruntime, for learn().
  struct Placement {
    bool any = false;
    bool unknown_before = false;
    std::uint64_t before = 0, after = 0, min = 0;
    std::uint64_t without = 0;        // the most min_vruntime could be if `source` had not been there
    sched::Entity* source = nullptr;  // the one unsure entity that min_vruntime may have come from
    std::uint64_t source_vruntime = 0;
    std::int64_t source_moved = 0;
    bool alone = false;            // `without` is about it
    bool others = false;           // other entities waited there,
    std::uint64_t others_min = 0;  // this the least of them
  };

  // Around Scheduler::wake_up of a sleeper, from the task up to the first ancestor that is queued already.
  void before_wakeup(sched::Task& t);
  Placement after_wakeup(sched::Task& t);
  // min_vruntime of the queues on the way from a task to the root followed what is queued there.
  void settle(const sched::Task& t);
  // The running task's group that the next wakeup charges does so at a clock that is told to +-spread only; until its
  // next charge at a clock that is told. Then what is left is the rounding of a charge in two parts.
  void blur(sched::Task& curr, sched::Task& wakee, std::int64_t spread);
  void unblur(int cpu, std::uint64_t clock_task);
  // A printed vruntime of an entity that is not exact: it is now; what that tells about the queue it was placed in.
  void learn(sched::Task& t, std::uint64_t printed, const Placement& placed);

  // Does the answer not depend on what is unknown? If it does, the trace's answer narrows that.
  [[nodiscard]] bool wakeup_is_determined(sched::Task& curr, sched::Task& wakee, bool trace_preempts);
  void narrow_by_pick(sched::Task& picked, sched::Task& passed_over);

 private:
  struct Queue {
    bool started = false;  // a vruntime of it was printed
    Range min{-Range::kAny, Range::kAny};
    std::uint64_t at = 0;  // the model's min_vruntime the range was told for
    // The most it can be by everything but one unsure entity, whose vruntime never falls.
    const sched::Entity* except = nullptr;
    std::uint64_t without = 0;
  };

  [[nodiscard]] Range ahead(const sched::Entity& a, const sched::Entity& b) const;  // of a's vruntime before b's
  [[nodiscard]] std::int64_t granularity(sched::Entity& se) const;
  [[nodiscard]] std::uint64_t credit(const sched::Entity& se) const;
  void settle_queue(sched::CfsRq& q, const sched::Entity* excluded);
  void narrow(sched::Entity& se, std::int64_t low, std::int64_t high);
  void narrow_min(sched::CfsRq& q, std::int64_t low, std::int64_t high);
  void start(sched::CfsRq& q, std::int64_t shift);
  void note_exact();
  void now_inexact();

  const kernel::Switches rules_;
  const sched::Tunables tunables_;
  std::unordered_map<const sched::Entity*, Range> unsure_;        // absent: exact
  std::unordered_map<const sched::Entity*, std::int64_t> moved_;  // by narrow(), in all
  std::unordered_map<sched::CfsRq*, Queue> queues_;
  struct Blurred {
    sched::Entity* se;
    Range before;
    std::int64_t moved;
  };
  std::vector<Blurred> blurred_;
  struct Before {
    sched::Entity* se;
    std::uint64_t vruntime;
  };
  std::vector<Before> placing_;
  bool all_exact_ = false;
};

}  // namespace wakepath::verify
