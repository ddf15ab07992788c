// SPDX-License-Identifier: GPL-2.0-or-later
// Pipes of one-byte items: slots and pages (fs/pipe.c), who wakes whom; and the programs that use them.
#include "models/workload/pipe.h"

#include "tests/unit/catch.h"
#include "tests/unit/path_fixture.h"

using namespace wakepath;
using path_test::Record;
using workload::Pipe;

namespace {

scenario::Program program(const std::string& name, const std::string& kind, scenario::Time run_ns, int in, int out) {
  scenario::Program p;
  p.name = name;
  p.kind = kind;
  p.run_ns = run_ns;
  p.in = in;
  p.out = out;
  p.start_vruntime_ns = 0;
  return p;
}

scenario::Scenario tasks_only(const std::string& version) {
  scenario::Scenario s = path_test::small_machine(version, 1);
  s.workloads.clear();
  s.run.warmup_ns = 0;
  s.run.duration_ns = 20'000'000;
  return s;
}

}  // namespace

TEST_CASE("pipe: sixteen slots of a page, bytes share the last one") {
  Pipe p;
  CHECK(p.empty());
  for (int i = 0; i < Pipe::kPageBytes; ++i) p.put();
  CHECK(p.bytes() == 4096);
  CHECK_FALSE(p.full());  // one slot
  for (int i = Pipe::kPageBytes; i < 15 * Pipe::kPageBytes + 1; ++i) p.put();
  CHECK(p.full());  // the sixteenth slot is taken by its first byte
  CHECK(p.has_room());
  for (int i = 1; i < Pipe::kPageBytes; ++i) p.put();
  CHECK_FALSE(p.has_room());
  CHECK(p.bytes() == 65536);
  p.take();
  CHECK(p.full());  // a byte less, but no slot is free
  CHECK_FALSE(p.has_room());
  for (int i = 1; i < Pipe::kPageBytes; ++i) p.take();
  CHECK_FALSE(p.full());
  CHECK(p.has_room());
  CHECK(p.bytes() == 15 * 4096);
}

TEST_CASE("pipe: a byte that is read at once gives its slot back") {
  Pipe p;
  for (int i = 0; i < 100'000; ++i) {
    p.put();
    p.take();
  }
  CHECK(p.empty());
  CHECK(p.bytes() == 0);
}

TEST_CASE("pipe: messages lie whole in a page, forty of 100 bytes, and one that does not fit takes the next") {
  Pipe p;
  for (int i = 0; i < 40; ++i) p.put(100);
  CHECK(p.bytes() == 4000);
  for (int i = 0; i < 15 * 40; ++i) {
    REQUIRE(p.has_room(100));
    p.put(100);
  }
  CHECK(p.full());
  CHECK_FALSE(p.has_room(100));
  CHECK(p.has_room(96));
  for (int i = 0; i < 40; ++i) p.take(100);
  CHECK_FALSE(p.full());
  CHECK(p.has_room(100));
}

TEST_CASE("pipe: a program that writes several pipes wakes the reader of each, copies read one each") {
  for (const bool copies : {false, true}) {
    scenario::Scenario s = tasks_only("6.12");
    s.run.duration_ns = 1'000'000'000;
    s.programs.push_back(program("m", "psrc", 10'000, -1, 1));
    s.programs.back().period_ns = 10'000'000;
    s.programs.back().pipes = 3;
    s.programs.push_back(program(copies ? "w" : "w1", "sink", 5'000, 1, -1));
    s.programs.back().copies = copies ? 3 : 1;
    s.programs.back().in_step = copies ? 1 : 0;
    for (int i = 2; i <= 3 && !copies; ++i)
      s.programs.push_back(program("w" + std::to_string(i), "sink", 5'000, i, -1));
    const auto result = nlohmann::json::parse(run::run(s).json);
    std::vector<std::string> readers;
    for (const auto& task : result["tasks"]) {
      if (task["comm"] == "m" || task["cpu_ns_per_s"] == 0) continue;
      readers.push_back(task["comm"]);
      CHECK(task["voluntary_switches_per_s"].get<double>() == Approx(100).margin(2));
    }
    CHECK(readers == std::vector<std::string>{"w1", "w2", "w3"});
  }
}

TEST_CASE("pipe: twenty writers and twenty readers on several CPUs never all sleep") {
  for (const char* version : {"6.1", "6.12", "6.18"}) {
    for (const int cpus : {2, 4}) {
      scenario::Scenario s = tasks_only(version);
      s.machine.cpus = cpus;
      s.run.duration_ns = 200'000'000;
      s.programs.push_back(program("sender", "src", 20, -1, 1));
      s.programs.back().pipes = 20;
      s.programs.push_back(program("receiver", "sink", 20, 1, -1));
      s.programs.back().in_step = 1;
      for (auto& p : s.programs) {
        p.copies = 20;
        p.message_bytes = 100;
        p.cpu = -1;
        p.start_vruntime_ns.reset();
      }
      const auto result = nlohmann::json::parse(run::run(s).json);
      for (const auto& cpu : result["cpus"]) CHECK(cpu["busy"].get<double>() > 0.8);
    }
  }
}

TEST_CASE("pipe: of several readers on several CPUs each byte is read once") {
  scenario::Scenario s = tasks_only("6.12");
  s.machine.cpus = 4;
  s.programs.push_back(program("m", "psrc", 1'000, -1, 1));
  s.programs.back().period_ns = 20'000;
  for (int i = 0; i < 3; ++i) {
    s.programs.push_back(program("w" + std::to_string(i), "sink", 10'000, 1, -1));
    s.programs.back().cpu = 1 + i;
  }
  const auto result = nlohmann::json::parse(run::run(s).json);
  double busy = 0;
  for (const auto& cpu : result["cpus"]) busy += cpu["user"].get<double>();
  // 50,000 bytes a second, 1 us for each at the writer and 10 us at its reader.
  CHECK(busy == Approx(0.55).epsilon(0.03));
}

TEST_CASE("pipe: only the write into an empty pipe wakes the reader") {
  for (const char* version : {"6.1", "6.12"}) {
    scenario::Scenario s = tasks_only(version);
    s.programs.push_back(program("s", "src", 10'000, -1, 1));
    s.programs.push_back(program("e", "sink", 5'000, 1, -1));
    Record r;
    path_test::record(r, s);
    CAPTURE(version);
    const long wakes = r.wakes_of("e");
    CHECK(wakes > 0);
    CHECK(r.wakes_of("s") == 0);  // the pipe never fills: the reader is faster
    // Each wakeup finds the reader asleep, so it went to sleep before: never more wakeups than sleeps, one at most
    // open.
    long sleeps = 0;
    for (const auto& e : r.events)
      sleeps += e.type == trace::EventType::sched_switch && r.is(e.u.sw.prev_comm, "e") &&
                e.u.sw.prev_state == trace::kStateInterruptible;
    CHECK(wakes <= sleeps);
    CHECK(wakes + 1 >= sleeps);
  }
}

TEST_CASE("pipe: a full pipe stops the writer, and each byte read looks for it until a slot is free") {
  scenario::Scenario s = tasks_only("6.1");
  s.run.duration_ns = 2'000'000'000;
  s.programs.push_back(program("s", "src", 1'000, -1, 1));
  s.programs.push_back(program("e", "sink", 30'000, 1, -1));
  Record r;
  path_test::record(r, s);
  const long wakes = r.wakes_of("s");
  CHECK(wakes > 4096);  // once full, every read wakes the writer, most of them in vain
}

TEST_CASE("programs: ping hands one byte round, each waits for the other") {
  scenario::Scenario s = tasks_only("6.1");
  s.programs.push_back(program("a", "ping", 2'000, 0, 1));
  s.programs.push_back(program("b", "ping", 2'000, 1, 0));
  Record r;
  path_test::record(r, s);
  CHECK(path_test::about(r.switches("a", "b"), r.switches("b", "a"), 1));
  CHECK(path_test::about(r.wakes_of("a"), r.wakes_of("b"), 1));
  CHECK(r.wakes_of("a") > 1000);
}

TEST_CASE("programs: a time that has passed is slept for all the same") {
  // period 1 ms, work 3 ms beside a hog: always late, and still asleep once a turn.
  scenario::Scenario s = tasks_only("6.1");
  s.run.duration_ns = 400'000'000;
  scenario::Program p = program("p", "per", 3'000'000, -1, -1);
  p.period_ns = 1'000'000;
  s.programs.push_back(p);
  s.programs.push_back(program("h", "hog", 0, -1, -1));
  Record r;
  path_test::record(r, s);
  long sleeps = 0;
  for (const auto& e : r.events)
    sleeps += e.type == trace::EventType::sched_switch && r.is(e.u.sw.prev_comm, "p") &&
              e.u.sw.prev_state == trace::kStateInterruptible;
  CHECK(sleeps >= 60);
  CHECK(path_test::about(sleeps, r.wakes_of("p"), 1));
}

TEST_CASE("programs: replayed turns come when they are listed, after a tick's interrupt and before its switch") {
  scenario::Scenario s = tasks_only("6.1");
  s.machine.tick_offset_ns = 1'000'000;
  s.programs.push_back(program("h", "hog", 0, -1, -1));
  scenario::Program p;
  p.name = "kworker/0:1";
  p.kind = "replay";
  p.turns = {"1000000 2000 softirq", "7000000 1000 hardirq"};
  s.programs.push_back(p);
  Record r;
  path_test::record(r, s);
  std::vector<std::int64_t> at;
  std::vector<bool> soft;
  for (const auto& e : r.events)
    if (e.type == trace::EventType::sched_waking && r.is(e.u.task.comm, "kworker")) {
      at.push_back(e.ts_ns);
      soft.push_back((e.flags & trace::kSoftirq) != 0);
    }
  REQUIRE(at.size() == 2);
  CHECK((at[0] >= 1'000'000 && at[0] < 1'010'000));
  CHECK((at[1] >= 7'000'000 && at[1] < 7'010'000));
  CHECK(soft == std::vector<bool>{true, false});
  CHECK(r.switches("kworker", "h") == 2);
}

TEST_CASE("machine: the tick comes where its offset says, and no other records than the chosen are written") {
  scenario::Scenario s = tasks_only("6.12");
  s.machine.tick_offset_ns = 2'500'000;
  s.run.trace_events = {"local_timer_entry"};
  s.programs.push_back(program("h", "hog", 0, -1, -1));
  Record r;
  path_test::record(r, s);
  REQUIRE(r.events.size() == 5);
  for (std::size_t i = 0; i < r.events.size(); ++i) {
    CHECK(r.events[i].type == trace::EventType::local_timer_entry);
    CHECK(r.events[i].ts_ns - 2'500'000 - static_cast<std::int64_t>(i) * 4'000'000 < 1'000);
  }
}
