// SPDX-License-Identifier: GPL-2.0-or-later
// Ring programs ([ring.NAME]): what a list of operations means, what is refused, and what a run of one does.
#include "models/scenario/ring_ops.h"

#include "models/run/run.h"
#include "tests/unit/catch.h"
#include "tests/unit/io_uring_fixture.h"
#include "tests/unit/scenario_files.h"

using namespace wakepath;
using scenario::parse_ring_op;
using scenario::RingOp;

namespace {

std::vector<RingOp> ops_of(const std::vector<std::string>& texts) {
  std::vector<RingOp> out;
  for (const auto& t : texts) out.push_back(*parse_ring_op(t));
  return out;
}

std::string fault(const std::vector<std::string>& texts, int entries = 8, bool repeats = false) {
  const auto f = scenario::ring_faults(ops_of(texts), entries, repeats);
  return f.empty() ? "" : std::to_string(f[0].op) + ": " + f[0].message;
}

nlohmann::json run_ring(scenario::Scenario s, const std::vector<std::string>& ops, int loops = 1) {
  s.workloads.clear();
  scenario::RingProgram r;
  r.name = "app";
  r.ops = ops;
  r.loops = loops;
  r.entries = 64;
  s.rings.push_back(r);
  s.run.warmup_ns = 1;
  return nlohmann::json::parse(run::run(s).json);
}

}  // namespace

TEST_CASE("operations of a ring program", "[ring]") {
  const auto w = parse_ring_op("write a x8 async link");
  REQUIRE(w);
  CHECK(w->kind == RingOp::Kind::write);
  CHECK(w->file == "a");
  CHECK(w->count == 8);
  CHECK((w->async && w->link && !w->drain));
  CHECK(parse_ring_op("wait 4 timeout 1ms")->time_ns == 1'000'000);
  CHECK(parse_ring_op("run 10us")->time_ns == 10'000);
  CHECK(parse_ring_op("writ a").error().message == "unknown operation 'writ'");
  CHECK(parse_ring_op("write").error().message == "write needs a file");
  CHECK(parse_ring_op("write a asnyc").error().suggestion == "did you mean 'async'?");
  CHECK_FALSE(parse_ring_op("wait 0"));
  CHECK_FALSE(parse_ring_op("run 10"));
  CHECK_FALSE(parse_ring_op(""));
}

TEST_CASE("a wait for more than was submitted is found before the run", "[ring]") {
  CHECK(fault({"nop x3", "submit", "wait 3"}).empty());
  CHECK(fault({"nop x3", "submit", "wait 2", "wait 1"}).empty());
  CHECK(fault({"nop x3", "submit", "wait 4"}) ==
        "2: it waits for 4 completions, but only 3 submitted requests are not taken yet: it would never end");
  CHECK(fault({"nop x3", "wait 1"}).rfind("1: it waits for 1 completions, but only 0", 0) == 0);  // never submitted
  CHECK(fault({"nop x9"}) == "0: 9 requests are prepared for a ring of 8");
  CHECK(fault({"nop x5", "submit_and_wait 4"}, 8, true).empty());          // leaves one more in flight each turn
  CHECK(fault({"nop", "wait 8 timeout 1ms", "submit"}, 8, true).empty());  // a timeout ends it
}

TEST_CASE("a ring program runs its list as often as asked, then ends", "[ring]") {
  const auto r = run_ring(uring_test::disk("6.12"), {"read f x4", "submit_and_wait 4", "run 1us"}, 3);
  CHECK(r["status"] == "finished");
  CHECK(r["io_uring"]["completed_per_s"].get<double>() * 0.05 == Approx(12));
  CHECK(r["io_uring"]["enters_per_s"].get<double>() * 0.05 == Approx(3));
}

TEST_CASE("writes and fsyncs over several files in one ring go through io-wq and come to an end", "[ring]") {
  for (const char* version : {"6.1", "6.12", "6.18"}) {
    auto s = uring_test::disk(version);
    s.fs.type = "ext4";
    const auto r = run_ring(
        s, {"write a x4 buffered", "fsync a buffered", "write b x4 buffered", "fsync b buffered", "submit_and_wait 10"},
        5);
    INFO(version);
    CHECK(r["status"] == "finished");
    CHECK(r["io_uring"]["completed_per_s"].get<double>() * 0.05 == Approx(50));
    CHECK(r["io_uring"]["punted_per_s"].get<double>() * 0.05 == Approx(50));  // ext4 punts buffered writes untried
    CHECK(r["io_wq"]["workers_peak"].get<int>() >= 1);
  }
}

TEST_CASE("bad rings are the user's error, one line each", "[ring]") {
  const auto line = [](const std::string& body) { return tests::line_of(tests::load_body("[ring.app]\n" + body)); };
  CHECK(line("entries = 40000\nops = [\"nop\"]\n").find("entries must be 1 to 32768, not 40000") != std::string::npos);
  CHECK(line("iowq_max_bounded = 0\nops = [\"nop\"]\n").find("must be 1 to 65536, not 0") != std::string::npos);
  CHECK(line("ops = [\"nop\", \"submit_and_wait 2\"]\n").find("it would never end") != std::string::npos);
  CHECK(line("flags = [\"DEFER_TASKRUN\"]\nops = [\"nop\"]\n").find("needs SINGLE_ISSUER") != std::string::npos);
  CHECK(line("ops = [\"rea f\"]\n").find("unknown operation 'rea'") != std::string::npos);
  CHECK(line("ops = []\n").find("has no operations") != std::string::npos);
}

TEST_CASE("t/io_uring waits one batch early, then 32 I/Os a call", "[ring]") {  // example 24
  auto s = uring_test::disk("6.12");
  s.device.service_ns.ns = 100;
  s.device.latency_ns.ns = 5'000'000;  // nothing completes while the first batches are prepared
  s.block.driver = "nvme";
  scenario::FioJob& f = s.workloads[0];
  f.ioengine = "t/io_uring";
  f.rw = "randread";
  f.iodepth = 128;
  f.iodepth_batch_submit = f.iodepth_batch_complete_max = 32;
  s.run.warmup_ns = 1;
  path_test::Record r;
  path_test::record(r, s);
  std::vector<std::pair<long, long>> enters;
  for (const auto& e : r.events)
    if (e.type == path_test::EventType::sys_enter_io_uring_enter) enters.emplace_back(e.u.sys.nr, e.u.sys.min_nr);
  REQUIRE(enters.size() > 20);
  const std::vector<std::pair<long, long>> first(enters.begin(), enters.begin() + 5);
  CHECK(first == std::vector<std::pair<long, long>>{{32, 0}, {32, 0}, {32, 0}, {32, 32}, {32, 32}});
}
