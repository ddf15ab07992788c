// SPDX-License-Identifier: GPL-2.0-or-later
// Heads of records: layouts of ftrace, trace-cmd and perf; awkward comms; stamps; latency columns; what is no record.
#include "sim/trace/event_names.h"
#include "sim/trace/line_parser.h"
#include "tests/unit/catch.h"

using namespace wakepath::trace;

TEST_CASE("line: ftrace record") {
  const Line l = parse_line("     kworker/0:2-46      [003] dNh2.   6864440702: sched_wakeup: comm=fio pid=119");
  REQUIRE(l.kind == LineKind::record);
  CHECK(l.layout == Layout::ftrace);
  CHECK(l.comm == "kworker/0:2");
  CHECK(l.pid == 46);
  CHECK(l.cpu == 3);
  CHECK(l.flags == (kIrqsOff | kNeedResched | kHardirq));
  CHECK(l.preempt_depth == 2);
  CHECK(l.has_flags);
  CHECK(l.ts_ns == 6864440702);
  CHECK(l.name == "sched_wakeup");
  CHECK(l.text == "comm=fio pid=119");
}

TEST_CASE("line: perf record") {
  const Line l = parse_line(
      "      kworker/1:1+dio 30274 [001]  5062.345175478:   workqueue:workqueue_execute_end: work struct 0xff");
  REQUIRE(l.kind == LineKind::record);
  CHECK(l.layout == Layout::perf);
  CHECK(l.comm == "kworker/1:1+dio");
  CHECK(l.pid == 30274);
  CHECK_FALSE(l.has_flags);
  CHECK(l.ts_ns == 5062345175478);
  CHECK(l.name == "workqueue_execute_end");
  CHECK(l.text == "work struct 0xff");

  const Line period = parse_line("fio  1828/1829 [000] 5.345188:          1 block:block_rq_issue: 254,0 WS");
  REQUIRE(period.kind == LineKind::record);
  CHECK(period.pid == 1829);
  CHECK(period.ts_ns == 5345188000);
  CHECK(period.name == "block_rq_issue");
}

TEST_CASE("line: trace-cmd record, old columns, thread group column") {
  const Line plain = parse_line(
      "          fio-119   [000]  6864.392942: sched_switch:          fio:119 [120] S ==> swapper/0:0 [120]");
  REQUIRE(plain.kind == LineKind::record);
  CHECK_FALSE(plain.has_flags);
  CHECK(plain.ts_ns == 6864392942000);
  CHECK(plain.stamp_digits == 6);
  const Line four = parse_line("  fio-119   [000] d..2  6864.392942: irq_handler_entry: irq=1 name=x");
  REQUIRE(four.kind == LineKind::record);
  CHECK(four.preempt_depth == 2);
  const Line tgid = parse_line("  fio-119     (  115) [000] .....   6864.392942: irq_handler_entry: irq=1 name=x");
  REQUIRE(tgid.kind == LineKind::record);
  CHECK(tgid.comm == "fio");
  const Line no_tgid = parse_line("  <idle>-0    (-----) [000] .....   6864.392942: irq_handler_entry: irq=1 name=x");
  REQUIRE(no_tgid.kind == LineKind::record);
  CHECK(no_tgid.comm == "<idle>");
}

TEST_CASE("line: comms with spaces, dashes, colons, brackets and digits") {
  struct Case {
    const char* line;
    const char* comm;
    int pid;
  };
  const Case cases[] = {
      {" Web Content-12-345 [000] ..... 5: x:", "Web Content-12", 345},
      {" iou-wrk-378-380     [000] ...1.  28789750193: x:", "iou-wrk-378", 380},
      {" <...>-123 [000] ..... 5: x:", "<...>", 123},
      {" <idle>-0 [000] ..... 5: x:", "<idle>", 0},
      {" a: b [12]-7 [000] ..... 5: x:", "a: b [12]", 7},
      {" [001] x-7 [000] ..... 5: x:", "[001] x", 7},
      {" Web Content 12  345 [000] 5.000000: a:x:", "Web Content 12", 345},
      {" iou-wrk-378  380 [000] 5.000000: a:x:", "iou-wrk-378", 380},
      {" a:b [3]  7 [000] 5.000000: a:x:", "a:b [3]", 7},
  };
  for (const Case& c : cases) {
    CAPTURE(c.line);
    const Line l = parse_line(c.line);
    REQUIRE(l.kind == LineKind::record);
    CHECK(l.comm == c.comm);
    CHECK(l.pid == c.pid);
    CHECK(l.cpu == 0);
    CHECK(l.name == "x");
  }
}

TEST_CASE("line: stamps") {
  std::int64_t ns = 0;
  std::uint8_t digits = 0;
  CHECK(parse_stamp("6864392942", ns, digits));
  CHECK(ns == 6864392942);
  CHECK(parse_stamp("6864.392942", ns, digits));
  CHECK(ns == 6864392942000);
  CHECK(digits == 6);
  CHECK(parse_stamp("0.000000001", ns, digits));
  CHECK(ns == 1);
  CHECK(parse_stamp("9223372036.854775807", ns, digits));
  CHECK(ns == INT64_MAX);
  for (const char* bad :
       {"", ".", "1.", ".5", "-1", "1.0000000001", "9223372036.854775808", "9223372036854775808", "1e3", "12 "}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_stamp(bad, ns, digits));
  }
}

TEST_CASE("line: latency columns") {
  struct Case {
    const char* columns;
    int flags, depth, migrate;
  };
  const Case cases[] = {{".....", 0, 0, 0},
                        {"d..2.", kIrqsOff, 2, 0},
                        {"DNs1.", kIrqsOff | kBhOff | kNeedResched | kSoftirq, 1, 0},
                        {"b....", kBhOff, 0, 0},
                        {"dNH1.", kIrqsOff | kNeedResched | kHardirq | kSoftirq, 1, 0},
                        {".n.1.", kNeedResched | kTifOnly, 1, 0},
                        {".l..1", kNeedReschedLazy, 0, 1},
                        {".B...", kNeedResched | kNeedReschedLazy, 0, 0},
                        {"d.Za.", kIrqsOff | kNmi | kHardirq, 10, 0},
                        {"d.h1", kIrqsOff | kHardirq, 1, 0}};
  for (const Case& c : cases) {
    CAPTURE(c.columns);
    Line l;
    REQUIRE(parse_flags(c.columns, l));
    CHECK(l.flags == c.flags);
    CHECK(l.preempt_depth == c.depth);
    CHECK(l.migrate_disable == c.migrate);
  }
  for (const char* bad : {"", "...", "......", "x....", ".x...", "..x..", "...x.", "....x"}) {
    CAPTURE(bad);
    Line l;
    CHECK_FALSE(parse_flags(bad, l));
  }
}

TEST_CASE("line: system calls, losses, headers, call chains, nonsense") {
  const Line enter = parse_line(" fio-1 [000] ...1. 5: sys_io_submit(ctx_id: 7f, nr: 1, iocbpp: 2)");
  CHECK(enter.sys_enter);
  CHECK(enter.name == "io_submit");
  const Line exit = parse_line(" fio-1 [000] ...1. 5: sys_io_submit -> 0x1");
  CHECK(exit.sys_exit);
  CHECK(exit.text == "0x1");

  const Line lost = parse_line("CPU:1 [LOST 5 EVENTS]");
  CHECK(lost.kind == LineKind::lost);
  CHECK(lost.cpu == 1);
  CHECK(lost.lost == 5);
  CHECK(parse_line("[LOST 17 EVENTS]").lost == 17);
  CHECK(parse_line("CPU:3 [LOST EVENTS]").kind == LineKind::lost);
  CHECK(parse_line("CPU:2 [321 EVENTS DROPPED]").lost == 321);
  CHECK(parse_line("CPU:0 [EVENTS DROPPED]").kind == LineKind::lost);
  const Line perf_lost = parse_line(" perf  2083 [001]  5092.876814823: PERF_RECORD_LOST lost 12");
  CHECK(perf_lost.kind == LineKind::lost);
  CHECK(perf_lost.lost == 12);

  CHECK(parse_line("").kind == LineKind::blank);
  CHECK(parse_line("   \t \r").kind == LineKind::blank);
  CHECK(parse_line("# tracer: nop").kind == LineKind::header);
  CHECK(parse_line("##### CPU 1 buffer started ####").kind == LineKind::header);
  CHECK(parse_line("cpus=4").kind == LineKind::header);
  CHECK(parse_line(" => try_to_wake_up").kind == LineKind::call_chain);
  CHECK(parse_line("\tffffffff810d5b2c try_to_wake_up+0x2c ([kernel.kallsyms])").kind == LineKind::call_chain);
  CHECK(parse_line("\t             b29 __vdso_clock_gettime+0x39 ([vdso])").kind == LineKind::call_chain);
  CHECK(parse_line("   b29 is no frame").kind == LineKind::bad);
  CHECK(parse_line(" fio-1 [000] d..2. 5: <stack trace>").name == "<stack trace>");
  CHECK(parse_line(" fio-1 [000] ..... 5: vfs_read <-ksys_read").name == "function");

  for (const char* bad :
       {"hello", "fio [000] ..... 5: x:", "fio-1 [000] ..... x: y:", "fio-1 [000] 5 x:", "fio-1 [99999] ..... 5: x:",
        "fio-1 [-1] ..... 5: x:", "fio-1 [000", "fio-99999999999 [000] ..... 5: x:", "abcd [LOST x EVENTS]"}) {
    CAPTURE(bad);
    const Line l = parse_line(bad);
    CHECK(l.kind == LineKind::bad);
    CHECK(l.reason != nullptr);
  }
}

TEST_CASE("names: states and tracepoints, both ways") {
  for (const char* text : {"R", "R+", "S", "D", "T", "t", "X", "Z", "P", "I", "D+", "S|D", "X|Z"}) {
    CAPTURE(text);
    const auto state = parse_state(text);
    REQUIRE(state);
    std::string back;
    append_state(back, *state);
    CHECK(back == text);
  }
  for (const char* text : {"", "+", "Q", "S|", "SD", "|S", "R|S"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_state(text));
  }
  for (int i = 0; i < static_cast<int>(EventType::count_); ++i) {
    const auto type = static_cast<EventType>(i);
    if (type != EventType::lost_events) CHECK(type_of(name_of(type)) == type);
  }
  CHECK(type_of("io_uring_submit_sqe") == EventType::io_uring_submit_req);  // names move between kernels
  CHECK(type_of("io_uring_register") == EventType::unknown);
}
