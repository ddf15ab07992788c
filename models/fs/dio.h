// SPDX-License-Identifier: GPL-2.0-or-later
// Direct I/O through iomap (XFS, ext4 from 5.5) or straight to a block device: submission in the caller's context, and
// who finishes it: the dio workqueue of the superblock for writes, the completing context for reads, block devices and,
// from 6.19, pure overwrites. Source: fs/iomap/direct-io.c, block/fops.c as specified in io-completion.md section 3.
#pragma once

#include <cstdint>

#include "models/aio/aio.h"
#include "models/block/queue.h"
#include "models/fs/log_wait.h"
#include "models/workqueue/workqueue.h"

namespace wakepath::fs {

using machine::Call;
using machine::ExecContext;
using machine::KTask;
using machine::Machine;

class Filesystem;

// One direct I/O of one bio: the dio object with its end-io and its work item. Owned by the submitter, used again.
struct Dio final : block::Bio, workqueue::Work, aio::Iocb {
  Call<void> end_io(ExecContext& ctx) override;
  Call<void> function(KTask& worker) override;  // iomap_dio_complete_work
  Filesystem* fs = nullptr;
  aio::Context* aio = nullptr;
  bool submitting = false;  // the submitter still holds its reference
  bool ended = false;       // the bio ended while it did: the submitter completes it
  bool unwritten = false;   // its extent has to be converted
};

class Filesystem {
 public:
  Filesystem(Machine& m, block::Queue& q, workqueue::Workqueues& wqs);
  // One asynchronous direct read or write: returns when it is queued (or, rarely, already complete).
  Call<void> submit(KTask& t, Dio& dio, block::Plug* plug);
  block::Queue& queue() { return queue_; }
  struct Counters {
    std::uint64_t deferred = 0, in_completer = 0, in_submitter = 0, log_waits = 0;
  } counters;

 private:
  friend struct Dio;
  Call<void> complete(ExecContext& ctx, Dio& dio);
  Call<void> convert(ExecContext& ctx);
  bool meets_unwritten();

  Machine& machine_;
  block::Queue& queue_;
  workqueue::Workqueue* dio_wq_ = nullptr;
  LogWaits log_;
  engine::RandomStream unwritten_, log_time_;
  bool block_device_;
  trace::StringId work_function_ = 0;
};

}  // namespace wakepath::fs
