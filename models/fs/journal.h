// SPDX-License-Identifier: GPL-2.0-or-later
// What fsync asks of a filesystem's journal: changes are collected under a number that only grows, force() returns when
// all changes up to a number are stable. Implementations: xfs_log.cc, jbd2.cc,
// no_journal.cc.
#pragma once

#include <cstdint>
#include <memory>

#include "models/block/flush.h"
#include "models/machine/wait_queue.h"
#include "models/workqueue/workqueue.h"

namespace wakepath::fs {

using machine::Call;
using machine::ExecContext;
using machine::KTask;
using machine::Machine;

class Journal {
 public:
  virtual ~Journal() = default;
  virtual std::uint64_t change() = 0;  // a change is logged now; its number
  [[nodiscard]] virtual bool stable(std::uint64_t number) const = 0;
  // Returns when it is stable. True: the device's cache was flushed on the way, after the call.
  virtual Call<bool> force(KTask& t, std::uint64_t number) = 0;

  struct Counters {
    std::uint64_t forces = 0, commits = 0, writes = 0;
  } counters;
};

std::unique_ptr<Journal> make_xfs_log(Machine& m, block::Flusher& device, workqueue::Workqueues& wqs);
std::unique_ptr<Journal> make_jbd2(Machine& m, block::Flusher& device);
std::unique_ptr<Journal> make_no_journal(Machine& m, block::Flusher& device);

}  // namespace wakepath::fs
