// SPDX-License-Identifier: GPL-2.0-or-later
// Files in the page cache: buffered reads and writes, what is dirty, who writes it back, and who waits for it.
//
// A write dirties pages and, every so often, is asked to pause by the law of dirty_limits.h. Dirty pages are written by
// the flusher (writeback.h), a worker of an unbound workqueue, or by fsync in its caller. Contiguous pages make one
// ioend, a bio of at most 256 pages. A plain overwrite ends where its bio ends; pages without blocks (delayed
// allocation) get them when they are written, and their conversion is deferred to a worker: XFS has one work item per
// inode on the bound xfs-conv of the completing CPU, which takes all ended ioends at once; ext4 one on an unbound
// workqueue of one item at a time.
//
// Invariants (check()): dirty and writeback counts are the sums of the files'; dirtied = written + dirty + writeback +
// cancelled, by the end of their file.
// Source: mm/page-writeback.c, mm/filemap.c, fs/iomap/buffered-io.c, fs/xfs/xfs_aops.c (xfs_end_bio, xfs_end_io),
// fs/ext4/page-io.c, 6.1 and 6.12. Not modelled: large folios, reclaim, readahead, quota, holes under reads.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "models/block/flush.h"
#include "models/fs/dirty_limits.h"
#include "models/fs/journal.h"
#include "models/fs/page_set.h"

namespace wakepath::fs {

class PageCache;
struct Ioend;

// What a task remembers of its own dirtying (task_struct: nr_dirtied, nr_dirtied_pause, dirty_paused_when).
struct Dirtier {
  std::int64_t dirtied = 0, look_after = 32, paused_at = 0;
};

// One file: its pages and what its inode has in the journal.
struct File {
  File(std::int64_t bytes, std::int64_t first_sector, bool written);
  std::int64_t pages;
  std::int64_t first_sector;
  PageSet present, dirty, writeback, allocated;
  std::int64_t stamp = -1;    // coarse time of its timestamps, in ticks
  std::uint64_t changed = 0;  // journal number of the last change, and of the last one that fdatasync needs
  std::uint64_t data_changed = 0;
  std::int64_t dirtied_at = 0;  // jiffies when it became dirty
  std::int64_t write_from = 0;  // where the flusher goes on
  std::int64_t write_at = 0;    // behind the last page that was taken for writing
  bool listed = false;          // on the flusher's lists
  std::uint64_t id = 0;
  Ioend *ended = nullptr, *ended_last = nullptr;  // wait for the conversion work
  struct Conversion;
  std::unique_ptr<Conversion> conversion;
  struct Waiter {
    KTask* task;
    std::int64_t page;
  };
  std::vector<Waiter> waiters;  // for the end of writeback of a page
  ~File();
};

class PageCache {
 public:
  PageCache(Machine& m, block::Queue& q, workqueue::Workqueues& wqs);
  ~PageCache();

  File& add_file(std::int64_t bytes);
  // pwrite and pread of a file without O_DIRECT, from after the syscall's entry to before its exit.
  Call<void> write(KTask& t, Dirtier& d, File& f, std::int64_t offset, std::int64_t bytes);
  // Its pages alone, by who holds the inode's lock. False: nowait, and it would have had to wait (IOCB_NOWAIT).
  Call<bool> write_locked(KTask& t, Dirtier& d, File& f, std::int64_t offset, std::int64_t bytes, bool nowait);
  Call<void> read(KTask& t, File& f, std::int64_t offset, std::int64_t bytes);
  Call<void> fsync(KTask& t, File& f, bool datasync);
  // A new file under the name of this one: no pages, no blocks. utime: its times are others than the clock's.
  Call<void> create(KTask& t, File& f);
  Call<void> touch(KTask& t, File& f);
  // posix_fadvise(POSIX_FADV_DONTNEED) of the whole file.
  Call<void> drop(KTask& t, File& f);
  // O_DIRECT in its caller: sleeps until the I/O has ended, finishes it itself.
  Call<void> direct(KTask& t, File& f, std::int64_t offset, std::int64_t bytes, bool write);
  void change_inode(File& f, bool data);  // a change is logged for it
  // Timestamps change with the coarse clock, once a tick (file_update_time).
  Call<void> update_time(KTask& t, File& f);

  // Writes dirty pages from `from` on, `most` of them at most; how many. integrity: waits where one is under writeback.
  Call<std::int64_t> write_pages(KTask& t, File& f, std::int64_t from, std::int64_t most, bool integrity);
  Call<void> wait_for_writeback(KTask& t, File& f);

  struct Counters {
    std::int64_t dirtied = 0, written = 0, cancelled = 0;
    std::uint64_t ioends = 0, converted = 0, pauses = 0, fsyncs = 0, throttled_ns = 0, read_misses = 0;
    std::uint64_t background_runs = 0, conversion_items = 0;
  } counters;
  [[nodiscard]] std::int64_t dirty() const { return dirty_; }
  [[nodiscard]] std::int64_t under_writeback() const { return writeback_; }
  [[nodiscard]] DirtyLimits limits() const { return dirty_limits(knobs_); }
  [[nodiscard]] std::int64_t jiffies() const { return machine_.now() / machine_.tick_ns(); }
  [[nodiscard]] const Journal& journal() const { return *journal_; }
  [[nodiscard]] const block::Flusher& device() const { return device_; }
  DirtyControl& control() { return control_; }
  std::deque<std::unique_ptr<File>>& files() { return files_; }
  Machine& machine() { return machine_; }
  void check() const;  // throws std::logic_error

 private:
  friend struct Ioend;
  friend struct File::Conversion;
  Call<bool> balance(KTask& t, Dirtier& d, bool nowait);
  Call<void> pause(KTask& t, std::int64_t jiffies);
  Call<void> submit(KTask& t, Ioend& io, block::Plug& plug);
  Call<void> ended(ExecContext& ctx, Ioend& io);
  Call<void> finish(ExecContext& ctx, Ioend& io);
  Call<void> wake_waiters(ExecContext& ctx, File& f, std::int64_t first, std::int64_t end);
  Ioend& take_ioend();

  Machine& machine_;
  block::Queue& queue_;
  block::Flusher device_;
  DirtyKnobs knobs_;
  DirtyControl control_;
  std::unique_ptr<Journal> journal_;
  workqueue::Workqueue* conversion_wq_ = nullptr;
  trace::StringId conversion_function_ = 0;
  std::deque<std::unique_ptr<File>> files_;
  std::vector<std::unique_ptr<Ioend>> ioends_;
  std::vector<Ioend*> free_ioends_;
  std::int64_t dirty_ = 0, writeback_ = 0, next_sector_ = 0;
  class Writeback;
  std::unique_ptr<Writeback> flusher_;
};

}  // namespace wakepath::fs
