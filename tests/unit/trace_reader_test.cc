// SPDX-License-Identifier: GPL-2.0-or-later
// The reader: fields, losses, counts of what it did not understand, packed files, and every way in which a file can be
// bad.
#include "sim/trace/reader.h"

#include "sim/trace/packer.h"
#include "tests/unit/catch.h"
#include "tests/unit/trace_files.h"

using namespace wakepath;
using trace::EventType;

namespace {

std::string pack(const std::string& suffix, std::string_view data) {
  std::string out;
  REQUIRE(trace::Packer::for_path("x" + suffix)->pack(data, true, out));
  return out;
}

const char* const kThree =
    " a-1 [000] d..2. 10: sched_switch: prev_comm=a prev_pid=1 prev_prio=120 prev_state=S ==> next_comm=b next_pid=2 "
    "next_prio=100\n"
    " b-2 [000] ..... 20: workqueue_execute_start: work struct 00000000f3b6d8c4: function f\n"
    " b-2 [000] ..... 20: workqueue_execute_end: work struct 00000000f3b6d8c4: function f\n";

}  // namespace

TEST_CASE("reader: fields of every kind") {
  trace::StringPool pool;
  const auto r = tests::read_text(
      " x-9 [000] d..2. 10: sched_switch: prev_comm=a b prev_pid=1 prev_prio=120 prev_state=R+ ==> next_comm=c: d "
      "next_pid=2 next_prio=98\n"
      " x-9 [000] d..2. 11: sched_stat_runtime: comm=a pid=1 runtime=5 [ns] vruntime=18446744073709551615 [ns]\n"
      " x-9 [000] d..2. 12: sched_stat_runtime: comm=a pid=1 runtime=7 [ns]\n"
      " x-9 [000] d..2. 13: sched_migrate_task: comm=fio pid=177 prio=120 orig_cpu=0 dest_cpu=1\n"
      " x-9 [000] d..2. 14: sched_process_fork: comm=sh pid=3 child_comm=s h child_pid=4\n"
      " x-9 [000] d.h1. 15: irq_handler_entry: irq=36 name=nvme0q1, nvme0q2\n"
      " x-9 [000] d.h1. 16: irq_handler_exit: irq=36 ret=handled\n"
      " x-9 [000] d.h1. 17: hrtimer_expire_entry: hrtimer=(____ptrval____) function=f [null_blk] now=6892592928\n"
      " x-9 [000] d.h1. 18: workqueue_queue_work: work struct=0xffff888106c379a0 function=f workqueue=dio/vda "
      "req_cpu=256 cpu=1\n"
      " x-9 [000] d.h1. 19: block_rq_complete: 254,3 WS () 353513120 + 8 0x2,0,4 [-5]\n"
      " x-9 [000] ..... 20: block_rq_issue: 254,0 WFS 4096 () 44104 + 8 [my job]\n"
      " x-9 [000] ...1. 21: sys_io_getevents(ctx_id: 7f74a51f6000, min_nr: 1, nr: 80, events: 2ffa2570, timeout: 0)\n"
      " x-9 [000] ...1. 22: sys_io_getevents -> 0xfffffffffffffffc\n"
      " x-9 [000] ...1. 23: softirq_entry: vec=4 [action=BLOCK]\n",
      pool);
  REQUIRE(r.error.empty());
  REQUIRE(r.report.bad_lines == 0);
  REQUIRE(r.events.size() == 14);
  const auto& e = r.events;
  CHECK(pool.str(e[0].u.sw.prev_comm) == "a b");
  CHECK(pool.str(e[0].u.sw.next_comm) == "c: d");
  CHECK(e[0].u.sw.prev_state == trace::kStatePreempted);
  CHECK(e[0].u.sw.next_prio == 98);
  CHECK(e[1].u.runtime.vruntime == UINT64_MAX);
  CHECK(e[1].u.runtime.has_vruntime);
  CHECK_FALSE(e[2].u.runtime.has_vruntime);
  CHECK(e[3].u.task.dest_cpu == 1);
  CHECK(pool.str(e[4].u.task.comm) == "s h");
  CHECK(pool.str(e[5].u.irq.name) == "nvme0q1, nvme0q2");
  CHECK(pool.str(e[7].u.timer.function) == "f [null_blk]");
  CHECK(e[8].u.work.work == 0xffff888106c379a0U);
  CHECK(e[8].u.work.cpu == 1);
  CHECK(e[9].u.rq.error == -5);
  CHECK(e[9].u.rq.bytes == 4096);
  CHECK(pool.str(e[10].u.rq.comm) == "my job");
  CHECK(e[11].u.sys.nr == 128);  // hexadecimal
  CHECK(e[12].u.sys.ret == -4);
  CHECK(e[13].u.irq.irq == 4);
}

TEST_CASE("reader: perf's system calls and the plugins' forms") {
  trace::StringPool pool;
  const auto r = tests::read_text(
      "fio  7 [001]  5.000000001: syscalls:sys_enter_io_submit: ctx_id: 0x7f74a51f6000, nr: 0x00000020, iocbpp: "
      "0x2ffa3968\n"
      "fio  7 [001]  5.000000002:  syscalls:sys_exit_io_submit: 0x20\n"
      "fio  7 [001]  5.000000003: sched:sched_switch: fio:7 [120] R+ ==> kworker/1:1:33 [120]\n"
      "fio  7 [001]  5.000000004: sched:sched_wakeup: kworker/1:1:33 [120] success=1 CPU:001\n",
      pool);
  REQUIRE(r.report.bad_lines == 0);
  REQUIRE(r.events.size() == 4);
  CHECK(r.events[0].type == EventType::sys_enter_io_submit);
  CHECK(r.events[0].u.sys.nr == 32);
  CHECK(r.events[1].u.sys.ret == 32);
  CHECK(pool.str(r.events[2].u.sw.next_comm) == "kworker/1:1");
  CHECK(r.events[2].u.sw.next_pid == 33);
  CHECK(r.events[3].u.task.target_cpu == 1);
  CHECK(r.report.perf_records == 4);
}

TEST_CASE("reader: losses are records, and counted") {
  trace::StringPool pool;
  const auto r =
      tests::read_text(std::string("# entries-in-buffer/entries-written: 3/1003   #P:2\n") + kThree +
                           "CPU:1 [LOST 5 EVENTS]\n b-2 [000] ..... 30: irq_handler_exit: irq=1 ret=handled\n"
                           "[LOST 7 EVENTS]\nCPU:0 [EVENTS DROPPED]\n",
                       pool);
  REQUIRE(r.events.size() == 7);
  CHECK(r.events[3].type == EventType::lost_events);
  CHECK(r.events[3].u.value == 5);
  CHECK(r.events[3].cpu == 1);
  CHECK(r.events[3].ts_ns == 20);
  CHECK(r.events[5].cpu == -1);
  CHECK(r.report.losses == 3);
  CHECK(r.report.lost_events == 12);
  CHECK(r.report.entries_written - r.report.entries_in_buffer == 1000);
}

TEST_CASE("reader: nothing is dropped silently") {
  trace::StringPool pool;
  const auto r = tests::read_text(std::string(kThree) +
                                      "what is this\n"
                                      " b-2 [000] ..... 30: io_uring_register: ring 1, req 2\n"
                                      " b-2 [000] ..... 31: io_uring_register: ring 1, req 2\n"
                                      " b-2 [000] ..... 32: sys_futex(uaddr: 1)\n"
                                      " b-2 [000] ..... 33: sched_switch: prev_comm=a prev_pid=x\n"
                                      " b-2 [000] ..... 34: block_rq_issue: 254,0 WS\n",
                                  pool);
  CHECK(r.report.lines == 9);
  CHECK(r.report.records == 6);
  CHECK(r.report.unknown.at("io_uring_register") == 2);
  CHECK(r.report.unknown.at("sys_enter_futex") == 1);
  CHECK(r.report.bad_lines == 3);
  REQUIRE(r.report.first_bad.size() == 3);
  CHECK(r.report.first_bad[0].line == 4);
  CHECK(r.report.first_bad[0].text == "what is this");
  CHECK(r.report.first_bad[1].line == 8);
  CHECK(tests::contains(r.report.first_bad[1].reason, "sched_switch"));
  CHECK(r.events[3].type == EventType::unknown);
  CHECK(pool.str(r.events[3].u.unknown.name) == "io_uring_register");
}

TEST_CASE("reader: no more than the first hundred bad lines are kept, all are counted") {
  std::string text = kThree;
  for (int i = 0; i < 250; ++i) text += "nonsense " + std::to_string(i) + "\n";
  trace::StringPool pool;
  const auto r = tests::read_text(text, pool);
  CHECK(r.report.bad_lines == 250);
  CHECK(r.report.first_bad.size() == 100);
  CHECK(r.report.records == 3);
}

TEST_CASE("reader: equal stamps keep the file's order, coarse stamps are told, stamps that go back are counted") {
  trace::StringPool pool;
  const auto r = tests::read_text(
      " a-1 [000] ..... 1.000001: irq_handler_exit: irq=1 ret=handled\n"
      " a-1 [001] ..... 1.000001: irq_handler_exit: irq=2 ret=handled\n"
      " a-1 [000] ..... 1.000001: irq_handler_exit: irq=3 ret=handled\n"
      " a-1 [001] ..... 1.000000: irq_handler_exit: irq=4 ret=handled\n",
      pool);
  REQUIRE(r.events.size() == 4);
  for (int i = 0; i < 4; ++i) CHECK(r.events[static_cast<std::size_t>(i)].u.irq.irq == i + 1);
  CHECK(r.report.precision_ns == 1000);
  CHECK(r.report.stamps_back == 1);
}

TEST_CASE("reader: call chains are counted, and kept beside their record when asked") {
  const char* const perf =
      "fio  7 [001]  5.000000001: sched:sched_waking: comm=a pid=1 prio=120 target_cpu=001\n"
      "\tffffffff810d5b2c try_to_wake_up+0x2c ([kernel.kallsyms])\n"
      "\tffffffff812aabbc aio_complete+0x1c ([kernel.kallsyms])\n"
      "\n"
      "fio  7 [001]  5.000000002: irq:irq_handler_exit: irq=1 ret=handled\n"
      "fio  7 [001]  5.000000003: irq:irq_handler_exit: irq=2 ret=handled\n"
      "\tffffffff810d5b2c f+0x2c ([kernel.kallsyms])\n\n";
  trace::StringPool pool;
  const auto plain = tests::read_text(perf, pool);
  CHECK(plain.events.size() == 3);
  CHECK(plain.report.call_chain_lines == 3);
  CHECK(plain.report.bad_lines == 0);
  CHECK(plain.chains[0].empty());
  const auto kept = tests::read_text(perf, pool, true);
  REQUIRE(kept.events.size() == 3);
  CHECK(kept.chains[0].size() == 2);
  CHECK(tests::contains(kept.chains[0][1], "aio_complete"));
  CHECK(kept.chains[1].empty());
  CHECK(kept.chains[2].size() == 1);

  const auto ftrace = tests::read_trace(tests::data_trace("call-chains.txt.xz"), pool, true);
  REQUIRE(ftrace.error.empty());
  std::size_t with = 0;
  for (std::size_t i = 0; i < ftrace.events.size(); ++i) {
    if (ftrace.chains[i].empty()) continue;
    ++with;
    CHECK(ftrace.events[i].type == EventType::sched_migrate_task);
    CHECK(ftrace.chains[i].size() == 7);
  }
  CHECK(with == 1);
}

TEST_CASE("reader: packed files, also in several members") {
  const tests::TemporaryFolder folder;
  const std::string text = kThree;
  for (const std::string suffix : {".xz", ".gz", ".zst"}) {
    CAPTURE(suffix);
    trace::StringPool pool;
    const auto two = tests::read_trace(folder.write("two" + suffix, pack(suffix, text) + pack(suffix, text)), pool);
    CHECK(two.error.empty());
    CHECK(two.events.size() == 6);
    // The bytes tell the packing, not the name.
    CHECK(tests::read_trace(folder.write("misnamed.txt", pack(suffix, text)), pool).events.size() == 3);
  }
}

TEST_CASE("reader: a truncated packed file is an error, with what came before given out") {
  const tests::TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 20000; ++i) {
    text += " a-1 [000] ..... " + std::to_string(i * 7919) + ": irq_handler_exit: irq=" + std::to_string(i * i) +
            " ret=handled\n";
  }
  for (const std::string suffix : {".xz", ".gz", ".zst"}) {
    const std::string whole = pack(suffix, text);
    for (const std::size_t cut : {whole.size() - 1, whole.size() - 9, whole.size() / 2, std::size_t{40}}) {
      CAPTURE(suffix, cut);
      trace::StringPool pool;
      const auto r = tests::read_trace(folder.write("cut" + suffix, whole.substr(0, cut)), pool);
      CHECK(tests::contains(r.error, "truncated"));
      CHECK(tests::contains(r.error, "cut" + suffix));
    }
    std::string damaged = whole;
    for (std::size_t i = damaged.size() / 2; i < damaged.size() / 2 + 64; ++i)
      damaged[i] = static_cast<char>(~damaged[i]);
    trace::StringPool pool;
    CHECK_FALSE(tests::read_trace(folder.write("damaged" + suffix, damaged), pool).error.empty());
  }
}

TEST_CASE("reader: files that are no trace") {
  const tests::TemporaryFolder folder;
  trace::StringPool pool;
  CHECK(tests::contains(tests::read_trace(folder.file("missing.txt"), pool).error, "missing.txt: cannot be opened"));
  CHECK(tests::contains(tests::read_trace(folder.file(""), pool).error, "folder"));
  CHECK(tests::contains(tests::read_trace(folder.write("empty", ""), pool).error, "is empty"));
  CHECK(tests::contains(tests::read_trace(folder.write("blank", "\n\n"), pool).error, "no trace record"));
  CHECK(tests::contains(tests::read_trace(folder.write("mail.txt", "\nDear all,\nit is slow\n"), pool).error,
                        "mail.txt:2: no trace record"));
  CHECK(tests::contains(tests::read_trace(folder.write("perf.data", "PERFILE2xx"), pool).error, "perf script"));
  CHECK(tests::contains(tests::read_trace(folder.write("trace.dat", "\x17\x08\x44tracing6"), pool).error, "trace-cmd"));
  CHECK(
      tests::contains(tests::read_trace(folder.write("binary", std::string_view("ab\0cd", 5)), pool).error, "binary"));
  // An empty ring buffer is a trace without records.
  const auto none = tests::read_trace(
      folder.write("none", "# tracer: nop\n#\n# entries-in-buffer/entries-written: 0/0   #P:2\n"), pool);
  CHECK(none.error.empty());
  CHECK(none.events.empty());
}

TEST_CASE("reader: long lines, no newline at the end, carriage returns") {
  trace::StringPool pool;
  std::string text = kThree;
  text += std::string(300000, 'x') + "\n" + std::string(70000, 'y') + "\n";
  text +=
      " a-1 [000] ..... 40: irq_handler_exit: irq=1 ret=handled\r\n a-1 [000] ..... 41: irq_handler_exit: irq=2 "
      "ret=handled";
  const auto r = tests::read_text(text, pool);
  CHECK(r.events.size() == 5);
  CHECK(r.report.bad_lines == 2);
  CHECK(r.report.first_bad.at(0).line == 4);
  CHECK(r.report.ends_within_line);
  CHECK(pool.str(r.events[3].u.irq.name) == "handled");
  CHECK(r.report.lines == 7);
}

TEST_CASE("reader: the real pieces are read without a bad line") {
  for (const std::string& name : tests::all_data_traces()) {
    CAPTURE(name);
    trace::StringPool pool;
    const auto r = tests::read_trace(tests::data_trace(name), pool);
    CHECK(r.error.empty());
    CHECK(r.report.bad_lines == 0);
    CHECK(r.report.lines == r.report.records + r.report.header_lines + r.report.call_chain_lines);
    CHECK(r.report.precision_ns == 1);
    CHECK(r.report.stamps_back == 0);
  }
  trace::StringPool pool;
  const auto ublk = tests::read_trace(tests::data_trace("ublk.txt.xz"), pool);
  CHECK(ublk.report.unknown.empty());
  CHECK(ublk.report.by_type[static_cast<std::size_t>(EventType::io_uring_submit_req)] > 0);
}
