// SPDX-License-Identifier: GPL-2.0-or-later
// fio's libaio and io_uring jobs as fio runs them: the do_io loop with its queue depth, batches and hidden commits,
// io_submit and io_getevents with their kernel side, and fio's meanings of slat, clat and lat. Source: fio backend.c,
// ioengines.c, engines/libaio.c as specified in io-completion.md 5.2 and 5.6.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "models/aio/aio.h"
#include "models/fs/dio.h"
#include "models/fs/page_cache.h"
#include "models/machine/machine.h"
#include "models/machine/sleep.h"
#include "models/workload/fio_uring.h"
#include "sim/engine/random.h"
#include "sim/engine/stats.h"

namespace wakepath::workload {

using machine::Call;
using machine::KTask;
using machine::Machine;
using machine::Time;

class FioJob {
 public:
  FioJob(Machine& m, fs::Filesystem& fs, io_uring::IoWqs& pools, const scenario::FioJob& conf, int index, int cpu,
         bool pinned);

  struct Window {  // figures since reset(): latencies in ns
    std::uint64_t completed = 0, reads = 0, submit_calls = 0, getevents_calls = 0, syncs = 0;
    mutable engine::Histogram slat, clat, lat;
    engine::Histogram sync_lat;
  };
  // For what goes through the page cache, sleeps in its call, or is synced: files of its own in it.
  void use(fs::PageCache& cache);
  [[nodiscard]] static bool needs_page_cache(const scenario::FioJob& conf);
  void reset_window() {
    window_ = Window{};
    waiting_ = 0;
  }
  [[nodiscard]] const Window& window() const {
    sort_in();
    return window_;
  }
  [[nodiscard]] const scenario::FioJob& conf() const { return conf_; }
  [[nodiscard]] KTask& task() { return *task_; }
  [[nodiscard]] KTask* reaper() { return reaper_; }  // reap_thread; null: the job takes its completions itself
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] std::uint64_t submitted() const { return submitted_; }
  [[nodiscard]] std::uint64_t reaped() const { return reaped_; }
  [[nodiscard]] int in_use() const { return in_use_; }
  [[nodiscard]] int queued() const { return static_cast<int>(queued_.size()); }
  [[nodiscard]] const aio::Context& aio() const { return aio_; }
  [[nodiscard]] FioUring* uring() const { return uring_.get(); }  // null: libaio

 private:
  struct IoU {
    fs::Dio dio;
    Time start = 0, issue = 0;
    bool sync = false;
    int file = 0;
  };
  machine::Body body(KTask& t);
  machine::Body t_io_uring_body(KTask& t);
  machine::Body reaper_body(KTask& t);
  Call<void> quiesce(KTask& t);
  Call<bool> keep_rate(KTask& t, bool write);
  Call<void> think(KTask& t);
  Call<void> begin_pass(KTask& t);
  [[nodiscard]] int files() const { return std::max(1, conf_.nrfiles); }
  Call<void> commit(KTask& t);  // io_submit of what is queued: not nothing
  Call<void> reap(KTask& t, int min);
  Call<void> spin_until(KTask& t, int in_use);
  Call<void> finish_events(KTask& t);  // libaio's
  Call<void> commit_ring(KTask& t);
  Call<void> sys_io_submit(KTask& t, std::span<IoU* const> batch);
  Call<int> sys_io_getevents(KTask& t, int min_nr, int nr);
  bool draw_write() { return mixed_ ? static_cast<int>(mix_.uniform(100)) >= conf_.rwmixread : writes_; }
  void fill(IoU& u, bool sync, bool write);
  int take_file() {
    return std::exchange(next_file_, next_file_ + 1 < conf_.nrfiles ? next_file_ + 1 : 0);
  }  // round robin
  [[nodiscard]] bool is_sync_due() const;
  Call<void> finish_event(KTask& t, IoU& u);
  Call<void> checksum(KTask& t);  // of a block, where it verifies
  Call<void> end(KTask& t);
  void count(IoU& u);
  Call<int> look_at_ring(KTask& t, int nr);  // userspace_reap
  // fio_sync.cc
  Call<void> sync_body(KTask& t);
  Call<void> transfer(KTask& t, const IoU& u);
  Call<void> leave_kernel(KTask& t);
  Call<void> sync_when_due(KTask& t);

  Machine& machine_;
  fs::Filesystem& fs_;
  const scenario::FioJob& conf_;
  aio::Context aio_;
  KTask *task_ = nullptr, *reaper_ = nullptr;
  std::vector<std::unique_ptr<IoU>> io_us_;
  std::vector<IoU*> free_, queued_;
  std::size_t ring_tail_ = 0;  // libaio: where in fio's ring the next commit begins
  std::vector<aio::Iocb*> events_;
  std::unique_ptr<FioUring> uring_;
  std::vector<std::uint64_t> ids_;
  std::uint64_t writes_issued_ = 0;
  bool write_completed_last_ = false;
  int next_file_ = 0;
  engine::RandomStream offsets_, mix_;
  int batch_, complete_min_, complete_max_, low_;
  double verify_ = 0;                    // checksum of a block, in costs of fio_verify_kib
  bool mixed_ = false, writes_ = false;  // of rw: reads and writes drawn by rwmixread, or writes only
  bool sequential_ = false;
  std::vector<std::uint64_t> next_blocks_;  // sequential: by file
  std::uint64_t left_of_pass_;              // sequential: I/Os until all files are at their end
  bool owes_;                               // between I/Os it looks at no clock and at nothing that others change
  // The latest I/Os, which the histograms have not yet: among many jobs those are out of the caches at each.
  struct Latencies {
    Time slat, clat, lat;
  };
  void sort_in() const;
  mutable std::size_t waiting_ = 0;
  std::array<Latencies, 21> latest_;
  bool failed_ = false;  // an I/O ended with an error: fio ends
  int in_use_ = 0;
  std::uint64_t submitted_ = 0, reaped_ = 0, transferred_ = 0;
  std::uint64_t issued_[2] = {0, 0};  // reads, writes
  std::uint64_t thought_at_ = 0;      // thinktime: what had been transferred when the last pause was due
  fs::PageCache* cache_ = nullptr;
  std::vector<fs::File*> files_;
  std::vector<fs::Inode> inodes_;  // of each file: a direct write changes its timestamps once a tick
  fs::Dirtier dirtier_;
  std::uint64_t synced_at_ = 0;
  std::uint64_t blocks_, ctx_id_;  // blocks of each file
  std::shared_ptr<machine::SleepTimer> sleep_;
  Window window_;
};

}  // namespace wakepath::workload
