// SPDX-License-Identifier: GPL-2.0-or-later
// Buffered I/O and fsync as far as they block: a page that is not in the cache is read, a writer waits for the inode's
// lock and, by fs.write_wait, for what the filesystem makes it wait for (its log, a page under writeback); fsync writes
// what is dirty and has the device flush. Writeback by time or by threshold is not modelled.
// Source: fs/xfs/xfs_file.c (xfs_file_buffered_write), fs/ext4/file.c (ext4_buffered_write_iter), fs/xfs/xfs_file.c
// (xfs_file_fsync), 6.1 and 6.12.
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

constexpr std::uint32_t kPage = 4096;

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

Call<void> Filesystem::read_or_write_and_wait(KTask& t, std::uint64_t sector, std::uint32_t bytes, bool write) {
  WaitedBio bio(machine_, t);
  bio.sector = sector;
  bio.bytes = bytes;
  bio.write = write;
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
  if (!cached) co_await read_or_write_and_wait(t, offset / 512, bytes, false);
  for (std::uint32_t at = 0; at < bytes; at += kPage) co_await run_cost(machine_, t, CostId::buffered_read);
}

Call<bool> Filesystem::buffered_write(KTask& t, Inode& inode, std::uint32_t bytes, bool nowait) {
  const bool locked = co_await lock(t, inode, nowait);
  if (!locked) {
    co_await run_cost(machine_, t, CostId::uring_eagain);
    co_return false;
  }
  const bool may_go_on = co_await update_time(t, inode, nowait);
  if (may_go_on) {
    const auto& law = machine_.scenario.fs.write_wait;
    const Time wait = law.set && !nowait ? machine::draw_ns(law, write_wait_) : 0;
    if (wait > 0) {
      machine::SleepTimer timer(machine_);
      co_await machine::block_until(t, timer, machine_.now() + wait);
    }
    for (std::uint32_t at = 0; at < bytes; at += kPage) {
      co_await run_cost(machine_, t, CostId::buffered_write);
      ++inode.dirty_pages;
    }
  }
  co_await unlock(t, inode);
  co_return may_go_on;
}

// Writes come in requests of up to max_sectors_kb; the flush is a request of its own.
Call<void> Filesystem::fsync(KTask& t, Inode& inode) {
  const int most = std::max(1, static_cast<int>(machine_.scenario.block.max_sectors_kb * 1024 / kPage));
  while (inode.dirty_pages > 0) {
    const int pages = std::min(most, inode.dirty_pages);
    inode.dirty_pages -= pages;
    co_await read_or_write_and_wait(t, 0, static_cast<std::uint32_t>(pages) * kPage, true);
  }
  co_await read_or_write_and_wait(t, 0, 0, true);
}

}  // namespace wakepath::fs
