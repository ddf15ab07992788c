// SPDX-License-Identifier: GPL-2.0-or-later
// Worked examples of the completion path (io-completion.md section 11): counts per cycle of a steady state.
#include "models/kernel/switches.h"
#include "tests/unit/catch.h"
#include "tests/unit/path_fixture.h"

using namespace path_test;

TEST_CASE("an interrupt with six completions in idle wakes one worker and fio once", "[path]") {  // example 6
  auto s = small_machine("6.1", 6);
  Record r;
  record(r, s);
  const long cycles = r.count(EventType::irq_handler_entry);
  REQUIRE(cycles > 100);
  CHECK(about(r.count(EventType::block_rq_complete), 6 * cycles, 12));
  CHECK(about(r.wakes_of("kworker/0:"), cycles));
  CHECK(about(r.wakes_of("fio"), cycles));
  CHECK(about(r.count(EventType::workqueue_queue_work), 6 * cycles, 12));
  CHECK(about(r.switches("swapper", "kworker/0:"), cycles));
  CHECK(about(r.switches("kworker/0:", "fio"), cycles));
  CHECK(about(r.switches("fio", "swapper"), cycles));
  CHECK(r.result["workqueue"]["items_per_activation"].get<double>() == Approx(6).margin(0.1));
}

TEST_CASE("a batch ends newest first up to 6.12 and in order from 6.13", "[path]") {  // examples 6, 7
  for (const auto& [version, reversed] : {std::pair{"6.1", true}, {"6.12", true}, {"6.18", false}}) {
    auto s = small_machine(version, 6);
    Record r;
    record(r, s);
    std::vector<std::uint64_t> issued, ended;
    bool in_irq = false;
    for (const auto& e : r.events) {
      if (e.type == EventType::block_rq_issue) issued.push_back(e.u.rq.sector);
      if (e.type == EventType::irq_handler_entry) in_irq = true;
      if (in_irq && e.type == EventType::block_rq_complete) ended.push_back(e.u.rq.sector);
      if (e.type == EventType::irq_handler_exit && ended.size() == 6 && issued.size() >= 6) break;
      if (e.type == EventType::irq_handler_exit) ended.clear(), issued.clear(), in_irq = false;
    }
    REQUIRE(ended.size() == 6);
    if (reversed) std::reverse(ended.begin(), ended.end());
    CHECK(std::equal(ended.begin(), ended.end(), issued.end() - 6));
  }
}

TEST_CASE("a heavy submitter takes every completion alone", "[path]") {  // example 9
  auto s = small_machine("6.1", 6);
  put_in_group(s, 10000);
  s.device.latency_ns.ns = 2'000;  // the device keeps the CPU busy: no idle time in which the lag could shrink
  s.device.coalesce_n = 1;
  s.device.coalesce_ns = 0;
  Record r;
  record(r, s);
  const long done = r.count(EventType::sys_exit_io_getevents);
  REQUIRE(done > 1000);
  CHECK(about(r.count(EventType::workqueue_execute_end), done, done / 20));
  CHECK(about(r.switches("kworker/0:", "fio"), done, done / 20));
  CHECK(about(r.switches("fio", "kworker/0:"), done, done / 20));
  REQUIRE(r.result["pingpong"].size() >= 1);
  CHECK(r.result["pingpong"][0]["cause"] == "weight");
}

TEST_CASE("min_nr is obeyed by wakeups from 6.8 on only", "[path]") {  // example 10
  for (const auto& [version, wakes_per_batch] : {std::pair{"6.1", 6}, {"6.8", 1}, {"6.12", 1}}) {
    auto s = small_machine(version, 6, 6);
    put_in_group(s, 10000);
    if (wakes_per_batch == 6) s.kernel.switches->eevdf = false;
    Record r;
    record(r, s);
    const long batches = r.count(EventType::sys_exit_io_submit);
    REQUIRE(batches > 50);
    INFO(version);
    if (wakes_per_batch == 1)
      CHECK(about(r.wakes_of("fio"), batches));
    else
      CHECK(r.wakes_of("fio") > 3 * batches);  // the first wake finds the sleeper's credit, so up to six
    CHECK(about(r.count(EventType::sys_exit_io_getevents), batches));
  }
}

TEST_CASE("completions while the worker runs are appended without a wake", "[path]") {  // example 12
  auto s = small_machine("6.1", 64);
  s.device.coalesce_n = 4;
  s.device.coalesce_ns = 1'000;
  s.device.law = "serial";
  s.device.service_ns.ns = 700;  // faster than the CPU: the worker is never idle for long
  s.costs[machine::CostId::dio_complete].ns = 3'000;
  Record r;
  record(r, s);
  CHECK(r.wakes_of("kworker/0:") < r.count(EventType::irq_handler_entry) / 2);
  CHECK(r.result["workqueue"]["items_per_activation"].get<double>() > 8);
}

TEST_CASE("max_active holds items back and keeps their order", "[path]") {  // example 17
  auto s = small_machine("6.1", 400);
  s.block.queue_depth = 1023;
  s.dio_wq.max_active = 256;
  Record r;
  record(r, s);
  CHECK(about(r.count(EventType::workqueue_execute_end), r.count(EventType::workqueue_queue_work), 500));
  CHECK(r.result["io"]["completed"].get<long>() > 1000);
}

TEST_CASE("reads, block devices and 6.19 overwrites complete in the interrupt", "[path]") {  // examples 18, 19, 20
  for (const int variant : {0, 1, 2, 3}) {
    auto s = small_machine(variant == 2 || variant == 3 ? "6.19" : "6.1", 6);
    if (variant == 0) s.fs.type = "none";
    if (variant == 1) s.workloads[0].rw = "randread";
    if (variant == 3) s.fs.written = false;  // unwritten extents still need the worker
    Record r;
    record(r, s);
    const long cycles = r.count(EventType::irq_handler_entry);
    REQUIRE(cycles > 100);
    INFO(variant);
    if (variant == 3) {
      CHECK(about(r.count(EventType::workqueue_execute_end), 6 * cycles, 12));
    } else {
      CHECK(r.count(EventType::workqueue_queue_work) == 0);
      CHECK(about(r.wakes_of("fio"), cycles));
      CHECK(about(r.switches("swapper", "fio"), cycles));
    }
  }
}

TEST_CASE("a plug holds 32 requests and small submissions have none of their own", "[path]") {  // examples 1, 2, 3
  for (const auto& [nr, rings] : {std::pair{128, 4}, {33, 2}, {3, 1}, {2, 2}}) {
    auto s = small_machine("6.1", nr, nr);
    s.block.queue_depth = 1023;
    Record r;
    record(r, s);
    INFO(nr);
    const auto submits = r.result["io"]["io_submit_per_s"].get<double>();
    CHECK(r.result["block"]["doorbells_per_s"].get<double>() / submits == Approx(rings).epsilon(0.02));
  }
}

TEST_CASE("a plug whose first request is large is issued before another one comes", "[path]") {
  for (const char* version : {"6.1", "6.12"}) {
    for (const auto& [kib, rings] : {std::pair{64, 1}, {124, 1}, {128, 8}, {256, 8}}) {
      auto s = small_machine(version, 8, 8);
      s.workloads[0].bs = kib * 1024;
      Record r;
      record(r, s);
      INFO(version << " " << kib);
      const auto submits = r.result["io"]["io_submit_per_s"].get<double>();
      CHECK(r.result["block"]["doorbells_per_s"].get<double>() / submits == Approx(rings).epsilon(0.02));
    }
  }
}

TEST_CASE("what completes while events are copied waits for the next look at the ring", "[path]") {
  auto s = small_machine("6.1", 4);
  s.workloads[0].rw = "randread";  // completed by the interrupt, in the middle of whatever runs
  s.workloads[0].iodepth_batch_submit = 1;
  s.device.coalesce_n = 1;
  s.costs[machine::CostId::getevents_event].ns = 1'000'000;  // the others are done before the first one is copied
  Record r;
  record(r, s);
  const auto calls = static_cast<double>(r.count(EventType::sys_exit_io_getevents));
  CHECK(r.result["io"]["completed"].get<double>() / calls < 3);
}

// The longest way between two might_sleep() points is the last part of the filesystem's share: 39 % of it.
TEST_CASE("who is interrupted within io_submit goes at the next point where it might sleep", "[path]") {
  struct Load {
    int batch;
    std::int64_t fs_dio_submit, io_submit_iocb, tag_alloc;
  };
  const auto waits = [](scenario::Preempt preempt, const Load& load) {
    auto s = small_machine("6.1", 4);
    s.kernel.preempt = preempt;
    s.workloads[0].iodepth_batch_submit = load.batch;
    s.device.coalesce_n = 1;
    s.device.latency_ns.kind = machine::Cost::Kind::uniform;
    s.device.latency_ns.low = 10'000, s.device.latency_ns.high = 300'000;
    s.costs[machine::CostId::fs_dio_submit].ns = load.fs_dio_submit;
    s.costs[machine::CostId::io_submit_iocb].ns = load.io_submit_iocb;
    s.costs[machine::CostId::tag_alloc].ns = load.tag_alloc;
    Record r;
    record(r, s);
    std::vector<std::int64_t> found;
    std::int64_t woken = -1;
    bool submits = false;
    for (const auto& e : r.events) {
      if (e.type == EventType::sys_enter_io_submit) submits = true;
      if (e.type == EventType::sys_exit_io_submit) submits = false;
      if (e.type == EventType::sched_wakeup && r.is(e.u.task.comm, "kworker/0:") && submits) woken = e.ts_ns;
      if (e.type != EventType::sched_switch) continue;
      if (woken >= 0 && r.is(e.u.sw.prev_comm, "fio")) found.push_back(e.ts_ns - woken);
      woken = -1;
    }
    REQUIRE(found.size() > 100);
    std::sort(found.begin(), found.end());
    return found;
  };
  const Load filesystem{1, 100'000, 50'000, 0};
  const auto voluntary = waits(scenario::Preempt::voluntary, filesystem);
  const auto none = waits(scenario::Preempt::none, filesystem);
  CHECK(voluntary.back() < 42'000);
  CHECK(voluntary[voluntary.size() / 2] > 5'000);  // not at once either
  CHECK(none[none.size() / 2] > 42'000);
  // Interrupted in the block layer's part: at the allocation of the next kiocb, 46.8 us into its share.
  const auto before = waits(scenario::Preempt::voluntary, {4, 1'000, 100'000, 40'000});
  CHECK(before.back() < 95'000);
}

TEST_CASE("neighbours in a plug are one request", "[path]") {
  const auto per_request = [](const std::string& rw, int max_kb, int batch, int nomerges = 0) {
    auto s = small_machine("6.1", 16, 16);
    s.workloads[0].rw = rw;
    s.workloads[0].iodepth_batch_submit = batch;
    s.block.max_sectors_kb = static_cast<std::uint64_t>(max_kb);
    s.block.nomerges = nomerges;
    Record r;
    record(r, s);
    CHECK(about(r.count(EventType::block_rq_issue), r.count(EventType::block_rq_complete)));
    return static_cast<double>(r.result["io"]["completed"].get<long>()) /
           static_cast<double>(r.count(EventType::block_rq_issue));
  };
  CHECK(per_request("randwrite", 1280, 16) == Approx(1).epsilon(0.02));
  CHECK(per_request("write", 1280, 16) == Approx(16).epsilon(0.02));
  CHECK(per_request("read", 1280, 16) == Approx(16).epsilon(0.02));
  CHECK(per_request("write", 32, 16) == Approx(8).epsilon(0.02));
  CHECK(per_request("write", 1280, 16, 1) == Approx(16).epsilon(0.02));
  CHECK(per_request("write", 1280, 16, 2) == Approx(1).epsilon(0.02));
  CHECK(per_request("write", 1280, 2) == Approx(1).epsilon(0.02));  // no plug
}

TEST_CASE("a submitter without a tag sleeps and its plug is issued by kblockd", "[path]") {
  auto s = small_machine("6.1", 32);
  s.block.queue_depth = 8;
  s.device.coalesce_n = 8;
  Record r;
  record(r, s);
  CHECK(r.switches("fio", "kworker/0:0H") + r.switches("fio", "kworker/0:1H") > 50);
  CHECK(r.result["block"]["tag_waits_per_s"].get<double>() > 1000);
}

TEST_CASE("the same scenario gives the same bytes", "[path]") {
  auto s = small_machine("6.12", 32);
  put_in_group(s, 1000);
  s.device.latency_ns.kind = machine::Cost::Kind::exponential;
  const auto text = [&] {
    auto j = nlohmann::json::parse(run::run(s).json);
    j.erase("engine");
    return j.dump();
  };
  const auto first = text();
  CHECK(first == text());
  s.run.seed = 2;
  CHECK(first != text());
}

TEST_CASE("an unbound dio workqueue runs on another CPU and goes on", "[path]") {
  auto s = small_machine("6.1", 32);
  s.machine.cpus = 2;
  s.block.hw_queues = 2;
  s.workloads[0].cpus_allowed = {1};
  s.block.irq_cpus = {0, 1};
  put_in_group(s, 10000);
  s.dio_wq.unbound = true;
  Record r;
  record(r, s);
  CHECK(r.result["io"]["completed"].get<long>() > 1000);
  CHECK(r.wakes_of("kworker/u") > 100);
}

TEST_CASE("the first turn after idle finds cold caches, for each task once", "[path]") {
  const auto ns_an_io = [](std::int64_t task, std::int64_t kworker, bool ever_idle, std::int64_t half = 0) {
    auto s = small_machine("6.1", 1);
    s.machine.idle_cold_half_ns = half;
    s.costs[machine::CostId::idle_cold_task].ns = task;
    s.costs[machine::CostId::idle_cold_kworker].ns = kworker;
    if (!ever_idle) {
      scenario::Program hog;
      hog.name = hog.kind = "hog";
      hog.cpu = 0;
      s.programs.push_back(hog);
    }
    return 1e9 / nlohmann::json::parse(run::run(s, {}).json)["io"]["iops"].get<double>();
  };
  const double warm = ns_an_io(0, 0, true);
  CHECK(ns_an_io(5000, 0, true) == Approx(warm + 5000).epsilon(0.002));
  CHECK(ns_an_io(0, 5000, true) == Approx(warm + 5000).epsilon(0.002));
  CHECK(ns_an_io(5000, 5000, false) == ns_an_io(0, 0, false));
  // It is idle for some 200 us, while the device works: t^2 / (t^2 + h^2).
  CHECK(ns_an_io(8000, 0, true, 1'000) == Approx(warm + 8000).epsilon(0.002));
  CHECK(ns_an_io(8000, 0, true, 200'000) == Approx(warm + 4000).epsilon(0.003));
  CHECK(ns_an_io(8000, 0, true, 100'000'000) == Approx(warm).epsilon(0.001));
}
