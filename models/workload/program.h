// SPDX-License-Identifier: GPL-2.0-or-later
// Free CPU programs: the tasks of scheduler experiments and a machine's background threads.
//   hog: spins. per: every period_ns (absolute) spins run_ns. duty: spins run_ns, sleeps sleep_ns.
//   ping: reads one byte of pipe `in`, spins, writes `out`. src: spins, writes `out`, blocks when it is full.
//   sink: reads `in`. psrc: every period_ns spins, writes `out`.
//   What is written goes to `pipes` pipes from `out` on, one after the other, `message_bytes` to each.
//   kthread: every period_ns runs run_ns in the kernel. rcu: the grace-period thread (machine/rcu.h). replay: wakes and
//   runs as listed (replay.h). steps: a list (steps.h).
#pragma once

#include <map>
#include <memory>

#include "models/machine/machine.h"
#include "models/machine/rcu.h"
#include "models/machine/sleep.h"
#include "models/workload/pipe.h"
#include "models/workload/replay.h"
#include "models/workload/steps.h"

namespace wakepath::workload {

using Pipes = std::map<int, Pipe>;

class alignas(64) Program {
 public:
  Program(machine::Machine& m, Pipes& pipes, SyncObjects& sync, ReplaySoftirq& softirq, const scenario::Program& conf,
          int copy = 0);
  ~Program();
  static bool needs_page_cache(const scenario::Program& conf);
  void use(fs::PageCache& cache) { steps_->use(cache); }
  [[nodiscard]] machine::KTask& task() { return *task_; }
  [[nodiscard]] const scenario::Program& conf() const { return conf_; }
  [[nodiscard]] Steps::Passes passes() const { return steps_ ? steps_->passes : Steps::Passes{}; }
  void reset_window() {
    if (steps_) steps_->passes = {};
  }
  void prepare();  // all of them before any starts
  void start();    // at the start of a run, or its startdelay later

 private:
  void begin();
  machine::Body body(machine::KTask& t);
  machine::Call<void> yield(machine::KTask& t);
  machine::Body kthread_body(machine::KTask& t);

  machine::SleepTimer sleep_;  // first: what the event queue touches of it is one line of the cache
  machine::Machine& machine_;
  Pipes& pipes_;
  const scenario::Program& conf_;
  int in_;  // this copy's
  machine::KTask* task_ = nullptr;
  std::unique_ptr<Replay> replay_;
  std::unique_ptr<Steps> steps_;
  std::unique_ptr<machine::LoneRcu> rcu_;
  engine::Timer begin_;
};

}  // namespace wakepath::workload
