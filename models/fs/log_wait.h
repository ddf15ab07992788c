// SPDX-License-Identifier: GPL-2.0-or-later
// What a transaction sleeps for: log space, or a metadata block that is not in memory. The wait is a time, as data; it
// ends with an interrupt on the CPU where the sleeper went to sleep, as if the log lay on a device of its own.
// Source: fs/xfs/xfs_log.c:xlog_grant_head_wait, fs/xfs/xfs_buf.c:xfs_buf_iowait (both sleep uninterruptibly).
#pragma once

#include <memory>
#include <vector>

#include "models/machine/machine.h"

namespace wakepath::fs {

class LogWaits {
 public:
  explicit LogWaits(machine::Machine& m);
  ~LogWaits();
  // Sleeps in a task, its workqueue being told, until the log is written `ns` from now.
  machine::Call<void> wait(machine::KTask& t, machine::Time ns);

 private:
  struct Line;
  struct Wait;
  machine::Machine& machine_;
  std::vector<std::unique_ptr<Line>> lines_;  // one a CPU
};

}  // namespace wakepath::fs
