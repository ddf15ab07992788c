// SPDX-License-Identifier: GPL-2.0-or-later
// A task that does what a recording says another one did: it is woken at given times and runs for given spans. Used for
// the housekeeping threads of a recorded machine (kworkers, rcu, ksoftirqd), whose causes the model does not have but
// whose switches it must meet. Only what the recording shows is used: when the waking was, and how long it ran.
//
// A waking in softirq comes after the interrupt that raised it, before anything is switched; the one in a hard
// interrupt comes within it. A turn that comes while the last one still runs is run after it.
#pragma once

#include <string>
#include <vector>

#include "models/machine/machine.h"
#include "models/scenario/turn.h"

namespace wakepath::workload {

class Replay;

// The softirq in which recorded wakings happen; one for all replayed tasks, in the order they fell due.
class ReplaySoftirq final : public machine::Machine::SoftirqHandler {
 public:
  explicit ReplaySoftirq(machine::Machine& m) : machine_(m) {}
  machine::Call<void> raise(machine::ExecContext& irq, Replay& who);
  machine::Call<void> run(machine::ExecContext& ctx) override;

 private:
  machine::Machine& machine_;
  std::vector<Replay*> due_;
};

class Replay final : public machine::HrTimer {
 public:
  Replay(machine::Machine& m, ReplaySoftirq& softirq, machine::KTask& task, const std::vector<std::string>& turns);
  ~Replay() override;
  void start();
  machine::Body body(machine::KTask& t);
  machine::Call<void> expired(machine::ExecContext& irq) override;
  [[nodiscard]] machine::KTask& task() { return task_; }

 private:
  void arm_next();
  machine::Machine& machine_;
  ReplaySoftirq& softirq_;
  machine::KTask& task_;
  std::vector<scenario::Turn> turns_;
  std::size_t next_ = 0, due_ = 0, done_ = 0;  // to arm, woken for, run
};

}  // namespace wakepath::workload
