// SPDX-License-Identifier: GPL-2.0-or-later
// Records -> steps (models/verify/assembler.h), and the clock between two told ones.
#include <fstream>
#include <sstream>
#include <vector>

#include "models/verify/assembler.h"
#include "models/verify/clock.h"
#include "sim/trace/reader.h"
#include "tests/unit/catch.h"
#include "tests/unit/trace_files.h"

using namespace wakepath;  // NOLINT(google-build-using-namespace)
using verify::Seen;
using verify::StepKind;

namespace {

struct Steps final : verify::StepSink {
  void on_step(const verify::Step& s) override { all.push_back(s); }
  std::vector<verify::Step> all;
};

// Lines without their "comm-pid [cpu]": the running task is h-9.
std::vector<verify::Step> steps_of_text(const std::string& text) {
  const tests::TemporaryFolder folder;
  const std::string path = folder.file("steps.txt");
  std::ofstream(path) << text;
  trace::StringPool pool;
  auto reader = trace::Reader::open(path, pool);
  REQUIRE(reader.has_value());
  Steps out;
  verify::Assembler assembler(pool, out);
  trace::Event e;
  while (reader->next(e).value()) assembler.on_event(e, reader->report().lines);
  assembler.finish();
  return out.all;
}

std::vector<verify::Step> steps_of(const std::string& lines) {
  std::string text;
  std::istringstream in(lines);
  for (std::string line; std::getline(in, line);) text += "               h-9       [000] " + line + "\n";
  return steps_of_text(text);
}

// perf script has no flags: "comm pid [cpu] seconds: sched:event: fields".
std::vector<verify::Step> perf_steps_of(const std::string& lines) {
  std::string text;
  std::istringstream in(lines);
  for (std::string line; std::getline(in, line);) text += "    h     9 [000]  1.00000" + line + "\n";
  return steps_of_text(text);
}

const char* const kPerfWakes =
    "1000: sched:sched_waking: comm=p pid=4 prio=120 target_cpu=000\n"
    "1100: sched:sched_stat_runtime: comm=h pid=9 runtime=700 [ns]\n"
    "1200: sched:sched_wakeup: comm=p pid=4 prio=120 target_cpu=000\n";
const char* const kPerfSwitch =
    "2500: sched:sched_switch: prev_comm=h prev_pid=9 prev_prio=120 prev_state=S ==> next_comm=p next_pid=4 "
    "next_prio=120\n";

const char* const kSwitchIn =
    "d..2.   1000: sched_switch: prev_comm=k prev_pid=3 prev_prio=120 prev_state=S ==> next_comm=h next_pid=9 "
    "next_prio=120\n";

}  // namespace

TEST_CASE("a wakeup is waking, accounting and wakeup together", "[verify]") {
  const auto steps = steps_of(
      "d.h2.   2000: sched_waking: comm=p pid=4 prio=120 target_cpu=000\n"
      "d.h3.   2600: sched_stat_runtime: comm=h pid=9 runtime=700 [ns] vruntime=99 [ns]\n"
      "dNh3.   2900: sched_wakeup: comm=p pid=4 prio=120 target_cpu=000\n");
  REQUIRE(steps.size() == 1);
  CHECK(steps[0].kind == StepKind::wake);
  CHECK(steps[0].task.pid == 4);
  CHECK(steps[0].resched_before == Seen::no);
  CHECK(steps[0].resched_after == Seen::yes);
  CHECK(steps[0].print.seen);
  CHECK(steps[0].print.vruntime == 99);
  CHECK(steps[0].ts_ns == 2000);
}

TEST_CASE("the accounting before a switch belongs to the switch, the tick's to the tick", "[verify]") {
  const auto steps = steps_of(
      std::string(kSwitchIn) +
      "d.h..   1500: hrtimer_expire_entry: hrtimer=(____ptrval____) function=tick_sched_timer now=5\n"
      "d.h1.   1600: sched_stat_runtime: comm=h pid=9 runtime=700 [ns] vruntime=99 [ns]\n"
      "dNh..   1700: local_timer_exit: vector=236\n"
      "d..2.   1800: sched_stat_runtime: comm=h pid=9 runtime=200 [ns] vruntime=299 [ns]\n"
      "d..2.   1900: sched_switch: prev_comm=h prev_pid=9 prev_prio=120 prev_state=S ==> next_comm=k next_pid=3 "
      "next_prio=120\n");
  REQUIRE(steps.size() >= 3);
  CHECK(steps[1].kind == StepKind::tick);
  CHECK(steps[1].resched_after == Seen::yes);
  CHECK(steps.back().kind == StepKind::schedule);
  CHECK(steps.back().print.vruntime == 299);
}

TEST_CASE("one record that was interrupted does not show that need_resched was cleared", "[verify]") {
  const std::string wake =
      "d.h2.   2000: sched_waking: comm=p pid=4 prio=120 target_cpu=000\n"
      "dNh3.   2900: sched_wakeup: comm=p pid=4 prio=120 target_cpu=000\n";
  const std::string stale = ".....   3000: block_rq_issue: 254,0 WS 4096 () 58000 + 8 [fio]\n";
  SECTION("the flag is there again") {
    const auto steps = steps_of(kSwitchIn + wake + stale + "dNh2.   3100: local_timer_exit: vector=236\n");
    CHECK(steps.size() == 2);
  }
  SECTION("a switch follows") {
    const auto steps = steps_of(
        kSwitchIn + wake + stale +
        "d..2.   3100: sched_switch: prev_comm=h prev_pid=9 prev_prio=120 prev_state=R+ ==> next_comm=p next_pid=4 "
        "next_prio=120\n");
    REQUIRE(steps.size() == 3);
    CHECK(steps[2].task.pid == 4);
    CHECK(steps[2].resched_before == Seen::yes);
  }
  SECTION("it stays away: the scheduler kept the task") {
    const auto steps = steps_of(kSwitchIn + wake + stale + stale);
    REQUIRE(steps.size() == 3);
    CHECK(steps[2].kind == StepKind::schedule);
    CHECK(steps[2].task.pid == 9);
    CHECK(steps[2].prev.pid == 9);
  }
  SECTION("with interrupts off one record is enough") {
    const auto steps = steps_of(kSwitchIn + wake +
                                "d..2.   3000: sched_stat_runtime: comm=h pid=9 runtime=700 [ns] vruntime=99 [ns]\n");
    REQUIRE(steps.size() == 4);
    CHECK(steps[2].kind == StepKind::schedule);
    CHECK(steps[3].kind == StepKind::account);
  }
}

TEST_CASE("a lost record and a stamp that goes back are gaps", "[verify]") {
  const auto steps = steps_of(std::string(kSwitchIn) + "d.h..   900: local_timer_exit: vector=236\n");
  REQUIRE(steps.size() == 2);
  CHECK(steps[1].kind == StepKind::gap);
}

TEST_CASE("the clock is read off a stamp by the distance seen most often", "[verify]") {
  verify::StampClock clock;
  const auto key = verify::StampClock::key(0, 0, false, 4);
  for (int i = 0; i < 10; ++i) clock.learn(key, 1000 * i, 1000 * i + (i == 4 ? 604 : 609));
  const auto e = clock.estimate(key, 50000, 52000);
  CHECK(e.now == 50609);
  CHECK(e.spread >= 1);
  // After an idle period all distances are shifted by the same amount; told once is enough.
  clock.idle();
  clock.learn(key, 60000, 60000 + 609 + 37);
  CHECK(clock.estimate(key, 70000, 72000).now == 70646);
}

TEST_CASE("without flags the next switch tells whether a wakeup preempted: it kept the wakeup's clock", "[verify]") {
  const std::string print = "2400: sched:sched_stat_runtime: comm=h pid=9 runtime=900 [ns]\n";
  const auto kept = perf_steps_of(std::string(kPerfWakes) + kPerfSwitch);
  REQUIRE(kept.size() == 2);
  CHECK(kept[0].kind == StepKind::wake);
  CHECK(kept[0].resched_before == Seen::no);
  CHECK(kept[0].resched_after == Seen::yes);
  const auto went_on = perf_steps_of(kPerfWakes + print + kPerfSwitch);
  REQUIRE(went_on.size() == 2);
  CHECK(went_on[0].resched_after == Seen::no);
  CHECK(went_on[1].print.seen);
}

TEST_CASE("of two wakeups before a switch that kept a clock, neither is told", "[verify]") {
  const std::string second =
      "1300: sched:sched_waking: comm=q pid=5 prio=120 target_cpu=000\n"
      "1400: sched:sched_stat_runtime: comm=h pid=9 runtime=200 [ns]\n"
      "1500: sched:sched_wakeup: comm=q pid=5 prio=120 target_cpu=000\n";
  const auto both = perf_steps_of(kPerfWakes + second + kPerfSwitch);
  REQUIRE(both.size() == 3);
  CHECK(both[0].task.pid == 4);
  CHECK(both[1].task.pid == 5);
  for (int i = 0; i < 2; ++i) CHECK(both[i].resched_after == Seen::unknown);
  const auto print = "2400: sched:sched_stat_runtime: comm=h pid=9 runtime=900 [ns]\n";
  const auto none = perf_steps_of(kPerfWakes + second + print + kPerfSwitch);
  REQUIRE(none.size() == 3);
  for (int i = 0; i < 2; ++i) CHECK(none[i].resched_after == Seen::no);
}

TEST_CASE("a wakeup that charged nobody, or whose switch is not there, is not told", "[verify]") {
  const std::string silent =
      "1000: sched:sched_waking: comm=p pid=4 prio=120 target_cpu=000\n"
      "1200: sched:sched_wakeup: comm=p pid=4 prio=120 target_cpu=000\n";
  const auto without = perf_steps_of(silent + kPerfSwitch);
  REQUIRE(without.size() == 2);
  CHECK(without[0].resched_after == Seen::unknown);
  const auto cut = perf_steps_of(kPerfWakes);
  REQUIRE(cut.size() == 1);
  CHECK(cut[0].resched_after == Seen::unknown);
}
