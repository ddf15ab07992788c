// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/workload/fio.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "models/machine/sleep.h"

namespace wakepath::workload {

using machine::CostId;
using machine::Mode;
using machine::owe_cost;
using machine::run_cost;
using sched::State;
using trace::EventType;

namespace {

// Time of a checksum in times of crc32: MiB/s of `fio --crctest` on vm-2cpu-6.18, idle (fio 3.33).
double verify_ratio(const std::string& name) {
  static constexpr double kCrc32 = 387;
  static constexpr std::pair<const char*, double> kMibPerS[] = {
      {"crc16", 432},     {"crc32", kCrc32},  {"crc32c", 9259},   {"crc32c-intel", 9259}, {"crc64", 442},
      {"md5", 676},       {"sha1", 813},      {"sha256", 316},    {"sha512", 490},        {"sha3-224", 93.5},
      {"sha3-256", 88.1}, {"sha3-384", 67.5}, {"sha3-512", 47.3}, {"xxhash", 1611}};
  for (const auto& [known, rate] : kMibPerS)
    if (name == known) return kCrc32 / rate;
  return 0;
}

}  // namespace

FioJob::FioJob(Machine& m, fs::Filesystem& fs, io_uring::IoWqs& pools, const scenario::FioJob& conf, int index, int cpu,
               bool pinned)
    : machine_(m),
      fs_(fs),
      conf_(conf),
      aio_(m),
      offsets_(m.scenario.run.seed, "fio." + conf.name + ".offset", static_cast<std::uint64_t>(index)),
      mix_(m.scenario.run.seed, "fio." + conf.name + ".mix", static_cast<std::uint64_t>(index)) {
  low_ = conf.iodepth_low == 0 || conf.iodepth_low > conf.iodepth ? conf.iodepth : conf.iodepth_low;
  batch_ = conf.iodepth_batch_submit == 0 || conf.iodepth_batch_submit > conf.iodepth ? conf.iodepth
                                                                                      : conf.iodepth_batch_submit;
  complete_min_ = std::min(conf.iodepth_batch_complete_min, conf.iodepth);
  complete_max_ = std::max(conf.iodepth_batch_complete_max, complete_min_);
  const std::int64_t size = conf.size > 0 ? conf.size : std::int64_t{1} << 30;
  const int files = std::max(1, conf.nrfiles);
  blocks_ = static_cast<std::uint64_t>(
      std::max<std::int64_t>(1, (conf.filesize > 0 ? conf.filesize : size / files) / conf.bs));
  next_blocks_.resize(static_cast<std::size_t>(files));
  inodes_.resize(static_cast<std::size_t>(files));
  left_of_pass_ = blocks_ * static_cast<std::uint64_t>(files);
  verify_ = verify_ratio(conf.verify) * static_cast<double>(conf.bs) / 1024;
  mixed_ = conf.rw == "randrw" || conf.rw == "rw" || conf.rw == "readwrite";
  writes_ = conf.rw.find("write") != std::string::npos;
  sequential_ = conf.rw.rfind("rand", 0) != 0;
  owes_ = conf.ioengine == "libaio" && conf.direct && conf.rate_iops == 0 && conf.thinktime_ns == 0 &&
          !conf.reap_thread && verify_ == 0 && !needs_page_cache(conf);
  ctx_id_ = 0x7f0000000000ULL + static_cast<std::uint64_t>(index) * 0x1000;
  const auto policy = conf.policy == "batch"  ? sched::Policy::batch
                      : conf.policy == "idle" ? sched::Policy::idle
                                              : sched::Policy::other;
  const std::string& group = m.group_of_session(conf.cgroup, fmt::format("fio {} {}", conf.name, index));
  task_ = &m.add_task("fio", "fio", group, conf.nice, cpu, pinned, false, policy);
  for (int i = 0; i < conf.iodepth; ++i) {
    io_us_.push_back(std::make_unique<IoU>());
    IoU& u = *io_us_.back();
    u.dio.aio = &aio_;
    u.dio.owner = &u;
    u.dio.bytes = static_cast<std::uint32_t>(conf.bs);
    u.dio.id = static_cast<std::uint64_t>(i) + 1;
    free_.push_back(&u);
  }
  if (conf.ioengine == "io_uring" || conf.ioengine == "t/io_uring") {
    uring_ = std::make_unique<FioUring>(m, fs, pools, conf, *task_, index);
    for (int i = 0; i < conf.iodepth; ++i) io_us_[static_cast<std::size_t>(i)]->dio.id = static_cast<std::uint64_t>(i);
  }
  sleep_ = std::make_shared<machine::SleepTimer>(m);
  task_->body = conf.ioengine == "t/io_uring" ? t_io_uring_body(*task_) : body(*task_);
  task_->resume_at = task_->body.handle();
  if (!conf.reap_thread) return;
  reaper_ = &m.add_task("fio_reaper", "fio", group, conf.nice, cpu, pinned, false, policy);
  reaper_->body = reaper_body(*reaper_);
  reaper_->resume_at = reaper_->body.handle();
}

// should_fsync: while the number of writes issued is a multiple of conf.fsync and the I/O completed last is a write
// (fio 3.33 looks at td->last_ddir, which a completion sets): at a depth of n, n writes are followed by n syncs.
bool FioJob::is_sync_due() const {
  return uring_ != nullptr && conf_.fsync > 0 && write_completed_last_ && writes_issued_ > 0 &&
         writes_issued_ % static_cast<std::uint64_t>(conf_.fsync) == 0;
}

void FioJob::fill(IoU& u, bool sync, bool write) {
  u.file = take_file();
  u.sync = sync;
  if (sync) return;
  const std::uint64_t block =
      sequential_ ? next_blocks_[static_cast<std::size_t>(u.file)]++ % blocks_ : offsets_.uniform(blocks_);
  left_of_pass_ -= sequential_;
  u.dio.sector = block * (static_cast<std::uint64_t>(conf_.bs) / 512);
  u.dio.inode = &inodes_[static_cast<std::size_t>(u.file)];
  u.dio.write = write;
  writes_issued_ += u.dio.write;
}

bool FioJob::needs_page_cache(const scenario::FioJob& c) {
  const bool synchronous = c.ioengine == "psync" || c.ioengine == "sync";
  const bool uring = c.ioengine == "io_uring" || c.ioengine == "t/io_uring";
  return synchronous || (uring && (!c.direct || c.fsync > 0)) ||
         (c.ioengine == "libaio" && (!c.direct || c.fsync > 0 || c.fdatasync > 0));
}

void FioJob::use(fs::PageCache& cache) {
  cache_ = &cache;
  for (int i = 0; i < files(); ++i) files_.push_back(&cache.add_file(static_cast<std::int64_t>(blocks_) * conf_.bs));
  if (uring_ != nullptr) uring_->use(files_);
}

// What is queued goes out and all in flight is taken before fio sleeps (io_u_quiesce), lest the sleep be their latency.
Call<void> FioJob::quiesce(KTask& t) {
  if (!queued_.empty()) co_await commit(t);
  if (reaper_ != nullptr) co_return;  // takes them meanwhile
  while (in_use_ > 0) co_await reap(t, 1);
}

// rate_iops is of each direction (rate_ddir): one that is ahead leaves its turn to the other; where both are, fio
// sleeps until the one due first, from when nothing is in flight any more. The direction of the next I/O.
Call<bool> FioJob::keep_rate(KTask& t, bool write) {
  const auto due = [&](bool w) {
    return conf_.startdelay_ns + static_cast<Time>(issued_[w ? 1 : 0]) * 1'000'000'000 / conf_.rate_iops;
  };
  const Time now = machine_.now();
  const bool other_too = mixed_ && (write ? conf_.rwmixread > 0 : conf_.rwmixread < 100);
  if (due(write) > now && other_too && due(!write) < due(write)) write = !write;
  if (const Time ahead = due(write) - now; ahead > 0) {
    co_await quiesce(t);
    co_await machine::sleep_until(t, *sleep_, machine_.now() + ahead);
  }
  co_return write;
}

// handle_thinktime: what is taken while nothing may be in flight any more counts for the next pause.
Call<void> FioJob::think(KTask& t) {
  const std::uint64_t done = transferred_;
  if (done < thought_at_ + static_cast<std::uint64_t>(std::max(1, conf_.thinktime_blocks))) co_return;
  co_await quiesce(t);
  co_await machine::sleep_until(t, *sleep_, machine_.now() + conf_.thinktime_ns);
  thought_at_ = done;
}

// What a sequential job does at the end of its files (loop_cache_invalidate; with several files they are closed, when
// nothing is in flight any more, and opened again): what goes through the page cache is dropped from there.
Call<void> FioJob::begin_pass(KTask& t) {
  if (files() > 1 && reaper_ != nullptr) {
    co_await spin_until(t, 0);
  } else if (files() > 1 && in_use_ > 0) {
    co_await reap(t, in_use_);
  }
  left_of_pass_ = blocks_ * static_cast<std::uint64_t>(files());
  if (conf_.direct || !conf_.invalidate) co_return;
  for (fs::File* file : files_) {
    co_await run_cost(machine_, t, CostId::syscall_entry);
    co_await cache_->drop(t, *file);
    co_await leave_kernel(t);
  }
}

machine::Body FioJob::body(KTask& t) {
  if (conf_.ioengine == "psync" || conf_.ioengine == "sync") co_return co_await sync_body(t);
  if (conf_.startdelay_ns > machine_.now()) co_await machine::sleep_until(t, *sleep_, conf_.startdelay_ns);
  int since_commit = 0;  // keeps counting across the commits hidden in reap
  for (;;) {
    if (failed_) co_return co_await end(t);  // continue_on_error=none
    if (cache_ != nullptr && uring_ == nullptr) co_await sync_when_due(t);
    if (left_of_pass_ == 0 && !is_sync_due()) co_await begin_pass(t);
    const bool sync = is_sync_due();
    bool write = !sync && draw_write();
    if (conf_.rate_iops > 0 && !sync) write = co_await keep_rate(t, write);
    IoU& u = *free_.back();
    free_.pop_back();
    ++in_use_;
    issued_[write ? 1 : 0] += !sync;
    u.start = machine::local_now(machine_, t);
    if (owes_)
      co_await owe_cost(machine_, t, CostId::fio_prep_io, Mode::user);
    else
      co_await run_cost(machine_, t, CostId::fio_prep_io, Mode::user);
    fill(u, sync, write);
    if (verify_ > 0 && u.dio.write) co_await checksum(t);
    if (uring_ != nullptr) {
      co_await run_cost(machine_, t, CostId::fio_uring_prep, Mode::user);
      uring_->queue({u.dio.id, u.dio.sector * 512, u.dio.write, u.sync, u.file});
    }
    queued_.push_back(&u);
    if (++since_commit >= batch_) {
      co_await commit(t);
      since_commit = 0;
    }
    const bool full = free_.empty();
    if (reaper_ != nullptr) {
      if (full) co_await spin_until(t, std::min(low_, conf_.iodepth - 1));
    } else if (full || (complete_min_ == 0 && complete_max_ == 0)) {  // wait_for_completions
      const int min = complete_min_ == 0 ? 1 : std::min(complete_min_, in_use_);
      do {
        co_await reap(t, min);
      } while (full && in_use_ > low_);
    }
    if (!owes_) co_await t.settle();
    if (conf_.thinktime_ns > 0 && !sync) co_await think(t);
  }
}

// Until the reaper has left no more than `in_use`.
Call<void> FioJob::spin_until(KTask& t, int in_use) {
  if (!queued_.empty()) co_await commit(t);
  while (in_use_ > in_use && !failed_) co_await run_cost(machine_, t, CostId::aio_user_reap, Mode::user);
}

// reap_thread: the job's second thread, which does nothing else.
machine::Body FioJob::reaper_body(KTask& t) {
  while (!failed_) {
    co_await sys_io_getevents(t, complete_min_, complete_max_);
    co_await owe_cost(machine_, t, CostId::fio_reap_call, Mode::user);
    co_await finish_events(t);
    co_await t.settle();  // the job may end
  }
  co_await end(t);
}

Call<void> FioJob::reap(KTask& t, int min) {
  if (min > 0 && !queued_.empty()) co_await commit(t);
  const int max = std::max(std::min(complete_max_, in_use_), min);
  if (uring_ != nullptr) {
    co_await uring_->getevents(t, min, max, ids_);
    co_await run_cost(machine_, t, CostId::fio_reap_call, Mode::user);
    for (const std::uint64_t id : ids_) co_await finish_event(t, *io_us_[id]);
    ids_.clear();
    co_return;
  }
  int events = 0;
  do {
    const int missing = std::max(0, min - events);
    const int n = conf_.userspace_reap && complete_min_ == 0
                      ? co_await look_at_ring(t, max - events)
                      : co_await sys_io_getevents(t, complete_min_ == 0 ? 0 : missing, max - events);
    events += n;
    co_await owe_cost(machine_, t, CostId::fio_reap_call, Mode::user);
  } while (events < min);
  co_await finish_events(t);
}

Call<void> FioJob::finish_events(KTask& t) {
  for (aio::Iocb* e : events_) {
    IoU& u = *static_cast<IoU*>(e->owner);
    __builtin_prefetch(&u);
    __builtin_prefetch(&u.start);
    co_await run_cost(machine_, t, CostId::fio_reap_event, Mode::user);
    count(u);
    if (verify_ > 0 && !u.dio.write) co_await checksum(t);
  }
  events_.clear();
}

Call<void> FioJob::finish_event(KTask& t, IoU& u) {
  co_await run_cost(machine_, t, CostId::fio_reap_event, Mode::user);
  count(u);
  if (verify_ > 0 && !u.dio.write && !u.sync) co_await checksum(t);
}

Call<void> FioJob::checksum(KTask& t) {
  const auto ns = static_cast<double>(machine_.cost(CostId::fio_verify_kib)) * verify_;
  co_await t.run_ns(static_cast<Time>(ns), Mode::user);
}

Call<void> FioJob::end(KTask& t) { co_await machine_.exit_task(t); }

void FioJob::sort_in() const {
  for (const Latencies& l : std::span(latest_).first(std::exchange(waiting_, 0))) {
    window_.slat.record(l.slat);
    window_.clat.record(l.clat);
    window_.lat.record(l.lat);
  }
}

void FioJob::count(IoU& u) {
  const Time now = machine_.now();
  write_completed_last_ = !u.sync && u.dio.write;
  failed_ = failed_ || u.dio.failed || (uring_ != nullptr && uring_->failed());
  if (u.sync) {
    ++window_.syncs;
  } else {
    ++transferred_;
    ++window_.completed;
    window_.reads += !u.dio.write;
    latest_[waiting_++] = {u.issue - u.start, std::max<Time>(0, now - u.issue), now - u.start};
    if (waiting_ == latest_.size()) sort_in();
  }
  ++reaped_;
  --in_use_;
  free_.push_back(&u);
}

Call<void> FioJob::commit(KTask& t) {
  if (uring_ != nullptr) {
    co_await run_cost(machine_, t, CostId::fio_submit_call, Mode::user);
    ++window_.submit_calls;
    co_await uring_->commit(t, static_cast<unsigned>(queued_.size()));
    submitted_ += queued_.size();
    for (IoU* u : queued_) u->issue = machine_.now();
  } else {
    co_await commit_ring(t);
  }
  queued_.clear();
}

// fio_libaio_commit: what is queued lies in a ring as long as the depth, and io_submit takes an array: up to the
// ring's end, then the rest.
Call<void> FioJob::commit_ring(KTask& t) {
  const std::size_t entries = io_us_.size();
  for (std::size_t at = 0; at < queued_.size();) {
    const auto batch = std::span(queued_).subspan(at, std::min(queued_.size() - at, entries - ring_tail_));
    co_await owe_cost(machine_, t, CostId::fio_submit_call, Mode::user);
    co_await sys_io_submit(t, batch);
    const Time now = machine::local_now(machine_, t);
    for (IoU* u : batch) u->issue = now;  // fio_libaio_queued: after io_submit returned
    ring_tail_ = (ring_tail_ + batch.size()) % entries;
    at += batch.size();
  }
}

Call<void> FioJob::sys_io_submit(KTask& t, std::span<IoU* const> batch) {
  constexpr std::size_t kPlugThreshold = 2;  // AIO_PLUG_THRESHOLD
  const auto nr = static_cast<std::int64_t>(batch.size());
  co_await owe_cost(machine_, t, CostId::syscall_entry);
  machine_.tp.syscall(*t.cpu, EventType::sys_enter_io_submit, ctx_id_, nr, 0, 0);
  co_await owe_cost(machine_, t, CostId::io_submit_call);
  block::Plug plug;
  plug.owes = true;
  block::Plug* use = batch.size() > kPlugThreshold ? &plug : nullptr;
  for (IoU* u : batch) {
    co_await machine::owe_with_points(machine_, t, machine_.cost(CostId::io_submit_iocb), aio::kIocbPoints);
    // Stands if a reaper has it before the call returns, as what is submitted does.
    u->issue = machine::local_now(machine_, t);
    ++submitted_;
    if (!conf_.direct) {  // done within the call: the event is in the ring when it returns
      co_await t.settle();
      co_await transfer(t, *u);
      co_await aio_.complete(t, u->dio);
    } else {
      co_await fs_.submit(t, u->dio, use);
      if (u->dio.put()) co_await fs_.complete_in_submitter(t, u->dio);
    }
  }
  if (use != nullptr) co_await fs_.queue().flush_plug(t, plug, false);
  ++window_.submit_calls;
  machine_.tp.syscall(*t.cpu, EventType::sys_exit_io_submit, ctx_id_, 0, 0, nr);
  if (!t.passes_user_exit()) co_await machine::exit_to_user_mode_loop(t);
  co_await owe_cost(machine_, t, CostId::syscall_exit, Mode::irqs_off);
}

// fio's user_io_getevents: what lies in the ring is taken in user mode.
Call<int> FioJob::look_at_ring(KTask& t, int nr) {
  co_await run_cost(machine_, t, CostId::aio_user_reap, Mode::user);
  co_return aio_.take(nr, events_);
}

Call<int> FioJob::sys_io_getevents(KTask& t, int min_nr, int nr) {
  ++window_.getevents_calls;
  return aio_.sys_io_getevents(t, ctx_id_, min_nr, nr, events_);
}

}  // namespace wakepath::workload
