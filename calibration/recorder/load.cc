// SPDX-License-Identifier: GPL-2.0-or-later
#include "calibration/recorder/load.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <fstream>
#include <sstream>

namespace wakepath::recorder {

Target::Target(const Options& o, std::size_t buffers) : bytes_(o.bytes) {
  fd_ = ::open(o.target.c_str(), (o.read_only ? O_RDONLY : O_RDWR) | O_DIRECT | O_CLOEXEC);
  if (fd_ < 0) fail("cannot open " + o.target + " past the page cache");
  struct stat st {};
  if (::fstat(fd_, &st) != 0) fail("cannot look at " + o.target);
  block_device_ = S_ISBLK(st.st_mode);
  std::uint64_t size = static_cast<std::uint64_t>(st.st_size);
  if (block_device_ && ::ioctl(fd_, BLKGETSIZE64, &size) != 0) fail("cannot tell the size of " + o.target);
  blocks_ = static_cast<std::int64_t>(size) / bytes_;
  if (blocks_ < 64) throw std::runtime_error(o.target + " is too small: 64 requests must fit");
  stride_ = (static_cast<std::size_t>(bytes_) + 4095) / 4096 * 4096;
  void* memory =
      ::mmap(nullptr, stride_ * buffers, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) fail("no memory for the buffers");
  memory_ = static_cast<char*>(memory);
  std::memset(memory_, 0x5a, stride_ * buffers);
}

Target::~Target() { ::close(fd_); }

std::int64_t Target::next_offset() {
  state_ ^= state_ << 13U;
  state_ ^= state_ >> 7U;
  state_ ^= state_ << 17U;
  return static_cast<std::int64_t>(state_ % static_cast<std::uint64_t>(blocks_)) * bytes_;
}

std::int64_t interrupts_of(int irq) {
  if (irq < 0) return 0;
  std::ifstream in("/proc/interrupts");
  for (std::string text; std::getline(in, text);) {
    std::istringstream line(text);
    std::string name;
    line >> name;
    if (name != std::to_string(irq) + ":") continue;
    std::int64_t sum = 0, n = 0;
    while (line >> n) sum += n;
    return sum;
  }
  return 0;
}

namespace {

// Counters of this thread at one moment.
struct Usage {
  std::int64_t at_ns = 0, cpu_ns = 0, user_ns = 0, system_ns = 0, voluntary = 0, involuntary = 0, run_ns = 0,
               wait_ns = 0, interrupts = 0;
};

Usage usage_now(int irq) {
  Usage u;
  rusage r{};
  ::getrusage(RUSAGE_THREAD, &r);
  u.user_ns = r.ru_utime.tv_sec * 1'000'000'000LL + r.ru_utime.tv_usec * 1000LL;
  u.system_ns = r.ru_stime.tv_sec * 1'000'000'000LL + r.ru_stime.tv_usec * 1000LL;
  u.voluntary = r.ru_nvcsw;
  u.involuntary = r.ru_nivcsw;
  std::ifstream("/proc/thread-self/schedstat") >> u.run_ns >> u.wait_ns;
  u.interrupts = interrupts_of(irq);
  u.cpu_ns = thread_cpu_ns();
  u.at_ns = now_ns();
  return u;
}

// The loop itself. One object per run, so that nothing is allocated while it runs.
class Loop {
 public:
  Loop(const Options& o, Target& target, const LoopSetting& setting)
      : target_(target),
        s_(setting),
        bytes_(static_cast<unsigned>(o.bytes)),
        ring_(std::bit_ceil(static_cast<unsigned>(setting.depth))) {
    for (int i = s_.depth; i-- > 0;) free_.push_back(static_cast<std::uint32_t>(i));
    record_of_.resize(static_cast<std::size_t>(s_.depth));
    if (s_.stamp) {
      out.ios.reserve(s_.max_records);
      out.calls.reserve(2 * s_.max_records + 16);
    }
  }

  // Until `until`; with stamps while there is room for them.
  void run(std::int64_t until, bool stamps) {
    stamps_ = stamps && s_.stamp;
    while (now_ns() < until) {
      fill();
      enter(static_cast<unsigned>(std::min(s_.complete_min, in_flight_)));
      take();
    }
  }
  void drain() {
    stamps_ = false;
    while (in_flight_ > 0) {
      enter(1);
      take();
    }
  }
  // What was recorded; what is in flight is not.
  void forget() {
    out.ios.clear();
    out.calls.clear();
    std::fill(record_of_.begin(), record_of_.end(), kNone);
  }
  LoopResult out;
  std::int64_t ios = 0, calls = 0;

 private:
  void fill() {
    if (static_cast<int>(free_.size()) < std::min(s_.batch, s_.depth)) return;
    first_io_ = static_cast<std::uint32_t>(out.ios.size());
    for (int n = s_.batch; n > 0 && !free_.empty(); --n) {
      const std::uint32_t slot = free_.back();
      free_.pop_back();
      io_uring_sqe& sqe = ring_.sqe();
      const std::int64_t offset = target_.next_offset();
      if (s_.write)
        ::io_uring_prep_write(&sqe, target_.fd(), target_.buffer(slot), bytes_, static_cast<std::uint64_t>(offset));
      else
        ::io_uring_prep_read(&sqe, target_.fd(), target_.buffer(slot), bytes_, static_cast<std::uint64_t>(offset));
      sqe.user_data = slot;
      record_of_[slot] = kNone;
      if (stamps_ && out.ios.size() < s_.max_records) {
        record_of_[slot] = static_cast<std::uint32_t>(out.ios.size());
        out.ios.push_back(
            {.prep_ns = now_ns(), .offset = offset, .submit_call = static_cast<std::uint32_t>(out.calls.size())});
      }
      ++in_flight_;
      ++prepared_;
    }
  }

  void enter(unsigned min) {
    ++calls;
    const bool keep = stamps_ && out.ios.size() < s_.max_records && out.calls.size() < out.calls.capacity();
    if (!keep) {
      ring_.wait(min);
      prepared_ = 0;
      return;
    }
    CallRecord call{.submitted = prepared_, .min_complete = static_cast<std::int32_t>(min), .first_io = first_io_};
    call.cpu_begin = static_cast<std::int16_t>(::sched_getcpu());
    call.begin_ns = now_ns();
    ring_.wait(min);
    call.end_ns = now_ns();
    call.cpu_end = static_cast<std::int16_t>(::sched_getcpu());
    call.ret = prepared_;
    out.calls.push_back(call);
    prepared_ = 0;
  }

  void take() {
    const std::int64_t seen = stamps_ ? now_ns() : 0;
    const auto call = static_cast<std::uint32_t>(out.calls.empty() ? 0 : out.calls.size() - 1);
    ring_.reap([&](const io_uring_cqe& cqe) {
      if (cqe.res < 0) fail("a request failed", -cqe.res);
      const auto slot = static_cast<std::uint32_t>(cqe.user_data);
      if (const auto record = record_of_[slot]; record != kNone) {
        IoRecord& io = out.ios[record];
        io.seen_ns = seen != 0 ? seen : now_ns();
        io.result = cqe.res;
        io.seen_call = call;
        record_of_[slot] = kNone;
      }
      free_.push_back(slot);
      --in_flight_;
      ++ios;
    });
  }

  static constexpr std::uint32_t kNone = ~0U;
  Target& target_;
  LoopSetting s_;
  unsigned bytes_;
  Ring ring_;
  std::vector<std::uint32_t> free_, record_of_;
  std::uint32_t first_io_ = 0;
  int in_flight_ = 0, prepared_ = 0;
  bool stamps_ = false;
};

}  // namespace

LoopResult run_loop(const Options& o, Target& target, const LoopSetting& setting) {
  Loop loop(o, target, setting);
  const auto ns = [](double s) { return static_cast<std::int64_t>(s * 1e9); };
  loop.run(now_ns() + ns(std::min(0.3, setting.seconds / 4)), false);  // warm
  const std::int64_t ios = loop.ios, calls = loop.calls;
  const Usage a = usage_now(o.irq);
  loop.run(a.at_ns + ns(setting.seconds), true);
  const Usage b = usage_now(o.irq);
  LoopTotals& t = loop.out.totals;
  t.window_ns = b.at_ns - a.at_ns;
  t.ios = loop.ios - ios;
  t.calls = loop.calls - calls;
  t.cpu_ns = b.cpu_ns - a.cpu_ns;
  t.user_ns = b.user_ns - a.user_ns;
  t.system_ns = b.system_ns - a.system_ns;
  t.voluntary = b.voluntary - a.voluntary;
  t.involuntary = b.involuntary - a.involuntary;
  t.run_ns = b.run_ns - a.run_ns;
  t.wait_ns = b.wait_ns - a.wait_ns;
  t.interrupts = b.interrupts - a.interrupts;
  loop.drain();
  return std::move(loop.out);
}

Samples cost_of_stamps(const Options& o, Target& target, const LoopSetting& setting, double turn_s, int rounds) {
  Loop loop(o, target, setting);
  const auto turn_ns = static_cast<std::int64_t>(turn_s * 1e9);
  // CPU time a request, in 0.001 ns; 0 where there was none.
  const auto cost = [&](bool stamps) -> std::int64_t {
    loop.forget();
    const std::int64_t ios = loop.ios, cpu = thread_cpu_ns();
    loop.run(now_ns() + turn_ns, stamps);
    return loop.ios == ios ? 0 : (thread_cpu_ns() - cpu) * 1000 / (loop.ios - ios);
  };
  cost(true);  // warm
  Samples ratios("loop_cpu_ratio", static_cast<std::size_t>(rounds));
  for (int round = 0; round < rounds; ++round) {
    // with, without, without, with: a drift hits both alike
    const std::int64_t first = cost(true), second = cost(false), third = cost(false), last = cost(true);
    if (first > 0 && second > 0 && third > 0 && last > 0) ratios.add((first + last) * 100'000 / (second + third));
  }
  loop.drain();
  return ratios;
}

int run_load(const Options& o) {
  pin(o.cpu);
  Target target(o, static_cast<std::size_t>(o.depth));
  LoopSetting s{.depth = o.depth,
                .batch = o.batch,
                .complete_min = o.complete_min,
                .complete_max = o.complete_max,
                .write = o.write,
                .stamp = false,
                .seconds = o.seconds};
  const LoopTotals t = run_loop(o, target, s).totals;
  std::printf(
      "{\"window_ns\": %lld, \"ios\": %lld, \"calls\": %lld, \"cpu_ns\": %lld, \"voluntary\": %lld, \"involuntary\": "
      "%lld}\n",
      static_cast<long long>(t.window_ns), static_cast<long long>(t.ios), static_cast<long long>(t.calls),
      static_cast<long long>(t.cpu_ns), static_cast<long long>(t.voluntary), static_cast<long long>(t.involuntary));
  return 0;
}

}  // namespace wakepath::recorder
