// SPDX-License-Identifier: GPL-2.0-or-later
// The CPU costs of the path, by name. A cost is data: a constant or a distribution in ns, read from a table in
// scenarios/costs/*.toml; no cost is a literal in code. A table must have every entry (0 is allowed and said).
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace wakepath::machine {

// X(name, what it covers)
#define WAKEPATH_COSTS(X)                                                                                         \
  X(fio_prep_io, "user: take a free io_u, offset, fill, queue to the private ring; per I/O")                      \
  X(fio_reap_event, "user: process one event (latency statistics, free the io_u)")                                \
  X(fio_verify_kib, "user: crc32 of one KiB, for fio's verify; other checksums by their ratio to it")             \
  X(fio_submit_call, "user: around one io_submit")                                                                \
  X(fio_reap_call, "user: around one io_getevents, with the turn of fio's main loop")                             \
  X(syscall_entry, "user to kernel")                                                                              \
  X(syscall_exit, "kernel to user, without rescheduling")                                                         \
  X(io_submit_call, "io_submit: context lookup, plug; per call")                                                  \
  X(io_submit_iocb, "one iocb up to the filesystem's first lock (copy, kiocb, file checks)")                      \
  X(fs_dio_submit, "filesystem and iomap part of one direct write: locks, map, pin, bio")                         \
  X(bdev_dio_submit, "the same for a block device without a filesystem")                                          \
  X(tag_alloc, "request and tag allocation, one request")                                                         \
  X(plug_add, "add one request to the plug, leave the submission path")                                           \
  X(issue_rq, "driver: prepare and issue one request")                                                            \
  X(doorbell, "driver: ring once per run of requests")                                                            \
  X(getevents_call, "io_getevents: lookup, one look at the ring; per call")                                       \
  X(getevents_event, "io_getevents: copy one event")                                                              \
  X(getevents_arm, "io_getevents: enter the wait queue, look again, before schedule()")                           \
  X(getevents_disarm, "io_getevents: after a sleep: leave the wait queue")                                        \
  X(irq_entry, "hard interrupt entry and handler start")                                                          \
  X(irq_exit, "hard interrupt end")                                                                               \
  X(irq_delivery, "extra of an interrupt into a running virtual CPU: exit, injection, entry; 0 on bare metal")    \
  X(irq_timer_rearm, "timer interrupt: reprogram the clock event when more timers are pending")                   \
  X(cqe, "take one completion: sweep or timer expiry, and its steering")                                          \
  X(rq_end, "end one request: bio end, pages, tag")                                                               \
  X(data_copy, "copy the data of one request on the CPU (devices with copies_data)")                              \
  X(softirq_entry, "softirq entry")                                                                               \
  X(softirq_exit, "softirq end")                                                                                  \
  X(ipi_send, "send one inter-processor interrupt")                                                               \
  X(ipi_latency, "delivery of an inter-processor interrupt; not CPU time")                                        \
  X(wake_select, "select_task_rq: per CPU looked at")                                                             \
  X(wake_queue, "wakeup handed to another CPU: queue it there, without the interrupt")                            \
  X(call_run, "function call of another CPU: take one")                                                           \
  X(balance_domain, "load balance: one look into a domain")                                                       \
  X(balance_cpu, "load balance: read one CPU's figures")                                                          \
  X(move_task, "load balance: take a task off its queue and put it on another CPU's")                             \
  X(stopper, "cpu_stopper_thread: from its switch-in to the work")                                                \
  X(queue_work, "queue_work: append one item")                                                                    \
  X(nop_wake, "try_to_wake_up that finds the task runnable")                                                      \
  X(wake_entry, "try_to_wake_up of a sleeper: its caller's and its own locks, up to the tracepoint sched_waking") \
  X(wake_before_clock, "try_to_wake_up up to the run queue's clock update")                                       \
  X(wake_after_clock, "try_to_wake_up after it: enqueue, preemption check")                                       \
  X(wake_return, "try_to_wake_up: from the tracepoint sched_wakeup back to the caller")                           \
  X(requeue_before_clock, "try_to_wake_up of a task with delayed dequeue: wake_before_clock")                     \
  X(requeue_after_clock, "... and wake_after_clock")                                                              \
  X(schedule_entry, "__schedule up to the clock update")                                                          \
  X(schedule_pick, "__schedule from the clock update to the switch record")                                       \
  X(switch_finish, "from the switch record to the next task's own code")                                          \
  X(switch_group, "__schedule: extra of a pick that goes over to a task of another group")                        \
  X(group_enqueue, "try_to_wake_up: extra for each level of groups above the woken task")                         \
  X(group_dequeue, "__schedule: extra for each level of groups above a task that goes to sleep")                  \
  X(resched_user_exit, "extra of leaving to user mode through schedule()")                                        \
  X(idle_entry, "enter the idle state after the switch to the idle task")                                         \
  X(idle_exit, "leave the idle state before the interrupt handler or schedule(); not counted as idle")            \
  X(idle_leave, "idle task: from need_resched to schedule(): restart the tick (tick_nohz_idle_exit)")             \
  X(idle_wake_latency, "time from an interrupt's arrival to its first instruction while idle; idle time")         \
  X(cold_task, "cold-cache penalty of an ordinary task switched in after another ran")                            \
  X(cold_kworker, "the same for a kernel thread")                                                                 \
  X(idle_cold_task, "cold caches of an ordinary task's first turn on a CPU that has been idle for long")          \
  X(idle_cold_kworker, "the same for a kernel thread")                                                            \
  X(bandwidth_timer, "cpu.max: one look of the period or slack timer, or the interrupt that unthrottles a queue") \
  X(tick, "scheduler tick")                                                                                       \
  X(worker_wake, "kworker: leave the idle list")                                                                  \
  X(worker_idle, "kworker: go idle, up to schedule()")                                                            \
  X(work_begin, "process_one_work up to the function")                                                            \
  X(work_end, "process_one_work from the function's return to cond_resched")                                      \
  X(work_retire, "process_one_work after cond_resched")                                                           \
  X(dio_complete, "iomap_dio_complete with a trivial end_io")                                                     \
  X(dio_convert, "extra of an unwritten extent: conversion transaction")                                          \
  X(aio_complete, "aio_complete up to its waiters, without a wakeup")                                             \
  X(aio_put, "aio_complete: put the iocb, its file and its context, once waiters are woken")                      \
  X(worker_create, "kthreadd: create one worker")                                                                 \
  X(worker_manage, "manager: ask for a worker and take it over")                                                  \
  X(task_work_add, "task_work_add: push one callback and set its flag; without a wakeup")                         \
  X(task_work_exit, "leaving to user mode through task work, without the work itself")                            \
  X(uring_enter, "io_uring_enter: ring lookup, task context, lock; per call")                                     \
  X(uring_getevents, "io_uring_enter with GETEVENTS: look at the completion queue; per call")                     \
  X(uring_sqe, "one SQE: request from the cache, init, up to its issue")                                          \
  X(uring_file, "look up and put one normal file descriptor; registered files save it")                           \
  X(uring_rw, "io_read, io_write up to the filesystem: import, kiocb, file checks")                               \
  X(uring_nop, "issue one NOP")                                                                                   \
  X(uring_eagain, "an inline attempt that gives up, up to the return of EAGAIN")                                  \
  X(uring_punt, "prepare one request for io-wq, before it is enqueued")                                           \
  X(uring_rw_done, "io_complete_rw: result, push on the task's or the ring's list; without a wakeup")             \
  X(uring_task_work, "a pass over task work or local work; per pass")                                             \
  X(uring_task_work_item, "one request in such a pass, up to its CQE")                                            \
  X(uring_cqe, "fill one CQE and free its request")                                                               \
  X(uring_flush, "flush of completions: lock, publish the tail, look for waiters; per flush")                     \
  X(uring_wait_arm, "io_cqring_wait: prepare to sleep and look again; per sleep")                                 \
  X(uring_wait_disarm, "io_cqring_wait: after a sleep, before the task work")                                     \
  X(uring_poll, "IOPOLL: one look at a polled queue")                                                             \
  X(uring_sqpoll_turn, "SQPOLL thread: one turn of its loop without work")                                        \
  X(file_update_time, "a write that changes the inode's timestamps: its transaction")                             \
  X(dio_pin, "part of fs_dio_submit and bdev_dio_submit that registered buffers save: pinning pages")             \
  X(buffered_read, "one 4 KiB page read from the page cache")                                                     \
  X(page_read, "buffered read or write of a page that is not cached: up to its bio, without the sleep")           \
  X(dirty_balance, "balance_dirty_pages: one look at the limits, without the pause")                              \
  X(writeback_map, "writeback: begin one ioend of written extents (map, bio)")                                    \
  X(writeback_allocate, "writeback: the same where blocks are allocated (delayed allocation: a transaction)")     \
  X(writeback_page, "writeback: one page up to its place in a bio")                                               \
  X(writeback_end_page, "end of writeback of one page")                                                           \
  X(page_drop, "posix_fadvise(DONTNEED): one page looked at, and dropped where it is clean")                      \
  X(flusher_turn, "wb_workfn: one run, without the pages")                                                        \
  X(fsync_call, "fsync: look for dirty pages and journal changes; without what it finds")                         \
  X(log_force, "fsync: force the journal, in the caller, up to its first sleep")                                  \
  X(log_push, "format what was logged: xlog_cil_push_work, or a jbd2 commit up to its blocks")                    \
  X(log_write, "write one in-core log or run of journal blocks, up to its bio")                                   \
  X(log_ioend, "end of a log write: xlog_ioend_work, or the end of a jbd2 commit; without wakeups")               \
  X(aio_user_reap,                                                                                                \
    "user: look at the completion ring without a system call (userspace_reap), or at what the reap_thread has "   \
    "counted; per look")                                                                                          \
  X(fio_uring_prep, "user: fill and queue one SQE, beyond fio_prep_io")                                           \
  X(fio_uring_reap, "user: take one CQE from the ring, beyond fio_reap_event")                                    \
  X(iowq_enqueue, "io_wq_enqueue up to the look for a free worker")                                               \
  X(iowq_fork, "create_io_thread: what the submitter pays for one worker, its first wake-up apart")               \
  X(iowq_create_cb, "create_worker_cb without the fork")                                                          \
  X(iowq_worker_start, "io-wq worker: from its first switch-in to its loop")                                      \
  X(iowq_look, "io-wq worker: one turn of its loop that takes nothing, up to schedule()")                         \
  X(iowq_take, "io-wq worker: take one item or chain and leave the free list")                                    \
  X(iowq_finish, "io-wq worker: after one item: drop it, find its successor")                                     \
  X(iowq_worker_exit, "io-wq worker: do_exit")                                                                    \
  X(buffered_write, "one 4 KiB page written into the page cache")                                                 \
  X(nanosleep_arm, "clock_nanosleep up to schedule(): copy, arm the timer, program the clock event")              \
  X(nanosleep_resume, "clock_nanosleep after the sleep, up to the way out")                                       \
  X(pipe_read, "read(2) of a pipe that holds data, between entry and exit")                                       \
  X(pipe_write, "write(2) to a pipe, from entry up to the wakeup of a reader")                                    \
  X(pipe_write_end, "the rest of it up to the exit")                                                              \
  X(pipe_wait, "read or write of a pipe that must wait, from entry or from a look in vain up to schedule()")      \
  X(pipe_resume, "after that sleep: leave the wait queue, lock, and do it, up to the exit")                       \
  X(schedule_block, "__schedule: extra of a task that goes to sleep (dequeue), after the clock update")           \
  X(schedule_delay, "the same of one whose dequeue is delayed")                                                   \
  X(schedule_undelay, "... and where the same __schedule takes it off, since nothing else is left")               \
  X(pick_delayed, "a sleeper of before, or its group, found at the pick: take it off and pick again")             \
  X(uring_cmd, "io_uring's part of one command for a driver (uring_cmd), up to the driver")                       \
  X(ublk_cmd, "ublk: one command: look up queue and slot, check, note it")                                        \
  X(ublk_commit, "ublk: COMMIT_AND_FETCH: find the request and take its result, without its end")                 \
  X(ublk_queue_rq, "ublk: write one request's descriptor and put it on its list; without telling the server")     \
  X(ublk_task_work, "ublk: tell the server of a list: add task work of one command; without a wakeup")            \
  X(ublk_dispatch, "ublk: one request in the server's task work, up to its CQE; without a copy")                  \
  X(ublk_copy, "ublk: copy 4 KiB between a request and the server's buffer")                                      \
  X(ublk_user_copy, "ublk: pread or pwrite of the character device, between entry and exit, without the copy")    \
  X(ublk_buf_register, "ublk: register or unregister the buffer of one request by a command")                     \
  X(ublk_auto_buf, "ublk: register or unregister it within FETCH and COMMIT (AUTO_BUF_REG)")                      \
  X(ublk_cross_llc, "ublk: extra where another LLC had a request last: per hand-over, dispatch and commit")       \
  X(ublk_server_loop, "user: ublk server: one turn of its loop around io_uring_enter")                            \
  X(ublk_server_cqe, "user: ublk server: handle one CQE and prepare its command")                                 \
  X(trace_record, "one timer, interrupt, block or workqueue record; 0 unless compared with a traced recording")   \
  X(trace_record_sched, "one sched_* or sys_* record; likewise")

enum class CostId : std::uint8_t {
#define X(name, text) name,
  WAKEPATH_COSTS(X)
#undef X
      count_
};
inline constexpr std::size_t kCostCount = static_cast<std::size_t>(CostId::count_);

// One entry. `constant`: ns. Distributions are drawn with integer or IEEE +-*/ arithmetic only, from the stream
// "cost.NAME": uniform [low, high], exponential with `ns` mean (table-driven), empirical quantiles (linear between
// equally spaced ones).
struct Cost {
  enum class Kind : std::uint8_t { constant, uniform, exponential, quantiles };
  Kind kind = Kind::constant;
  std::int64_t ns = 0;               // constant, or mean of exponential
  std::int64_t low = 0, high = 0;    // uniform
  std::array<std::int64_t, 17> q{};  // quantiles at 0, 1/16, ... 1
  bool set = false;                  // false: the table lacks it
  bool estimate = true;              // false: measured
  std::string source;                // where the figure comes from
  [[nodiscard]] std::int64_t mean_ns() const;
};

struct CostTable {
  std::string name;    // file or [costs] section it came from
  std::string source;  // what was measured, on which machine
  std::array<Cost, kCostCount> entries{};
  [[nodiscard]] const Cost& operator[](CostId id) const { return entries[static_cast<std::size_t>(id)]; }
  [[nodiscard]] Cost& operator[](CostId id) { return entries[static_cast<std::size_t>(id)]; }
};

const char* cost_name(CostId id);
const char* cost_text(CostId id);

}  // namespace wakepath::machine
