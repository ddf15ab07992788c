// SPDX-License-Identifier: GPL-2.0-or-later
// One trace record: the kernel's own tracepoints with the kernel's field names, as a plain struct.
// A simulated run and a real recording become a stream of these; every analysis works on both.
//
// Times are int64 ns of the trace clock. Names (comm, workqueue, function) are ids of a StringPool, so that a
// record is trivially copyable. `flags` are the latency columns of ftrace text ("dNh1."): what perf script
// omits stays zero and `has_flags` is false.
#pragma once

#include <cstdint>
#include <type_traits>

namespace wakepath::trace {

using StringId = std::uint32_t;  // index into a StringPool; 0 is ""

enum class EventType : std::uint8_t {
  unknown,             // unknown.name: a tracepoint without a type here
  sched_switch,        // prev_*, next_*
  sched_waking,        // task.{pid,prio,comm}, target_cpu
  sched_wakeup,        // "
  sched_wakeup_new,    // "
  sched_migrate_task,  // task, orig_cpu, dest_cpu
  sched_stat_runtime,  // runtime, vruntime (CFS kernels print it; has_vruntime)
  sched_process_fork,  // task = child
  irq_handler_entry,   // irq, name
  irq_handler_exit,
  softirq_raise,  // vec
  softirq_entry,
  softirq_exit,
  local_timer_entry,  // vec
  local_timer_exit,
  reschedule_entry,
  reschedule_exit,
  hrtimer_expire_entry,  // function, now
  hrtimer_expire_exit,
  workqueue_queue_work,  // work, function, workqueue, req_cpu, cpu
  workqueue_activate_work,
  workqueue_execute_start,
  workqueue_execute_end,
  block_rq_issue,  // dev, rwbs, bytes, sector, nr_sector
  block_rq_complete,
  sys_enter_io_submit,       // ctx_id, nr, ptr = iocbpp
  sys_exit_io_submit,        // ret
  sys_enter_io_getevents,    // ctx_id, min_nr, nr, ptr = events, extra = timeout
  sys_exit_io_getevents,     // ret
  sys_enter_io_uring_enter,  // ctx_id = fd, nr = to_submit, min_nr = min_complete, extra = flags, ptr, ret = argp,
                             // argsz
  sys_exit_io_uring_enter,
  lost_events,         // count in `value` (0: not told): a gap, no decision is judged across it; cpu -1: every CPU
  sched_process_exit,  // task
  // io_uring: uring, of it ctx (the ring; of task_work_run the task's context) and what is named
  io_uring_submit_req,          // req, user_data, opcode, flags; io_uring_submit_sqe up to 6.2. flag: forced async
  io_uring_queue_async_work,    // req, user_data, opcode, flags; flag: hashed
  io_uring_complete,            // req, user_data, value = result, flags = cflags
  io_uring_cqring_wait,         // value = min_events
  io_uring_task_work_run,       // value = count
  io_uring_local_work_run,      // value = count, flags = loops
  io_uring_file_get,            // req, user_data, value = fd
  io_uring_poll_arm,            // req, user_data, opcode, value = mask, flags = events
  io_uring_task_add,            // req, user_data, opcode, value = mask
  ipi_send_cpu,                 // irq = target CPU, name = what follows it ("callsite=… callback=…")
  sched_wake_idle_without_ipi,  // irq = target CPU
  count_                        // number of types
};

// prev_state as the kernel prints it: 0 R, 1 S, 2 D, ... 128 I, 256 R+ (preempted inside the kernel).
enum : std::uint16_t {
  kStateRunning = 0,
  kStateInterruptible = 1,
  kStateUninterruptible = 2,
  kStateStopped = 4,
  kStateTraced = 8,
  kStateDead = 16,
  kStateZombie = 32,
  kStateParked = 64,
  kStateIdle = 128,
  kStatePreempted = 256
};

enum : std::int32_t {
  kUringNop = 0,
  kUringFsync = 3,
  kUringRead = 22,
  kUringWrite = 23,
  kUringCmd = 46
};  // IORING_OP_*

inline constexpr std::uint64_t kUringForceAsync = 1U << 4U;  // REQ_F_FORCE_ASYNC among the flags of a request

enum : std::uint8_t {  // latency columns
  kIrqsOff = 1,
  kNeedResched = 2,
  kHardirq = 4,
  kSoftirq = 8,
  kNeedReschedLazy = 16,
  kBhOff = 32,    // "b", with kIrqsOff "D"
  kTifOnly = 64,  // with kNeedResched "n": the thread flag is set, the preempt count does not show it yet
  kNmi = 128
};

struct Event {
  std::int64_t ts_ns = 0;
  EventType type = EventType::unknown;
  std::uint8_t flags = 0;
  std::uint8_t preempt_depth = 0;
  bool has_flags = false;
  std::int16_t cpu = 0;
  std::int32_t pid = 0;  // current task when the record was written
  StringId comm = 0;
  std::uint8_t migrate_disable = 0;  // fifth latency column

  // The payload; which fields hold is said beside each type above.
  struct Switch {
    StringId prev_comm;
    std::int32_t prev_pid, prev_prio;
    std::uint16_t prev_state;
    StringId next_comm;
    std::int32_t next_pid, next_prio;
  };
  struct TaskRef {
    StringId comm;
    std::int32_t pid, prio, target_cpu, orig_cpu, dest_cpu;
  };
  struct Runtime {
    StringId comm;
    std::int32_t pid;
    std::int64_t runtime_ns;
    std::uint64_t vruntime;
    bool has_vruntime;
  };
  struct Irq {
    std::int32_t irq;  // also vec of softirq_*, vector of local_timer_*
    StringId name;
  };
  struct Timer {
    StringId function;
    std::int64_t now;  // of the timer's clock
    std::uint64_t hrtimer;
  };
  struct Work {
    std::uint64_t work;
    StringId function, workqueue;
    std::int32_t req_cpu, cpu;
  };
  struct Request {
    std::uint32_t major, minor;
    StringId rwbs;
    std::uint32_t bytes;
    std::uint64_t sector;
    std::uint32_t nr_sector;
    std::int32_t error;
    StringId comm;    // of block_rq_issue; 0: the record's own
    StringId ioprio;  // as printed from 6.10 on ("be,0,4"); "" before
  };
  struct Syscall {
    std::uint64_t ctx_id;
    std::int64_t nr, min_nr, ret;
    std::uint64_t ptr, extra;
  };
  struct Uring {
    std::uint64_t ctx, req, user_data, flags;
    std::int32_t opcode;  // IORING_OP_*, -1: one that is not known here; sim/trace/uring_opcodes.h
    std::int32_t value;
    bool flag;
  };
  struct Unknown {
    StringId name;
  };
  union Payload {
    Switch sw;
    TaskRef task;
    Runtime runtime;
    Irq irq;
    Timer timer;
    Work work;
    Request rq;
    Syscall sys;
    Uring uring;
    Unknown unknown;
    std::int64_t value;
    Payload() : sys{} {}
  } u;
};

static_assert(std::is_trivially_copyable_v<Event>);

// Where records go. A sink must not throw; it may keep state.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void on_event(const Event& e) = 0;
  virtual void finish() {}
};

// Binary formats have unsigned stamps; one beyond 292 years is damaged.
[[nodiscard]] constexpr std::int64_t stamp_of(std::uint64_t ns) {
  return static_cast<std::int64_t>(ns < (1ull << 63U) ? ns : (1ull << 63U) - 1);
}

}  // namespace wakepath::trace
