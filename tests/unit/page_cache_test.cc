// SPDX-License-Identifier: GPL-2.0-or-later
// The page cache's side: limits and pauses, the flusher, fsync and the two journals, synchronous calls.
#include "models/fs/dirty_limits.h"

#include <set>

#include "tests/unit/catch.h"
#include "tests/unit/path_fixture.h"

using namespace path_test;

namespace {

scenario::Scenario buffered(const std::string& version, const char* fs = "xfs") {
  auto s = small_machine(version, 1);
  s.fs.type = fs;
  s.device.coalesce_n = 1;
  s.device.coalesce_ns = 0;
  s.device.latency_ns.ns = 20'000;
  auto& f = s.workloads[0];
  f.ioengine = "psync";
  f.direct = false;
  f.size = 16 << 20;
  return s;
}

double figure(const Record& r, const char* name) { return r.result["page_cache"][name].get<double>(); }

// The named tasks in the order in which they got CPU 0 between two events of fio, as one text.
std::string order_of(const Record& r, const std::vector<std::string>& names) {
  std::string out;
  for (const auto& e : r.events) {
    if (e.type != EventType::sched_switch) continue;
    for (const auto& n : names)
      if (r.is(e.u.sw.next_comm, n)) out += (out.empty() ? "" : " ") + n;
  }
  return out;
}

long times(const std::string& text, const std::string& part) {
  long n = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("dirty limits: ratios of memory, bytes instead, background below", "[fs]") {
  fs::DirtyKnobs k;
  k.dirtyable_pages = 1'000'000;
  CHECK(fs::dirty_limits(k).thresh == 819 * 1'000'000LL / 4096);  // 20 % in 1/4096, as the kernel counts
  CHECK(fs::dirty_limits(k).background == 409 * 1'000'000LL / 4096);
  k.bytes = 8192 + 1;
  CHECK(fs::dirty_limits(k).thresh == 3);
  CHECK(fs::dirty_limits(k).background == 1);  // above the limit: half of it
  CHECK(fs::dirty_poll_interval(0, 1 << 16) == 1 << 8);
  CHECK(fs::dirty_poll_interval(10, 10) == 1);
}

TEST_CASE("the position ratio is 1 at the setpoint, 2 at most below, 0 at the limit", "[fs]") {
  fs::DirtyControl c(250);
  fs::DirtyLimits l;
  l.thresh = 100'000;
  l.background = 50'000;
  c.update(60, l, 75'000, 0, 0, true);
  const std::int64_t setpoint = (l.freerun() + l.thresh) / 2;
  CHECK(c.position_ratio(l, setpoint) == Approx(1024).epsilon(0.01));
  CHECK(c.position_ratio(l, l.thresh) == 0);
  CHECK(c.position_ratio(l, l.freerun()) > c.position_ratio(l, setpoint));
  std::int64_t before = 1 << 30;
  for (std::int64_t dirty = l.freerun(); dirty <= l.thresh; dirty += 500) {
    const auto now = c.position_ratio(l, dirty);
    CHECK(now <= before);
    before = now;
  }
}

TEST_CASE("the bandwidth estimate goes to what the device writes", "[fs]") {
  fs::DirtyControl c(250);
  fs::DirtyLimits l;
  l.thresh = 100'000;
  l.background = 50'000;
  std::int64_t jiffies = 0, written = 0;
  for (int i = 0; i < 200; ++i) {  // 5,000 pages a second, looked at every 204 ms
    jiffies += 51;
    written += 5000 * 51 / 250;
    c.update(jiffies, l, 90'000, written, written, true);
  }
  CHECK(c.write_bandwidth() == Approx(5000).epsilon(0.02));
  const auto p = c.pause(1024, 90'000, 32, 1000, 1000);
  CHECK(p.rate == c.base_rate());
  CHECK(p.most <= 50);
}

TEST_CASE("a synchronous direct write is finished by its caller", "[fs]") {  // example 40
  auto s = buffered("6.1");
  s.workloads[0].direct = true;
  Record r;
  record(r, s);
  const long ios = r.count(EventType::block_rq_complete);
  REQUIRE(ios > 500);
  CHECK(r.count(EventType::workqueue_queue_work) == 0);
  CHECK(about(r.wakes_of("fio"), ios));
  CHECK(about(r.switches("swapper", "fio"), ios));
  CHECK(about(r.result["io"]["completed"].get<long>(), ios));
}

TEST_CASE("buffered writes below the background limit reach no device", "[fs]") {
  auto s = buffered("6.1");
  Record r;
  record(r, s);
  CHECK(r.count(EventType::block_rq_issue) == 0);
  CHECK(figure(r, "dirtied_pages_per_s") > 0);
  CHECK(figure(r, "pauses_per_s") == 0);
  CHECK(r.result["io"]["completed"].get<long>() > 10'000);
}

TEST_CASE("above the limit writers dirty as fast as the device cleans", "[fs]") {
  for (const char* version : {"6.1", "6.12"}) {
    auto s = buffered(version);
    s.vm.dirty_bytes = 64 << 20;
    s.vm.dirty_background_bytes = 32 << 20;
    s.workloads[0].size = 512 << 20;
    s.workloads[0].rw = "write";
    s.device.law = "serial";
    s.device.service_ns.ns = 5'000;
    s.device.bytes_per_s = 400'000'000;
    s.run.warmup_ns = 4'000'000'000;
    s.run.duration_ns = 3'000'000'000;
    Record r;
    record(r, s);
    INFO(version);
    const double device = figure(r, "written_pages_per_s");
    CHECK(device > 20'000);
    CHECK(figure(r, "dirtied_pages_per_s") == Approx(device).epsilon(0.05));
    CHECK(figure(r, "pauses_per_s") > 5);
    const double left = figure(r, "dirty_pages_at_end") + figure(r, "writeback_pages_at_end");
    CHECK(left < (64 << 20) / 4096 * 1.05);
    CHECK(left > (48 << 20) / 4096 * 0.9);  // the middle of the limits and above
    CHECK(r.wakes_of("kworker/u") > 0);
  }
}

TEST_CASE("fsync on XFS: unbound worker, caller writes the log, high-priority worker of the interrupt's CPU", "[fs]") {
  auto s = buffered("6.1");
  s.workloads[0].fsync = 1;
  Record r;
  record(r, s);
  const double syncs = figure(r, "fsyncs_per_s");
  REQUIRE(syncs > 100);
  // The timestamps change once a tick (4 ms): that many commits; the other calls find nothing to force.
  CHECK(figure(r, "journal_commits_per_s") == Approx(250).epsilon(0.1));
  CHECK(figure(r, "journal_writes_per_s") == Approx(250).epsilon(0.1));
  CHECK(figure(r, "device_flushes_per_s") == 0);
  const auto order = order_of(r, {"kworker/u", "kworker/0:", "fio"});
  CHECK(times(order, "kworker/u fio kworker/0: fio") > 10);
}

TEST_CASE("every fsync after a size or extent change forces the log; fdatasync ignores timestamps", "[fs]") {
  for (const bool data : {false, true}) {
    auto s = buffered("6.1");
    s.fs.written = false;  // delayed allocation: each write back converts its extent
    s.workloads[0].size = 256 << 20;
    (data ? s.workloads[0].fdatasync : s.workloads[0].fsync) = 1;
    Record r;
    record(r, s);
    const double syncs = figure(r, "fsyncs_per_s");
    INFO(data);
    CHECK(figure(r, "conversion_items_per_s") == Approx(syncs).epsilon(0.1));
    CHECK(figure(r, "journal_commits_per_s") == Approx(syncs).epsilon(0.1));
  }
  auto s = buffered("6.1");
  s.workloads[0].fdatasync = 1;
  Record r;
  record(r, s);
  CHECK(figure(r, "fsyncs_per_s") > 100);
  CHECK(figure(r, "journal_commits_per_s") == 0);
}

TEST_CASE("a volatile cache is flushed through kblockd, twice round for a log write", "[fs]") {
  auto s = buffered("6.1");
  s.fs.written = false;
  s.workloads[0].size = 256 << 20;
  s.workloads[0].fsync = 1;
  s.device.write_cache = true;
  s.device.flush_ns.set = true;
  s.device.flush_ns.ns = 100'000;
  Record r;
  record(r, s);
  const double syncs = figure(r, "fsyncs_per_s");
  CHECK(figure(r, "device_flushes_per_s") == Approx(syncs).epsilon(0.1));
  long requeues = 0;
  for (const auto& e : r.events)
    if (e.type == EventType::workqueue_execute_start && r.is(e.u.work.function, "blk_mq_requeue_work")) ++requeues;
  CHECK(about(requeues, 2 * static_cast<long>(syncs * 0.05), 6));  // flush, then the data
  CHECK(r.result["page_cache"]["fsync_ns"]["p50"].get<long>() > 100'000);
}

TEST_CASE("no flush begins while the log write that followed the one before is in the device", "[fs]") {
  auto s = buffered("6.1");
  s.machine.cpus = 4;
  s.workloads[0].cpus_allowed = {};
  s.workloads[0].size = 64 << 20;
  s.workloads[0].fsync = 1;
  s.workloads[0].numjobs = 4;
  s.device.write_cache = true;
  s.device.flush_ns.set = true;
  s.device.flush_ns.ns = 30'000;  // a log write takes 200 us: the next flush is asked for long before its end
  Record r;
  record(r, s);
  int flushes = 0, logged = 0;
  std::set<std::uint64_t> log_writes;  // in the device, by sector
  for (const auto& e : r.events) {
    if (e.type == EventType::block_rq_complete) log_writes.erase(e.u.rq.sector);
    if (e.type != EventType::block_rq_issue) continue;
    const bool flush = e.u.rq.nr_sector == 0;
    flushes += flush;
    if (flush) CHECK(log_writes.empty());
    if (!flush && r.is(e.comm, "kworker")) logged += log_writes.insert(e.u.rq.sector).second;
  }
  CHECK(flushes > 50);
  CHECK(logged > 20);
}

TEST_CASE("fsync on ext4: the journal's thread commits, one commit for all who wait", "[fs]") {
  auto s = buffered("6.12", "ext4");
  s.fs.written = false;
  s.machine.cpus = 2;
  s.workloads[0].size = 256 << 20;
  s.workloads[0].fsync = 1;
  Record r;
  record(r, s);
  const double one = figure(r, "fsyncs_per_s");
  CHECK(figure(r, "journal_commits_per_s") == Approx(one).epsilon(0.1));
  CHECK(r.wakes_of("jbd2/") > 50);
  s.workloads[0].numjobs = 8;
  Record many;
  record(many, s);
  CHECK(figure(many, "fsyncs_per_s") > 1.5 * figure(many, "journal_commits_per_s"));
}

TEST_CASE("the flusher merges neighbours and converts an inode's ended ioends in one item", "[fs]") {  // example 37
  auto s = buffered("6.1");
  s.fs.written = false;
  s.workloads[0].rw = "write";
  s.workloads[0].size = 256 << 20;
  s.workloads[0].iodepth = 1;
  s.vm.dirty_bytes = 64 << 20;
  s.vm.dirty_background_bytes = 8 << 20;
  s.device.coalesce_n = 8;
  s.device.coalesce_ns = 5'000'000;
  s.run.duration_ns = 500'000'000;
  Record r;
  record(r, s);
  const double ioends = figure(r, "ioends_per_s");
  REQUIRE(ioends > 50);
  CHECK(figure(r, "written_pages_per_s") / ioends > 100);   // 256 at most
  CHECK(figure(r, "conversion_items_per_s") < ioends / 3);  // eight end in one interrupt
  CHECK(figure(r, "conversion_items_per_s") > 0);
}

TEST_CASE("libaio without O_DIRECT writes within io_submit", "[fs]") {
  auto s = buffered("6.1");
  auto& f = s.workloads[0];
  f.ioengine = "libaio";
  f.iodepth = f.iodepth_batch_submit = f.iodepth_batch_complete_max = 8;
  Record r;
  record(r, s);
  CHECK(r.result["io"]["completed"].get<long>() > 10'000);
  CHECK(r.wakes_of("fio") == 0);
  CHECK(r.count(EventType::workqueue_queue_work) == 0);
  CHECK(r.result["io"]["io_getevents_per_s"].get<double>() ==
        Approx(r.result["io"]["io_submit_per_s"].get<double>()).epsilon(0.01));
}

TEST_CASE("a buffered read of what is not cached sleeps for the device, the next does not", "[fs]") {
  auto s = buffered("6.1");
  s.workloads[0].rw = "read";
  s.workloads[0].size = 1 << 20;
  s.workloads[0].invalidate = false;
  s.run.warmup_ns = 0;
  Record r;
  record(r, s);
  CHECK(r.count(EventType::block_rq_complete) == 256);
  CHECK(r.result["io"]["completed"].get<long>() > 10'000);
}

TEST_CASE("a sequential job drops its file at the file's end: all is read again, what is dirty is written",
          "[fs][fio]") {
  auto s = buffered("6.1");
  s.workloads[0].size = 1 << 20;
  s.run.warmup_ns = 0;
  s.workloads[0].rw = "read";
  Record reads;
  record(reads, s);
  REQUIRE(reads.result["io"]["completed"].get<long>() > 1000);
  CHECK(about(reads.result["io"]["completed"].get<long>(), reads.count(EventType::block_rq_complete)));
  s.workloads[0].rw = "write";  // far below the limits: nobody else writes within the run
  for (const bool invalidate : {false, true}) {
    INFO(invalidate);
    s.workloads[0].invalidate = invalidate;
    Record writes;
    record(writes, s);
    const long passes = writes.result["io"]["completed"].get<long>() / 256;
    REQUIRE(passes > 5);
    // 256 pages are one bio, as large as a bio gets; the last pass is under way.
    CHECK(about(writes.count(EventType::block_rq_complete), invalidate ? passes : 0, invalidate ? 2 : 0) == invalidate);
  }
}
