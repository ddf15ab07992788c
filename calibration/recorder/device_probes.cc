// SPDX-License-Identifier: GPL-2.0-or-later
#include <time.h>

#include <string>

#include "calibration/recorder/load.h"

namespace wakepath::recorder {
namespace {

// One kind of request, its ring, and what can be done with it.
class Requests {
 public:
  Requests(Probe& p, Target& target, bool write)
      : p_(p), target_(target), ring_(256), bytes_(static_cast<unsigned>(p.options.bytes)), write_(write) {}

  [[nodiscard]] std::string kind(const char* what) const { return std::string(write_ ? "write_" : "read_") + what; }

  void prepare(int n) {
    for (int i = 0; i < n; ++i) {
      io_uring_sqe& sqe = ring_.sqe();
      const auto offset = static_cast<std::uint64_t>(target_.next_offset());
      char* buffer = target_.buffer(static_cast<std::size_t>(next_buffer_++ % 256));
      if (write_)
        ::io_uring_prep_write(&sqe, target_.fd(), buffer, bytes_, offset);
      else
        ::io_uring_prep_read(&sqe, target_.fd(), buffer, bytes_, offset);
    }
  }
  std::int64_t submit() {
    const auto begin = now_ns();
    ring_.submit();
    return now_ns() - begin;
  }
  int take() {
    return static_cast<int>(ring_.reap([](const io_uring_cqe& cqe) {
      if (cqe.res < 0) fail("a request failed", -cqe.res);
    }));
  }
  void spin(int n) {
    while (n > 0) n -= take();
  }

  // An idle device is given n requests at once: how long the call takes, until the first and the last are seen.
  void batches(int n, std::size_t count) {
    const std::string tail = "/" + std::to_string(n);
    Samples submitted(kind("submit") + tail, count), first(kind("first") + tail, count),
        last(kind("last") + tail, count);
    const std::int64_t interrupts = interrupts_of(p_.options.irq);
    while (!submitted.full()) {
      pause();
      prepare(n);
      const auto took = submit();
      const auto begin = now_ns();
      int left = n;
      while (left == n) left -= take();
      const auto seen = now_ns();
      spin(left);
      submitted.add(took);
      first.add(seen - begin);
      last.add(now_ns() - begin);
    }
    p_.out.count(kind("interrupts") + tail, static_cast<std::int64_t>(count),
                 interrupts_of(p_.options.irq) - interrupts);
    p_.out.cost(submitted);
    p_.out.cost(first);
    p_.out.cost(last);
  }

  // A single request to a device that is at work on another sixteen.
  void busy(std::size_t count) {
    Samples s(kind("submit_busy"), count);
    while (!s.full()) {
      pause();
      prepare(16);
      submit();
      prepare(1);
      s.add(submit());
      spin(17);
    }
    p_.out.cost(s);
  }

  // Batches one after the other, each waited for asleep, as a loop gives them: how long the call takes that submits.
  void calls(int n, std::size_t count) {
    Samples s(kind("call") + "/" + std::to_string(n), count);
    while (!s.full()) {
      prepare(n);
      s.add(submit());
      for (int left = n; left > 0; left -= take()) ring_.wait(1);
    }
    p_.out.cost(s);
  }

  // One request, waited for in the kernel.
  void blocking(std::size_t count) {
    Samples s(kind("block"), count);
    while (!s.full()) {
      pause();
      prepare(1);
      submit();
      const auto begin = now_ns();
      ring_.wait(1);
      s.add(now_ns() - begin);
      take();
    }
    p_.out.cost(s);
  }

 private:
  // Long enough for a device to go to sleep.
  static void pause() {
    const timespec t{0, 100'000};
    ::nanosleep(&t, nullptr);
  }
  Probe& p_;
  Target& target_;
  Ring ring_;
  unsigned bytes_;
  bool write_;
  int next_buffer_ = 0;
};

void probe_kind(Probe& p, Target& target, bool write, double share) {
  Requests r(p, target, write);
  // Seen from another CPU than the one the device interrupts, so that the interrupt is not in the way of looking.
  if (p.options.other_cpu >= 0) pin(p.options.other_cpu);
  for (const int n : {1, 2, 4, 8, 16, 32, 64}) {
    p.progress(write ? "device, writes" : "device, reads", share + 0.02 * n / 64);
    if (p.is_time_up()) return p.out.lack(write ? "device writes" : "device reads", "no time left");
    r.batches(n, p.samples(n == 1 ? 1500 : 400));
  }
  r.busy(p.samples(400));
  r.blocking(p.samples(1000));
  // On the loops' CPU: what the host takes for a doorbell is not the same on each. Few enough to end before the first
  // interrupt.
  pin(p.options.cpu);
  for (const int n : {1, 2, 4, 8, 16}) r.calls(n, p.samples(400));
}

}  // namespace

void probe_device(Probe& p) {
  Target target(p.options, 256);
  p.out.target(p.options.target, target.is_block_device(), target.size());
  if (!p.options.read_only) probe_kind(p, target, true, 0.25);
  probe_kind(p, target, false, 0.35);
}

}  // namespace wakepath::recorder
