// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/fs/page_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <utility>

#include "models/fs/ioend.h"
#include "models/fs/sync_bio.h"
#include "models/fs/writeback.h"
#include "models/kernel/switches.h"
#include "models/machine/sleep.h"
#include "models/machine/timer_wheel.h"

namespace wakepath::fs {

using machine::CostId;
using machine::run_cost;
using sched::State;

namespace {
DirtyKnobs knobs_of(const scenario::Vm& v) {
  DirtyKnobs k;
  k.dirtyable_pages = v.dirtyable_memory / kPageBytes;
  k.ratio = v.dirty_ratio;
  k.background_ratio = v.dirty_background_ratio;
  k.bytes = v.dirty_bytes;
  k.background_bytes = v.dirty_background_bytes;
  return k;
}
}  // namespace

File::File(std::int64_t bytes, std::int64_t sector, bool written)
    : pages(std::max<std::int64_t>(1, (bytes + kPageBytes - 1) / kPageBytes)),
      first_sector(sector),
      present(pages),
      dirty(pages),
      writeback(pages),
      allocated(pages, written) {}

File::~File() = default;

PageCache::PageCache(Machine& m, block::Queue& q, workqueue::Workqueues& wqs)
    : machine_(m), queue_(q), device_(m, q, wqs), knobs_(knobs_of(m.scenario.vm)), control_(m.scenario.kernel.hz) {
  const std::string dev = m.scenario.block.name;
  if (m.scenario.fs.type == "none") {
    journal_ = make_no_journal(m, device_);
  } else if (m.scenario.fs.type == "ext4") {
    journal_ = m.scenario.fs.journal ? make_jbd2(m, device_) : make_no_journal(m, device_);
    conversion_wq_ = &wqs.create("ext4-rsv-conversion", {.unbound = true, .max_active = 1});
    conversion_function_ = m.tp.name("ext4_end_io_rsv_work");
  } else {
    journal_ = make_xfs_log(m, device_, wqs);
    conversion_wq_ = &wqs.create("xfs-conv/" + dev, {});
    conversion_function_ = m.tp.name("xfs_end_io");
  }
  flusher_ = std::make_unique<Writeback>(*this, wqs);
}

PageCache::~PageCache() = default;

File& PageCache::add_file(std::int64_t bytes) {
  files_.push_back(std::make_unique<File>(bytes, next_sector_, machine_.scenario.fs.written));
  File& f = *files_.back();
  f.id = files_.size();
  next_sector_ += f.pages * (kPageBytes / 512);
  f.conversion = std::make_unique<File::Conversion>(*this, f);
  f.conversion->function_id = conversion_function_;
  f.conversion->id = f.id;
  f.conversion->persistent = true;
  return f;
}

void PageCache::change_inode(File& f, bool data) {
  f.changed = journal_->change();
  if (data) f.data_changed = f.changed;
}

Call<void> PageCache::update_time(KTask& t, File& f) {
  const std::int64_t coarse = jiffies();
  if (f.stamp == coarse) co_return;
  f.stamp = coarse;
  co_await run_cost(machine_, t, CostId::file_update_time);
  change_inode(f, false);
}

// ---- reads and writes ----------------------------------------------------------------------------------------------

Call<void> PageCache::write(KTask& t, Dirtier& d, File& f, std::int64_t offset, std::int64_t bytes) {
  if (t.resched_at_might_sleep()) co_await t.schedule(true);  // inode lock
  co_await update_time(t, f);
  co_await write_locked(t, d, f, offset, bytes, false);
}

Call<bool> PageCache::write_locked(KTask& t, Dirtier& d, File& f, std::int64_t offset, std::int64_t bytes,
                                   bool nowait) {
  const std::int64_t first = offset / kPageBytes, last = (offset + bytes - 1) / kPageBytes;
  for (std::int64_t p = first; p <= last; ++p) {
    const bool whole = offset <= p * kPageBytes && offset + bytes >= (p + 1) * kPageBytes;
    const bool reads = !whole && !f.present.test(p) && f.allocated.test(p);
    if (nowait) {
      const bool may_go_on = !reads && co_await balance(t, d, true);
      if (!may_go_on) co_return false;
    }
    if (reads) co_await read(t, f, p * kPageBytes, kPageBytes);
    co_await run_cost(machine_, t, CostId::buffered_write);
    f.present.set(p);
    if (f.dirty.set(p)) {
      ++dirty_;
      ++counters.dirtied;
      ++d.dirtied;
      if (f.dirty.count() == 1) f.dirtied_at = jiffies();
      co_await flusher_->dirtied(t, f);
    }
    if (!nowait) co_await balance(t, d, false);
  }
  co_return true;
}

Call<void> PageCache::read(KTask& t, File& f, std::int64_t offset, std::int64_t bytes) {
  const std::int64_t first = offset / kPageBytes, last = (offset + bytes - 1) / kPageBytes;
  for (std::int64_t p = first; p <= last; ++p) {
    if (!f.present.test(p)) {
      ++counters.read_misses;
      SyncBio bio(machine_);
      bio.write = false;
      bio.waiter = &t;
      bio.sector = static_cast<std::uint64_t>(f.first_sector + p * (kPageBytes / 512));
      co_await run_cost(machine_, t, CostId::page_read);
      co_await queue_.submit(t, bio, nullptr);
      co_await bio.wait(t);
      f.present.set(p);
    }
    co_await run_cost(machine_, t, CostId::buffered_read);
  }
}

// iomap_dio_rw of a synchronous kiocb: the interrupt wakes the caller, who completes the I/O.
Call<void> PageCache::direct(KTask& t, File& f, std::int64_t offset, std::int64_t bytes, bool write) {
  const bool raw = machine_.scenario.fs.type == "none";
  if (!raw && t.resched_at_might_sleep()) co_await t.schedule(true);
  if (write && !raw) co_await update_time(t, f);
  co_await run_cost(machine_, t, raw ? CostId::bdev_dio_submit : CostId::fs_dio_submit);
  SyncBio bio(machine_);
  bio.write = write;
  bio.waiter = &t;
  bio.bytes = static_cast<std::uint32_t>(bytes);
  bio.sector = static_cast<std::uint64_t>(f.first_sector + offset / 512);
  co_await queue_.submit(t, bio, nullptr);
  co_await bio.wait(t);
  if (raw) co_return;
  co_await run_cost(machine_, t, CostId::dio_complete);
  bool converted = false;
  for (std::int64_t p = offset / kPageBytes; write && p <= (offset + bytes - 1) / kPageBytes; ++p)
    converted |= f.allocated.set(p);
  if (!converted) co_return;
  co_await run_cost(machine_, t, CostId::dio_convert);
  change_inode(f, true);
}

// ---- throttling ----------------------------------------------------------------------------------------------------

// False: it would have to pause, and may not (BDP_ASYNC).
Call<bool> PageCache::balance(KTask& t, Dirtier& d, bool nowait) {
  if (d.dirtied < d.look_after) co_return true;
  co_await run_cost(machine_, t, CostId::dirty_balance);
  const DirtyLimits l = limits();
  for (;;) {
    std::int64_t now = jiffies();
    const std::int64_t dirty = dirty_ + writeback_;
    if (dirty_ > l.background) co_await flusher_->start_background(t);
    if (dirty <= l.freerun()) {
      d.paused_at = now;
      d.dirtied = 0;
      d.look_after = dirty_poll_interval(dirty, l.thresh);
      co_return true;
    }
    co_await flusher_->start_background(t);
    if (control_.due(now)) control_.update(now, l, dirty, counters.dirtied, counters.written, true);
    const auto p = control_.pause(control_.position_ratio(l, dirty), dirty, d.dirtied, now, d.paused_at);
    std::int64_t pause_jiffies = p.jiffies;
    if (p.rate > 0 && pause_jiffies < p.least) {
      if (pause_jiffies < -machine_.scenario.kernel.hz) {
        d.paused_at = now;
        d.dirtied = 0;
      } else if (p.period > 0) {
        d.paused_at += p.period;
        d.dirtied = 0;
      } else if (d.look_after <= d.dirtied) {
        d.look_after += d.dirtied;
      }
      co_return true;
    }
    if (pause_jiffies > p.most) {
      now += std::min(pause_jiffies - p.most, p.most);
      pause_jiffies = p.most;
    }
    if (nowait) co_return false;
    co_await pause(t, pause_jiffies);
    d.paused_at = now + pause_jiffies;
    d.dirtied = 0;
    d.look_after = std::max<std::int64_t>(p.next_look, 1);
    if (p.rate > 0) co_return true;
  }
}

Call<void> PageCache::pause(KTask& t, std::int64_t jiffies) {
  ++counters.pauses;
  const machine::Time began = machine_.now();
  machine::SleepTimer timer(machine_);
  timer.task = &t;
  const machine::Time at = machine::timer_wheel_expiry(began, jiffies * machine_.tick_ns(), machine_.tick_ns());
  machine_.local_timer(t.cpu->id()).arm(timer, at);
  for (;;) {
    t.set_state(State::uninterruptible);
    if (timer.done) break;
    co_await t.schedule();
  }
  t.set_state(State::running);
  counters.throttled_ns += static_cast<std::uint64_t>(machine_.now() - began);
}

// ---- writeback -----------------------------------------------------------------------------------------------------

Ioend& PageCache::take_ioend() {
  if (free_ioends_.empty()) {
    ioends_.push_back(std::make_unique<Ioend>(*this));
    free_ioends_.push_back(ioends_.back().get());
  }
  Ioend& io = *free_ioends_.back();
  free_ioends_.pop_back();
  return io;
}

Call<std::int64_t> PageCache::write_pages(KTask& t, File& f, std::int64_t from, std::int64_t most, bool integrity) {
  block::Plug plug;
  Ioend* io = nullptr;
  std::int64_t written = 0;
  // Who waits for them writes what is dirty now (tag_pages_for_writeback); what is made dirty meanwhile is another's.
  const std::optional<PageSet> tagged = integrity ? std::optional(f.dirty) : std::nullopt;
  const PageSet& pages = tagged ? *tagged : f.dirty;
  for (std::int64_t p = pages.next(from); p >= 0 && written < most; p = pages.next(p + 1)) {
    while (integrity && f.writeback.test(p)) {
      if (io != nullptr) co_await submit(t, *std::exchange(io, nullptr), plug);
      co_await queue_.flush_plug(t, plug, false);
      co_await Ioend::wait_for_page(t, f, p);
    }
    if (f.writeback.test(p) || !f.dirty.test(p)) continue;
    const bool fresh = !f.allocated.test(p);
    // Taken at once, as under the page's lock: another writer may run while this one spends time.
    f.dirty.clear(p);
    f.writeback.set(p);
    --dirty_, ++writeback_, ++written;
    f.write_at = p + 1;
    const bool joins = io != nullptr && io->first + io->count == p && io->converts == fresh && io->count < Ioend::kMost;
    if (!joins) {
      if (io != nullptr) co_await submit(t, *std::exchange(io, nullptr), plug);
      io = &take_ioend();
      io->begin(f, p, fresh);
      co_await run_cost(machine_, t, fresh ? CostId::writeback_allocate : CostId::writeback_map);
    }
    ++io->count;
    co_await run_cost(machine_, t, CostId::writeback_page);
    if (written % machine_.k.folio_batch == 0 && t.resched_at_cond_resched()) co_await t.schedule(true);
  }
  if (io != nullptr) co_await submit(t, *io, plug);
  co_await queue_.flush_plug(t, plug, false);
  co_return written;
}

Call<void> PageCache::submit(KTask& t, Ioend& io, block::Plug& plug) {
  ++counters.ioends;
  io.bytes = static_cast<std::uint32_t>(io.count * kPageBytes);
  co_await queue_.submit(t, io, &plug);
}

Call<void> PageCache::ended(ExecContext& ctx, Ioend& io) {
  if (!io.converts) co_return co_await finish(ctx, io);
  File& f = *io.file;
  io.next = nullptr;
  const bool was_empty = f.ended == nullptr;
  (f.ended_last ? f.ended_last->next : f.ended) = &io;
  f.ended_last = &io;
  if (was_empty) co_await conversion_wq_->queue(ctx, *f.conversion);
}

Call<void> PageCache::finish(ExecContext& ctx, Ioend& io) {
  // Page by page: who waits for one is woken when that one has ended, not the bio.
  File& f = *io.file;
  const machine::Time cost = machine_.cost(CostId::writeback_end_page);
  const std::int64_t end = io.first + io.count;
  for (std::int64_t p = io.first; p < end;) {
    std::int64_t next = end;
    for (const File::Waiter& w : f.waiters)
      if (w.page >= p && w.page < next) next = w.page + 1;
    co_await ctx.run_ns(cost * (next - p));
    writeback_ -= next - p;
    counters.written += next - p;
    const std::int64_t first = p;
    for (; p < next; ++p) f.writeback.clear(p);
    co_await wake_waiters(ctx, f, first, next);
  }
  free_ioends_.push_back(&io);
}

Call<void> PageCache::wake_waiters(ExecContext& ctx, File& f, std::int64_t first, std::int64_t end) {
  const auto waits = [&](const File::Waiter& w) { return w.page >= first && w.page < end; };
  for (;;) {  // others may come and go meanwhile
    const auto w = std::find_if(f.waiters.begin(), f.waiters.end(), waits);
    if (w == f.waiters.end()) co_return;
    KTask& task = *w->task;
    f.waiters.erase(w);
    co_await machine_.wake(ctx, task);
  }
}

// A batch is looked up and then waited for; only after a full one it looks again. So what others begin to write
// meanwhile is not waited for (__filemap_fdatawait_range).
Call<void> PageCache::wait_for_writeback(KTask& t, File& f) {
  std::vector<std::int64_t> batch;
  const auto full = static_cast<std::size_t>(machine_.k.folio_batch);
  std::int64_t from = 0;
  do {
    batch.clear();
    for (; batch.size() < full && (from = f.writeback.next(from)) >= 0; ++from) batch.push_back(from);
    if (batch.empty()) co_return;
    co_await run_cost(machine_, t, CostId::writeback_page);  // to find them
    for (const std::int64_t p : batch) co_await Ioend::wait_for_page(t, f, p);
    if (t.resched_at_cond_resched()) co_await t.schedule(true);
  } while (batch.size() == full);
}

// ---- fsync ---------------------------------------------------------------------------------------------------------

Call<void> PageCache::fsync(KTask& t, File& f, bool datasync) {
  ++counters.fsyncs;
  co_await run_cost(machine_, t, CostId::fsync_call);
  if (!f.dirty.empty()) co_await write_pages(t, f, 0, f.pages, true);
  co_await wait_for_writeback(t, f);
  const std::uint64_t number = datasync ? f.data_changed : f.changed;
  bool flushed = false;
  if (number > 0 && !journal_->stable(number)) flushed = co_await journal_->force(t, number);
  if (flushed || !machine_.scenario.device.write_cache) co_return;
  SyncBio flush(machine_);  // blkdev_issue_flush
  flush.waiter = &t;
  flush.bytes = 0;
  flush.preflush = true;
  co_await device_.submit(t, flush, nullptr);
  co_await flush.wait(t);
}

// ---- posix_fadvise -------------------------------------------------------------------------------------------------

// Dirty pages are begun to be written, clean ones go; what is under writeback when its turn comes stays.
Call<void> PageCache::drop(KTask& t, File& f) {
  if (!f.dirty.empty()) co_await write_pages(t, f, 0, f.pages, false);
  std::int64_t looked_at = 0;
  for (std::int64_t p = f.present.next(0); p >= 0; p = f.present.next(p + 1)) {
    co_await run_cost(machine_, t, CostId::page_drop);
    if (!f.dirty.test(p) && !f.writeback.test(p)) f.present.clear(p);
    if (++looked_at % machine_.k.folio_batch == 0 && t.resched_at_cond_resched()) co_await t.schedule(true);
  }
}

// ---- create and utime ----------------------------------------------------------------------------------------------

Call<void> PageCache::create(KTask& t, File& f) {
  co_await wait_for_writeback(t, f);
  const std::int64_t lost = f.dirty.count();
  dirty_ -= lost;
  counters.cancelled += lost;
  f.present = f.dirty = f.allocated = PageSet(f.pages);
  f.stamp = jiffies();
  change_inode(f, true);
}

Call<void> PageCache::touch(KTask& t, File& f) {
  co_await run_cost(machine_, t, CostId::file_update_time);
  f.stamp = -1;
  change_inode(f, false);
}

void PageCache::check() const {
  std::int64_t dirty = 0, writeback = 0;
  for (const auto& f : files_) dirty += f->dirty.count(), writeback += f->writeback.count();
  if (dirty != dirty_ || writeback != writeback_ ||
      counters.dirtied != counters.written + counters.cancelled + dirty_ + writeback_)
    throw std::logic_error(fmt::format(
        "accounting does not close: {} pages dirtied, {} written back, {} cancelled, {} dirty ({} in files), {} under "
        "writeback ({})",
        counters.dirtied, counters.written, counters.cancelled, dirty_, dirty, writeback_, writeback));
}

}  // namespace wakepath::fs
