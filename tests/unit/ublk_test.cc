// SPDX-License-Identifier: GPL-2.0-or-later
// The worked examples 27 to 36 of the io_uring and ublk specification, and what the driver refuses.
#include "models/machine/violation.h"
#include "models/run/run.h"
#include "models/ublk/owners.h"
#include "tests/unit/catch.h"
#include "tests/unit/ublk_fixture.h"

namespace {

using namespace ublk_test;
using Slots = std::vector<std::pair<int, int>>;

Slots slots_of(const ublk::Owners& o, int thread) {
  Slots found;
  for (std::size_t q = 0; q < o.thread_of.size(); ++q)
    for (std::size_t tag = 0; tag < o.thread_of[q].size(); ++tag)
      if (o.thread_of[q][tag] == thread) found.emplace_back(static_cast<int>(q), static_cast<int>(tag));
  return found;
}

scenario::Scenario per_io(int queues, int depth, int threads) { return device("6.16", queues, depth, threads); }

}  // namespace

TEST_CASE("ublk: CPUs map to queues in turn in 6.1, in neighbouring groups in 6.12 (example 27)") {
  for (const auto& [version, map] : {std::pair{"6.1", std::vector<int>{0, 1, 0, 1}}, {"6.12", {0, 0, 1, 1}}}) {
    Bench b(device(version, 2, 4, 2, 4));
    CHECK(b.dev.queue().cpu_map().queue_of == map);
  }
}

TEST_CASE("ublk: the assignment table of the per-I/O daemon commit, and kublk's (example 28)") {
  const auto commit = ublk::assign_owners({"commit", 2, 4, 4});
  CHECK(slots_of(commit, 0) == Slots{{0, 0}, {1, 3}});
  CHECK(slots_of(commit, 1) == Slots{{0, 1}, {1, 0}});
  CHECK(slots_of(commit, 2) == Slots{{0, 2}, {1, 1}});
  CHECK(slots_of(commit, 3) == Slots{{0, 3}, {1, 2}});
  const auto kublk = ublk::assign_owners({"kublk", 2, 4, 4});
  for (int t = 0; t < 4; ++t) CHECK(slots_of(kublk, t) == Slots{{0, t}, {1, t}});
}

TEST_CASE("ublk: kublk shares 4 queues of 16 out over 6 threads (example 29)") {
  const auto o = ublk::assign_owners({"kublk", 4, 16, 6});
  std::vector<std::size_t> sizes;
  for (int t = 0; t < 6; ++t) sizes.push_back(slots_of(o, t).size());
  CHECK(sizes == std::vector<std::size_t>{11, 11, 11, 11, 10, 10});
  std::vector<int> of_queue_0(6);
  for (int tag = 0; tag < 16; ++tag) ++of_queue_0[static_cast<std::size_t>(o.of(0, tag))];
  CHECK(of_queue_0 == std::vector<int>{3, 3, 3, 3, 2, 2});
  CHECK(o.of(1, 0) == 4);
  CHECK(o.of(2, 0) == 2);
  CHECK(o.of(3, 0) == 0);
}

TEST_CASE("ublk: the other schemes own every slot once, and say what they cannot share out") {
  for (const char* scheme : {"interleaved", "contiguous"}) {
    const auto o = ublk::assign_owners({scheme, 2, 128, 8});
    for (int t = 0; t < 8; ++t) {
      const Slots own = slots_of(o, t);
      CHECK(own.size() == 32);
      for (const auto& slot : own) CHECK(slot.first == t / 4);
    }
    CHECK_FALSE(ublk::owners_error({scheme, 2, 128, 3}).empty());
  }
  CHECK(ublk::assign_owners({"interleaved", 1, 8, 2}).of(0, 3) == 1);
  CHECK(ublk::assign_owners({"contiguous", 1, 8, 2}).of(0, 3) == 0);
  CHECK(ublk::owners_error({"queue", 2, 4, 2}).empty());
  CHECK_FALSE(ublk::owners_error({"queue", 2, 4, 1}).empty());
  CHECK_FALSE(ublk::owners_error({"kublk", 1, 2, 3}).empty());
}

TEST_CASE("ublk: requests of two queues with one owner are one batch; the seventh version panics on it (example 30)") {
  const Slots slots{{0, 5}, {1, 9}};
  auto s = device("6.16", 2, 128, 4, 2);
  const auto owners = ublk::assign_owners({"kublk", 2, 128, 4});
  CHECK(owners.of(0, 5) == owners.of(1, 9));
  SECTION("released: each request reaches its own slot") {
    Bench b(s);
    b.run([&](KTask& t) -> Call<void> { co_await b.dev.queue_rqs(t, b.list(slots)); });
    CHECK(b.ended() == 2);
    CHECK(b.dev.counters.batches == 1);
    CHECK(b.dev.counters.largest_batch == 2);
  }
  SECTION("by the carrier's queue: the invariant breaks") {
    s.kernel.switches->ublk_batch_of_carrier = true;
    Bench b(s);
    try {
      b.run([&](KTask& t) -> Call<void> { co_await b.dev.queue_rqs(t, b.list(slots)); });
      FAIL("nothing broke");
    } catch (const machine::Violation& v) {
      CHECK(v.rule == "I1");
      CHECK(std::string(v.what()) == "(q0, tag 5) is dispatched to slot (q1, tag 5)");
      CHECK(v.facts.front() == "batch on its way to one server task: (q0, tag 5) (q1, tag 9)");
    }
  }
  SECTION("by the carrier's queue, one queue in the batch: nothing breaks") {
    s.kernel.switches->ublk_batch_of_carrier = true;
    Bench b(s);
    const Slots others{{0, 5}, {0, 9}, {1, 2}};
    b.run([&](KTask& t) -> Call<void> { co_await b.dev.queue_rqs(t, b.list(others)); });
    CHECK(b.ended() == 3);
  }
}

TEST_CASE("ublk: a burst to a sleeping server is one wakeup and one pass in 6.12 (example 31)") {
  Bench b(device("6.12", 1, 8, 1));
  b.run([&](KTask& t) -> Call<void> {
    for (int tag = 1; tag <= 3; ++tag) co_await b.dev.queue_rq(t, b.request(0, tag));
  });
  CHECK(b.ended() == 3);
  CHECK(b.dev.counters.batches == 1);
  CHECK(b.records.wakes_of("ublkq0") == 1);
  CHECK(b.count(EventType::io_uring_local_work_run) == 1);  // its one item is the carrier
  CHECK(b.count(EventType::io_uring_complete) == 3);
}

TEST_CASE("ublk: interleaved owners break a burst into batches of one (example 32)") {
  const Slots burst{{0, 0}, {0, 1}, {0, 2}, {0, 3}, {0, 4}, {0, 5}, {0, 6}, {0, 7}};
  SECTION("two threads") {
    Bench b(per_io(1, 8, 2));
    b.run([&](KTask& t) -> Call<void> { co_await b.dev.queue_rqs(t, b.list(burst)); });
    CHECK(b.ended() == 8);
    CHECK(b.dev.counters.batches == 8);
    CHECK(b.records.wakes_of("ublkq") == 2);
  }
  SECTION("one thread a queue") {
    Bench b(device("6.16", 1, 8, 1));
    b.run([&](KTask& t) -> Call<void> { co_await b.dev.queue_rqs(t, b.list(burst)); });
    CHECK(b.ended() == 8);
    CHECK(b.dev.counters.batches == 1);
    CHECK(b.records.wakes_of("ublkq") == 1);
  }
}

TEST_CASE("ublk: a commit by another task and a second fetch get the kernel's errors (example 33)") {
  struct Expected {
    const char* version;
    const char* fault;
    int res;
  };
  for (const Expected& e : {Expected{"6.16", "commit_by 0 0 1", -22}, Expected{"6.16", "fetch_again 0 2", -16},
                            Expected{"6.17", "fetch_again 0 2", -22}}) {
    auto s = device(e.version, 1, 8, 2);
    s.ublk.faults = {e.fault};
    Bench b(s);
    b.run([&](KTask& t) -> Call<void> { co_await b.dev.queue_rq(t, b.request(0, 0)); });
    INFO(e.version << " " << e.fault);
    REQUIRE(b.dev.refusals().size() == 1);
    CHECK(b.dev.refusals().front().res == e.res);
    CHECK(b.ended() == 1);  // the slot is none the worse for it
  }
}

TEST_CASE("ublk: NEED_GET_DATA takes a second task work in 6.12, none from 6.17 on (example 34)") {
  for (const auto& [version, works] : {std::pair{"6.12", 2U}, {"6.17", 1U}}) {
    auto s = device(version, 1, 8, 1);
    s.ublk.need_get_data = true;
    Bench b(s);
    b.run([&](KTask& t) -> Call<void> { co_await b.dev.queue_rq(t, b.request(0, 0, true)); });
    INFO(version);
    CHECK(b.ended() == 1);
    CHECK(b.dev.counters.batches == works);
    CHECK(b.dev.counters.get_data == 1);
    CHECK(b.count(EventType::io_uring_submit_req) == 2);
    CHECK(b.count(EventType::io_uring_complete) == 2);
  }
}

TEST_CASE("ublk: the offset of USER_COPY (example 35)") {
  CHECK(ublk::user_copy_offset(1, 3, 4096) == 2'201'271'406'592ULL);
}

TEST_CASE("ublk: a request ends on the server's CPU (example 36)") {
  auto s = device("6.12", 1, 8, 1, 3);
  s.ublk.server_cpus = {0};
  Bench b(s);
  b.run([&](KTask& t) -> Call<void> { co_await b.dev.queue_rq(t, b.request(0, 0)); });
  REQUIRE(b.ended() == 1);
  CHECK(b.bios.front().cpu == 0);
  for (const auto& e : b.records.events) {
    if (e.type == EventType::block_rq_issue) CHECK(e.cpu == 2);
    if (e.type == EventType::block_rq_complete) CHECK(e.cpu == 0);
    CHECK(e.type != EventType::softirq_entry);
  }
}

TEST_CASE("ublk: a killed server's requests fail, or wait for the next one") {
  for (const bool recovery : {false, true}) {
    auto s = device("6.12", 1, 8, 1, 2);
    s.ublk.server_cpus = {0};
    s.ublk.recovery = recovery;
    s.ublk.exit_at_ns = 12'000'000;
    s.ublk.restart_ns = recovery ? 2'000'000 : 0;
    Bench b(s);
    b.run([&](KTask& t) -> Call<void> {
      co_await b.dev.queue_rq(t, b.request(0, 0));
      co_await t.run_ns(3'000'000, machine::Mode::user);  // the server is gone when the next one comes
      co_await b.dev.queue_rq(t, b.request(0, 1));
    });
    INFO(recovery);
    CHECK(b.ended() == 2);
    CHECK(b.dev.counters.aborted == (recovery ? 0U : 1U));
    CHECK(b.dev.counters.requeued == (recovery ? 1U : 0U));
    CHECK(b.bios.back().failed == !recovery);
    b.dev.check();
  }
}

TEST_CASE("block: tags go through a word one by one, and ahead of a plug in one piece") {
  engine::RandomStream dice(1, "test", 0);
  block::TagMap map(128, 1, dice);
  std::vector<int> tags;
  for (int i = 0; i < 40; ++i) {
    tags.push_back(map.get(0));
    map.put(tags.back(), 0);
  }
  for (std::size_t i = 1; i < tags.size(); ++i)
    CHECK(tags[i] == (tags[i - 1] % 32 == 31 ? tags[i - 1] - 31 : tags[i - 1] + 1));
  int first = -1;
  CHECK(map.get_batch(0, 32, first) == 0xffffffffULL);
  CHECK(first % 32 == 0);
  for (int i = 0; i < 96; ++i) CHECK(map.get(0) >= 0);
  CHECK(map.get(0) == -1);
  CHECK(map.get_batch(0, 2, first) == 0);
}
