// SPDX-License-Identifier: GPL-2.0-or-later
// What one buffered write and its fsync do, step by step, beside traces of a real 6.18 kernel (tests/truth/README.md):
// ext4 without a journal on a virtio disk, and with one on a loop device.
#include <map>

#include "tests/unit/path_fixture.h"
#include "tests/unit/trace_files.h"

using namespace path_test;

namespace {

using trace::Event;

// The steps between one data write of fio and the next, as words. Who writes, flushes, sleeps for it and is woken
// counts; where and when it happened, and what others did beside, does not.
struct Steps final : trace::Sink {
  Steps(const trace::StringPool& p, std::uint32_t block_major) : pool(p), major(block_major) {}
  void on_event(const Event& e) override {
    switch (e.type) {
      case EventType::block_rq_issue:
        return issue(e);
      case EventType::sched_waking:
        // A loop device's own worker flushes the disk below.
        if (pool.str(e.comm).rfind("kworker/u", 0) == 0 && who(e.u.task.comm, e.u.task.pid) == "worker") return;
        return put("wake ", e.u.task.comm, e.u.task.pid);
      case EventType::sched_switch:
        if (e.u.sw.prev_state == trace::kStateUninterruptible) put("sleep ", e.u.sw.prev_comm, e.u.sw.prev_pid);
        return;
      default:
        return;
    }
  }
  std::map<std::string, int> seen;

 private:
  [[nodiscard]] std::string who(trace::StringId comm, std::int32_t pid) const {
    const std::string c(pool.str(comm));
    if (c == "fio") return pid == fio ? c : "";  // the one that writes
    if (c.rfind("jbd2/", 0) == 0) return "jbd2";
    if (c.rfind("kworker/", 0) == 0 && c.back() == 'H') return "worker";
    return "";
  }
  void put(const char* word, trace::StringId comm, std::int32_t pid) {
    const std::string w = who(comm, pid);
    if (!w.empty()) words += word + w + ", ";
  }
  void issue(const Event& e) {
    if (e.u.rq.major != major) return;  // of the device below a loop
    const std::string rwbs(pool.str(e.u.rq.rwbs));
    const bool data = pool.str(e.comm) == "fio" && rwbs == "WS" && e.u.rq.sector != 0;  // real metadata is WSM
    if (data) {
      if (fio != 0) ++seen[words];
      words.clear();
      fio = e.pid;
    }
    put(rwbs == "FF" ? "flush by " : data ? "data by " : "write by ", e.comm, e.pid);
  }
  const trace::StringPool& pool;
  std::uint32_t major;
  std::int32_t fio = 0;
  std::string words;
};

std::map<std::string, int> measured(const char* trace, std::uint32_t major) {
  trace::StringPool pool;
  auto reader = trace::Reader::open(wakepath::tests::source_dir() + "/tests/truth/traces/" + trace, pool);
  REQUIRE(reader);
  Steps steps(pool, major);
  REQUIRE(reader->drain(steps));
  return steps.seen;
}

std::map<std::string, int> simulated(bool journal) {
  auto s = small_machine("6.18", 1);
  s.machine.cpus = 2;
  s.fs.type = "ext4";
  s.fs.journal = journal;
  s.block.driver = "virtio_blk";
  s.block.irq_cpus = {1};
  s.device.coalesce_n = 1;
  s.device.coalesce_ns = 0;
  s.device.latency_ns.ns = 60'000;
  s.device.write_cache = true;
  s.device.fua = false;
  s.device.flush_ns.set = true;
  s.device.flush_ns.ns = 300'000;
  auto& f = s.workloads[0];
  f.ioengine = "psync";
  f.direct = false;
  f.fsync = 1;
  f.size = 16 << 20;
  f.cpus_allowed = {1};
  s.run.duration_ns = 400'000'000;
  trace::StringPool pool;
  Steps steps(pool, 254);
  run::Options o;
  o.sink = &steps;
  o.pool = &pool;
  run::run(s, o);
  return steps.seen;
}

void same_steps(const std::map<std::string, int>& real, const std::map<std::string, int>& model) {
  REQUIRE(!real.empty());
  REQUIRE(!model.empty());
  int all = 0, found = 0;
  for (const auto& [words, n] : real) {
    all += n;
    if (model.count(words) != 0) found += n;
    UNSCOPED_INFO(n << " x " << words);
  }
  CHECK(found * 100 >= all * 90);  // the rest: the journal's or the flusher's own timers fell between
  for (const auto& [words, n] : model) {
    INFO("model " << n << " x " << words);
    CHECK((real.count(words) != 0 || n == 1));  // 1: an fsync cut by the window
  }
}

}  // namespace

TEST_CASE("fsync without a journal goes as on the real machine", "[fs][truth]") {
  const auto real = measured("fsync-6.18-nojournal.txt.xz", 254);
  const auto model = simulated(false);
  CHECK(model.size() >= 2);  // with the inode's block once a tick, without it otherwise
  same_steps(real, model);
}

TEST_CASE("fsync through jbd2 goes as on the real machine", "[fs][truth]") {
  const auto real = measured("fsync-6.18-jbd2.txt.xz", 7);
  const auto model = simulated(true);
  CHECK(model.size() >= 2);
  same_steps(real, model);
}
