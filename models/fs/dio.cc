// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/fs/dio.h"

#include <algorithm>
#include <array>

#include "models/kernel/switches.h"
#include "models/machine/draw.h"

namespace wakepath::fs {

using machine::CostId;
using machine::run_cost;

namespace {
constexpr std::uint32_t kMillion = 1'000'000;

// Where fs_dio_submit may sleep between the inode's lock and submit_bio(), in thousandths: the dio's allocation, the
// extent lock, the bio's allocation. From fio's own time between two preemptions in the traces A-6.1-*N-* (607, 466,
// 844 and 1155 ns apart) and A-6.12-*N-* (629, 522, 812, 1325).
constexpr std::array kDioPoints{194, 349, 610};
}  // namespace

Filesystem::Filesystem(Machine& m, block::Queue& q, workqueue::Workqueues& wqs, bool raw)
    : machine_(m),
      queue_(q),
      block_device_(raw || m.scenario.fs.type == "none"),
      unwritten_per_million_(m.scenario.fs.written ? static_cast<std::uint32_t>(m.scenario.fs.unwritten_per_million)
                                                   : kMillion),
      log_(m),
      unwritten_(m.scenario.run.seed, "fs.unwritten", 0),
      log_time_(m.scenario.run.seed, "fs.convert_sleep", 0),
      write_wait_(m.scenario.run.seed, "fs.write_wait", 0) {
  const auto& c = m.scenario.dio_wq;
  dio_wq_ = &wqs.create("dio/" + m.scenario.block.name, {.highpri = c.highpri,
                                                         .unbound = c.unbound,
                                                         .cpu_intensive = c.cpu_intensive,
                                                         .max_active = c.max_active,
                                                         .scope = workqueue::scope_of(c.affinity_scope),
                                                         .strict = c.affinity_strict});
  work_function_ = m.tp.name("iomap_dio_complete_work");
}

bool Filesystem::meets_unwritten() {
  if (unwritten_per_million_ == kMillion) return true;
  return unwritten_per_million_ > 0 && unwritten_.uniform(kMillion) < unwritten_per_million_;
}

// inode_needs_update_time and its consequence. False: it would have to be changed, and the caller may not wait. XFS
// looks at NOWAIT here (kiocb_modified), ext4 does not (file_modified).
Call<bool> Filesystem::update_time(KTask& t, Inode& inode, bool nowait) {
  if (!is_stale(inode)) co_return true;
  if (nowait && machine_.scenario.fs.type == "xfs") {
    co_await run_cost(machine_, t, CostId::uring_eagain);
    co_return false;
  }
  co_await run_cost(machine_, t, CostId::file_update_time);
  inode.fresh_until = (machine_.now() / machine_.tick_ns() + 1) * machine_.tick_ns();
  if (inode.pages != nullptr) cache_->change_inode(*inode.pages, false);
  co_return true;
}

// The same way with what io_uring asks for; libaio's looks at the timestamps alone, and waits.
Call<void> Filesystem::submit_uring(KTask& t, Dio& dio, block::Plug* plug) {
  dio.would_block = dio.done = dio.by_caller = false;
  if (!block_device_ &&
      machine_.scenario.fs.type == "btrfs") {  // its direct reads take locks: never with NOWAIT, else to the end
    dio.would_block = dio.nowait;
    dio.submitting = false;
    if (dio.nowait) co_return co_await run_cost(machine_, t, CostId::uring_eagain);
    co_await run_cost(machine_, t, CostId::fs_dio_submit);
    co_await read_and_wait(t, dio.sector, dio.bytes);
    dio.done = true;
    co_return co_await finish(t, dio);
  }
  if (dio.write && !block_device_ && dio.inode != nullptr) {
    const bool may_go_on = co_await update_time(t, *dio.inode, dio.nowait);
    if (!may_go_on) {
      dio.would_block = true;
      dio.submitting = false;
      co_return;
    }
  }
  const machine::Time pin = dio.pinned ? machine_.cost(CostId::dio_pin) : 0;
  const machine::Time cost = machine_.cost(block_device_ ? CostId::bdev_dio_submit : CostId::fs_dio_submit);
  if (!t.passes_might_sleep()) co_await t.schedule(true);  // inode lock; block device: allocation of the bio
  co_await machine::owe_with_points(machine_, t, std::max<machine::Time>(0, cost - pin),
                                    block_device_ ? machine::SleepPoints{} : kDioPoints);
  if (!t.passes_might_sleep()) co_await t.schedule(true);  // submit_bio()
  block::Plug own;
  const bool own_plug = plug == nullptr && !block_device_;
  dio.nowait_request = dio.nowait && block_device_;  // iomap does not ask for REQ_NOWAIT
  co_await queue_.submit(t, dio, own_plug ? &own : plug);
  if (own_plug) co_await queue_.flush_plug(t, own, false);
  dio.submitting = false;
  if (dio.refused) {
    dio.would_block = true;
  } else if (dio.ended) {
    ++counters.in_submitter;
    if (!block_device_) co_await finish(t, dio);
    dio.done = true;
  }
}

// No coroutine, nor what it calls: libaio's I/Os mostly pass all of it at once.
Call<void> Filesystem::submit(KTask& t, Dio& dio, block::Plug* plug) {
  dio.fs = this;
  dio.file = dio.inode;
  dio.function_id = work_function_;
  dio.submitting = true;
  dio.in_work_item = false;
  dio.ended = dio.failed = false;
  dio.unwritten = dio.write && !block_device_ && meets_unwritten();
  if (dio.completion != nullptr) return submit_uring(t, dio, plug);
  return plug == nullptr && !block_device_ ? submit_with_own_plug(t, dio) : enter_queue(t, dio, plug);
}

Call<void> Filesystem::submit_with_own_plug(KTask& t, Dio& dio) {
  block::Plug own;
  own.owes = true;
  co_await enter_queue(t, dio, &own);
  co_await queue_.flush_plug(t, own, false);
}

Call<void> Filesystem::enter_queue(KTask& t, Dio& dio, block::Plug* plug) {
  return machine::after_might_sleep(t, [this, &t, &dio, plug] {  // inode lock; block device: allocation of the bio
    if (block_device_ || !dio.write || dio.inode == nullptr) return map(t, dio, plug);
    // What is owed may be interrupted past that date: then it is spent before the look.
    constexpr machine::Time kLikelyPause = 100'000;
    if (!t.cpu->owes() || machine::local_now(machine_, t) + kLikelyPause < dio.inode->fresh_until) [[likely]]
      return look_and_map(t, dio, plug);
    return machine::after(t, t.settle(), [this, &t, &dio, plug] { return look_and_map(t, dio, plug); });
  });
}

Call<void> Filesystem::look_and_map(KTask& t, Dio& dio, block::Plug* plug) {
  return is_stale(*dio.inode) ? change_time_and_map(t, dio, plug) : map(t, dio, plug);
}

Call<void> Filesystem::change_time_and_map(KTask& t, Dio& dio, block::Plug* plug) {
  co_await update_time(t, *dio.inode, false);
  co_await map(t, dio, plug);
}

Call<void> Filesystem::map(KTask& t, Dio& dio, block::Plug* plug) {
  const machine::Time ns = machine_.cost(block_device_ ? CostId::bdev_dio_submit : CostId::fs_dio_submit);
  const auto points = block_device_ ? machine::SleepPoints{} : kDioPoints;
  return machine::after(t, machine::owe_with_points(machine_, t, ns, points), [this, &t, &dio, plug] {
    return machine::after_might_sleep(t, [this, &t, &dio, plug] { return queue_.submit(t, dio, plug); });
  });
}

bool Dio::is_deferred() const {
  return write && !fs->block_device_ && !(fs->machine_.k.dio_write_complete_inline && !unwritten);
}

bool Dio::ends_unseen() const { return !submitting && is_deferred() && !ends_in_caller(); }

Call<void> Dio::end_io(ExecContext& ctx) {
  bio_ended_at = machine::local_now(fs->machine_, ctx);
  if (submitting) {
    ended = true;
    return {};
  }
  if (is_deferred() && ends_in_caller()) {
    ++fs->counters.by_caller;
    by_caller = true;
    return completion->ki_complete(ctx);
  }
  if (is_deferred()) {
    ++fs->counters.deferred;
    return fs->dio_wq_->queue(ctx, *this);
  }
  ++fs->counters.in_completer;
  return fs->complete(ctx, *this);
}

Call<void> Dio::function(KTask& worker) {
  in_work_item = true;
  return fs->complete(worker, *this);
}

// xfs_iomap_write_unwritten, ext4_convert_unwritten_extents: a transaction, in a worker or the submitter.
Call<void> Filesystem::convert(ExecContext& ctx) {
  const auto& sleep = machine_.scenario.fs.convert_sleep_ns;
  const machine::Time wait = sleep.set ? machine::draw_ns(sleep, log_time_) : 0;
  if (wait > 0 && ctx.kind == ExecContext::Kind::task) {
    ++counters.log_waits;
    co_await log_.wait(static_cast<KTask&>(ctx), wait);
  }
  co_await run_cost(machine_, ctx, CostId::dio_convert);
}

Call<void> Filesystem::finish(ExecContext& ctx, const Dio& dio) {
  co_await run_cost(machine_, ctx, CostId::dio_complete);
  if (dio.unwritten) co_await convert(ctx);
}

Call<void> Filesystem::complete_in_submitter(KTask& t, Dio& dio) {
  ++counters.in_submitter;
  return complete(t, dio);
}

Call<void> Filesystem::complete(ExecContext& ctx, Dio& dio) {
  if (block_device_) return tell(ctx, dio);
  const bool tells_aio = !dio.unwritten && dio.completion == nullptr;
  return machine::after(ctx,
                        tells_aio ? machine::owe_cost(machine_, ctx, CostId::dio_complete)
                                  : run_cost(machine_, ctx, CostId::dio_complete),
                        [this, &ctx, &dio] { return dio.unwritten ? convert_and_tell(ctx, dio) : tell(ctx, dio); });
}

Call<void> Filesystem::convert_and_tell(ExecContext& ctx, Dio& dio) {
  co_await convert(ctx);
  co_await tell(ctx, dio);
}

Call<void> Filesystem::tell(ExecContext& ctx, Dio& dio) {
  return dio.completion != nullptr ? dio.completion->ki_complete(ctx) : dio.aio->complete(ctx, dio);
}

}  // namespace wakepath::fs
