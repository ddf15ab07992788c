// SPDX-License-Identifier: GPL-2.0-or-later
// How many workers a pool has (io-completion.md section 4, examples 15 and 16): a completion that sleeps hands over,
// the last idle worker makes another one, surplus idle ones are retired and with them what was done to them.
#include <set>

#include "tests/unit/catch.h"
#include "tests/unit/path_fixture.h"

using namespace path_test;

namespace {

// Completions in groups of ten; `per_million` of them convert an extent and sleep.
scenario::Scenario sleeping_machine(int per_million, std::int64_t sleep_ns) {
  auto s = small_machine("6.1", 10);
  s.fs.unwritten_per_million = per_million;
  s.fs.convert_sleep_ns.set = true;
  s.fs.convert_sleep_ns.ns = sleep_ns;
  s.dio_wq.idle_timeout_ns = 300'000'000'000;
  return s;
}

std::set<std::string> workers_seen(const Record& r) {
  std::set<std::string> names;
  for (const auto& e : r.events)
    if (e.type == EventType::sched_switch && r.is(e.u.sw.next_comm, "kworker/0:"))
      names.insert(std::string(r.pool.str(e.u.sw.next_comm)));
  return names;
}

long workqueue(const Record& r, const char* what) { return r.result["workqueue"][what].get<long>(); }

}  // namespace

TEST_CASE("while a completion sleeps another worker takes the rest", "[path]") {  // example 15
  auto s = sleeping_machine(100'000, 100'000);  // one of ten sleeps, half as long as the device takes
  Record r;
  record(r, s);
  long sleeps = 0, taken = 0;
  trace::StringId sleeper = 0;
  for (const auto& e : r.events) {
    if (e.type != EventType::sched_switch) continue;
    if (r.is(e.u.sw.prev_comm, "kworker/0:") && (e.u.sw.prev_state & 0xff) == 2) {
      ++sleeps;
      sleeper = e.u.sw.prev_comm;
      taken += r.is(e.u.sw.next_comm, "kworker/0:") && e.u.sw.next_comm != sleeper;
    }
  }
  REQUIRE(sleeps > 50);
  CHECK(taken > sleeps / 2);  // the others slept on the last item of their group
  CHECK(workers_seen(r).size() >= 2);
  CHECK(r.result["workqueue"]["workers"].get<int>() >= 6 + 1);
}

TEST_CASE("the last idle worker makes another before it works", "[path]") {  // example 16
  auto s = sleeping_machine(1'000'000, 150'000);  // all ten sleep at once: ten workers, and one in reserve
  s.run.warmup_ns = 0;
  Record r;
  record(r, s);
  CHECK(workqueue(r, "workers_created") == 9);
  CHECK(workqueue(r, "workers_retired") == 0);
  CHECK(workers_seen(r).size() >= 10);
  CHECK(r.switches("kworker/0:", "kthreadd") >= 1);
  CHECK(r.count(EventType::workqueue_execute_end) > 500);
}

TEST_CASE("completions that do not sleep need no third worker", "[path]") {
  auto s = sleeping_machine(1'000'000, 0);
  Record r;
  record(r, s);
  CHECK(workqueue(r, "workers_created") == 0);
  CHECK(workers_seen(r).size() == 1);
}

TEST_CASE("idle workers beyond two are retired after the timeout, the longest idle first", "[path]") {
  auto s = sleeping_machine(1'000'000, 150'000);
  s.workloads[0].thinktime_ns = 30'000'000;  // a burst of ten, then a pause in which all are idle
  s.workloads[0].thinktime_blocks = 10;
  s.run.warmup_ns = 0;
  s.run.duration_ns = 300'000'000;
  SECTION("not before") {
    s.dio_wq.idle_timeout_ns = 1'000'000'000;
    Record r;
    record(r, s);
    CHECK(workqueue(r, "workers_created") == 9);
    CHECK(workqueue(r, "workers_retired") == 0);
  }
  SECTION("in every pause, down to two") {
    s.dio_wq.idle_timeout_ns = 10'000'000;
    Record r;
    record(r, s);
    CHECK(workqueue(r, "workers_retired") >= 9 * 8);
    CHECK(workers_seen(r).size() <= 12);  // numbers are used again
  }
}

TEST_CASE("a renice is of a thread: what the pool makes later is at nice 0", "[path]") {
  auto s = sleeping_machine(1'000'000, 150'000);
  s.workloads[0].thinktime_ns = 30'000'000;
  s.workloads[0].thinktime_blocks = 10;
  s.dio_wq.idle_timeout_ns = 10'000'000;
  s.run.warmup_ns = 0;
  s.run.duration_ns = 200'000'000;
  const auto worked_at = [&](const std::string& glob) {
    s.task_rules.clear();
    s.task_rules.push_back({glob, -10, 0});
    Record r;
    record(r, s);
    std::set<int> priorities;
    for (const auto& e : r.events)
      if (e.type == EventType::sched_switch && r.is(e.u.sw.next_comm, "kworker/0:"))
        priorities.insert(e.u.sw.next_prio);
    return priorities;
  };
  CHECK(worked_at("kworker") == std::set<int>{110});  // a standing rule: present and future
  CHECK(worked_at("kworker/0:*") == std::set<int>{110, 120});
}
