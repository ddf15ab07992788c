// SPDX-License-Identifier: GPL-2.0-or-later
// On which CPU and in which context completions run: the worked examples 8 and 21 to 29 of the completion path.
#include "models/block/steering.h"
#include "tests/unit/catch.h"
#include "tests/unit/path_fixture.h"

using namespace path_test;
using block::Steer;

namespace {

constexpr int kBlock = 4;  // softirq vector

scenario::Scenario machine_of(const std::string& version, const machine::RegularTopology& t, int queues, int fio_cpu,
                              int depth = 6) {
  auto s = small_machine(version, depth);
  s.machine.cpus = t.cpus;
  s.machine.resolved = machine::make_topology(t);
  s.block.hw_queues = queues;
  s.workloads[0].cpus_allowed = {fio_cpu};
  return s;
}

// 12 CPUs, siblings c and c + 6, 8 queues: queue 0 has CPUs 0 and 6.
scenario::Scenario twelve(const std::string& version) {
  return machine_of(version, {.cpus = 12, .threads_per_core = 2}, 8, 0);
}

long count_on(const Record& r, EventType t, int cpu) {
  return std::count_if(r.events.begin(), r.events.end(), [&](const auto& e) { return e.type == t && e.cpu == cpu; });
}

long softirqs_on(const Record& r, int cpu) {
  return std::count_if(r.events.begin(), r.events.end(), [&](const auto& e) {
    return e.type == EventType::softirq_entry && e.cpu == cpu && e.u.irq.irq == kBlock;
  });
}

// Are requests ended in the order in which they were issued, group by group?
bool in_issue_order(const Record& r, std::size_t group) {
  std::vector<std::uint64_t> issued, ended;
  for (const auto& e : r.events) {
    if (e.type == EventType::block_rq_issue) issued.push_back(e.u.rq.sector);
    if (e.type == EventType::block_rq_complete) ended.push_back(e.u.rq.sector);
  }
  const auto at = std::find(ended.begin(), ended.end(), issued.front());
  const auto n = static_cast<std::ptrdiff_t>(group);
  return ended.end() - at >= n && std::equal(issued.begin(), issued.begin() + n, at);
}

block::Steering seen(int here, int ctx, int nr_ctx, int queues, int affinity, bool near) {
  block::Steering s;
  s.this_cpu = here, s.ctx_cpu = ctx, s.nr_ctx = nr_ctx, s.hw_queues = queues, s.rq_affinity = affinity;
  s.shares_cache = near;
  return s;
}

}  // namespace

TEST_CASE("the steering decision by version", "[block]") {
  const auto old = kernel::switches_of("5.4"), k61 = kernel::switches_of("6.1"), k66 = kernel::switches_of("6.6"),
             k612 = kernel::switches_of("6.12");
  CHECK(steer(seen(6, 0, 2, 8, 1, true), k61) == Steer::direct);        // 22
  CHECK(steer(seen(6, 0, 2, 8, 2, true), k61) == Steer::remote);        // 23
  CHECK(steer(seen(6, 0, 2, 8, 0, false), k61) == Steer::direct);       // rq_affinity 0: where the interrupt is
  CHECK(steer(seen(1, 0, 1, 2, 2, true), k61) == Steer::direct);        // 24
  CHECK(steer(seen(1, 0, 1, 2, 2, true), k66) == Steer::remote);        // 24, from 6.5
  CHECK(steer(seen(8, 0, 2, 8, 1, false), k61) == Steer::remote);       // 25
  CHECK(steer(seen(0, 2, 4, 1, 1, true), k61) == Steer::softirq_here);  // 26
  CHECK(steer(seen(0, 0, 1, 1, 1, true), k61) == Steer::direct);        // one queue, one CPU
  CHECK(steer(seen(0, 0, 1, 1, 1, true), old) == Steer::softirq_here);
  CHECK(steer(seen(0, 2, 4, 1, 2, true), old) == Steer::remote);
  auto polled = seen(0, 2, 4, 1, 2, false);
  polled.polled = true;
  CHECK(steer(polled, k612) == Steer::direct);
  auto forced = seen(0, 2, 4, 2, 2, false);
  forced.forced_threads = true;
  CHECK(steer(forced, k61) == Steer::direct);
  auto unequal = seen(6, 0, 2, 8, 1, true);  // a big and a little CPU with one cache
  unequal.equal_capacity = false;
  CHECK(steer(unequal, k66) == Steer::direct);
  CHECK(steer(unequal, k612) == Steer::remote);  // from 6.9
}

TEST_CASE("a queue shared with a sibling is completed on the interrupt's CPU, away from fio", "[block]") {  // 21, 22
  auto s = twelve("6.1");
  put_in_group(s, 10000);
  Record r;
  record(r, s);
  const long irqs = r.count(EventType::irq_handler_entry);
  REQUIRE(irqs > 100);
  CHECK(count_on(r, EventType::irq_handler_entry, 6) == irqs);
  CHECK(count_on(r, EventType::block_rq_complete, 6) == r.count(EventType::block_rq_complete));
  CHECK(count_on(r, EventType::workqueue_execute_start, 6) == r.count(EventType::workqueue_execute_start));
  CHECK(r.wakes_of("kworker/6:") > 0);
  CHECK(r.switches("kworker/0:", "fio") + r.switches("fio", "kworker/0:") == 0);
  CHECK(r.result["pingpong"].empty());
}

TEST_CASE("rq_affinity 2 brings them back to the submitting CPU, by softirq, one interrupt a sweep", "[block]") {  // 23
  auto s = twelve("6.1");
  s.block.rq_affinity = 2;
  s.costs[machine::CostId::ipi_latency].ns = 2'000;  // longer than the sweep: its list is drained once
  Record r;
  record(r, s);
  const long irqs = count_on(r, EventType::irq_handler_entry, 6);
  REQUIRE(irqs > 100);
  CHECK(count_on(r, EventType::block_rq_complete, 0) == r.count(EventType::block_rq_complete));
  CHECK(about(softirqs_on(r, 0), irqs));
  CHECK(count_on(r, EventType::workqueue_execute_start, 0) == r.count(EventType::workqueue_execute_start));
  CHECK(r.switches("kworker/0:", "fio") > 0);  // they share a CPU again
  CHECK(in_issue_order(r, 6));                 // not batched: CQE order
}

TEST_CASE("a queue of one CPU whose interrupt runs elsewhere", "[block]") {  // 24
  for (const auto& [version, cpu] : {std::pair{"6.1", 1}, {"6.6", 0}}) {
    auto s = machine_of(version, {.cpus = 2}, 2, 0);
    s.block.irq_cpus = {1, 1};
    s.block.rq_affinity = 2;
    Record r;
    record(r, s);
    INFO(version);
    CHECK(count_on(r, EventType::block_rq_complete, cpu) == r.count(EventType::block_rq_complete));
    CHECK((softirqs_on(r, 0) > 0) == (cpu == 0));
  }
}

TEST_CASE("a queue across two caches goes to the submitter", "[block]") {  // 25
  auto s = machine_of("6.1", {.cpus = 4, .cores_per_llc = 2}, 2, 0, 3);
  s.block.queue_map = {0, 1, 0, 1};
  s.block.irq_cpus = {2, 3};
  Record r;
  record(r, s);
  const long irqs = count_on(r, EventType::irq_handler_entry, 2);
  REQUIRE(irqs > 100);
  CHECK(about(softirqs_on(r, 0), irqs));  // three completions, one interrupt between processors
  CHECK(count_on(r, EventType::block_rq_complete, 0) == r.count(EventType::block_rq_complete));
  CHECK(in_issue_order(r, 3));
}

TEST_CASE("virtio with one queue: softirq on the interrupt's CPU, the worker there wakes fio", "[block]") {  // 26
  auto s = machine_of("6.1", {.cpus = 4}, 1, 2);
  s.block.driver = "virtio_blk";
  s.block.irq_cpus = {0};
  Record r;
  record(r, s);
  const long irqs = count_on(r, EventType::irq_handler_entry, 0);
  REQUIRE(irqs > 100);
  CHECK(about(softirqs_on(r, 0), irqs));
  CHECK(count_on(r, EventType::workqueue_execute_start, 0) == r.count(EventType::workqueue_execute_start));
  CHECK(r.wakes_of("kworker/0:") > 0);
  CHECK(r.switches("swapper", "fio") > 0);
  s.block.irq_cpus = {};
  Record moved;
  record(moved, s);
  CHECK(count_on(moved, EventType::irq_handler_entry, 3) ==
        moved.count(EventType::irq_handler_entry));  // 1.3: the last
}

TEST_CASE("up to 6.4 completions wait for a runnable ksoftirqd", "[block]") {  // 27
  std::vector<double> iops;
  for (const char* version : {"6.1", "6.6"}) {
    auto s = machine_of(version, {.cpus = 2}, 1, 1, 16);
    s.kernel.switches->eevdf = false;  // the same scheduler for both
    s.block.driver = "virtio_blk";
    s.block.irq_cpus = {0};
    s.fs.type = "none";
    s.device.coalesce_n = 1;
    s.device.coalesce_ns = 0;
    s.device.latency_ns.ns = 30'000;
    s.costs[machine::CostId::rq_end].ns = 6'000;  // interrupts come while the softirq runs
    scenario::Cgroup g;
    g.path = "heavy";
    g.cpu_weight = 10000;
    s.cgroups.push_back(g);
    scenario::Program hog;
    hog.name = hog.kind = "hog";
    hog.cgroup = "heavy";
    s.programs.push_back(hog);
    s.run.duration_ns = 200'000'000;
    Record r;
    record(r, s);
    iops.push_back(r.result["io"]["iops"].get<double>());
  }
  CHECK(iops[0] * 20 < iops[1]);
}

TEST_CASE("null_blk without a timer and with one queue ends in ksoftirqd, woken once a plug", "[block]") {  // 28
  for (const auto& [version, reversed] : {std::pair{"6.1", true}, {"6.12", false}}) {
    auto s = machine_of(version, {.cpus = 4}, 1, 1, 3);
    s.block.driver = "null_blk";
    s.block.irqmode = 1;
    s.fs.type = "none";
    s.workloads[0].iodepth_batch_complete_min = 3;
    Record r;
    record(r, s);
    const long submits = r.count(EventType::sys_exit_io_submit);
    REQUIRE(submits > 100);
    INFO(version);
    // From 6.12 fio's wakeup may preempt ksoftirqd, which is runnable still when fio raises again.
    CHECK(r.wakes_of("ksoftirqd/1") <= submits + 1);
    if (reversed) CHECK(about(r.wakes_of("ksoftirqd/1"), submits));
    CHECK(about(r.switches("fio", "ksoftirqd/1"), submits));
    CHECK(in_issue_order(r, 3));
    std::vector<std::uint64_t> issued;
    for (const auto& e : r.events)
      if (e.type == EventType::block_rq_issue) issued.push_back(e.u.rq.sector);
    auto sequential = s;
    sequential.workloads[0].rw = "write";
    sequential.block.nomerges = 2;  // else neighbours were one request
    Record q;
    record(q, sequential);
    std::vector<std::uint64_t> sectors;
    for (const auto& e : q.events)
      if (e.type == EventType::block_rq_issue) sectors.push_back(e.u.rq.sector);
    long back = 0, forth = 0;
    for (std::size_t i = 1; i < sectors.size(); ++i) (sectors[i] < sectors[i - 1] ? back : forth) += 1;
    CHECK((back > forth) == reversed);  // iocbs 3, 2, 1
  }
}

TEST_CASE("null_blk that ends at issue: one iocb in the submitter, a plug by the worker", "[block]") {  // 29
  for (const int depth : {1, 8}) {
    auto s = machine_of("6.1", {.cpus = 1}, 1, 0, depth);
    s.block.driver = "null_blk";
    s.block.irqmode = 0;
    s.workloads[0].iodepth_batch_complete_min = depth;
    Record r;
    record(r, s);
    const long submits = r.count(EventType::sys_exit_io_submit);
    REQUIRE(submits > 100);
    INFO(depth);
    CHECK(about(r.count(EventType::workqueue_queue_work), depth == 1 ? 0 : 8 * submits, 10) == (depth == 8));
    if (depth == 1) {
      CHECK(r.count(EventType::workqueue_queue_work) == 0);
      CHECK(r.wakes_of("fio") == 0);
    } else {
      CHECK(about(r.wakes_of("kworker/0:"), submits));
    }
  }
}

TEST_CASE("with an elevator requests are ended one by one, in order", "[block]") {  // 8
  auto s = small_machine("6.1", 6);
  s.block.elevator = "mq-deadline";
  Record r;
  record(r, s);
  REQUIRE(r.count(EventType::irq_handler_entry) > 100);
  CHECK(in_issue_order(r, 6));
  CHECK(about(r.wakes_of("kworker/0:"), r.count(EventType::irq_handler_entry)));
}

TEST_CASE("a threaded interrupt sweeps in a FIFO thread", "[block]") {
  for (const bool forced : {false, true}) {
    auto s = machine_of("6.1", {.cpus = 2}, 1, 1);
    s.block.irq_cpus = {0};
    (forced ? s.kernel.threadirqs : s.block.threaded_interrupts) = true;
    Record r;
    record(r, s);
    const long irqs = count_on(r, EventType::irq_handler_entry, 0);
    REQUIRE(irqs > 100);
    INFO(forced);
    CHECK(about(r.wakes_of("irq/"), irqs));
    CHECK(about(r.switches("swapper", "irq/"), irqs));
    CHECK(about(r.switches("irq/", "kworker/0:"), irqs));  // the worker waits for the thread to sleep
    // One queue, two CPUs: the BLOCK softirq, run where the thread enables bottom halves again.
    long by_thread = 0;
    for (const auto& e : r.events)
      if (e.type == EventType::block_rq_complete && r.is(e.comm, "irq/")) ++by_thread;
    CHECK(by_thread == r.count(EventType::block_rq_complete));
  }
}

TEST_CASE("renumbering CPUs changes nothing but their names", "[block]") {
  for (const int affinity : {0, 1, 2}) {
    std::vector<double> iops, items;
    for (const bool swapped : {false, true}) {
      auto s = machine_of("6.12", {.cpus = 4, .cores_per_llc = 2}, 2, swapped ? 3 : 0, 16);
      s.block.queue_map = swapped ? std::vector<int>{1, 1, 0, 0} : std::vector<int>{0, 0, 1, 1};
      s.block.irq_cpus = swapped ? std::vector<int>{1, 0} : std::vector<int>{2, 3};  // the other cache group
      s.block.rq_affinity = affinity;
      s.device.coalesce_n = 4;
      s.device.coalesce_ns = 100'000;
      Record r;
      record(r, s);
      iops.push_back(r.result["io"]["iops"].get<double>());
      items.push_back(r.result["workqueue"]["items_per_activation"].get<double>());
    }
    INFO(affinity);
    // Not to the last I/O: which CPU balances for the idle ones goes by number, in the kernel too.
    CHECK(iops[0] == Approx(iops[1]).epsilon(0.02));
    CHECK(items[0] == Approx(items[1]).epsilon(0.02));
  }
}

TEST_CASE("every I/O is completed once, whichever way it goes", "[block]") {
  for (const int affinity : {0, 1, 2})
    for (const char* driver : {"nvme", "virtio_blk"})
      for (const bool threads : {false, true}) {
        auto s = machine_of("6.12", {.cpus = 4, .cores_per_llc = 2}, 1, 3, 32);
        s.block.driver = driver;
        s.block.rq_affinity = affinity;
        s.block.irq_cpus = {0};
        s.block.queue_depth = 12;  // submitters wait for tags
        s.kernel.threadirqs = threads;
        s.device.coalesce_n = 5;
        s.device.coalesce_ns = 50'000;
        Record r;
        record(r, s);
        const long done = r.count(EventType::block_rq_complete);
        INFO(driver << " " << affinity << " " << threads);
        CHECK(done > 500);
        CHECK(std::abs(r.count(EventType::block_rq_issue) - done) <= 12);
        CHECK(std::abs(r.result["io"]["completed"].get<long>() - done) <= 32);
      }
}
