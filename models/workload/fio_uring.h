// SPDX-License-Identifier: GPL-2.0-or-later
// fio's io_uring engine (engines/io_uring.c, fio 3.33): one ring of the job's depth, submission by io_uring_enter with
// GETEVENTS and nothing to wait for, so that a DEFER_TASKRUN ring runs its ready work; reaping without a call while the
// ring has events. With sqthread_poll no call at all while the SQPOLL thread is awake.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "models/io_uring/ring.h"
#include "models/scenario/scenario.h"

namespace wakepath::workload {

class FioUring {
 public:
  FioUring(machine::Machine& m, fs::Filesystem& fs, io_uring::IoWqs& pools, const scenario::FioJob& conf,
           machine::KTask& task, int index);

  void use(const std::vector<fs::File*>& files);  // for buffered I/O and fsync
  struct Io {                                     // what the engine is told of one io_u
    std::uint64_t id = 0, offset = 0;
    bool write = true, sync = false;
    int file = 0;
  };
  void queue(const Io& io);
  machine::Call<void> commit(machine::KTask& t, unsigned queued);
  // At least `min`, at most `max` events: their ids to `out`.
  machine::Call<int> getevents(machine::KTask& t, int min, int max, std::vector<std::uint64_t>& out);

  [[nodiscard]] bool failed() const { return failed_; }  // some CQE had an error
  [[nodiscard]] int files() const { return static_cast<int>(files_.size()); }
  io_uring::Ring& ring() { return ring_; }
  [[nodiscard]] const io_uring::Ring& ring() const { return ring_; }
  io_uring::Tctx& tctx() { return tctx_; }
  [[nodiscard]] const io_uring::Tctx& tctx() const { return tctx_; }

 private:
  static io_uring::Setup setup_of(const scenario::FioJob& conf);
  machine::Machine& machine_;
  const scenario::FioJob& conf_;
  io_uring::Tctx tctx_;
  io_uring::Ring ring_;
  std::deque<io_uring::File> files_;
  std::uint64_t queued_ = 0;  // for force_async
  bool failed_ = false;
};

}  // namespace wakepath::workload
