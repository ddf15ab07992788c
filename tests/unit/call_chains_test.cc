// SPDX-License-Identifier: GPL-2.0-or-later
// Call chains of perf and ftrace: where a task was switched away and by which path it was woken.
#include "sim/analysis/call_chains.h"
#include "sim/analysis/analyze.h"
#include "tests/unit/catch.h"
#include "tests/unit/trace_files.h"

#include <nlohmann/json.hpp>

using namespace wakepath;
using analysis::function_of_frame;
using analysis::switch_point;
using analysis::waker_path;

TEST_CASE("call chains: the function of a frame as each tool prints it") {
  CHECK(function_of_frame("ffffffff810d5b2c try_to_wake_up+0x2c ([kernel.kallsyms])") == "try_to_wake_up");
  CHECK(function_of_frame("\tffffffff810d5b2c try_to_wake_up") == "try_to_wake_up");
  CHECK(function_of_frame("=> try_to_wake_up") == "try_to_wake_up");
  CHECK(function_of_frame("ffffffff810d5b2c") == "[unknown]");
}

TEST_CASE("call chains: the point where a task is switched away") {
  CHECK(switch_point({"__schedule", "schedule", "read_events", "do_io_getevents"}, false) == "sleep in read_events");
  CHECK(switch_point({"__schedule", "__cond_resched", "down_read", "xfs_ilock"}, true) == "cond_resched in down_read");
  CHECK(switch_point({"__schedule", "preempt_schedule_common", "__cond_resched", "filemap_read"}, true) ==
        "cond_resched in filemap_read");
  CHECK(switch_point(
            {"__schedule", "preempt_schedule_irq", "irqentry_exit", "asm_sysvec_apic_timer_interrupt", "aio_complete"},
            true) == "interrupt return in aio_complete");
  CHECK(switch_point({"__schedule", "preempt_schedule_common", "preempt_schedule_thunk", "queue_work_on"}, true) ==
        "preempt_enable in queue_work_on");
  CHECK(switch_point({"__traceiter_sched_switch", "__schedule", "schedule", "exit_to_user_mode_prepare"}, true) ==
        "return to user");
  CHECK(switch_point({"__schedule", "schedule", "asm_exc_page_fault"}, true) == "return to user");
  CHECK(switch_point({"__schedule", "schedule", "worker_thread"}, true) == "schedule in worker_thread");
  CHECK(switch_point({"do_idle"}, false).empty());
}

TEST_CASE("call chains: the waker's path begins behind the wakeup itself") {
  CHECK(waker_path({"try_to_wake_up", "autoremove_wake_function", "__wake_up_common", "aio_complete",
                    "iomap_dio_complete_work", "process_one_work", "worker_thread", "kthread"}) ==
        "aio_complete < iomap_dio_complete_work < process_one_work < worker_thread");
  CHECK(waker_path({"ttwu_do_activate", "try_to_wake_up"}).empty());
}

TEST_CASE("call chains: analyze tells them, and is silent where there are none") {
  const tests::TemporaryFolder folder;
  const std::string file = folder.write(
      "perf.txt",
      "fio 7 [001] 1.000000100: sched:sched_switch: prev_comm=fio prev_pid=7 prev_prio=120 prev_state=R+ ==> "
      "next_comm=kworker/1:0 next_pid=9 next_prio=120\n"
      "\tffffffff81a3f4d2 __schedule+0x2d2 ([kernel.kallsyms])\n"
      "\tffffffff81a3f9b2 __cond_resched+0x12 ([kernel.kallsyms])\n"
      "\tffffffff8131f9b2 dio_send+0x12 ([kernel.kallsyms])\n\n"
      "kworker/1:0 9 [001] 1.000000900: sched:sched_waking: comm=fio pid=7 prio=120 target_cpu=001\n"
      "\tffffffff810d5b2c try_to_wake_up+0x2c ([kernel.kallsyms])\n"
      "\tffffffff812d5b2c aio_complete+0x2c ([kernel.kallsyms])\n\n");
  const auto found = analysis::analyze_file(file);
  REQUIRE(found);
  const auto& chains = (*found)["call_chains"];
  CHECK(chains["chains"] == 2);
  CHECK(chains["switches"][0]["point"] == "cond_resched in dio_send");
  CHECK(chains["switches"][0]["involuntary"] == true);
  CHECK(chains["wakings"][0]["path"] == "aio_complete");
  CHECK_FALSE(analysis::analyze_file(tests::data_trace("cfs-root.txt.xz"))->contains("call_chains"));
}
