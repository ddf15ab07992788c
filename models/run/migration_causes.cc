// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/run/migration_causes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <string_view>

namespace wakepath::run {

using sched::Beside;
using sched::MigrationCause;
using sched::Refusal;
using sched::Step;

namespace {

struct Part {
  std::uint64_t count;
  std::string text;
};

// The most frequent first, those that never happened left out.
std::string listed(std::vector<Part> parts) {
  std::stable_sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.count > b.count; });
  std::vector<std::string> out;
  for (const Part& p : parts)
    if (p.count > 0) out.push_back(fmt::format("{} ({})", p.text, p.count));
  return fmt::format("{}", fmt::join(out, ", "));
}

const char* who(Beside b) {
  switch (b) {
    case Beside::nobody:
      return "nobody else";
    case Beside::task:
      return "another task";
    case Beside::asleep:
      return "a kthread bound to that CPU, asleep with its dequeue delayed";
    case Beside::kthread:
      return "a kthread bound to that CPU";
    case Beside::waker:
      return "the kthread bound to that CPU, which woke it";
  }
  return "?";
}

using BesideCounts = std::array<std::uint32_t, sched::kBesides>;

std::string beside_text(const BesideCounts& n) {
  std::vector<Part> parts;
  for (std::size_t i = 0; i < n.size(); ++i) parts.push_back({n[i], who(static_cast<Beside>(i))});
  return listed(std::move(parts));
}

const char* where(Step s) {
  switch (s) {
    case Step::target_idle:
      return "its waker's CPU, idle";
    case Step::prev_idle:
      return "its previous CPU, idle";
    case Step::recent_idle:
      return "the CPU it used before, idle";
    case Step::smt_idle:
      return "an idle sibling of its core";
    case Step::idle_core:
      return "an idle core";
    case Step::idle_cpu:
      return "an idle CPU of the cache";
    case Step::pack_interrupted_idle:
      return "the idle CPU that took the interrupt (sched_vcpu_pack)";
    case Step::pack_sync:
      return "the CPU of its waker, about to sleep (sched_vcpu_pack)";
    case Step::pack_awake:
      return "a CPU that was awake and had room (sched_vcpu_pack)";
    case Step::only_cpu:
    case Step::kthread_stack:
    case Step::target:
      break;
  }
  return "its waker's CPU, no idle one found";
}

std::string wakeup_text(const machine::KTask::Moves& moves, const BesideCounts& beside) {
  std::vector<Part> steps;
  for (std::size_t i = 0; i < moves.by_step.size(); ++i) {
    const auto step = static_cast<Step>(i);
    steps.push_back({moves.by_step[i], fmt::format("{} [{}]", where(step), sched::step_name(step))});
  }
  return fmt::format("placement at its wakeups took it to {}; on the CPU it left was {}", listed(std::move(steps)),
                     beside_text(beside));
}

// The pass of one CPU asks for the push, that of the next finds the task waiting behind the stopper.
std::string displaced_text(const TaskDecisions& t) {
  const BesideCounts& row = t.moves.by_cause[static_cast<std::size_t>(MigrationCause::active_balance)];
  const auto pushed = std::accumulate(row.begin(), row.end(), std::uint64_t{0});
  if (t.active_asked <= pushed) return "";
  return fmt::format(", {} times behind the stopper that was to push it", t.active_asked - pushed);
}

std::string move_text(MigrationCause c, const TaskDecisions& t, const BesideCounts& beside,
                      const sched::Balancer::Counters& all) {
  const auto refused = [](const auto& n, Refusal why) { return n[static_cast<std::size_t>(why)]; };
  switch (c) {
    case MigrationCause::wakeup:
      return wakeup_text(t.moves, beside);
    case MigrationCause::active_balance:
      return fmt::format(
          "the stopper pushed it while it was the running task; queued behind it was {}. Idle CPUs' balance takes that "
          "for a task too many, but may move neither (refused: bound threads {} times, it as running {} times), and "
          "after more than cache_nice_tries + 2 failures in a row asks for the push ({} of {} requests)",
          beside_text(beside), refused(all.refused, Refusal::bound), refused(t.refused, Refusal::running),
          std::accumulate(beside.begin(), beside.end(), 0U), t.active_asked);
    case MigrationCause::periodic:
      return "periodic balance pulled it while it waited; on the CPU it left was " + beside_text(beside);
    case MigrationCause::nohz:
      return fmt::format(
          "balance on behalf of tickless idle CPUs pulled it while it waited{}; on the CPU it left was {}",
          displaced_text(t), beside_text(beside));
    case MigrationCause::newidle:
      return "a CPU that ran out of work pulled it while it waited; on the CPU it left was " + beside_text(beside);
    case MigrationCause::affinity:
      break;
  }
  return "the CPUs it may use were changed";
}

// A wakeup that left it where it was.
const char* stay_text(Step s) {
  switch (s) {
    case Step::only_cpu:
      return "it may use one CPU only";
    case Step::kthread_stack:
      return "left with the kthread bound to its CPU, which woke it";
    case Step::target:
      return "no idle CPU found";
    case Step::pack_interrupted_idle:
    case Step::pack_sync:
    case Step::pack_awake:
      return "its CPU was awake and had room (sched_vcpu_pack)";
    default:
      return "its CPU was idle";
  }
}

std::string refusal_text(Refusal r, const sched::Balancer::Counters& all) {
  switch (r) {
    case Refusal::running:
      return fmt::format(
          "balance found a task too many on its CPU, but this one ran and those behind it were bound threads ({} "
          "refusals); "
          "active balance takes more than cache_nice_tries + 2 such failures in a row, and {} times a pass that found "
          "balance began their count anew",
          all.refused[static_cast<std::size_t>(Refusal::bound)], all.failures_forgotten);
    case Refusal::hot:
      return "balance found it waiting, but cache-hot: it had run less than migration_cost_ns before";
    case Refusal::affinity:
    case Refusal::bound:
      return "balance found a task too many on its CPU, but it may not leave it (cpus_allowed)";
    case Refusal::too_big:
      return "balance found it waiting, but its load is more than the imbalance";
    case Refusal::ineligible:
      return "balance found it waiting, but it is not eligible and would wait on the other CPU too";
    case Refusal::delayed:
      return "balance found it queued, but asleep: its dequeue is delayed";
    case Refusal::throttled:
      break;
  }
  return "balance found it waiting, but its group is throttled (cpu.max)";
}

std::vector<Reason> by_count(std::vector<Reason> reasons) {
  std::erase_if(reasons, [](const Reason& r) { return r.count == 0; });
  std::stable_sort(reasons.begin(), reasons.end(), [](const Reason& a, const Reason& b) { return a.count > b.count; });
  return reasons;
}

}  // namespace

std::vector<Reason> why_it_moved(const TaskDecisions& t, const sched::Balancer::Counters& all) {
  std::vector<Reason> out;
  for (std::size_t i = 0; i < t.moves.by_cause.size(); ++i) {
    const BesideCounts& beside = t.moves.by_cause[i];
    const auto cause = static_cast<MigrationCause>(i);
    out.push_back({sched::cause_name(cause), std::accumulate(beside.begin(), beside.end(), std::uint64_t{0}),
                   move_text(cause, t, beside, all)});
  }
  return by_count(std::move(out));
}

std::vector<Reason> why_it_stayed(const TaskDecisions& t, const sched::Balancer::Counters& all) {
  std::vector<Reason> out;
  for (std::size_t i = 0; i < t.moves.placements.size(); ++i) {
    const auto step = static_cast<Step>(i);
    out.push_back({sched::step_name(step), t.moves.placements[i] - t.moves.by_step[i],
                   fmt::format("placement at its wakeups: {}", stay_text(step))});
  }
  for (std::size_t i = 0; i < t.refused.size(); ++i) {
    const auto why = static_cast<Refusal>(i);
    out.push_back({sched::refusal_name(why), t.refused[i], refusal_text(why, all)});
  }
  return by_count(std::move(out));
}

}  // namespace wakepath::run
