// SPDX-License-Identifier: GPL-2.0-or-later
// fio's io_uring engine with fsync: which I/Os it issues, and what they do to page cache, log and device. Beside the
// traces qemu-D-6.1-iowq-*: runs of 32 writes and 32 syncs, one log write a tick, requests of 255 and 1 sectors.
#include <map>

#include "tests/unit/catch.h"
#include "tests/unit/path_fixture.h"

using namespace path_test;

namespace {

constexpr int kDepth = 32;

scenario::Scenario write_and_sync(const std::string& version, int files) {
  auto s = small_machine(version, kDepth);
  s.fs.type = "xfs";
  s.block.driver = "null_blk";
  s.block.virtual_timer_completion = true;
  s.block.max_sectors = 255;
  s.device.coalesce_n = 1;
  s.device.coalesce_ns = 0;
  s.device.latency_ns.ns = 60'000;
  auto& f = s.workloads[0];
  f.ioengine = "io_uring";
  f.rw = "write";
  f.direct = false;
  f.nrfiles = files;
  f.filesize = 4 << 20;
  f.iodepth_batch_submit = f.iodepth_batch_complete_max = 1;
  f.fsync = 1;
  return s;
}

// How often each run of completions of one kind is that long.
std::map<int, long> runs(const Record& r, int result) {
  std::map<int, long> out;
  int length = 0, last = -1;
  for (const auto& e : r.events) {
    if (e.type != EventType::io_uring_complete) continue;
    if (e.u.uring.value != last) {
      if (last == result) ++out[length];
      length = 0;
      last = e.u.uring.value;
    }
    ++length;
  }
  return out;
}

}  // namespace

TEST_CASE("a completed write makes the next I/O a sync: as many of one as of the other, runs of the depth",
          "[fio][uring]") {
  Record r;
  record(r, write_and_sync("6.1", 1));
  long total[2] = {0, 0};
  for (const int sync : {0, 1}) {
    INFO(sync);
    const auto found = runs(r, sync == 1 ? 0 : 4096);
    CHECK(found.count(kDepth) == 1);
    CHECK(found.rbegin()->first <= kDepth);  // never more than were in flight
    for (const auto& [length, n] : found) total[sync] += length * n;
  }
  REQUIRE(total[0] > 1000);
  CHECK(std::abs(total[0] - total[1]) <= 2 * kDepth);
}

TEST_CASE("one file: its pages are one bio, split; each file has pages of its own", "[fio][uring]") {
  std::map<std::uint32_t, long> sizes;
  Record one;
  record(one, write_and_sync("6.1", 1));
  for (const auto& e : one.events)
    if (e.type == EventType::block_rq_complete) ++sizes[e.u.rq.bytes / 512];
  CHECK(sizes[255] > 20);
  CHECK(about(sizes[255], sizes[1], 2));
  Record eight;
  record(eight, write_and_sync("6.1", 8));
  sizes.clear();
  for (const auto& e : eight.events)
    if (e.type == EventType::block_rq_complete) ++sizes[e.u.rq.bytes / 512];
  CHECK(sizes[32] > 20);  // four pages: every eighth of 32 writes is one file's
  CHECK(sizes.count(255) == 0);
}

TEST_CASE("the log is written once a tick, when timestamps have changed", "[fio][uring]") {
  Record r;
  const auto s = write_and_sync("6.1", 1);
  record(r, s);
  const double writes = r.result["page_cache"]["journal_writes_per_s"].get<double>();
  CHECK(writes > 0.7 * s.kernel.hz);
  CHECK(writes <= 1.05 * s.kernel.hz);
  CHECK(r.result["page_cache"]["device_flushes_per_s"].get<double>() == 0);  // no volatile cache: none to flush
}

TEST_CASE("the rate of a buffered case is that of the device's requests", "[fio][uring]") {
  Record r;
  record(r, write_and_sync("6.1", 1));
  const double requests = r.result["block"]["requests_per_s"].get<double>();
  CHECK(requests > 0);
  CHECK(r.result["io"]["iops"].get<double>() > 5 * requests);
}

TEST_CASE("several files are closed at their end, which nothing in flight outlives; one is not", "[fio][uring]") {
  for (const int files : {1, 2}) {
    INFO(files);
    auto s = small_machine("6.1", 4);
    s.device.coalesce_n = 1;
    s.device.coalesce_ns = 0;
    auto& f = s.workloads[0];
    f.rw = "read";
    f.iodepth_batch_submit = f.iodepth_batch_complete_max = 1;
    f.nrfiles = files;
    f.filesize = 40'960;
    f.size = 0;
    s.run.warmup_ns = 0;
    Record r;
    record(r, s);
    long in_flight = 0, issued = 0, passes = 0, begun_with_none = 0;
    for (const auto& e : r.events) {
      in_flight -= e.type == EventType::block_rq_complete;
      if (e.type != EventType::block_rq_issue) continue;
      if (issued++ % (10 * files) == 0) ++passes, begun_with_none += in_flight == 0;
      ++in_flight;
    }
    REQUIRE(passes > 20);
    CHECK((begun_with_none == passes) == (files > 1));
  }
}

// 6.12, traces qemu-D-6.12-iowq-nf1-fsync1: four workers are woken by one request, all four end their syncs, though the
// first of them has begun to write the next pages before the others run.
TEST_CASE("an fsync waits for what it found under writeback, not for what others begin meanwhile", "[fs][uring]") {
  auto s = write_and_sync("6.12", 1);
  s.workloads.clear();
  scenario::RingProgram p;
  p.name = "app";
  p.loops = 1;
  const std::vector<std::string> before = {"write a buffered", "submit_and_wait 1", "fsync a buffered",
                                           "submit_and_wait 1"};
  const std::vector<std::string> both = {"write a buffered", "fsync a buffered async", "submit", "sleep 30us",
                                         "write a buffered", "fsync a buffered async", "submit", "wait 4"};
  p.ops = before;  // from then on no timestamp changes within the tick, so that nothing waits for the log
  p.ops.insert(p.ops.end(), both.begin(), both.end());
  s.rings.push_back(p);
  s.run.warmup_ns = 0;
  s.run.duration_ns = 1'000'000;
  Record r;
  record(r, s);
  std::vector<std::string> order;
  for (const auto& e : r.events) {
    if (e.type == EventType::block_rq_complete) order.emplace_back("request");
    if (e.type == EventType::io_uring_complete && e.u.uring.value == 0) order.emplace_back("sync");
  }
  const std::vector<std::string> expected = {"request", "request", "sync", "request", "sync", "request", "sync"};
  CHECK(order == expected);  // the first time data and log
}
