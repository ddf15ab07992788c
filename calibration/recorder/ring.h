// SPDX-License-Identifier: GPL-2.0-or-later
// A ring of liburing that is closed when it goes away, with errors as exceptions.
#pragma once

#include <liburing.h>

#include <cstring>

#include "calibration/recorder/clock.h"

namespace wakepath::recorder {

class Ring {
 public:
  explicit Ring(unsigned entries, unsigned flags = 0) {
    const int ret = ::io_uring_queue_init(entries, &ring_, flags);
    if (ret < 0) fail("io_uring_setup", -ret);
  }
  ~Ring() { ::io_uring_queue_exit(&ring_); }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  io_uring* operator&() { return &ring_; }  // NOLINT(google-runtime-operator): liburing's functions take it so
  io_uring_sqe& sqe() {
    io_uring_sqe* s = ::io_uring_get_sqe(&ring_);
    if (s == nullptr) fail("the submission ring is full", EBUSY);
    return *s;
  }
  int submit() {
    const int ret = ::io_uring_submit(&ring_);
    if (ret < 0) fail("io_uring_enter", -ret);
    return ret;
  }
  void wait(unsigned n) {
    const int ret = ::io_uring_submit_and_wait(&ring_, n);
    if (ret < 0 && ret != -EINTR) fail("io_uring_enter", -ret);
  }
  // Takes what is there; the caller looks at each.
  template <class F>
  unsigned reap(F&& f) {
    unsigned head = 0, n = 0;
    io_uring_cqe* cqe = nullptr;
    io_uring_for_each_cqe(&ring_, head, cqe) {
      f(*cqe);
      ++n;
    }
    ::io_uring_cq_advance(&ring_, n);
    return n;
  }
  [[nodiscard]] int fd() const { return ring_.ring_fd; }

 private:
  io_uring ring_{};
};

}  // namespace wakepath::recorder
