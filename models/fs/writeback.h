// SPDX-License-Identifier: GPL-2.0-or-later
// The flusher of one device: a work item on the unbound workqueue "writeback" that writes dirty files back, when more
// than the background limit is dirty, and every dirty_writeback interval what is older than dirty_expire.
//
// A file is written in chunks, half a second of the device's bandwidth and at most an eighth of the dirty limit, from
// where the last chunk ended; then the next file has its turn.
// Source: fs/fs-writeback.c (wb_workfn, wb_writeback, writeback_sb_inodes, writeback_chunk_size), 6.1 and 6.12.
#pragma once

#include <deque>

#include "models/fs/page_cache.h"
#include "models/machine/local_timer.h"

namespace wakepath::fs {

class PageCache::Writeback final : public workqueue::Work {
 public:
  Writeback(PageCache& c, workqueue::Workqueues& wqs);
  ~Writeback() override;
  Call<void> dirtied(ExecContext& ctx, File& f);  // a page of it became dirty
  Call<void> start_background(ExecContext& ctx);  // wb_start_background_writeback; nothing while it runs
  Call<void> function(KTask& worker) override;

 private:
  struct Delay;
  enum class Reason : std::uint8_t { background, periodic };
  Call<void> write_back(KTask& t, Reason why);
  Call<bool> write_files(KTask& t, Reason why);
  [[nodiscard]] bool over_background() const;
  void arm_delay(machine::Cpu& cpu, machine::Time delay);
  std::int64_t chunk() const;

  PageCache& cache_;
  workqueue::Workqueue& wq_;
  std::unique_ptr<Delay> delay_;
  std::deque<File*> dirty_files_, io_;  // b_dirty, b_io
  bool running_ = false;                // background writeback is under way or asked for
  std::int64_t last_periodic_ = 0;      // jiffies
};

}  // namespace wakepath::fs
