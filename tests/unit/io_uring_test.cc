// SPDX-License-Identifier: GPL-2.0-or-later
// Worked examples of the io_uring specification, section 7: sequences and counts of one task with one ring.
#include "models/kernel/switches.h"
#include "models/machine/stuck.h"
#include "tests/unit/catch.h"
#include "tests/unit/io_uring_fixture.h"

using namespace uring_test;

TEST_CASE("page-cache hits complete inline, in one flush", "[uring]") {  // example 1
  Bench b(disk("6.12"));
  b.file.direct = false;
  std::vector<std::uint64_t> got;
  int ret = -1;
  b.run([&](KTask& t) -> Call<void> {
    b.push(Op::read, 4);
    ret = co_await b.ring.enter(t, 4, 0, 0);
    got = b.reap();
  });
  CHECK(ret == 4);
  CHECK(got == std::vector<std::uint64_t>{1, 2, 3, 4});
  CHECK(b.count(EventType::io_uring_submit_req) == 4);
  CHECK(b.count(EventType::io_uring_complete) == 4);
  CHECK(b.count(EventType::io_uring_task_work_run) == 0);
  CHECK(b.wakes() == 0);
  CHECK(b.count(EventType::sched_switch) == 0);
  CHECK(b.ring.counters.inline_done == 4);
}

TEST_CASE("depth 1 on a block device: one wake, two switches", "[uring]") {  // example 2
  Bench b(disk("6.12"));
  b.run([&](KTask& t) -> Call<void> {
    b.push(Op::read);
    co_await b.ring.enter(t, 1, 1, Ring::kGetEvents);
  });
  CHECK(b.ring.cq_ready() == 1);
  CHECK(b.wakes() == 1);
  CHECK(b.count(EventType::sched_switch) == 2);
  CHECK(b.passes_of(EventType::io_uring_task_work_run, 1) == 1);
  CHECK(b.count(EventType::io_uring_cqring_wait) == 1);
}

TEST_CASE("DEFER_TASKRUN wakes once there is enough, before 6.4 with the first", "[uring]") {  // example 3
  for (const auto& [version, wakes] : {std::pair{"6.12", 1}, {"6.1", 8}}) {
    Bench b(disk(version), defer());
    std::vector<std::uint64_t> got;
    b.run([&](KTask& t) -> Call<void> {
      b.push(Op::read, 8);
      co_await b.ring.enter(t, 8, 8, Ring::kGetEvents);
      got = b.reap();
    });
    INFO(version);
    CHECK(b.wakes() == wakes);
    CHECK(b.ring.counters.sleeps == static_cast<std::uint64_t>(wakes));
    CHECK(got == b.completion_order());
    CHECK(b.passes_of(EventType::io_uring_local_work_run, 8 / wakes) == wakes);
  }
}

TEST_CASE("up to 6.1 completions that come together are posted newest first", "[uring]") {  // example 3, last part
  for (const auto& [version, reversed] : {std::pair{"6.1", true}, {"6.12", false}}) {
    auto s = disk(version);
    s.device.law = "delay";
    s.device.latency_ns.ns = 50'000;
    s.device.coalesce_n = 8;
    s.device.coalesce_ns = 1'000'000;
    Bench b(s, defer());
    std::vector<std::uint64_t> got;
    b.run([&](KTask& t) -> Call<void> {
      b.push(Op::read, 8);
      co_await b.ring.enter(t, 8, 8, Ring::kGetEvents);
      got = b.reap();
    });
    INFO(version);
    CHECK(b.wakes() == 1);
    if (reversed) std::reverse(got.begin(), got.end());
    CHECK(got == b.completion_order());
  }
}

TEST_CASE("from 6.13 on a pass of DEFER_TASKRUN work ends after 20, or what is waited for", "[uring]") {
  using Sizes = std::vector<int>;
  for (const auto& [version, sizes] : {std::pair{"6.12", Sizes{48, 0, 0}}, {"6.18", Sizes{1, 40, 7}}}) {
    auto s = disk(version);
    s.device.law = "delay";
    s.device.latency_ns.ns = 50'000;
    s.device.coalesce_n = 48;
    s.device.coalesce_ns = 1'000'000;
    Bench b(s, defer());
    Sizes got;
    std::vector<std::uint64_t> all;
    b.run([&](KTask& t) -> Call<void> {
      const auto look = [&] {
        const auto now = b.reap();
        got.push_back(static_cast<int>(now.size()));
        all.insert(all.end(), now.begin(), now.end());
      };
      b.push(Op::read, 48);
      co_await b.ring.enter(t, 48, 1, Ring::kGetEvents);  // woken: as many as it waits for
      look();
      b.push(Op::nop);
      co_await b.ring.enter(t, 1, 0, Ring::kGetEvents);  // 20 with the lock still held, 20 as the wait begins
      const auto nop = b.ring.cq_ready();
      look();
      --got.back();  // the NOP itself
      CHECK(nop == got.back() + 1);
      if (!sizes.back()) {
        got.push_back(0);
        co_return;
      }
      co_await b.ring.enter(t, 0, 1, Ring::kGetEvents);
      look();
    });
    INFO(version);
    CHECK(got == sizes);
    std::erase(all, 49);
    CHECK(all == b.completion_order());
  }
}

TEST_CASE("a default ring is woken for each completion that trickles in, COOP too", "[uring]") {  // example 4
  for (const Setup& setup : {Setup{}, coop()}) {
    Bench b(disk("6.12"), setup);
    b.run([&](KTask& t) -> Call<void> {
      b.push(Op::read, 8);
      co_await b.ring.enter(t, 8, 8, Ring::kGetEvents);
    });
    CHECK(b.ring.cq_ready() == 8);
    CHECK(b.wakes() == 8);
    CHECK(b.ring.counters.sleeps == 8);
    CHECK(b.passes_of(EventType::io_uring_task_work_run, 1) == 8);
  }
}

TEST_CASE("the counted wake", "[uring]") {  // example 5
  using io_uring::CountedAdd;
  const auto wakes = [](std::vector<bool> lazy, std::uint32_t wait_nr) {
    std::vector<bool> out;
    std::uint32_t before = 0;
    for (const bool l : lazy) {
      const auto add = CountedAdd::of(before, wait_nr, l);
      before = add.count;
      out.push_back(add.wakes);
    }
    return out;
  };
  CHECK(wakes({true, true, true, true}, 3) == std::vector<bool>{false, false, true, false});
  CHECK(wakes({true, false, true}, 3) == std::vector<bool>{false, true, false});
  CHECK(wakes({true, false, false}, CountedAdd::kNobodyWaits) == std::vector<bool>{false, false, false});
}

TEST_CASE("a completion for a task that computes: interrupt, next kernel exit, or next wait", "[uring]") {  // example 6
  struct Row {
    Setup setup;
    engine::Time from, to;  // when the CQE is written, after the device's interrupt on the other CPU
  };
  for (const Row& r :
       {Row{Setup{}, 0, 10'000}, Row{coop(), 1'000'000, 4'000'000}, Row{defer(), 5'000'000, 9'000'000}}) {
    auto s = disk("6.12", 2);
    s.block.irq_cpus = {1};
    s.block.rq_affinity = 0;
    s.block.hw_queues = 1;
    s.device.latency_ns.ns = 1'000'000;
    Bench b(s, r.setup);
    b.run([&](KTask& t) -> Call<void> {
      b.push(Op::read);
      co_await b.ring.enter(t, 1, 0, 0);
      co_await t.run_ns(8'000'000, Mode::user);
      co_await b.ring.enter(t, 0, 1, Ring::kGetEvents);
    });
    engine::Time done = 0, posted = 0;
    for (const auto& e : b.records.events) {
      if (e.type == EventType::block_rq_complete) done = e.ts_ns;
      if (e.type == EventType::io_uring_complete) posted = e.ts_ns;
    }
    REQUIRE(done > 0);
    INFO(posted - done);
    CHECK(posted - done > r.from);
    CHECK(posted - done < r.to);
    CHECK(b.wakes() == 0);
  }
}

TEST_CASE("a direct write to a file costs two wakes, to a block device one", "[uring]") {  // example 7
  for (const auto& [type, wakes_of_kworker] : {std::pair{"xfs", 1}, {"none", 0}}) {
    auto s = disk("6.12");
    s.fs.type = type;
    Bench b(s);
    b.file.inode.fresh_until = b.m.tick_ns();  // its timestamps are of this tick
    b.run([&](KTask& t) -> Call<void> {
      b.push(Op::write);
      co_await b.ring.enter(t, 1, 1, Ring::kGetEvents);
    });
    INFO(type);
    CHECK(b.wakes() == 1);
    CHECK(b.records.wakes_of("kworker/0:") == wakes_of_kworker);
    CHECK(b.count(EventType::io_uring_queue_async_work) == 0);
  }
}

TEST_CASE("the first direct write of a tick to XFS is punted, and those before it is done; ext4's are not", "[uring]") {
  for (const auto& [type, punts] : {std::pair{"xfs", 4}, {"ext4", 0}}) {
    auto s = disk("6.12");
    s.fs.type = type;
    Bench b(s);
    b.run([&](KTask& t) -> Call<void> {
      b.push(Op::write, 4);
      co_await b.ring.enter(t, 4, 4, Ring::kGetEvents);
      b.reap();
      b.push(Op::write, 4);  // the timestamps are right now
      co_await b.ring.enter(t, 4, 4, Ring::kGetEvents);
    });
    INFO(type);
    CHECK(b.finished);
    CHECK(b.count(EventType::io_uring_queue_async_work) == punts);
    CHECK(b.ring.counters.completed == 8);
  }
}

TEST_CASE("the issuer completes its overwrites where 6.6 lets it", "[uring]") {
  for (const auto& [version, kworker] : {std::pair{"6.1", 1}, {"6.6", 0}, {"6.12", 1}, {"6.19", 0}}) {
    auto s = disk(version);
    s.fs.type = "ext4";
    Bench b(s);
    b.run([&](KTask& t) -> Call<void> {
      b.push(Op::write);
      co_await b.ring.enter(t, 1, 1, Ring::kGetEvents);
    });
    INFO(version);
    CHECK(b.ring.cq_ready() == 1);
    CHECK(b.records.wakes_of("kworker/0:") == kworker);
  }
}

TEST_CASE("inline CQEs are visible before the plug of their batch is flushed", "[uring]") {  // example 37
  Bench b(disk("6.12"));
  io_uring::File direct;
  direct.block_device = true;
  b.file.direct = false;
  b.run([&](KTask& t) -> Call<void> {
    b.push(Op::read, 16);
    b.push(Op::read, 16, [&](Sqe& e) { e.file = &direct; });
    co_await b.ring.enter(t, 32, 0, 0);
  });
  long completed = 0;
  for (const auto& e : b.records.events) {
    if (e.type == EventType::io_uring_complete) ++completed;
    if (e.type == EventType::block_rq_issue) break;
  }
  CHECK(completed == 16);
  CHECK(b.count(EventType::block_rq_issue) == 16);
}

TEST_CASE("a wait ends by its timeout, and only what is there is seen", "[uring]") {
  Bench b(disk("6.12"), defer());
  int ret = 0;
  engine::Time took = 0;
  b.run([&](KTask& t) -> Call<void> {
    b.push(Op::read);
    co_await b.ring.enter(t, 1, 1, Ring::kGetEvents);
    b.reap();
    const engine::Time from = b.m.now();
    ret = co_await b.ring.enter(t, 0, 1, Ring::kGetEvents, 2'000'000);
    took = b.m.now() - from;
  });
  CHECK(ret == Ring::kTimedOut);
  CHECK(took > 2'000'000);
  CHECK(took < 2'010'000);
}

TEST_CASE("a wait that nothing can end is the user's error, not a hang", "[uring]") {
  Bench b(disk("6.12"));
  CHECK_THROWS_AS(b.run([&](KTask& t) -> Call<void> {
    b.push(Op::nop, 2);
    co_await b.ring.enter(t, 2, 3, Ring::kGetEvents);
  }),
                  machine::Stuck);
}

TEST_CASE("what does not fit into the completion ring waits in order", "[uring]") {
  Setup small;
  small.entries = 4;
  small.cq_entries = 4;
  Bench b(disk("6.12"), small);
  std::vector<std::uint64_t> first, rest;
  b.run([&](KTask& t) -> Call<void> {
    for (int round = 0; round < 2; ++round) {
      b.push(Op::nop, 4);
      co_await b.ring.enter(t, 4, 0, 0);
    }
    first = b.reap();
    co_await b.ring.enter(t, 0, 4, Ring::kGetEvents);
    rest = b.reap();
  });
  CHECK(first == std::vector<std::uint64_t>{1, 2, 3, 4});
  CHECK(rest == std::vector<std::uint64_t>{5, 6, 7, 8});
  CHECK(b.ring.counters.overflows == 4);
}

TEST_CASE("a chain is issued one after the other", "[uring]") {
  Bench b(disk("6.12"), defer());
  std::vector<std::uint64_t> got;
  b.run([&](KTask& t) -> Call<void> {
    b.push(Op::read, 2, [](Sqe& e) { e.link = true; });
    b.push(Op::read);
    co_await b.ring.enter(t, 3, 3, Ring::kGetEvents);
    got = b.reap();
  });
  CHECK(got == std::vector<std::uint64_t>{1, 2, 3});
  long in_device = 0, most = 0;
  for (const auto& e : b.records.events) {
    in_device += (e.type == EventType::block_rq_issue) - (e.type == EventType::block_rq_complete);
    most = std::max(most, in_device);
  }
  CHECK(most == 1);
}

TEST_CASE("a drained request waits for all before it, and all after it wait for it", "[uring]") {
  Bench b(disk("6.12"));
  std::vector<std::uint64_t> got;
  b.run([&](KTask& t) -> Call<void> {
    b.push(Op::read, 2);
    b.push(Op::nop, 1, [](Sqe& e) { e.drain = true; });
    b.push(Op::nop);
    co_await b.ring.enter(t, 4, 4, Ring::kGetEvents);
    got = b.reap();
  });
  CHECK(got == std::vector<std::uint64_t>{1, 2, 3, 4});
}

TEST_CASE("registered files and buffers save their costs and change no event", "[uring]") {
  const auto time_of = [](bool fixed) {
    auto s = disk("6.12");
    s.costs[machine::CostId::uring_file].ns = 70;
    s.costs[machine::CostId::dio_pin].ns = 30;
    Bench b(s);
    engine::Time took = 0;
    b.run([&](KTask& t) -> Call<void> {
      b.push(Op::read, 8, [&](Sqe& e) { e.fixed_file = e.fixed_buffer = fixed; });
      const engine::Time from = b.m.now();
      co_await b.ring.enter(t, 8, 0, 0);
      took = b.m.now() - from;
    });
    return took;
  };
  CHECK(time_of(false) - time_of(true) == 8 * (70 + 30));
}

TEST_CASE("one SQPOLL thread takes eight SQEs a turn from each of two rings, all from one", "[uring]") {  // example 25
  for (const int rings : {1, 2}) {
    Setup setup;
    setup.sqpoll = true;
    setup.sq_thread_cpu = 1;
    setup.sq_thread_idle_ns = 1'000'000'000;
    Bench b(disk("6.12", 2), setup);
    Setup attached = setup;
    attached.attach_wq = &b.ring;
    std::unique_ptr<Ring> second;
    if (rings == 2) second = std::make_unique<Ring>(b.m, b.fs, b.tctx, attached);
    bool slept = false;
    std::vector<int> last;
    b.run(
        [&](KTask& t) -> Call<void> {
          b.push(Op::nop, 20);
          if (second) {
            for (int i = 0; i < 20; ++i) second->push({});
          }
          while (b.ring.cq_ready() < 20 || (second && second->cq_ready() < 20)) co_await t.run_ns(100, Mode::user);
          last = b.ring.sq_thread().last_turn;
          machine::SleepTimer timer(b.m);
          co_await machine::sleep_until(t, timer, b.m.now() + 1'100'000'000);
          slept = b.ring.needs_wakeup();
          b.push(Op::nop);
          co_await b.ring.enter(t, 1, 0, Ring::kSqWakeup);
          while (b.ring.cq_ready() < 21) co_await t.run_ns(100, Mode::user);
        },
        1'200'000'000);
    CHECK(b.finished);
    CHECK(last == (rings == 1 ? std::vector<int>{20} : std::vector<int>{4, 4}));
    CHECK(slept);
    CHECK(b.records.wakes_of("iou-sqp") == 1);
  }
}

TEST_CASE("IOPOLL finds its completions without an interrupt, on a poll queue", "[uring]") {
  for (const int poll_queues : {1, 0}) {
    auto s = disk("6.12");
    s.block.poll_queues = poll_queues;
    Setup setup;
    setup.iopoll = true;
    Bench b(s, setup);
    b.run([&](KTask& t) -> Call<void> {
      b.push(Op::read, 8);
      co_await b.ring.enter(t, 8, 8, Ring::kGetEvents);
    });
    CHECK(b.ring.cq_ready() == 8);
    CHECK(b.wakes() == 0);
    CHECK(b.count(EventType::irq_handler_entry) == (poll_queues > 0 ? 0 : 8));
    CHECK(b.ring.counters.polls > 8);
  }
}
