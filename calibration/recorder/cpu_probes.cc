// SPDX-License-Identifier: GPL-2.0-or-later
// Probes that need no I/O. What each measures in terms of named costs: python/wakepath/recording/equations.toml.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>

#include "calibration/recorder/probe.h"

namespace wakepath::recorder {
namespace {

constexpr int kRepeat = 32;  // of what takes less than the clock can tell

void probe_clock(Probe& p) {
  Samples s("clock", p.samples(4000));
  while (!s.full()) {
    const auto begin = now_ns();
    for (int i = 0; i < kRepeat - 1; ++i) (void)now_ns();
    s.add((now_ns() - begin) / kRepeat);
  }
  p.out.cost(s);
}

void probe_syscall(Probe& p) {
  Samples s("syscall", p.samples(4000));
  while (!s.full()) {
    const auto begin = now_ns();
    for (int i = 0; i < kRepeat; ++i) ::syscall(SYS_getppid);
    s.add((now_ns() - begin) / kRepeat);
  }
  p.out.cost(s);
}

struct Pipe {
  std::array<int, 2> fd{-1, -1};
  Pipe() {
    if (::pipe2(fd.data(), O_CLOEXEC) != 0) fail("cannot make a pipe");
  }
  ~Pipe() {
    for (const int f : fd) ::close(f);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void give() const {
    const char byte = 0;
    if (::write(fd[1], &byte, 1) != 1) fail("cannot write to a pipe");
  }
  void take() const {
    char byte = 0;
    if (::read(fd[0], &byte, 1) != 1) fail("cannot read from a pipe");
  }
};

// Write and read one byte without anybody else.
void probe_pipe_alone(Probe& p) {
  const Pipe pipe;
  Samples s("pipe_alone", p.samples(4000));
  while (!s.full()) {
    const auto begin = now_ns();
    for (int i = 0; i < kRepeat; ++i) {
      pipe.give();
      pipe.take();
    }
    s.add((now_ns() - begin) / kRepeat);
  }
  p.out.cost(s);
}

bool enter_cgroup(const std::string& procs) {
  const int fd = ::open(procs.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool written = ::write(fd, "0", 1) == 1;
  ::close(fd);
  return written;
}

// Two processes hand one byte to and fro; a sample is half a round trip. The other process dies with this one.
void probe_ping_pong(Probe& p, const char* kind, int other_cpu, const std::string& cgroup_procs) {
  const Pipe there, back;
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) fail("cannot fork");
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(0);
    try {
      pin(other_cpu);
      if (!cgroup_procs.empty() && !enter_cgroup(cgroup_procs)) ::_exit(3);
      for (;;) {
        there.take();
        back.give();
      }
    } catch (...) {
      ::_exit(1);
    }
  }
  Samples s(kind, p.samples(20000));
  for (int i = 0; i < 2000 && !s.full(); ++i) {  // warm
    there.give();
    back.take();
  }
  while (!s.full()) {
    const auto begin = now_ns();
    there.give();
    back.take();
    s.add((now_ns() - begin) / 2);
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  p.out.cost(s);
}

// How late a timer wakes a task of an idle CPU.
void probe_sleep(Probe& p) {
  constexpr std::int64_t kSleepNs = 60'000;
  ::prctl(PR_SET_TIMERSLACK, 1);
  Samples s("sleep", p.samples(3000));
  while (!s.full()) {
    const auto until = now_ns() + kSleepNs;
    const timespec t{until / 1'000'000'000, until % 1'000'000'000};
    ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr);
    s.add(now_ns() - until);
  }
  p.out.cost(s);
}

// Gaps of a spinning task, beyond what reading the clock takes: ticks, other interrupts, the host's other guests.
void probe_gaps(Probe& p) {
  constexpr std::int64_t kGapNs = 500;
  Samples s("gap", 20000);
  const auto begin = now_ns();
  const auto until = begin + static_cast<std::int64_t>(p.seconds(1.0) * 1e9);
  auto last = begin;
  for (;;) {
    const auto now = now_ns();
    if (now - last > kGapNs) s.add(now - last);
    last = now;
    if (now >= until) break;
  }
  p.out.count("gap_window_us", (last - begin) / 1000, static_cast<std::int64_t>(s.size()));
  p.out.cost(s);
}

}  // namespace

void probe_cpu(Probe& p) {
  p.progress("clock and system calls", 0.0);
  probe_clock(p);
  probe_syscall(p);
  probe_pipe_alone(p);
  p.progress("switches", 0.03);
  probe_ping_pong(p, "pipe_same_cpu", p.options.cpu, "");
  if (!p.options.cgroup_procs.empty()) probe_ping_pong(p, "pipe_group", p.options.cpu, p.options.cgroup_procs);
  if (p.options.other_cpu >= 0) {
    p.progress("switches between CPUs", 0.06);
    probe_ping_pong(p, "pipe_cross_cpu", p.options.other_cpu, "");
  } else {
    p.out.lack("pipe_cross_cpu", "one CPU");
  }
  p.progress("timers", 0.1);
  probe_sleep(p);
  probe_gaps(p);
}

}  // namespace wakepath::recorder
