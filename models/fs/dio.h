// SPDX-License-Identifier: GPL-2.0-or-later
// Direct I/O through iomap (XFS, ext4 from 5.5) or straight to a block device: submission in the caller's context, and
// who finishes it: the dio workqueue of the superblock for writes, the completing context for reads, block devices and,
// from 6.19, pure overwrites. Source: fs/iomap/direct-io.c, block/fops.c as specified in io-completion.md section 3.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "models/aio/aio.h"
#include "models/block/queue.h"
#include "models/fs/inode.h"
#include "models/fs/log_wait.h"
#include "models/fs/page_cache.h"
#include "models/workqueue/workqueue.h"

namespace wakepath::fs {

using machine::Call;
using machine::ExecContext;
using machine::KTask;
using machine::Machine;

class Filesystem;
struct Dio;

// ki_complete of who is not libaio.
struct IoCompletion {
  virtual ~IoCompletion() = default;
  virtual Call<void> ki_complete(ExecContext& ctx) = 0;
};

// One direct I/O of one bio: the dio object with its end-io and its work item. Owned by the submitter, used again.
struct Dio final : block::Bio, workqueue::Work, aio::Iocb {
  Call<void> end_io(ExecContext& ctx) override;
  [[nodiscard]] bool ends_unseen() const override;
  [[nodiscard]] bool is_deferred() const;  // to a worker
  [[nodiscard]] bool ends_in_caller() const { return caller_completes && !unwritten; }
  Call<void> function(KTask& worker) override;  // iomap_dio_complete_work
  // The submitter gives up its reference. True: the bio has ended already.
  bool put() {
    submitting = false;
    return ended;
  }
  Filesystem* fs = nullptr;
  aio::Context* aio = nullptr;
  bool submitting = false;  // the submitter still holds its reference
  bool ended = false;       // the bio ended while it did: the submitter completes it
  bool unwritten = false;   // its extent has to be converted
  machine::Time bio_ended_at = 0;

  // With a completion of its own (io_uring): what was asked, and how submit() ended.
  IoCompletion* completion = nullptr;
  Inode* inode = nullptr;         // whose timestamps a write changes; null: not looked at
  bool nowait = false;            // IOCB_NOWAIT
  bool pinned = false;            // the buffer is registered: no pages to pin
  bool caller_completes = false;  // IOCB_DIO_CALLER_COMP: the issuer calls finish() in its own context
  bool by_caller = false;         // out: so it ended
  bool would_block = false;       // out: -EAGAIN
  bool done = false;              // out: complete when submit() returned
};

class Filesystem {
 public:
  // raw: the block device itself, whatever fs.type says of another device.
  Filesystem(Machine& m, block::Queue& q, workqueue::Workqueues& wqs, bool raw = false);
  // One asynchronous direct read or write: returns when it is queued. What has no completion of its own still has its
  // submitter's reference then: `if (dio.put()) co_await fs.complete_in_submitter(t, dio)`.
  Call<void> submit(KTask& t, Dio& dio, block::Plug* plug);
  Call<void> complete_in_submitter(KTask& t, Dio& dio);
  // iomap_dio_complete in the issuer's context, for what ended with caller_completes.
  Call<void> finish(ExecContext& ctx, const Dio& dio);
  [[nodiscard]] bool is_block_device() const { return block_device_; }
  [[nodiscard]] bool takes_parallel_dio_writes() const { return !block_device_; }  // XFS, ext4
  // buffered.cc: of inodes with pages in the cache given by use(). False of a write that may not wait and would have
  // to.
  void use(PageCache& cache) { cache_ = &cache; }
  Call<void> buffered_read(KTask& t, std::uint64_t offset, std::uint32_t bytes, bool cached);
  Call<bool> buffered_write(KTask& t, Inode& inode, std::uint64_t offset, std::uint32_t bytes, bool nowait);
  Call<void> fsync(KTask& t, Inode& inode) { return cache_->fsync(t, *inode.pages, false); }
  block::Queue& queue() { return queue_; }
  struct Counters {
    std::uint64_t deferred = 0, in_completer = 0, in_submitter = 0, log_waits = 0, by_caller = 0;
  } counters;

 private:
  friend struct Dio;
  Call<void> complete(ExecContext& ctx, Dio& dio);
  Call<void> convert_and_tell(ExecContext& ctx, Dio& dio);
  static Call<void> tell(ExecContext& ctx, Dio& dio);
  Call<void> convert(ExecContext& ctx);
  bool meets_unwritten();
  Call<void> submit_uring(KTask& t, Dio& dio, block::Plug* plug);
  Call<void> submit_with_own_plug(KTask& t, Dio& dio);
  Call<void> enter_queue(KTask& t, Dio& dio, block::Plug* plug);
  Call<void> change_time_and_map(KTask& t, Dio& dio, block::Plug* plug);
  Call<void> map(KTask& t, Dio& dio, block::Plug* plug);
  [[nodiscard]] bool is_stale(const Inode& inode) const { return machine_.now() >= inode.fresh_until; }
  Call<void> look_and_map(KTask& t, Dio& dio, block::Plug* plug);
  Call<bool> update_time(KTask& t, Inode& inode, bool nowait);
  Call<bool> lock(KTask& t, Inode& inode, bool nowait);
  Call<void> unlock(KTask& t, Inode& inode);
  Call<void> read_and_wait(KTask& t, std::uint64_t sector, std::uint32_t bytes);

  Machine& machine_;
  block::Queue& queue_;
  workqueue::Workqueue* dio_wq_ = nullptr;
  trace::StringId work_function_ = 0;
  const bool block_device_;
  const std::uint32_t unwritten_per_million_;  // of writes that meet an unwritten extent
  LogWaits log_;
  engine::RandomStream unwritten_, log_time_;
  engine::RandomStream write_wait_;
  PageCache* cache_ = nullptr;
  std::unordered_map<const KTask*, Dirtier> dirtiers_;
};

}  // namespace wakepath::fs
