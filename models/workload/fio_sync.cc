// SPDX-License-Identifier: GPL-2.0-or-later
// fio's synchronous side: the engines psync and sync, one call at a time; fsync and fdatasync between writes; and
// buffered I/O under libaio, which is done within io_submit. Source: fio io_u.c (get_rw_ddir), engines/sync.c,
// ioengines.h (do_io_u_sync); fs/aio.c with a file without O_DIRECT.
#include "models/workload/fio.h"

namespace wakepath::workload {

using machine::CostId;
using machine::Mode;
using machine::run_cost;

// The call's kernel part: between entry and exit.
Call<void> FioJob::transfer(KTask& t, const IoU& u) {
  const fs::Dio& io = u.dio;
  fs::File& file = *files_[static_cast<std::size_t>(u.file)];
  const auto offset = static_cast<std::int64_t>(io.sector) * 512;
  if (conf_.direct)
    co_await cache_->direct(t, file, offset, conf_.bs, io.write);
  else if (io.write)
    co_await cache_->write(t, dirtier_, file, offset, conf_.bs);
  else
    co_await cache_->read(t, file, offset, conf_.bs);
  if (io.write && conf_.sync != "none") co_await cache_->fsync(t, file, conf_.sync == "dsync");
}

Call<void> FioJob::leave_kernel(KTask& t) {
  if (t.work_at_user_exit()) co_await machine::exit_to_user_mode_loop(t);
  co_await run_cost(machine_, t, CostId::syscall_exit, Mode::irqs_off);
}

Call<void> FioJob::sync_body(KTask& t) {
  if (conf_.startdelay_ns > machine_.now()) co_await machine::sleep_until(t, *sleep_, conf_.startdelay_ns);
  IoU& u = *io_us_.front();
  for (;;) {
    co_await sync_when_due(t);
    if (left_of_pass_ == 0) co_await begin_pass(t);
    bool write = draw_write();
    if (conf_.rate_iops > 0) write = co_await keep_rate(t, write);
    ++in_use_;
    ++issued_[write ? 1 : 0];
    ++submitted_;
    u.start = machine_.now();
    co_await run_cost(machine_, t, CostId::fio_prep_io, Mode::user);
    fill(u, false, write);
    if (verify_ > 0 && u.dio.write) co_await checksum(t);
    u.issue = machine_.now();
    co_await run_cost(machine_, t, CostId::syscall_entry);
    co_await transfer(t, u);
    co_await leave_kernel(t);
    co_await run_cost(machine_, t, CostId::fio_reap_event, Mode::user);
    count(u);
    if (verify_ > 0 && !u.dio.write) co_await checksum(t);
    if (conf_.thinktime_ns > 0) co_await think(t);
    free_.pop_back();  // there is one, and it is this one's turn again
  }
}

// fio's fsync and fdatasync: before the I/O that follows the n-th write.
Call<void> FioJob::sync_when_due(KTask& t) {
  const auto due = [&](int every) {
    return every > 0 && writes_issued_ > 0 && writes_issued_ % static_cast<std::uint64_t>(every) == 0;
  };
  if (cache_ == nullptr || writes_issued_ == synced_at_ || !(due(conf_.fsync) || due(conf_.fdatasync))) co_return;
  if (!queued_.empty()) co_await commit(t);  // libaio: what is queued goes out first; what is in flight is not awaited
  synced_at_ = writes_issued_;
  const machine::Time began = machine_.now();
  co_await run_cost(machine_, t, CostId::syscall_entry);
  // A sync has its turn of the files like any I/O.
  co_await cache_->fsync(t, *files_[static_cast<std::size_t>(take_file())], !due(conf_.fsync));
  co_await leave_kernel(t);
  ++window_.syncs;
  window_.sync_lat.record(machine_.now() - began);
}

}  // namespace wakepath::workload
