// SPDX-License-Identifier: GPL-2.0-or-later
// Where time goes: parts of CPU time, the path of an I/O, run delay and its antagonists, the wake graph. Worked by hand
// on one round of an I/O, and on real traces for what must hold whatever they contain.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "sim/analysis/analyze.h"
#include "tests/unit/catch.h"
#include "tests/unit/trace_files.h"

using namespace wakepath;

namespace {

// fio submits at 1000, the device completes at 5000, the worker's item runs from 7000 to 8000 and wakes fio, fio reaps
// at 9500. Idle from 3000 to 5000.
constexpr const char* kRound =
    "             fio-119     [000] ...1.   1000: sys_io_submit(ctx_id: 7f74a51f6000, nr: 1, iocbpp: 2ffa3630)\n"
    "             fio-119     [000] .....   1600: block_rq_issue: 254,0 WS 4096 () 21528 + 8 [fio]\n"
    "             fio-119     [000] ...1.   2000: sys_io_submit -> 0x1\n"
    "             fio-119     [000] ...1.   2200: sys_io_getevents(ctx_id: 7f74a51f6000, min_nr: 1, nr: 80, events: "
    "2ffa2570, timeout: 0)\n"
    "             fio-119     [000] d..2.   3000: sched_switch: prev_comm=fio prev_pid=119 prev_prio=120 prev_state=S "
    "==> next_comm=swapper/0 next_pid=0 next_prio=120\n"
    "          <idle>-0       [000] d.h1.   5000: local_timer_entry: vector=236\n"
    "          <idle>-0       [000] d.h1.   5100: block_rq_complete: 254,0 WS () 21528 + 8 [0]\n"
    "          <idle>-0       [000] d.h2.   5200: workqueue_queue_work: work struct=00000000ab7c8889 "
    "function=iomap_dio_complete_work workqueue=dio/nullb0 req_cpu=8192 cpu=0\n"
    "          <idle>-0       [000] d.h3.   5300: sched_waking: comm=kworker/0:2 pid=46 prio=120 target_cpu=000\n"
    "          <idle>-0       [000] dNh4.   5400: sched_wakeup: comm=kworker/0:2 pid=46 prio=120 target_cpu=000\n"
    "          <idle>-0       [000] dNh1.   5600: local_timer_exit: vector=236\n"
    "          <idle>-0       [000] d..2.   6000: sched_switch: prev_comm=swapper/0 prev_pid=0 prev_prio=120 "
    "prev_state=R ==> next_comm=kworker/0:2 next_pid=46 next_prio=120\n"
    "     kworker/0:2-46      [000] .....   7000: workqueue_execute_start: work struct 00000000ab7c8889: function "
    "iomap_dio_complete_work\n"
    "     kworker/0:2-46      [000] d..3.   7400: sched_waking: comm=fio pid=119 prio=120 target_cpu=000\n"
    "     kworker/0:2-46      [000] dN.4.   7600: sched_wakeup: comm=fio pid=119 prio=120 target_cpu=000\n"
    "     kworker/0:2-46      [000] .N...   8000: workqueue_execute_end: work struct 00000000ab7c8889: function "
    "iomap_dio_complete_work\n"
    "     kworker/0:2-46      [000] d..2.   8300: sched_switch: prev_comm=kworker/0:2 prev_pid=46 prev_prio=120 "
    "prev_state=R+ ==> next_comm=fio next_pid=119 next_prio=120\n"
    "             fio-119     [000] ...1.   9500: sys_io_getevents -> 0x1\n"
    "             fio-119     [000] ...1.   9900: sys_io_submit(ctx_id: 7f74a51f6000, nr: 1, iocbpp: 2ffa3630)\n";

nlohmann::json analyzed(const std::vector<trace::Event>& events, const trace::StringPool& pool) {
  analysis::Analyzer a(pool);
  for (const auto& e : events) a.on_event(e);
  return a.json();
}

nlohmann::json round_analyzed() {
  trace::StringPool pool;
  const auto r = tests::read_text(kRound, pool);
  REQUIRE(r.error.empty());
  REQUIRE(r.report.bad_lines == 0);
  return analyzed(r.events, pool);
}

double stage(const nlohmann::json& j, const std::string& name) {
  for (const auto& s : j["critical_path"]["stages"])
    if (s["stage"] == name) return s["mean"].get<double>();
  return 0;
}

}  // namespace

TEST_CASE("one round: each interval is in its part, and the parts add up") {
  const auto j = round_analyzed();
  const auto& parts = j["cpu_time"]["parts"];
  CHECK(parts["submit"]["ns"] == 1000);           // 1000 to 2000
  CHECK(parts["user"]["ns"] == 200 + 400);        // 2000 to 2200, 9500 to 9900
  CHECK(parts["switch_out"]["ns"] == 800 + 300);  // 2200 to 3000, 8000 to 8300
  CHECK(parts["idle"]["ns"] == 2000 + 400);       // 3000 to 5000, 5600 to 6000
  CHECK(parts["completion_irq"]["ns"] == 600);    // 5000 to 5600
  CHECK(parts["wakeup"]["ns"] == 200);            // 7400 to 7600
  CHECK(parts["work"]["ns"] == 400 + 400);        // 7000 to 7400, 7600 to 8000
  CHECK(parts["switch_in"]["ns"] == 1200);        // 8300 to 9500
  CHECK(parts["worker"]["ns"] == 1000);           // 6000 to 7000: the first that is seen of it
  std::int64_t sum = 0;
  for (const auto& [name, part] : parts.items()) sum += part["ns"].get<std::int64_t>();
  CHECK(sum == j["cpu_time"]["window_ns"].get<std::int64_t>());
}

TEST_CASE("one round: the stages of the I/O add up to its latency") {
  const auto j = round_analyzed();
  const auto& path = j["critical_path"];
  REQUIRE(path["ios"] == 1);
  CHECK(stage(j, "submit") == 600);
  CHECK(stage(j, "device") == 3400);
  CHECK(stage(j, "interrupt") == 100);
  CHECK(stage(j, "worker_wakes") == 200);  // 5100 to its waking at 5300
  CHECK(stage(j, "worker_waits") == 700);  // to the switch at 6000
  CHECK(stage(j, "worker_runs") == 1000);  // to its item
  CHECK(stage(j, "work") == 400);          // done when it wakes the submitter
  CHECK(stage(j, "reap_waits") == 900);    // 7400 to 8300
  CHECK(stage(j, "reap_runs") == 1200);    // to the return of io_getevents
  double sum = 0;
  for (const auto& s : path["stages"]) sum += s["mean"].get<double>();
  CHECK(sum == path["latency_ns"]["mean"].get<double>());
}

TEST_CASE("one round: who had the CPU while another wanted it") {
  const auto j = round_analyzed();
  for (const auto& row : j["run_delay"]) {
    if (row["task"] != "fio") continue;
    REQUIRE(row["by"].size() == 1);
    CHECK(row["by"][0]["task"] == "kworker");
    CHECK(row["by"][0]["wait_ns"] == 900);
    CHECK(row["wait_ns"] == 900);
  }
}

TEST_CASE("real traces: parts add up to the window, stages to the latency") {
  for (const auto& name : tests::all_data_traces()) {
    INFO(name);
    trace::StringPool pool;
    const auto r = tests::read_trace(tests::data_trace(name), pool);
    const auto j = analyzed(r.events, pool);
    const auto window = j["cpu_time"]["window_ns"].get<std::int64_t>();
    for (const auto& cpu : j["cpu_time"]["cpus"]) {
      std::int64_t sum = 0;
      for (const auto& [part, time] : cpu["parts"].items()) sum += time["ns"].get<std::int64_t>();
      CHECK(sum == window);
    }
    double stages = 0;
    for (const auto& s : j["critical_path"]["stages"]) stages += s["mean"].get<double>();
    CHECK(stages == Approx(j["critical_path"]["latency_ns"]["mean"].get<double>()).epsilon(1e-9));
  }
}

TEST_CASE("wake graph: the heaviest cycle of a weighted trace is fio and its worker, of a root trace nothing like it") {
  const auto heaviest = [](const char* name) {
    trace::StringPool pool;
    const auto r = tests::read_trace(tests::data_trace(name), pool);
    return std::pair(analyzed(r.events, pool), 0).first;
  };
  const auto weighted = heaviest("cfs-w1000.txt.xz");
  const auto& cycles = weighted["wake_graph"]["cycles"];
  REQUIRE_FALSE(cycles.empty());
  CHECK(cycles[0]["tasks"] == nlohmann::json::array({"fio", "kworker"}));
  const double rate = cycles[0]["switches_per_s"].get<double>();
  CHECK(rate == Approx(weighted["totals"]["context_switches_per_s"].get<double>()).epsilon(0.05));
  CHECK(cycles[0]["ns_per_round"].get<double>() > 0);
}

TEST_CASE("wake graph: a circle of three is found, and no shorter one in it") {
  trace::StringPool pool;
  std::string text;
  const char* names[] = {"a", "b", "c"};
  for (int i = 0; i < 90; ++i) {
    const int from = i % 3, to = (i + 1) % 3;
    text += "               " + std::string(names[from]) + "-" + std::to_string(10 + from) + "      [000] d..2.   " +
            std::to_string(1000 + i * 500) + ": sched_switch: prev_comm=" + names[from] +
            " prev_pid=" + std::to_string(10 + from) + " prev_prio=120 prev_state=S ==> next_comm=" + names[to] +
            " next_pid=" + std::to_string(10 + to) + " next_prio=120\n";
  }
  const auto r = tests::read_text(text, pool);
  REQUIRE(r.report.bad_lines == 0);
  const auto j = analyzed(r.events, pool);
  REQUIRE(j["wake_graph"]["cycles"].size() == 1);
  CHECK(j["wake_graph"]["cycles"][0]["tasks"] == nlohmann::json::array({"a", "b", "c"}));
  CHECK(j["wake_graph"]["cycles"][0]["ns_per_round"].get<double>() == Approx(1500).epsilon(0.02));
}

namespace {

// fio, asleep or not there, and who else has CPU 0.
std::string switched(int at_ns, const std::string& from, int prev, const std::string& to, int next) {
  return fmt::format(
      "{:>16}-{:<5} [000] d..2. {}: sched_switch: prev_comm={} prev_pid={} prev_prio=120 prev_state=S ==> next_comm={} "
      "next_pid={} next_prio=120\n",
      from, prev, at_ns, from, prev, to, next);
}

}  // namespace

TEST_CASE("where records were lost, rates are of the time between") {
  std::string text;
  const auto turn = [&](int at_us) {  // 1 us of 2
    text += switched(at_us * 1000, "swapper/0", 0, "fio", 7) + switched(at_us * 1000 + 1000, "fio", 7, "swapper/0", 0);
  };
  for (int us = 2; us < 12; us += 2) turn(us);
  text += "CPU:0 [LOST 80 EVENTS]\n";
  for (int us = 90; us < 100; us += 2) turn(us);
  trace::StringPool pool;
  const auto j = analyzed(tests::read_text(text, pool).events, pool);
  REQUIRE(j["tasks"].size() == 1);
  CHECK(j["tasks"][0]["cpu_ns_per_s"].get<double>() == Approx(10.0 / 18 * 1e9));
  CHECK(j["tasks"][0]["voluntary_switches_per_s"].get<double>() == Approx(10 / 18e-6));
  CHECK(j["cpus"][0]["busy"].get<double>() == Approx(10.0 / 18));
  CHECK(j["cpus"][0]["context_switches_per_s"].get<double>() ==
        Approx(j["totals"]["context_switches_per_s"].get<double>()));
}

TEST_CASE("a task whose end no record tells does not run for ever") {
  const std::string text =
      switched(2000, "a", 1, "unseen", 9) + switched(4000, "b", 2, "a", 1) + switched(52'000, "a", 1, "b", 2);
  trace::StringPool pool;
  const auto j = analyzed(tests::read_text(text, pool).events, pool);
  REQUIRE(j["tasks"].size() == 3);
  for (const auto& t : j["tasks"]) CHECK(t["cpu_ns_per_s"].get<double>() == Approx(t["tid"] == 1 ? 0.96e9 : 0.0));
}

TEST_CASE("between two softirqs an idle CPU is idle, and one without records is neither idle nor busy") {
  std::string text =
      " b-2 [002] ..... 0: sched_waking: comm=a pid=1 prio=120 target_cpu=002\n" + switched(0, "a", 1, "swapper/0", 0);
  for (const int us : {10, 50, 90})
    text += fmt::format(
        "          <idle>-0 [000] ..s.. {}: softirq_entry: vec=7 [action=SCHED]\n"
        "          <idle>-0 [000] ..s.. {}: softirq_exit: vec=7 [action=SCHED]\n",
        us * 1000, us * 1000 + 2000);
  text += switched(100'000, "swapper/0", 0, "a", 1);
  trace::StringPool pool;
  const auto j = analyzed(tests::read_text(text, pool).events, pool);
  CHECK(j["cpu_time"]["parts"]["softirq"]["ns"] == 6000);
  CHECK(j["cpu_time"]["parts"]["idle"]["ns"] == 94'000);
  REQUIRE(j["cpu_time"]["cpus"].size() == 3);
  REQUIRE(j["cpus"].size() == 3);
  CHECK(j["cpus"][0]["busy"] == Approx(0.06));
  CHECK(j["cpus"][2]["busy"] == 0.0);
  CHECK(j["cpus"][2]["idle"] == 0.0);
}
