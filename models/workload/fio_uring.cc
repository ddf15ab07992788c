// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/workload/fio_uring.h"

#include <algorithm>

namespace wakepath::workload {

using machine::Call;
using machine::CostId;
using machine::KTask;
using machine::Mode;
using machine::run_cost;

// fio asks for the newest flags and drops them one by one where the kernel refuses: a ring with SQPOLL has none of
// them.
io_uring::Setup FioUring::setup_of(const scenario::FioJob& conf) {
  io_uring::Setup s;
  const bool own_test = conf.ioengine == "t/io_uring";  // its ring has only what is asked for
  s.entries = conf.iodepth;
  s.cq_entries = own_test ? 0 : conf.iodepth;
  s.registered_ring = own_test;
  s.iopoll = conf.hipri;
  s.sqpoll = conf.sqthread_poll;
  s.sq_thread_cpu = conf.sqthread_poll_cpu;
  s.coop_taskrun = s.single_issuer = s.defer_taskrun = !conf.sqthread_poll && !own_test;
  return s;
}

FioUring::FioUring(machine::Machine& m, fs::Filesystem& fs, io_uring::IoWqs& pools, const scenario::FioJob& conf,
                   KTask& task, int index)
    : machine_(m), conf_(conf), tctx_(m, task, pools), ring_(m, fs, tctx_, setup_of(conf)) {
  ring_.tctx().max_workers = {conf.iowq_max_bounded.value_or(0), conf.iowq_max_unbounded.value_or(0)};
  constexpr std::uint64_t kInodes = 0xffff888104a00000ULL, kInodeBytes = 1024;
  for (int i = 0; i < std::max(1, conf.nrfiles); ++i) {
    io_uring::File& f = files_.emplace_back();
    f.inode.address =
        kInodes + kInodeBytes * (static_cast<std::uint64_t>(index) * 4096 + static_cast<std::uint64_t>(i));
    f.direct = conf.direct;
    f.block_device = fs.is_block_device();
  }
}

void FioUring::use(const std::vector<fs::File*>& files) {
  for (std::size_t i = 0; i < files_.size(); ++i) files_[i].inode.pages = files[i];
}

void FioUring::queue(const Io& io) {
  io_uring::Sqe e;
  e.op = io.sync ? io_uring::Op::fsync : io.write ? io_uring::Op::write : io_uring::Op::read;
  e.file = &files_[static_cast<std::size_t>(io.file)];
  e.offset = io.offset;
  e.bytes = static_cast<std::uint32_t>(conf_.bs);
  e.user_data = io.id;
  e.fixed_file = conf_.registerfiles || conf_.hipri || conf_.sqthread_poll;  // SQPOLL of old kernels needs them
  e.fixed_buffer = conf_.fixedbufs;
  e.nowait = conf_.nowait;
  ++queued_;
  e.async = conf_.force_async > 0 && queued_ % static_cast<std::uint64_t>(conf_.force_async) == 0;
  ring_.push(e);
}

Call<void> FioUring::commit(KTask& t, unsigned queued) {
  if (conf_.sqthread_poll) {
    if (ring_.needs_wakeup()) co_await ring_.enter(t, queued, 0, io_uring::Ring::kSqWakeup);
    co_return;
  }
  co_await ring_.enter(t, queued, 0, io_uring::Ring::kGetEvents);
}

// fio_ioring_getevents: with iodepth_batch_complete_min=0 it asks the kernel again and again instead of sleeping.
Call<int> FioUring::getevents(KTask& t, int min, int max, std::vector<std::uint64_t>& out) {
  int events = 0;
  for (;;) {
    const int ready = std::min(ring_.cq_ready(), max - events);
    for (int i = 0; i < ready; ++i) {
      co_await run_cost(machine_, t, CostId::fio_uring_reap, Mode::user);
      const io_uring::Cqe cqe = ring_.pop();
      failed_ = failed_ || (cqe.res < 0 && cqe.res != io_uring::Ring::kAgain);
      out.push_back(cqe.user_data);
    }
    events += ready;
    if (events >= min) break;
    if (ready > 0) continue;
    if (conf_.sqthread_poll)
      co_await run_cost(machine_, t, CostId::fio_reap_call, Mode::user);  // it spins
    else
      co_await ring_.enter(t, 0, static_cast<unsigned>(conf_.iodepth_batch_complete_min == 0 ? 0 : min - events),
                           io_uring::Ring::kGetEvents);
  }
  co_return events;
}

}  // namespace wakepath::workload
