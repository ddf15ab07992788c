// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/run/perturber.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "models/machine/smp.h"

namespace wakepath::run {

using machine::KTask;

namespace {
// Schedules differ in how often they are disturbed: a few times a run, or every few microseconds.
constexpr std::array<engine::Time, 5> kMeans{5'000, 15'000, 50'000, 150'000, 500'000};
}  // namespace

Perturber::Perturber(machine::Machine& m, const Perturbation& p)
    : machine_(m), conf_(p), dice_(p.seed, "explore.what", 0), when_(p.seed, "explore.when", 0), ties_(p.ties) {
  mean_ns_ = kMeans[when_.uniform(kMeans.size())];
  timer_.context = this;
  timer_.fire = [](engine::Timer& t, engine::Time) { static_cast<Perturber*>(t.context)->act(); };
}

Perturber::~Perturber() {
  machine_.engine.cancel(timer_);
  machine_.engine.set_tie_breaker(nullptr);
}

void Perturber::start() {
  machine_.engine.set_tie_breaker(this);
  arm_next();
}

void Perturber::arm_next() { machine_.engine.arm_in(timer_, when_.uniform(std::int64_t{1}, 2 * mean_ns_)); }

bool Perturber::happens() const {
  if (!conf_.only) return true;
  return std::find(conf_.only->begin(), conf_.only->end(), number_) != conf_.only->end();
}

void Perturber::act() {
  const auto cpus = static_cast<std::uint64_t>(machine_.cpu_count());
  const int from = static_cast<int>(when_.uniform(cpus));
  const auto step = 1 + when_.uniform(std::max<std::uint64_t>(1, cpus - 1));
  const bool push = when_.chance(1, 2);
  const int to = static_cast<int>((static_cast<std::uint64_t>(from) + step) % cpus);
  KTask* t = machine_.cpu(from).current_task();
  const bool possible = t != nullptr && t->st.sched_class != sched::Class::stop && conf_.acts;
  if (possible && happens()) {
    const bool pushes = push && machine_.smp && to != from && t->st.smp.cpus_allowed != 1 && t->st.smp.may_use(to) &&
                        machine_.smp->push(*t, to);
    if (!pushes) machine_.ask_to_reschedule(from);
    acts_.push_back({number_, machine_.now(),
                     pushes
                         ? fmt::format("{}/{} is pushed from CPU {} to CPU {}", t->st.comm, t->st.pid, from, to)
                         : fmt::format("CPU {} is asked to reschedule while {}/{} runs", from, t->st.comm, t->st.pid),
                     t->st.pid});
  }
  ++number_;
  arm_next();
}

nlohmann::ordered_json Perturber::json() const {
  nlohmann::ordered_json out = {{"seed", conf_.seed}, {"ties", ties_}, {"acts", nlohmann::ordered_json::array()}};
  for (const Act& a : acts_)
    out["acts"].push_back({{"number", a.number}, {"at_ns", a.at_ns}, {"text", a.text}, {"pid", a.pid}});
  return out;
}

}  // namespace wakepath::run
