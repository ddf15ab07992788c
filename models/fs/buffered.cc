// SPDX-License-Identifier: GPL-2.0-or-later
// Buffered I/O of io_uring, where a first attempt may not wait: a page that is not in the cache is read, a writer takes
// the inode's lock and changes its timestamps, which XFS refuses to one that may not wait, and dirties pages of the
// page cache. By fs.write_wait a writer that may wait does so for what else the filesystem has it wait for.
// Source: fs/xfs/xfs_file.c (xfs_file_buffered_write), fs/ext4/file.c (ext4_buffered_write_iter), 6.1 and 6.12.
#include <algorithm>

#include "models/fs/dio.h"
#include "models/machine/draw.h"
#include "models/machine/sleep.h"

namespace wakepath::fs {

using machine::CostId;
using machine::run_cost;
using machine::Time;
using sched::State;

namespace {

// One bio and the task that waits for it (submit_bio_wait and its like).
struct WaitedBio final : block::Bio {
  WaitedBio(Machine& machine, KTask& t) : m(machine), task(t) {}
  Call<void> end_io(ExecContext& ctx) override {
    ended = true;
    co_await m.wake(ctx, task);
  }
  Machine& m;
  KTask& task;
  bool ended = false;
};

}  // namespace

Call<void> Filesystem::read_and_wait(KTask& t, std::uint64_t sector, std::uint32_t bytes) {
  WaitedBio bio(machine_, t);
  bio.sector = sector;
  bio.bytes = bytes;
  bio.write = false;
  block::Plug plug;
  co_await queue_.submit(t, bio, &plug);
  co_await queue_.flush_plug(t, plug, false);
  for (;;) {
    t.set_state(State::uninterruptible);
    if (bio.ended) break;
    co_await t.schedule();
  }
  t.set_state(State::running);
}

Call<bool> Filesystem::lock(KTask& t, Inode& inode, bool nowait) {
  if (inode.locked_by == nullptr) {
    inode.locked_by = &t;
    co_return true;
  }
  if (nowait) co_return false;
  inode.lock_waiters.push_back(&t);
  for (;;) {  // handed over by unlock()
    t.set_state(State::uninterruptible);
    if (inode.locked_by == &t) break;
    co_await t.schedule();
  }
  t.set_state(State::running);
  co_return true;
}

Call<void> Filesystem::unlock(KTask& t, Inode& inode) {
  inode.locked_by = nullptr;
  if (inode.lock_waiters.empty()) co_return;
  inode.locked_by = inode.lock_waiters.front();
  inode.lock_waiters.pop_front();
  co_await machine_.wake(t, *inode.locked_by);
}

Call<void> Filesystem::buffered_read(KTask& t, std::uint64_t offset, std::uint32_t bytes, bool cached) {
  if (!cached) co_await read_and_wait(t, offset / 512, bytes);
  for (std::uint32_t at = 0; at < bytes; at += kPageBytes) co_await run_cost(machine_, t, CostId::buffered_read);
}

Call<bool> Filesystem::buffered_write(KTask& t, Inode& inode, std::uint64_t offset, std::uint32_t bytes, bool nowait) {
  const bool locked = co_await lock(t, inode, nowait);
  if (!locked) {
    co_await run_cost(machine_, t, CostId::uring_eagain);
    co_return false;
  }
  bool written = co_await update_time(t, inode, nowait);
  if (written) {
    const auto& law = machine_.scenario.fs.write_wait;
    const Time wait = law.set && !nowait ? machine::draw_ns(law, write_wait_) : 0;
    if (wait > 0) {
      machine::SleepTimer timer(machine_);
      co_await machine::block_until(t, timer, machine_.now() + wait);
    }
    File& f = *inode.pages;
    const auto at = static_cast<std::int64_t>(offset) % (f.pages * kPageBytes);
    const auto length = std::min<std::int64_t>(bytes, f.pages * kPageBytes - at);
    written = co_await cache_->write_locked(t, dirtiers_[&t], f, at, length, nowait);
  }
  co_await unlock(t, inode);
  co_return written;
}

}  // namespace wakepath::fs
