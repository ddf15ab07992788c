// SPDX-License-Identifier: GPL-2.0-or-later
// The transition table: pieces of real traces against figures counted by hand (with grep), and small traces for each
// rule.
#include "sim/analysis/transitions.h"

#include <nlohmann/json.hpp>

#include "sim/analysis/compare.h"
#include "tests/unit/catch.h"
#include "tests/unit/trace_files.h"

using namespace wakepath;
using analysis::Leave;
using analysis::TaskClass;
using analysis::TransitionTable;

namespace {

TransitionTable table_of_file(const std::string& name) {
  trace::StringPool pool;
  auto reader = trace::Reader::open(tests::data_trace(name), pool);
  REQUIRE(reader);
  analysis::Transitions t(pool);
  REQUIRE(reader->drain(t));
  return t.table();
}

TransitionTable table_of_text(const std::string& text) {
  trace::StringPool pool;
  const auto r = tests::read_text(text, pool);
  REQUIRE(r.report.bad_lines == 0);
  analysis::Transitions t(pool);
  for (const auto& e : r.events) t.on_event(e);
  return t.table();
}

const analysis::WorkerCounts& kworkers(const TransitionTable& t) {
  return t.workers[static_cast<std::size_t>(TaskClass::kworker)];
}

std::string switch_line(const char* at, const char* prev, int prev_pid, const char* state, const char* next,
                        int next_pid, int cpu = 0) {
  return std::string(" ") + prev + "-" + std::to_string(prev_pid) + " [00" + std::to_string(cpu) + "] d..2. " + at +
         ": sched_switch: prev_comm=" + prev + " prev_pid=" + std::to_string(prev_pid) +
         " prev_prio=120 prev_state=" + state + " ==> next_comm=" + next + " next_pid=" + std::to_string(next_pid) +
         " next_prio=120\n";
}

}  // namespace

TEST_CASE("task classes and families") {
  CHECK(analysis::class_of_comm("kworker/0:1") == TaskClass::kworker);
  CHECK(analysis::class_of_comm("kworker/11:1+dio/vda") == TaskClass::kworker);
  CHECK(analysis::class_of_comm("kworker/0:1H") == TaskClass::kworker_high);
  CHECK(analysis::class_of_comm("kworker/1:1H-kblockd") == TaskClass::kworker_high);
  CHECK(analysis::class_of_comm("kworker/1:1-Have") == TaskClass::kworker);
  CHECK(analysis::class_of_comm("kworker/u8:2") == TaskClass::kworker_unbound);
  CHECK(analysis::class_of_comm("kworker/u8:2H") == TaskClass::kworker_unbound);
  CHECK(analysis::class_of_comm("swapper/3") == TaskClass::idle);
  CHECK(analysis::class_of_comm("fio") == TaskClass::fio);
  CHECK(analysis::class_of_comm("fiona") == TaskClass::other);
  CHECK(analysis::family_of_comm("iou-wrk-378") == "iou-wrk");
  CHECK(analysis::family_of_comm("ublkq0") == "ublkq");
  CHECK(analysis::family_of_comm("ksoftirqd/3") == "ksoftirqd");
  CHECK(analysis::family_of_comm("123") == "123");
}

TEST_CASE("transitions: CFS, root") {
  const TransitionTable t = table_of_file("cfs-root.txt.xz");
  CHECK(t.records == 3988);
  CHECK(t.switches == 133);
  CHECK(t.missing_switches == 0);
  CHECK(t.at(TaskClass::kworker, TaskClass::fio, Leave::idle_worker) == 63);
  CHECK(t.at(TaskClass::fio, TaskClass::kworker, Leave::preempted) == 44);
  CHECK(t.at(TaskClass::fio, TaskClass::kworker, Leave::runnable) == 20);
  CHECK(kworkers(t).items == 497);
  CHECK(kworkers(t).items_per_activation.n() == 65);
  CHECK(kworkers(t).items_per_activation.sum() == 497);
  CHECK(kworkers(t).wakeups == 64);
  CHECK(t.queue_works == 496);
  CHECK(t.queue_works_nop == 432);
  CHECK(t.events_per_getevents.n() == 9);
  CHECK(t.events_per_getevents.sum() == 413);
  CHECK(t.getevents_slept == 0);
  CHECK(t.submit_nr.n() == 12);
  CHECK(t.submit_nr.sum() == 413);
  CHECK(t.fio_wakeups_preempting == 0);
}

TEST_CASE("transitions: CFS, weighted group") {
  const TransitionTable t = table_of_file("cfs-w1000.txt.xz");
  CHECK(t.at(TaskClass::kworker, TaskClass::fio, Leave::preempted) == 225);
  CHECK(t.at(TaskClass::fio, TaskClass::kworker, Leave::sleep) == 224);
  CHECK(kworkers(t).items_per_activation.n() == 225);
  CHECK(kworkers(t).items_per_activation.sum() == 227);
  CHECK(t.queue_works_nop == 227);
  CHECK(t.events_per_getevents.sum() == 226);
  CHECK(t.getevents_returns == 225);
  CHECK(t.getevents_slept == 225);
  CHECK(t.getevents_sleeps == 225);
  CHECK(t.fio_wakeups_judged == 226);
  CHECK(t.fio_wakeups_preempting == 226);
  CHECK(t.fio_wakeups_to_switch == 226);
  const auto json = analysis::to_json(t);
  CHECK(json["transitions"][0]["from"] == "kworker");
  CHECK(json["transitions"][0]["state"] == "R+");
  CHECK(json["switches"]["per_io"].get<double>() == Approx(454.0 / 226));
  CHECK(json["getevents"]["events"]["histogram"] == nlohmann::json::parse("[[1,226]]"));
}

TEST_CASE("transitions: EEVDF, weighted group") {
  const TransitionTable t = table_of_file("eevdf-w1000.txt.xz");
  CHECK(t.at(TaskClass::kworker, TaskClass::fio, Leave::preempted) == 132);
  CHECK(t.at(TaskClass::kworker, TaskClass::fio, Leave::idle_worker) == 2);
  CHECK(kworkers(t).items_per_activation.sum() == 357);
  CHECK(kworkers(t).items_per_activation.max() == 129);
  CHECK(t.fio_wakeups_preempting == 132);
  CHECK(t.fio_wakeups_judged == 135);
}

TEST_CASE("transitions: a perf trace lacks records of the idle loop, and says so") {
  const TransitionTable t = table_of_file("perf-w10240.txt.xz");
  CHECK(t.missing_switches == 2);
  CHECK(t.issued == 253);
  CHECK(t.completed == 221);
  CHECK(t.ios() == 253);
  CHECK(t.fio_wakeups == 165);
  CHECK(t.fio_wakeups_judged == 0);  // no latency columns
  CHECK(t.fio_wakeups_to_switch == 161);
  for (const auto& f : analysis::figures_of(t)) {
    if (f.name == "fio_wakeups.preempting_share" || f.name == "getevents.events.mean") CHECK_FALSE(f.value.has_value());
  }
}

TEST_CASE("transitions: nothing is judged across a loss") {
  const std::string before =
      switch_line("10", "fio", 1, "S", "kworker/0:1", 2) +
      " kworker/0:1-2 [000] ..... 11: workqueue_execute_start: work struct (____ptrval____): function f\n"
      " fio-1 [001] ...1. 12: sys_io_getevents(ctx_id: 7f, min_nr: 1, nr: 80, events: 2, timeout: 0)\n";
  const std::string after = switch_line("1000020", "kworker/0:1", 2, "R+", "fio", 1) +
                            " fio-1 [001] ...1. 1000021: sys_io_getevents -> 0x1\n" +
                            switch_line("1000030", "fio", 1, "S", "kworker/0:1", 2) +
                            switch_line("1000040", "kworker/0:1", 2, "I", "fio", 1);
  const TransitionTable whole = table_of_text(before + after);
  CHECK(kworkers(whole).items_per_activation.n() == 2);
  CHECK(whole.getevents_returns == 1);
  CHECK(whole.duration_ns == 1000030);

  const TransitionTable cut = table_of_text(before + "CPU:0 [LOST 5 EVENTS]\n" + after);
  CHECK(cut.gaps == 1);
  CHECK(cut.lost_events == 5);
  CHECK(kworkers(cut).items_per_activation.n() == 1);  // the activation behind the gap
  CHECK(kworkers(cut).items_per_activation.sum() == 0);
  CHECK(cut.getevents_returns == 0);
  CHECK(cut.missing_switches == 0);
  CHECK(cut.duration_ns == 22);  // what the gap took is not part of it
}

TEST_CASE("transitions: a switch that the trace lacks spoils its activation only") {
  const TransitionTable t = table_of_text(switch_line("10", "fio", 1, "S", "kworker/0:1", 2) +
                                          switch_line("20", "bash", 3, "S", "kworker/0:1", 2) +
                                          switch_line("30", "kworker/0:1", 2, "I", "fio", 1));
  CHECK(t.missing_switches == 1);
  CHECK(kworkers(t).items_per_activation.n() == 1);
}

TEST_CASE("transitions: a submitter counts as fio under any name; sched_waking's CPU is only the previous one") {
  const TransitionTable t =
      table_of_text(" mydb-7 [000] ...1. 1: sys_io_submit(ctx_id: 7f, nr: 20, iocbpp: 2)\n" +
                    switch_line("10", "mydb", 7, "S", "kworker/0:1", 2) +
                    " kworker/0:1-2 [000] d..3. 11: sched_waking: comm=mydb pid=7 prio=120 target_cpu=000\n"
                    " kworker/0:1-2 [000] d..4. 12: sched_wakeup: comm=mydb pid=7 prio=120 target_cpu=001\n" +
                    switch_line("13", "bash", 9, "R", "mydb", 7, 1));
  CHECK(t.at(TaskClass::fio, TaskClass::kworker, Leave::sleep) == 1);
  CHECK(t.at(TaskClass::other, TaskClass::fio, Leave::runnable) == 1);
  CHECK(t.submit_nr.sum() == 32);
  CHECK(t.fio_wakeups == 1);
  CHECK(t.fio_wakeups_judged == 0);  // need_resched of CPU 1 cannot be seen in a record of CPU 0
  CHECK(t.fio_wakeups_to_switch == 1);
}

TEST_CASE("transitions: completions per interrupt, with and without latency columns") {
  const std::string irq = " a-1 [000] d.h1. 10: irq_handler_entry: irq=1 name=x\n";
  const std::string done = " a-1 [000] d.h1. 11: block_rq_complete: 254,0 WS () 8 + 8 [0]\n";
  const std::string exit = " a-1 [000] d.h1. 12: irq_handler_exit: irq=1 ret=handled\n";
  // Completions in the softirq that follows the interrupt belong to it.
  const TransitionTable t = table_of_text(irq + done + exit + done + done + irq + exit + irq + exit + done +
                                          switch_line("20", "a", 1, "S", "b", 2));
  CHECK(t.interrupts == 3);
  CHECK(t.completed == 4);
  CHECK(t.completions_per_interrupt.n() == 2);
  CHECK(t.completions_per_interrupt.sum() == 4);
}

TEST_CASE("compare: the same table differs nowhere, another one where it should") {
  const TransitionTable root = table_of_file("cfs-root.txt.xz"), weighted = table_of_file("cfs-w1000.txt.xz");
  CHECK(analysis::worst_difference(analysis::compare(root, root)) == 0);
  const auto rows = analysis::compare(root, weighted);
  const auto find = [&rows](const std::string& name) {
    for (const auto& r : rows) {
      if (r.name == name) return r;
    }
    FAIL("no row " << name);
    return analysis::ComparisonRow{};
  };
  CHECK(*find("switches.per_io").difference == Approx((454.0 / 226) / (133.0 / 495) - 1));
  CHECK(*find("getevents.slept_share").b == 1);
  CHECK_FALSE(find("getevents.slept_share").difference.has_value());  // from nothing
  CHECK_FALSE(find("transitions.kworker>fio.R+.share").minor);
  CHECK(find("transitions.fio>fio.S.share").minor);
  CHECK(analysis::worst_difference(rows) > 1);
  CHECK(tests::contains(analysis::to_text(rows), "submit.nr.mean"));
  CHECK(analysis::to_json(rows).size() == rows.size());
}
