// SPDX-License-Identifier: GPL-2.0-or-later
// Scheduler experiments in traces: the sequence without the machine's own threads, waits, and what a recording tells of
// its start.
#include "sim/analysis/free_run.h"

#include "tests/unit/catch.h"
#include "tests/unit/trace_files.h"

#include <nlohmann/json.hpp>

using namespace wakepath;
using analysis::FreeRun;

namespace {

std::string line(int ts_us, const std::string& comm, int pid, const std::string& flags, const std::string& rest) {
  return "  " + comm + "-" + std::to_string(pid) + " [000] " + flags + " " + std::to_string(ts_us) + "000: " + rest +
         "\n";
}

std::string to(int ts_us, const std::string& prev, int prev_pid, const std::string& state, const std::string& next,
               int next_pid) {
  return line(ts_us, prev, prev_pid, "d..2.",
              "sched_switch: prev_comm=" + prev + " prev_pid=" + std::to_string(prev_pid) +
                  " prev_prio=120 prev_state=" + state + " ==> next_comm=" + next +
                  " next_pid=" + std::to_string(next_pid) + " next_prio=120");
}

std::string waking(int ts_us, const std::string& by, int pid, const std::string& flags, const std::string& comm,
                   int woken) {
  return line(ts_us, by, pid, flags,
              "sched_waking: comm=" + comm + " pid=" + std::to_string(woken) + " prio=120 target_cpu=000");
}

// h1 and h2 share the CPU; a kworker comes twice: once between the same task, once between the two.
std::string example() {
  return to(10, "bsim", 9, "S", "h1", 1) + line(30, "h1", 1, "d.h..", "local_timer_entry: vector=236") +
         line(31, "h1", 1, "d.h..",
              "hrtimer_expire_entry: hrtimer=(____ptrval____) function=tick_sched_timer now=4000000805") +
         line(32, "h1", 1, "d.h..", "sched_stat_runtime: comm=h1 pid=1 runtime=22000 [ns] vruntime=1022000 [ns]") +
         waking(33, "h1", 1, "d.s3.", "kworker/0:1", 5) + to(34, "h1", 1, "R", "kworker/0:1", 5) +
         to(36, "kworker/0:1", 5, "I", "h1", 1) + waking(40, "h1", 1, "d.h2.", "kworker/0:1", 5) +
         waking(41, "h1", 1, "d.h2.", "h2", 2) + to(42, "h1", 1, "R", "kworker/0:1", 5) +
         to(45, "kworker/0:1", 5, "I", "h2", 2) + to(60, "h2", 2, "S", "h1", 1) +
         line(70, "h1", 1, "d.h..", "local_timer_entry: vector=236");
}

FreeRun read(const std::string& text) {
  const tests::TemporaryFolder folder;
  auto f = analysis::read_free_run(folder.write("t.txt", text), {"h1", "h2"});
  REQUIRE(f);
  return *f;
}

}  // namespace

TEST_CASE("free run: other threads are no part of the sequence") {
  const FreeRun f = read(example());
  CHECK(f.sequence == std::vector<std::uint8_t>{0, 1, 0});
  CHECK(f.run_ns == std::vector<std::int64_t>{(34 - 10) * 1000 + (42 - 36) * 1000, 15000});
  CHECK(f.running == 0);
  CHECK(f.running_since_ns == 60000);
  CHECK(f.other_ns == 5000);
  CHECK(f.wait_ns[1] == std::vector<std::int64_t>{4000});
  CHECK(f.wait_ns[0].empty());  // released before the begin: it waited for the recording program
}

TEST_CASE("free run: what a recording tells of its start") {
  const FreeRun f = read(example());
  CHECK(f.begin_ns == 10000);
  CHECK(f.tick_ns == 30000);
  CHECK(f.has_vruntime == std::vector<bool>{true, false});
  CHECK(f.first_vruntime[0] - f.first_ran[0] == 1'000'000);
  const auto& turns = f.others.at("kworker/0:1");
  REQUIRE(turns.size() == 2);
  CHECK(turns[0].in_softirq);
  CHECK(turns[0].irq_ns == 30000);
  CHECK(turns[0].run_ns == 2000);
  CHECK_FALSE(turns[1].in_softirq);
  CHECK(turns[1].irq_ns == -1);
  CHECK(turns[1].run_ns == 3000);
  CHECK(analysis::start_json(f)["others"]["kworker/0:1"]["prio"] == 120);
}

TEST_CASE("free run: beside itself nothing differs, and another order is counted in edits") {
  const FreeRun f = read(example());
  const auto same = analysis::compare_free_runs(f, f);
  CHECK(same["edits"] == 0);
  CHECK(same["same_until"] == 3);
  CHECK(same["wait_distance"]["h2"] == 0.0);
  CHECK(same["real"] == same["simulated"]);
  CHECK(same["real"]["tasks"]["h1"]["cpu_share"].get<double>() == Approx(40.0 / 60.0));
  CHECK(analysis::edit_distance({0, 1, 0, 1}, {0, 1, 0, 1}) == 0);
  CHECK(analysis::edit_distance({0, 1, 0, 1}, {0, 1, 1}) == 1);
  CHECK(analysis::edit_distance({}, {0, 1}) == 2);
  CHECK(analysis::edit_distance({0, 1, 2, 0, 1, 2}, {0, 2, 1, 0, 2, 1}) == 4);
}

TEST_CASE("free run: waits differ when more than slack lies between them") {
  using V = std::vector<std::int64_t>;
  CHECK(analysis::wait_distance(V{5000, 5100}, V{6900, 5000}) == 0.0);  // within 2 us
  CHECK(analysis::wait_distance(V{100'000}, V{104'000}) == 0.0);        // within a twentieth
  CHECK(analysis::wait_distance(V{5000, 5000, 5000, 900'000}, V{5000, 5000, 5000, 5000}) == 0.25);
  CHECK(analysis::wait_distance(V{5000}, V{50'000}) == 1.0);
  CHECK(analysis::wait_distance(V{}, V{}) == 0.0);
  CHECK(analysis::wait_distance(V{}, V{1}) == 1.0);
}

TEST_CASE("free run: a trace that does not hold the whole is no trace to compare with") {
  const tests::TemporaryFolder folder;
  const auto none = analysis::read_free_run(folder.write("none.txt", to(10, "x", 3, "S", "y", 4)), {"h1"});
  REQUIRE_FALSE(none);
  CHECK(none.error().message == "no task of the case runs in it");
  const auto lost = analysis::read_free_run(folder.write("lost.txt", example() + "CPU:0 [LOST 5 EVENTS]\n"), {"h1"});
  REQUIRE_FALSE(lost);
  CHECK(lost.error().message.find("lost records") != std::string::npos);
  const auto bad = analysis::read_free_run(folder.write("bad.txt", example() + "garbage here\n"), {"h1", "h2"});
  REQUIRE_FALSE(bad);
  CHECK(bad.error().line == 14);
}
