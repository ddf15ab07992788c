// SPDX-License-Identifier: GPL-2.0-or-later
// What every probe is given, and the probes. A probe measures, then writes; it stops early where the budget ends.
#pragma once

#include <cstdint>
#include <string>

#include "calibration/recorder/clock.h"
#include "calibration/recorder/format.h"

namespace wakepath::recorder {

struct Options {
  std::string out, target, engine = "io_uring";
  std::string cgroup_procs;  // a file that takes a pid: where the second task of a ping-pong goes
  int cpu = 0;               // where the recorded loops run
  int other_cpu = -1;        // a second CPU; -1: there is none
  int irq = -1;              // the device's interrupt; -1: not known
  bool read_only = false, quick = false;
  std::int64_t bytes = 4096, file_size = 0;
  double budget_s = 60;
  // A single loop in place of all probes.
  int depth = 0, batch = 1, complete_min = 1, complete_max = 1;
  bool write = true, stamp = true;
  double seconds = 1;
};

class Probe {
 public:
  Probe(const Options& given, Writer& writer) : options(given), out(writer), begin_ns_(now_ns()) {}

  const Options& options;
  Writer& out;

  // Samples of a probe: a tenth in a quick recording.
  [[nodiscard]] std::size_t samples(std::size_t full) const { return options.quick ? full / 10 + 16 : full; }
  [[nodiscard]] double seconds(double full) const { return options.quick ? full / 5 : full; }
  [[nodiscard]] double spent() const { return static_cast<double>(now_ns() - begin_ns_) / 1e9; }
  [[nodiscard]] bool is_time_up() const { return spent() >= options.budget_s; }
  // One line on standard output for whoever draws a bar.
  void progress(const char* what, double share) const;

 private:
  std::int64_t begin_ns_;
};

// Clock, system call, pipes on one CPU and on two, timers, what interrupts a spinning task.
void probe_cpu(Probe& probe);
// io_uring_enter, NOPs by batch, io-wq hand-over and the first worker. Throws where there is no io_uring.
void probe_ring(Probe& probe);
// Batches of direct reads and writes to an idle device, to a busy one; waiting by spinning and by sleeping.
void probe_device(Probe& probe);
// Closed loops at depths 1 to 256, with every request recorded, and what recording costs.
void probe_loops(Probe& probe);
// One loop as an application would run it; its figures as JSON on standard output.
int run_load(const Options& options);

// Interrupts of the device so far on all CPUs; 0 where its number is not known.
std::int64_t interrupts_of(int irq);

}  // namespace wakepath::recorder
