// SPDX-License-Identifier: GPL-2.0-or-later
// A virtual disk: a ring smaller than the tags, a doorbell only for a device that has gone idle, one interrupt when its
// host has nothing left; and the elevator between plug and driver.
#include <set>

#include "models/block/device.h"
#include "models/block/queue.h"
#include "models/kernel/switches.h"
#include "tests/unit/catch.h"
#include "tests/unit/path_fixture.h"

using namespace path_test;

namespace {

scenario::Scenario virtual_disk(int depth) {
  auto s = small_machine("6.18", depth);
  s.block.driver = "virtio_blk";
  s.block.elevator = "mq-deadline";
  s.device = {};
  s.device.law = "notified";
  s.device.service_ns.set = s.device.latency_ns.set = true;
  s.device.service_ns.ns = 4'000;
  s.device.latency_ns.ns = 20'000;
  s.device.interrupt_on_drain = s.device.doorbell_when_idle = true;
  return s;
}

}  // namespace

TEST_CASE("a notified device wakes once and serves until nothing is left", "[path]") {
  scenario::Device d;
  d.law = "notified";
  d.service_ns.ns = 4'000;
  d.latency_ns.ns = 20'000;
  block::DeviceLaw law(d, 1);
  struct Write final : block::Bio {
    machine::Call<void> end_io(machine::ExecContext&) override { return {}; }
  } bio;
  CHECK(law.completion_time(1'000, bio) == 25'000);   // asleep: 20 us until it looks
  CHECK(law.completion_time(1'000, bio) == 29'000);   // behind the first
  CHECK(law.completion_time(28'000, bio) == 33'000);  // it is still at work: no second wakeup
  CHECK(law.completion_time(33'000, bio) == 57'000);  // it had gone to sleep
}

TEST_CASE("a full ring stops the queue until an interrupt, and kblockd goes on", "[path]") {
  auto s = virtual_disk(32);
  s.block.ring_requests = 20;
  Record r;
  record(r, s);
  std::set<std::uint64_t> issued;  // sectors; the one that found no room is issued too, and again later
  std::size_t most = 0;
  long again = 0;
  for (const auto& e : r.events) {
    if (e.type == EventType::block_rq_issue) again += !issued.insert(e.u.rq.sector).second;
    if (e.type == EventType::block_rq_complete) issued.erase(e.u.rq.sector);
    most = std::max(most, issued.size());
  }
  CHECK(most == 21);
  CHECK(again > 50);
  CHECK(r.wakes_of("kworker/0:1H") + r.wakes_of("kworker/0:0H") > 50);
  CHECK(r.result["io"]["completed"].get<long>() > 1000);
  s.block.ring_requests = 0;
  Record all;
  record(all, s);
  CHECK(all.wakes_of("kworker/0:1H") + all.wakes_of("kworker/0:0H") == 0);
}

TEST_CASE("a device at work is not rung", "[path]") {
  auto s = virtual_disk(8);
  s.workloads[0].iodepth_batch_submit = 1;  // each I/O in a call of its own
  const auto doorbells_per_io = [&](bool when_idle) {
    s.device.doorbell_when_idle = when_idle;
    Record r;
    record(r, s);
    return r.result["block"]["doorbells_per_s"].get<double>() / r.result["io"]["iops"].get<double>();
  };
  CHECK(doorbells_per_io(false) == Approx(1).epsilon(0.02));
  CHECK(doorbells_per_io(true) < 0.5);
}

// Depth 20 beside 10 that fit: while the device is at work, fio's requests one by one fill the ring.
TEST_CASE("who finds the ring full rings a device at work", "[path]") {
  auto s = virtual_disk(20);
  s.workloads[0].iodepth_batch_submit = s.workloads[0].iodepth_batch_complete_max = 1;
  const auto doorbells_per_interrupt = [&](int ring) {
    s.block.ring_requests = ring;
    Record r;
    record(r, s);
    return r.result["block"]["doorbells_per_s"].get<double>() / r.result["totals"]["interrupts_per_s"].get<double>();
  };
  CHECK(doorbells_per_interrupt(10) > doorbells_per_interrupt(0) + 0.5);
}

// The interrupt of what was just issued comes while the doorbell takes its time, and SCHED_IDLE fio is preempted by the
// kworker: kblockd is to look whether there is more.
TEST_CASE("a run of an elevator in which a switch became due ends with one by kblockd", "[path]") {
  auto s = virtual_disk(8);
  s.workloads[0].policy = "idle";
  s.workloads[0].iodepth_batch_submit = s.workloads[0].iodepth_batch_complete_max = 4;
  s.costs[machine::CostId::doorbell].ns = 40'000;
  const auto by_kblockd = [&](bool yields, const char* elevator) {
    s.kernel.switches->elevator_run_yields = yields;
    s.block.elevator = elevator;
    Record r;
    record(r, s);
    return r.wakes_of("kworker/0:1H") + r.wakes_of("kworker/0:0H");
  };
  CHECK(by_kblockd(true, "mq-deadline") > 10);
  CHECK(by_kblockd(false, "mq-deadline") == 0);
  CHECK(by_kblockd(true, "none") == 0);
}

TEST_CASE("with an elevator a plug is inserted and the submitter runs the queue", "[path]") {
  auto s = virtual_disk(6);
  for (const char* elevator : {"none", "mq-deadline"}) {
    s.block.elevator = elevator;
    Record r;
    record(r, s);
    const long cycles = r.count(EventType::irq_handler_entry);
    INFO(elevator);
    REQUIRE(cycles > 100);
    CHECK(about(r.count(EventType::block_rq_issue), 6 * cycles, 12));
    CHECK(r.wakes_of("kworker/0:1H") == 0);
  }
}

// The second completion's interrupt falls into the end of the first one's softirq.
TEST_CASE("a softirq that is raised while another ends is not left behind", "[path]") {
  auto s = small_machine("6.12", 2);
  s.machine.cpus = 2;
  s.block.driver = "virtio_blk";
  s.block.irq_cpus = {0};
  s.device = {};
  s.device.law = "serial";
  s.device.service_ns.set = s.device.latency_ns.set = true;
  s.device.service_ns.ns = 4'000;
  s.device.latency_ns.ns = 20'000;
  s.workloads[0].iodepth_batch_submit = s.workloads[0].iodepth_batch_complete_max = 1;
  s.costs[machine::CostId::softirq_exit].ns = 5'000;
  Record r;
  record(r, s);
  CHECK(r.result["io"]["completed"].get<long>() > 1'500);  // 50 ms; one lost completion ends the run of them
}
