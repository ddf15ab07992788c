// SPDX-License-Identifier: GPL-2.0-or-later
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "calibration/recorder/probe.h"
#include "calibration/recorder/ring.h"

namespace wakepath::recorder {
namespace {

constexpr int kRepeat = 16;

void probe_enter(Probe& p) {
  Ring ring(8);
  Samples s("enter", p.samples(4000));
  while (!s.full()) {
    const auto begin = now_ns();
    for (int i = 0; i < kRepeat; ++i) ::syscall(__NR_io_uring_enter, ring.fd(), 0, 0, 0, nullptr, 0);
    s.add((now_ns() - begin) / kRepeat);
  }
  p.out.cost(s);
}

void submit_nops(Ring& ring, unsigned n, unsigned flags) {
  for (unsigned i = 0; i < n; ++i) {
    io_uring_sqe& sqe = ring.sqe();
    ::io_uring_prep_nop(&sqe);
    sqe.flags |= static_cast<std::uint8_t>(flags);
  }
}

void probe_nops(Probe& p, unsigned batch) {
  Ring ring(256);
  Samples s("nop/" + std::to_string(batch), p.samples(3000));
  while (!s.full()) {
    submit_nops(ring, batch, 0);
    const auto begin = now_ns();
    ring.submit();
    s.add(now_ns() - begin);
    ring.reap([](const io_uring_cqe&) {});
  }
  p.out.cost(s);
}

// Submit and wait for one NOP: here, or by a worker that is there already.
void probe_nop_wait(Probe& p, const char* kind, unsigned flags) {
  Ring ring(8);
  Samples s(kind, p.samples(3000));
  for (int i = 0; i < 200 + static_cast<int>(s.size()) || !s.full(); ++i) {
    submit_nops(ring, 1, flags);
    const auto begin = now_ns();
    ring.wait(1);
    const auto took = now_ns() - begin;
    if (i >= 200) s.add(took);
    ring.reap([](const io_uring_cqe&) {});
    if (s.full()) break;
  }
  p.out.cost(s);
}

// The submission that makes the first worker, each in a process of its own: in a process that has had one, it is there.
void probe_first_worker(Probe& p) {
  const std::size_t n = p.options.quick ? 8 : 40;
  Samples s("async_nop_first", n);
  while (!s.full()) {
    std::array<int, 2> fd{};
    if (::pipe(fd.data()) != 0) fail("cannot make a pipe");
    const pid_t child = ::fork();
    if (child < 0) fail("cannot fork");
    if (child == 0) {
      std::int64_t took = -1;
      try {
        Ring ring(8);
        submit_nops(ring, 1, 0);
        ring.wait(1);
        ring.reap([](const io_uring_cqe&) {});
        submit_nops(ring, 1, IOSQE_ASYNC);
        const auto begin = now_ns();
        ring.submit();
        took = now_ns() - begin;
        ring.wait(1);
      } catch (...) {
      }
      const auto written = ::write(fd[1], &took, sizeof took);
      ::_exit(written == sizeof took ? 0 : 1);
    }
    std::int64_t took = -1;
    const bool got = ::read(fd[0], &took, sizeof took) == sizeof took && took >= 0;
    ::close(fd[0]);
    ::close(fd[1]);
    ::waitpid(child, nullptr, 0);
    if (!got) return p.out.lack("async_nop_first", "the process that measures it failed");
    s.add(took);
  }
  p.out.cost(s);
}

}  // namespace

void probe_ring(Probe& p) {
  p.progress("io_uring", 0.15);
  probe_enter(p);
  for (const unsigned batch : {1U, 2U, 4U, 8U, 16U, 32U, 64U, 128U}) probe_nops(p, batch);
  probe_nop_wait(p, "nop_wait", 0);
  probe_nop_wait(p, "async_nop_wait", IOSQE_ASYNC);
  probe_first_worker(p);
}

}  // namespace wakepath::recorder
