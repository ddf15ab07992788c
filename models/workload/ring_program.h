// SPDX-License-Identifier: GPL-2.0-or-later
// A task that runs a list of io_uring operations ([ring.NAME]), as a program on liburing would: SQEs are prepared,
// submitted, waited for and taken, with CPU time and sleeps between. What each operation is:
// models/scenario/ring_ops.h.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "models/io_uring/ring.h"
#include "models/scenario/ring_ops.h"
#include "models/scenario/scenario.h"

namespace wakepath::workload {

class RingProgram {
 public:
  RingProgram(machine::Machine& m, fs::Filesystem& fs, io_uring::IoWqs& pools, const scenario::RingProgram& conf,
              int index);
  [[nodiscard]] static bool needs_page_cache(const scenario::RingProgram& conf);
  void use(fs::PageCache& cache);
  [[nodiscard]] machine::KTask& task() { return *task_; }
  io_uring::Ring& ring() { return *ring_; }
  [[nodiscard]] const scenario::RingProgram& conf() const { return conf_; }
  [[nodiscard]] std::uint64_t taken() const { return taken_; }
  [[nodiscard]] std::uint64_t turns() const { return turns_; }

 private:
  machine::Body body(machine::KTask& t);
  machine::Call<void> prepare(machine::KTask& t, const scenario::RingOp& op);
  machine::Call<void> wait(machine::KTask& t, const scenario::RingOp& op);

  machine::Machine& machine_;
  const scenario::RingProgram& conf_;
  std::vector<scenario::RingOp> ops_;
  machine::KTask* task_ = nullptr;
  std::unique_ptr<io_uring::Tctx> tctx_;
  std::unique_ptr<io_uring::Ring> ring_;
  std::map<std::string, io_uring::File> files_;  // "NAME", and "NAME buffered" and the like
  machine::SleepTimer sleep_;
  std::uint64_t next_ = 0, taken_ = 0, turns_ = 0;
};

}  // namespace wakepath::workload
