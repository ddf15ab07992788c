// SPDX-License-Identifier: GPL-2.0-or-later
// Free CPU programs: the tasks of scheduler experiments and a machine's background threads.
//   hog: spins. per: every period_ns (absolute) spins run_ns. duty: spins run_ns, sleeps sleep_ns.
//   ping: reads one byte of pipe `in`, spins, writes `out`. src: spins, writes `out`, blocks when it is full.
//   sink: reads `in`. psrc: every period_ns spins, writes `out`.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "models/machine/machine.h"
#include "models/machine/sleep.h"

namespace wakepath::workload {

// A pipe of 64 KiB, one byte an item: who reads from an empty one or writes to a full one sleeps.
struct Pipe {
  static constexpr int kCapacity = 65536;
  int bytes = 0;
  std::vector<machine::KTask*> readers, writers;  // waiting
};

using Pipes = std::map<int, Pipe>;

class Program {
 public:
  Program(machine::Machine& m, Pipes& pipes, const scenario::Program& conf);
  [[nodiscard]] machine::KTask& task() { return *task_; }

 private:
  machine::Call<void> body(machine::KTask& t);
  machine::Call<void> yield(machine::KTask& t);
  machine::Call<void> next_period(machine::KTask& t);
  machine::Call<void> read(machine::KTask& t, Pipe& p);
  machine::Call<void> write(machine::KTask& t, Pipe& p);

  machine::Machine& machine_;
  Pipes& pipes_;
  const scenario::Program& conf_;
  machine::KTask* task_ = nullptr;
  machine::SleepTimer sleep_;
  machine::Time next_ = 0;
};

}  // namespace wakepath::workload
