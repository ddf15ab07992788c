// SPDX-License-Identifier: GPL-2.0-or-later
// The worked examples of the io_uring specification (section 7) on io-wq, by their numbers.
#include "tests/unit/catch.h"
#include "tests/unit/io_wq_fixture.h"

namespace io_wq_test {

using Version = std::string;

TEST_CASE("example 8: limits of a pool", "[io_wq]") {
  CHECK(IoWq::default_config(256, 16, 1000).max_bound == 64);
  CHECK(IoWq::default_config(32, 16, 1000).max_bound == 32);
  CHECK(IoWq::default_config(64, 2, 96365).max_bound == 8);
  CHECK(IoWq::default_config(64, 2, 96365).max_unbound == 96365);
  Bench b;
  CHECK(b.wq->set_max_workers(3, 0) == std::pair{8, 64});
  CHECK(b.wq->set_max_workers(0, 5) == std::pair{3, 64});
  CHECK(b.wq->set_max_workers(0, 0) == std::pair{3, 5});
}

TEST_CASE("example 9: six IOSQE_ASYNC NOPs and an empty pool", "[io_wq]") {
  const auto created = [](const Version& v) {
    Bench b({.version = v});
    b.run(
        [](KTask& t, Bench& x) -> Call<void> {
          for (int i = 0; i < 6; ++i) co_await x.wq->enqueue(t, x.item("nop" + std::to_string(i)).async());
        },
        kSecond);
    CHECK(b.order() == "nop0 nop1 nop2 nop3 nop4 nop5");
    return b.wq->settle();
  };
  const auto v61 = created("6.1"), v612 = created("6.12");
  CHECK(v61.created() == 6);  // a runnable worker's activation fails
  CHECK(v61.peak == 6);
  CHECK(v61.wakeups_without_work == 5);
  CHECK(v612.created() == 1);
  CHECK(v612.nop_activations == 5);
  CHECK(v612.wakeups_without_work == 0);
  CHECK(created("6.18").created() == 1);
}

TEST_CASE("example 9: a worker that left the free list does not count", "[io_wq]") {
  Bench b({.version = "6.12", .cpus = 2});
  b.run(
      [](KTask& t, Bench& x) -> Call<void> {
        co_await x.wq->enqueue(t, x.item("first").spin(kMs).async());
        co_await x.pause(t, 100 * kUs);  // the worker has the item
        co_await x.wq->enqueue(t, x.item("second").async());
      },
      kSecond);
  CHECK(b.wq->settle().created() == 2);
  CHECK(b.by[0].second != b.by[1].second);
}

TEST_CASE("example 10: blocking opens grow the pool through the submitter", "[io_wq]") {
  for (const Version v : {"6.1", "6.12", "6.16", "6.18"}) {
    CAPTURE(v);
    Gate gate;
    Bench b({.version = v});
    b.run(
        [&](KTask& t, Bench& x) -> Call<void> {
          co_await x.wq->enqueue(t, x.item("warm").async());
          co_await x.pause(t, 10 * kMs);  // W1 is idle
          for (int i = 0; i < 3; ++i) co_await x.wq->enqueue(t, x.item("open").wait(gate).async());
          co_await x.pause(t, 10 * kMs);
        },
        kSecond);
    const auto& c = b.wq->settle();
    CHECK(c.created() == 3);
    if (v != "6.1") {  // there the second and third open are CONCURRENT, and W1 is runnable: created by the enqueuer
      CHECK(c.created_by_enqueue == 1);
      CHECK(c.created_by_request == 2);
    }
    CHECK(b.wq->nr_running(IoWq::bound) == 0);
    CHECK(b.wq->queued() == 0);
  }
}

TEST_CASE("example 11: the limit holds, and idle workers go", "[io_wq]") {
  Gate gate;
  Bench b({.version = "6.12", .max_bound = 8});
  b.run(
      [&](KTask& t, Bench& x) -> Call<void> {
        for (int i = 0; i < 12; ++i) co_await x.wq->enqueue(t, x.item("open").wait(gate).async());
        co_await x.pause(t, 100 * kMs);
        CHECK(x.wq->live_workers() == 8);
        CHECK(x.wq->queued() == 4);
        CHECK(x.wq->settle().created() == 8);
        CHECK(x.wq->settle().refused_limit >= 1);
        co_await x.release(t, gate);
      },
      300 * kMs);
  CHECK(b.done.size() == 12);
  CHECK(b.wq->live_workers() == 8);
  CHECK(b.wq->idle_workers() == 8);
  b.go(4'900 * kMs);
  CHECK(b.wq->live_workers() == 8);
  b.go(5'700 * kMs);  // 5 s and a granule of the timer wheel
  CHECK(b.wq->live_workers() == 1);
  b.go(60 * kSecond);
  CHECK(b.wq->live_workers() == 1);
  CHECK(b.wq->settle().exited == 7);
  CHECK(b.wq->settle().peak == 8);
}

namespace {
// Buffered writes to two files and an fsync, as example 12 lists them; F1 and F2 are buckets 1 and 2.
Call<void> writes_and_fsync(KTask& t, Bench& x, bool hashed) {
  const auto write = [&](const char* name, int file) -> Item& {
    Item& i = x.item(name);
    return hashed ? i.hash(file) : i.on_unbound().async();
  };
  co_await x.wq->enqueue(t, write("F1a", 1));
  co_await x.wq->enqueue(t, write("F2a", 2));
  co_await x.wq->enqueue(t, x.item("fsync").async());
  co_await x.wq->enqueue(t, write("F1b", 1));
  co_await x.wq->enqueue(t, write("F2b", 2));
  co_await x.wq->enqueue(t, write("F1c", 1));
}
}  // namespace

TEST_CASE("example 12: a bucket's writes overtake what was queued before them", "[io_wq]") {
  Bench b({.version = "6.18"});
  b.run([](KTask& t, Bench& x) -> Call<void> { co_await writes_and_fsync(t, x, true); }, kSecond);
  CHECK(b.order() == "F1a F1b F1c F2a F2b fsync");
  CHECK(b.wq->settle().created() == 1);
}

TEST_CASE("example 13: unhashed writes go to the unbound account in their order", "[io_wq]") {
  Bench b({.version = "6.18"});
  b.run([](KTask& t, Bench& x) -> Call<void> { co_await writes_and_fsync(t, x, false); }, kSecond);
  std::string writes;
  const KTask* unbound = nullptr;
  for (const auto& [name, worker] : b.by) {
    if (name == "fsync") continue;
    writes += name + " ";
    if (unbound == nullptr) unbound = worker;
    CHECK(worker == unbound);
  }
  CHECK(writes == "F1a F2a F1b F2b F1c ");
  CHECK(b.wq->settle().created() == 2);
  CHECK(b.wq->nr_workers(IoWq::unbound) == 1);
}

TEST_CASE("example 14: a worker blocks with its own bucket next", "[io_wq]") {
  const auto run = [](const Version& v) {
    Bench b({.version = v});
    b.run(
        [](KTask& t, Bench& x) -> Call<void> {
          co_await x.wq->enqueue(t, x.item("F1a").hash(1).sleep(10 * kMs));
          co_await x.pause(t, kMs);  // W1 has F1a and sleeps; nothing is listed yet
        },
        kMs / 2);
    return b.wq->settle().created();
  };
  CHECK(run("6.12") == 1);
  // W1 computes until F1b is listed, then blocks.
  const auto churn = [](const Version& v) {
    auto b = std::make_unique<Bench>(Options{.version = v});
    b->run(
        [](KTask& t, Bench& x) -> Call<void> {
          co_await x.wq->enqueue(t, x.item("F1a").hash(1).spin(2 * kMs).sleep(20 * kMs));
          co_await x.pause(t, kMs);
          co_await x.wq->enqueue(t, x.item("F1b").hash(1));
        },
        kSecond);
    CHECK(b->order() == "F1a F1b");
    b->go(20 * kSecond);
    return b->wq->settle();
  };
  const auto old = churn("6.12"), fixed = churn("6.16");
  CHECK(old.created() == 2);
  CHECK(old.created_by_request == 1);
  CHECK(old.requests_bucket_busy == 1);
  CHECK(old.wakeups_without_work == 1);
  CHECK(old.stalls == 1);
  CHECK(old.hash_wakes == 1);
  CHECK(old.exited == 1);
  CHECK(fixed.created() == 1);
  CHECK(fixed.requests_deferred == 1);
  CHECK(fixed.requests == 0);
  CHECK(fixed.exited == 0);
}

TEST_CASE("example 15: deferring does not apply to another first item", "[io_wq]") {
  for (const Version v : {"6.12", "6.16", "6.18"}) {
    CAPTURE(v);
    Bench b({.version = v});
    b.run(
        [](KTask& t, Bench& x) -> Call<void> {
          co_await x.wq->enqueue(t, x.item("F1a").hash(1).spin(2 * kMs).sleep(20 * kMs));
          co_await x.pause(t, kMs);
          co_await x.wq->enqueue(t, x.item("fsync F2"));
          co_await x.wq->enqueue(t, x.item("F1b").hash(1));
        },
        kSecond);
    CHECK(b.wq->settle().created() == 2);
    CHECK(b.order() == "fsync F2 F1a F1b");
    CHECK(b.by[0].second != b.by[1].second);
  }
  // A first item whose bucket another pool holds: a worker all the same, and it only stalls.
  Bench b({.version = "6.16"});
  b.run(
      [](KTask& t, Bench& x) -> Call<void> {
        x.hash->set(2);
        co_await x.wq->enqueue(t, x.item("F1a").hash(1).spin(2 * kMs).sleep(20 * kMs));
        co_await x.pause(t, kMs);
        co_await x.wq->enqueue(t, x.item("F2a").hash(2));
      },
      kSecond);
  CHECK(b.wq->settle().created() == 2);
  CHECK(b.wq->settle().requests_bucket_busy == 1);
  CHECK(b.wq->settle().empty == 1);
}

namespace {
// W1 in an fsync (running), A free; a write wakes A; W1 blocks before A has run. The submitter's callback comes at
// once, or after A took the write.
io_uring::IoWqCounters woken_not_run(const Version& v, bool submitter_late) {
  Bench b({.version = v});
  b.run(
      [&](KTask& t, Bench& x) -> Call<void> {
        Gate gate;
        co_await x.wq->enqueue(t, x.item("warm1").wait(gate).async());
        co_await x.wq->enqueue(t, x.item("warm2").wait(gate).async());
        co_await x.pause(t, 10 * kMs);
        co_await x.release(t, gate);
        co_await x.pause(t, 10 * kMs);  // two idle workers
        REQUIRE(x.wq->live_workers() == 2);
        co_await x.wq->enqueue(t, x.item("fsync F1").spin(2 * kMs).sleep(20 * kMs));
        co_await x.pause(t, kMs);
        KTask* w1 = x.by.back().second;
        x.m.sched.set_policy(w1->st, sched::Policy::fifo, 0, 10, x.m.now());  // it goes on before A
        co_await x.wq->enqueue(t, x.item("write F2").hash(2).spin(15 * kMs));
        if (submitter_late) co_await x.pause(t, 10 * kMs, State::uninterruptible);
      },
      kSecond);
  CHECK(b.done.size() == 4);
  CHECK(b.wq->settle().requests == 2);  // one of them while warming up
  CHECK(b.wq->settle().requests_worker_woken == 1);
  return b.wq->settle();
}
}  // namespace

TEST_CASE("example 16: a free worker was woken and has not run when the other blocks", "[io_wq]") {
  for (const bool late : {false, true}) {
    CAPTURE(late);
    const auto v616 = woken_not_run("6.16", late);
    CHECK(v616.created() == 3);
    CHECK(v616.wakeups_without_work == 1);  // of A and B, one takes the write
    CHECK(v616.empty == (late ? 1 : 0));
    CHECK(v616.callback_found_free == 0);
  }
  const auto early = woken_not_run("6.17", false), late = woken_not_run("6.17", true);
  CHECK(early.created() == 2);
  CHECK(early.callback_found_free == 1);
  CHECK(late.created() == 3);  // A has left the free list
  CHECK(late.callback_found_free == 0);
}

TEST_CASE("example 17: the first form of 9d83e1f05c98 at the limit", "[io_wq]") {
  const auto run = [](bool slip) {
    auto gate = std::make_unique<Gate>();
    Bench b({.version = "6.17", .max_bound = 2, .change = [&](scenario::Scenario& s) {
               s.kernel.switches->iowq_create_ignores_limit = slip;
             }});
    b.run(
        [&](KTask& t, Bench& x) -> Call<void> {
          for (int i = 0; i < 3; ++i) co_await x.wq->enqueue(t, x.item("open").wait(*gate));
          co_await x.pause(t, 10 * kMs);
          CHECK(x.wq->live_workers() == (slip ? 3 : 2));
          CHECK(x.wq->nr_workers(IoWq::bound) == 2);
          co_await x.release(t, *gate);
        },
        kSecond);
    b.go(20 * kSecond);
    CHECK(b.wq->live_workers() == (slip ? 2 : 1));
    CHECK(b.wq->nr_workers(IoWq::bound) == 1);
    CHECK(b.wq->settle().peak_over_limit == (slip ? 1 : 0));
    b.wq->set_affinity({7});  // exit_mask: they leave too, and the count wraps
    b.go(40 * kSecond);
    CHECK(b.wq->live_workers() == 0);
    CHECK(b.wq->nr_workers(IoWq::bound) == (slip ? ~std::uint32_t{0} : 0));
  };
  run(false);
  run(true);
}

TEST_CASE("example 18: growth waits for a submitter in uninterruptible sleep", "[io_wq]") {
  Gate gate;
  Bench b({.version = "6.12"});
  b.run(
      [&](KTask& t, Bench& x) -> Call<void> {
        for (int i = 0; i < 6; ++i) co_await x.wq->enqueue(t, x.item("open").wait(gate));
        co_await x.pause(t, 10 * kMs, State::uninterruptible);
      },
      9 * kMs);
  CHECK(b.wq->settle().created() == 1);
  CHECK(b.wq->settle().requests == 1);
  CHECK(b.wq->nr_running(IoWq::bound) == 1);  // the reservation
  b.go(30 * kMs);
  CHECK(b.wq->settle().created() == 6);
}

TEST_CASE("example 19: a preempted worker starts nobody", "[io_wq]") {
  Bench b({.version = "6.12"});
  b.run(
      [](KTask& t, Bench& x) -> Call<void> {
        co_await x.wq->enqueue(t, x.item("long").spin(20 * kMs));
        for (int i = 0; i < 2; ++i) co_await x.pause(t, 5 * kMs);  // each end preempts it
        for (int i = 0; i < 5; ++i) co_await x.wq->enqueue(t, x.item("short"));
        CHECK(x.wq->settle().created() == 1);
        CHECK(x.wq->queued() == 5);
      },
      kSecond);
  CHECK(b.wq->settle().created() == 1);
  CHECK(b.done.size() == 6);
}

TEST_CASE("example 20: idle workers decay to one, which wakes every five seconds", "[io_wq]") {
  Gate gate;
  Bench b;
  b.run(
      [&](KTask& t, Bench& x) -> Call<void> {
        for (int i = 0; i < 3; ++i) co_await x.wq->enqueue(t, x.item("open").wait(gate).async());
        co_await x.pause(t, 10 * kMs);
        co_await x.release(t, gate);
      },
      kSecond);
  CHECK(b.wq->idle_workers() == 3);
  b.go(6 * kSecond);
  CHECK(b.wq->live_workers() == 1);
  CHECK(b.wq->settle().exited == 2);
  const auto before = b.wq->settle().timeouts;
  b.go(26 * kSecond);
  CHECK(b.wq->live_workers() == 1);
  CHECK((b.wq->settle().timeouts - before >= 3 && b.wq->settle().timeouts - before <= 4));
  CHECK(b.wq->settle().wakeups_without_work == 0);  // a timeout is nobody's wakeup
}

TEST_CASE("example 21: the newest idle worker is used again", "[io_wq]") {
  Gate a, c, d;
  Bench b;
  std::vector<KTask*> w;
  b.run(
      [&](KTask& t, Bench& x) -> Call<void> {
        co_await x.wq->enqueue(t, x.item("A").wait(a).async());
        co_await x.pause(t, kMs);
        co_await x.wq->enqueue(t, x.item("B").wait(c).async());
        co_await x.pause(t, kMs);
        co_await x.wq->enqueue(t, x.item("C").wait(d).async());
        co_await x.pause(t, kSecond);
        co_await x.release(t, a);
        co_await x.pause(t, kSecond);
        co_await x.release(t, c);
        co_await x.pause(t, kSecond);
        co_await x.release(t, d);
        co_await x.pause(t, kSecond);
        co_await x.wq->enqueue(t, x.item("one"));
      },
      4'500 * kMs);
  REQUIRE(b.by.size() == 4);
  CHECK(b.by[3].second == b.by[2].second);
  b.go(6'500 * kMs);
  CHECK(b.wq->live_workers() == 2);  // A went at 6 s
  b.go(7'500 * kMs);
  CHECK(b.wq->live_workers() == 1);  // B at 7 s
  b.go(30 * kSecond);
  CHECK(b.wq->live_workers() == 1);
}

TEST_CASE("example 22: a linked fsync runs on the same worker, after the bucket is free", "[io_wq]") {
  Bench b({.version = "6.18"});
  b.run(
      [](KTask& t, Bench& x) -> Call<void> {
        Item& fsync = x.item("fsync F").sleep(5 * kMs);
        co_await x.wq->enqueue(t, x.item("write F").hash(3).link(fsync));
        co_await x.pause(t, 2 * kMs);
        CHECK_FALSE(x.hash->busy(3));
        co_await x.wq->enqueue(t, x.item("next write F").hash(3));
      },
      kSecond);
  CHECK(b.order() == "write F next write F fsync F");
  CHECK(b.by[0].second == b.by[1].second);
  CHECK(b.wq->settle().queued == 2);
  CHECK(b.wq->settle().items == 3);
}

TEST_CASE("example 26: the end of unrelated work frees bucket 0", "[io_wq]") {
  const auto parallel = [](const Version& v) {
    Gate gate;
    Bench b({.version = v});
    b.run(
        [&](KTask& t, Bench& x) -> Call<void> {
          co_await x.wq->enqueue(t, x.item("first").hash(0).wait(gate));
          co_await x.pause(t, kMs);
          co_await x.wq->enqueue(t, x.item("fsync"));
          co_await x.pause(t, kMs);
          co_await x.wq->enqueue(t, x.item("second").hash(0));
          co_await x.pause(t, kMs);
          co_await x.release(t, gate);
        },
        kSecond);
    CHECK(b.done.size() == 3);
    return b.order() == "fsync second first";
  };
  CHECK(parallel("6.1"));
  CHECK(parallel("6.12"));
  CHECK_FALSE(parallel("6.15"));
  CHECK_FALSE(parallel("6.18"));
}

TEST_CASE("example 38: going idle takes two passes", "[io_wq]") {
  Bench b({.version = "6.18", .submitter_first = false});
  b.run(
      [](KTask& t, Bench& x) -> Call<void> {
        co_await x.wq->enqueue(t, x.item("one").spin(2 * kMs));
        co_await x.pause(t, kMs);
        co_await t.run_ns(20 * kMs, Mode::user);  // stays runnable while the worker ends its item
      },
      kSecond);
  std::vector<std::uint16_t> states;  // in which the worker left the CPU
  for (const auto& e : b.record.events)
    if (e.type == trace::EventType::sched_switch && b.record.is(e.u.sw.prev_comm, "iou-wrk"))
      states.push_back(e.u.sw.prev_state);
  REQUIRE(states.size() >= 2);
  CHECK(states.back() == 1);              // S
  CHECK(states[states.size() - 2] != 1);  // R: only yielded
  CHECK(b.wq->nr_running(IoWq::bound) == 0);
  CHECK(b.wq->settle().wakeups_without_work == 0);
}

TEST_CASE("hash buckets", "[io_wq]") {
  for (std::uint64_t i = 1; i < 1000; ++i) {
    const int bucket = io_uring::Hash::bucket_of(0xffff888000000000ULL + i * 1088);
    CHECK((bucket >= 0 && bucket < 64));
  }
  CHECK(io_uring::Hash::bucket_of(1) == 0x61C8864680B583EBULL >> 58);
}

TEST_CASE("a pending item is taken off the list and its bucket's tail repaired", "[io_wq]") {
  Gate gate;
  Bench b({.version = "6.18", .max_bound = 1});
  b.run(
      [&](KTask& t, Bench& x) -> Call<void> {
        co_await x.wq->enqueue(t, x.item("busy").wait(gate));
        co_await x.pause(t, kMs);
        co_await x.wq->enqueue(t, x.item("F1a").hash(1));
        Item& middle = x.item("F1b").hash(1);
        co_await x.wq->enqueue(t, middle);
        CHECK(x.wq->cancel_pending(middle));
        CHECK_FALSE(x.wq->cancel_pending(middle));
        co_await x.wq->enqueue(t, x.item("fsync"));
        co_await x.wq->enqueue(t, x.item("F1c").hash(1));
        co_await x.release(t, gate);
      },
      kSecond);
  CHECK(b.order() == "busy F1a F1c fsync");
}

TEST_CASE("the pool ends: bounded work runs to completion, all workers go", "[io_wq]") {
  Bench b({.version = "6.12"});
  b.run(
      [](KTask& t, Bench& x) -> Call<void> {
        for (int i = 0; i < 4; ++i) co_await x.wq->enqueue(t, x.item("write").sleep(kMs));
        co_await x.pause(t, 2 * kMs);
        co_await x.wq->exit(t);
        co_await x.wq->enqueue(t, x.item("late"));
        CHECK(x.done.back() == "late");  // cancelled inline
        CHECK(x.items.back().cancel);
      },
      kSecond);
  CHECK(b.done.size() == 5);
  CHECK(b.wq->live_workers() == 0);
  CHECK(b.wq->settle().exited == b.wq->settle().created());
}

}  // namespace io_wq_test
