// SPDX-License-Identifier: GPL-2.0-or-later
// wakepath_recorder: measures a machine from user space and writes urtrace (format.h). `wakepath record` prepares what
// it needs and cleans up; run by itself it touches nothing but the file or device it is given.
//
//   wakepath_recorder probe --out FILE --target FILE [--cpu N] [--other-cpu N] [--irq N] [--budget S] [--quick]
//                           [--read-only] [--cgroup-procs FILE]
//   wakepath_recorder load --target FILE --depth N [--batch N] [--complete-min N] [--complete-max N] [--seconds S]
//                          [--read] [--cpu N]
//
// Exit status 0; 1: a measurement failed; 2: wrong arguments; 4: the kernel refuses io_uring.
#include <sys/prctl.h>
#include <sys/utsname.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string_view>
#include <vector>

#include "calibration/recorder/load.h"
#include "calibration/recorder/probe.h"
#include "calibration/recorder/ring.h"

namespace wakepath::recorder {

void Probe::progress(const char* what, double share) const {
  std::printf("progress\t%.3f\t%s\n", share, what);
  std::fflush(stdout);
}

namespace {

std::string first_line(const char* path) {
  std::ifstream in(path);
  std::string text;
  std::getline(in, text);
  return text;
}

std::string cpuinfo(std::string_view key) {
  std::ifstream in("/proc/cpuinfo");
  for (std::string text; std::getline(in, text);) {
    if (text.rfind(key, 0) == 0 && text.find(": ") != std::string::npos) return text.substr(text.find(": ") + 2);
  }
  return "-";
}

void write_header(Writer& out) {
  utsname u{};
  ::uname(&u);
  out.header(u.release, cpuinfo("model name"), cpuinfo("flags").find(" hypervisor") != std::string::npos,
             first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource"));
}

// Of /proc/stat's first line: irq, softirq, steal.
void write_host(Writer& out) {
  std::ifstream in("/proc/stat");
  std::string name;
  std::int64_t v[8] = {};
  in >> name;
  for (auto& x : v) in >> x;
  out.host(v[7], v[5], v[6]);
}

// io_uring_setup's refusal, or 0.
int why_no_ring() {
  io_uring ring{};
  const int ret = ::io_uring_queue_init(8, &ring, 0);
  if (ret < 0) return -ret;
  ::io_uring_queue_exit(&ring);
  return 0;
}

int probe_all(const Options& o) {
  Writer out(o.out);
  write_header(out);
  write_host(out);
  pin(o.cpu);
  Probe p(o, out);
  probe_cpu(p);
  int status = 0;
  if (const int error = why_no_ring(); error != 0) {
    out.lack("io_uring", std::strerror(error));
    std::fprintf(stderr, "io_uring_setup: %s\n", std::strerror(error));
    status = 4;
  } else {
    probe_ring(p);
    if (!o.target.empty()) {
      probe_device(p);
      probe_loops(p);
    }
  }
  write_host(out);
  out.end();
  return status;
}

struct Arguments {
  std::vector<std::string_view> words;
  std::size_t at = 0;
  std::string_view option;
  std::string text() {
    if (at >= words.size()) throw std::invalid_argument(std::string(option) + " needs a value");
    return std::string(words[at++]);
  }
  int number() {
    const std::string word = text();
    char* end = nullptr;
    const long n = std::strtol(word.c_str(), &end, 10);
    if (end == word.c_str() || *end != 0 || n < -1 || n > 1'000'000)
      throw std::invalid_argument(std::string(option) + ": '" + word + "' is not a number");
    return static_cast<int>(n);
  }
};

Options parse(Arguments a) {
  Options o;
  while (a.at < a.words.size()) {
    const auto w = a.option = a.words[a.at++];
    if (w == "--out")
      o.out = a.text();
    else if (w == "--target")
      o.target = a.text();
    else if (w == "--cgroup-procs")
      o.cgroup_procs = a.text();
    else if (w == "--cpu")
      o.cpu = a.number();
    else if (w == "--other-cpu")
      o.other_cpu = a.number();
    else if (w == "--irq")
      o.irq = a.number();
    else if (w == "--budget")
      o.budget_s = a.number();
    else if (w == "--quick")
      o.quick = true;
    else if (w == "--read-only")
      o.read_only = true;
    else if (w == "--depth")
      o.depth = a.number();
    else if (w == "--batch")
      o.batch = a.number();
    else if (w == "--complete-min")
      o.complete_min = a.number();
    else if (w == "--complete-max")
      o.complete_max = a.number();
    else if (w == "--seconds")
      o.seconds = std::strtod(a.text().c_str(), nullptr);
    else if (w == "--read")
      o.write = false, o.read_only = true;
    else
      throw std::invalid_argument("unknown option '" + std::string(w) + "'");
  }
  return o;
}

int command(const std::vector<std::string_view>& words) {
  if (words.empty()) throw std::invalid_argument("say probe or load");
  const Options o = parse({{words.begin() + 1, words.end()}, 0, {}});
  if (words[0] == "probe") {
    if (o.out.empty()) throw std::invalid_argument("probe needs --out FILE");
    return probe_all(o);
  }
  if (words[0] == "load") {
    if (o.target.empty() || o.depth < 1 || o.depth > 4096 || o.batch < 1)
      throw std::invalid_argument("load needs --target FILE, --depth 1 to 4096 and --batch of at least 1");
    return run_load(o);
  }
  throw std::invalid_argument("unknown command '" + std::string(words[0]) + "': say probe or load");
}

}  // namespace
}  // namespace wakepath::recorder

int main(int argc, char** argv) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // nobody is left to tell when `wakepath record` is killed
  try {
    return wakepath::recorder::command({argv + 1, argv + argc});
  } catch (const std::invalid_argument& e) {
    std::fprintf(stderr, "wakepath_recorder: %s\n", e.what());
    return 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "wakepath_recorder: %s\n", e.what());
    return 1;
  }
}
