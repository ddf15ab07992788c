// SPDX-License-Identifier: GPL-2.0-or-later
// Who moves a task, from the records around each sched_migrate_task, and where I/Os end that were issued elsewhere.
#include "sim/analysis/migrations.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "sim/analysis/steering.h"
#include "tests/unit/catch.h"
#include "tests/unit/trace_files.h"

using namespace wakepath;
using nlohmann::json;

namespace {

std::string line(const char* task, int cpu, const char* flags, int ts, const std::string& text) {
  char head[80];
  std::snprintf(head, sizeof head, "%16s [%03d] %s %7d: ", task, cpu, flags, ts);
  return head + text + "\n";
}

std::string to(int prev, const char* state, int next, int prio = 120) {
  return "sched_switch: prev_comm=t" + std::to_string(prev) + " prev_pid=" + std::to_string(prev) +
         " prev_prio=120 prev_state=" + state + " ==> next_comm=t" + std::to_string(next) +
         " next_pid=" + std::to_string(next) + " next_prio=" + std::to_string(prio);
}

std::string moves(int pid, int orig, int dest) {
  return "sched_migrate_task: comm=t" + std::to_string(pid) + " pid=" + std::to_string(pid) +
         " prio=120 orig_cpu=" + std::to_string(orig) + " dest_cpu=" + std::to_string(dest);
}

std::string wakes(const char* how, int pid, int cpu) {
  return std::string(how) + ": comm=t" + std::to_string(pid) + " pid=" + std::to_string(pid) +
         " prio=120 target_cpu=00" + std::to_string(cpu);
}

json migrations(const std::string& text) {
  trace::StringPool pool;
  const auto r = tests::read_text(text, pool);
  REQUIRE(r.error.empty());
  REQUIRE(r.report.bad_lines == 0);
  analysis::Migrations m(pool);
  for (const auto& e : r.events) m.on_event(e);
  return m.json();
}

}  // namespace

TEST_CASE("migrations: each mover by its records") {
  const std::string start = line("t5-5", 0, "d..2.", 1, to(7, "S", 5)) + line("<idle>-0", 1, "d..2.", 2, to(8, "S", 0));
  const auto one = [&](const std::string& text) { return migrations(start + text)["by_cause"]; };
  CHECK(one(line("t5-5", 0, "d..3.", 10, wakes("sched_waking", 9, 0)) +
            line("t5-5", 0, "d..3.", 11, moves(9, 1, 0)))["wakeup_to_waker"] == 1);
  CHECK(one(line("t5-5", 0, "d..3.", 10, wakes("sched_waking", 9, 1)) +
            line("t5-5", 0, "d..3.", 11, moves(9, 0, 1)))["wakeup_to_idle"] == 1);
  CHECK(one(line("t5-5", 0, "d..3.", 10, wakes("sched_waking", 9, 2)) +
            line("t5-5", 0, "d..3.", 11, moves(9, 0, 2)))["wakeup_to_busy"] == 1);
  // The wakeup is over: what comes then is none of it. The CPU runs out of work and pulls.
  CHECK(one(line("t5-5", 0, "d..3.", 10, wakes("sched_waking", 9, 0)) +
            line("t5-5", 0, "dN.4.", 11, wakes("sched_wakeup", 9, 0)) +
            line("t5-5", 0, "d..2.", 12, moves(9, 1, 0)))["newidle"] == 1);
  CHECK(one(line("t6-6", 0, "d..2.", 10, to(5, "R", 6, 0)) + line("t6-6", 0, "d..2.", 11, moves(5, 0, 1)))["stopper"] ==
        1);
  CHECK(one(line("t5-5", 0, "d.s2.", 10, moves(9, 1, 0)))["periodic"] == 1);
  CHECK(one(line("<idle>-0", 1, "d.s2.", 10, moves(9, 0, 2)))["nohz"] == 1);
}

TEST_CASE("migrations: a cause where one decision makes most moves of a task, whatever its name") {
  std::string text = line("t5-5", 0, "d..2.", 1, to(7, "S", 5));
  int ts = 10;
  for (int i = 0; i < 6; ++i) {
    text += line("t5-5", 0, "d..3.", ts, wakes("sched_waking", 9, 0)) +
            line("t5-5", 0, "d..3.", ts + 1, moves(9, 1, 0)) + line("t5-5", 0, "d.s2.", ts + 5, moves(9, 0, 1));
    ts += 10;
  }
  text += line("t5-5", 0, "d..3.", ts, wakes("sched_waking", 9, 0)) + line("t5-5", 0, "d..3.", ts + 1, moves(9, 1, 0));
  const auto task = migrations(text)["tasks"][0];
  CHECK(task["n"] == 13);
  CHECK(task["returned"] == 12);
  CHECK(task["cause"] == "placement rule: a wakeup takes it to the CPU of its waker");
  // One move is chance.
  CHECK(migrations(line("t5-5", 0, "d.s2.", 5, moves(9, 1, 0)))["tasks"][0]["cause"] == "");
}

TEST_CASE("steering: named where most of a CPU's I/Os end on another") {
  const auto steered = [](int issued_on, int completed_on, const char* flags, int n) {
    std::string text;
    for (int i = 0; i < n; ++i) {
      const std::string sector = std::to_string(8 * i);
      text += line("t5-5", issued_on, ".....", 100 * i, "block_rq_issue: 254,0 WS 4096 () " + sector + " + 8 [t5]");
      text += line("t6-6", completed_on, flags, 100 * i + 50, "block_rq_complete: 254,0 WS () " + sector + " + 8 [0]");
    }
    trace::StringPool pool;
    const auto r = tests::read_text(text, pool);
    REQUIRE(r.report.bad_lines == 0);
    analysis::Steering s;
    for (const auto& e : r.events) s.on_event(e);
    return s.json();
  };
  const auto away = steered(0, 1, "d.h1.", 30);
  CHECK(away["elsewhere_share"] == 1.0);
  CHECK(away["cause"] == "steering: 100% of the I/Os issued on CPU 0 end on CPU 1, in its interrupt");
  CHECK(steered(0, 1, "..s1.", 30)["cause"] ==
        "steering: 100% of the I/Os issued on CPU 0 end on CPU 1, in its softirq");
  CHECK(steered(0, 0, "d.h1.", 30)["cause"] == "");
  CHECK(steered(0, 1, "d.h1.", 5)["cause"] == "");  // too few
}
