// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/trace/fields.h"

#include <array>
#include <cstddef>
#include <cstring>

namespace wakepath::trace {
namespace {

using K = FieldKind;
using T = EventType;

#define AT(member) static_cast<std::uint16_t>(offsetof(Event, member))

constexpr std::array kSwitch{
    Field{"prev_comm", K::name, AT(u.sw.prev_comm)}, Field{"prev_pid", K::i32, AT(u.sw.prev_pid)},
    Field{"prev_prio", K::i32, AT(u.sw.prev_prio)},  Field{"prev_state", K::u16, AT(u.sw.prev_state)},
    Field{"next_comm", K::name, AT(u.sw.next_comm)}, Field{"next_pid", K::i32, AT(u.sw.next_pid)},
    Field{"next_prio", K::i32, AT(u.sw.next_prio)}};
constexpr Field kComm{"comm", K::name, AT(u.task.comm)}, kPid{"pid", K::i32, AT(u.task.pid)},
    kPrio{"prio", K::i32, AT(u.task.prio)};
constexpr std::array kWakeup{kComm, kPid, kPrio, Field{"target_cpu", K::i32, AT(u.task.target_cpu)}};
constexpr std::array kMigrate{kComm, kPid, kPrio, Field{"orig_cpu", K::i32, AT(u.task.orig_cpu)},
                              Field{"dest_cpu", K::i32, AT(u.task.dest_cpu)}};
constexpr std::array kExit{kComm, kPid, kPrio};
constexpr std::array kFork{Field{"child_comm", K::name, AT(u.task.comm)}, Field{"child_pid", K::i32, AT(u.task.pid)}};
constexpr std::array kRuntime{Field{"comm", K::name, AT(u.runtime.comm)}, Field{"pid", K::i32, AT(u.runtime.pid)},
                              Field{"runtime", K::i64, AT(u.runtime.runtime_ns)},
                              Field{"vruntime", K::u64, AT(u.runtime.vruntime), AT(u.runtime.has_vruntime)}};
constexpr std::array kIrqEntry{Field{"irq", K::i32, AT(u.irq.irq)}, Field{"name", K::name, AT(u.irq.name)}};
constexpr std::array kIrqExit{Field{"irq", K::i32, AT(u.irq.irq)}, Field{"ret", K::handled, AT(u.irq.name)}};
constexpr std::array kSoftirqVec{Field{"vec", K::i32, AT(u.irq.irq)}};
constexpr std::array kVector{Field{"vector", K::i32, AT(u.irq.irq)}};
constexpr std::array kTimerEntry{Field{"hrtimer", K::u64, AT(u.timer.hrtimer)},
                                 Field{"function", K::name, AT(u.timer.function)},
                                 Field{"now", K::i64, AT(u.timer.now)}};
constexpr std::array kTimerExit{Field{"hrtimer", K::u64, AT(u.timer.hrtimer)}};
constexpr Field kWorkStruct{"work", K::u64, AT(u.work.work)}, kFunction{"function", K::name, AT(u.work.function)};
constexpr std::array kQueueWork{kWorkStruct, kFunction, Field{"workqueue", K::name, AT(u.work.workqueue)},
                                Field{"req_cpu", K::i32, AT(u.work.req_cpu)}, Field{"cpu", K::i32, AT(u.work.cpu)}};
constexpr std::array kWork{kWorkStruct, kFunction};
constexpr Field kMajor{"major", K::u32, AT(u.rq.major)}, kMinor{"minor", K::u32, AT(u.rq.minor)},
    kRwbs{"rwbs", K::name, AT(u.rq.rwbs)}, kSector{"sector", K::u64, AT(u.rq.sector)},
    kNrSector{"nr_sector", K::u32, AT(u.rq.nr_sector)}, kIoprio{"ioprio", K::name, AT(u.rq.ioprio)};
constexpr std::array kIssue{kMajor,  kMinor,    kRwbs,   Field{"bytes", K::u32, AT(u.rq.bytes)},
                            kSector, kNrSector, kIoprio, Field{"comm", K::name, AT(u.rq.comm)}};
constexpr std::array kComplete{
    kMajor, kMinor, kRwbs, kSector, kNrSector, kIoprio, Field{"error", K::i32, AT(u.rq.error)}};
constexpr Field kCtxId{"ctx_id", K::u64, AT(u.sys.ctx_id)}, kNr{"nr", K::i64, AT(u.sys.nr)};
constexpr std::array kIoSubmit{kCtxId, kNr, Field{"iocbpp", K::u64, AT(u.sys.ptr)}};
constexpr std::array kGetevents{kCtxId, Field{"min_nr", K::i64, AT(u.sys.min_nr)}, kNr,
                                Field{"events", K::u64, AT(u.sys.ptr)}, Field{"timeout", K::u64, AT(u.sys.extra)}};
constexpr std::array kUringEnter{Field{"fd", K::u64, AT(u.sys.ctx_id)},
                                 Field{"to_submit", K::i64, AT(u.sys.nr)},
                                 Field{"min_complete", K::i64, AT(u.sys.min_nr)},
                                 Field{"flags", K::u64, AT(u.sys.extra)},
                                 Field{"argp", K::u64, AT(u.sys.ptr)},
                                 Field{"argsz", K::i64, AT(u.sys.ret)}};
constexpr std::array kRet{Field{"ret", K::i64, AT(u.sys.ret)}};
constexpr Field kCtx{"ctx", K::u64, AT(u.uring.ctx)}, kReq{"req", K::u64, AT(u.uring.req)},
    kUserData{"user_data", K::u64, AT(u.uring.user_data)}, kOpcode{"opcode", K::i32, AT(u.uring.opcode)},
    kFlags{"flags", K::u64, AT(u.uring.flags)};
constexpr std::array kUringSubmit{kCtx, kReq, kUserData, kOpcode, kFlags};
constexpr std::array kUringAsync{kCtx, kReq, kUserData, kOpcode, kFlags, Field{"rw", K::flag, AT(u.uring.flag)}};
constexpr std::array kUringComplete{kCtx, kReq, kUserData, Field{"res", K::i32, AT(u.uring.value)},
                                    Field{"cflags", K::u64, AT(u.uring.flags)}};
constexpr std::array kUringWait{kCtx, Field{"min_events", K::i32, AT(u.uring.value)}};
constexpr std::array kUringTaskWork{Field{"tctx", K::u64, AT(u.uring.ctx)}, Field{"count", K::i32, AT(u.uring.value)}};
constexpr std::array kUringLocalWork{kCtx, Field{"count", K::i32, AT(u.uring.value)},
                                     Field{"loops", K::u64, AT(u.uring.flags)}};
constexpr std::array kUringFile{kCtx, kReq, kUserData, Field{"fd", K::i32, AT(u.uring.value)}};
constexpr std::array kUringPoll{kCtx,
                                kReq,
                                kUserData,
                                kOpcode,
                                Field{"mask", K::i32, AT(u.uring.value)},
                                Field{"events", K::u64, AT(u.uring.flags)}};
constexpr std::array kUringTaskAdd{kCtx, kReq, kUserData, kOpcode, Field{"mask", K::i32, AT(u.uring.value)}};
constexpr std::array kIpi{Field{"cpu", K::i32, AT(u.irq.irq)}, Field{"callsite", K::name, AT(u.irq.name)}};
constexpr std::array kTargetCpu{Field{"cpu", K::i32, AT(u.irq.irq)}};
constexpr std::array kLost{Field{"lost", K::i64, AT(u.value)}};
#undef AT

std::span<const Field> uring_fields(EventType type) {
  switch (type) {
    case T::io_uring_submit_req:
      return kUringSubmit;
    case T::io_uring_queue_async_work:
      return kUringAsync;
    case T::io_uring_complete:
      return kUringComplete;
    case T::io_uring_cqring_wait:
      return kUringWait;
    case T::io_uring_task_work_run:
      return kUringTaskWork;
    case T::io_uring_local_work_run:
      return kUringLocalWork;
    case T::io_uring_file_get:
      return kUringFile;
    case T::io_uring_poll_arm:
      return kUringPoll;
    case T::io_uring_task_add:
      return kUringTaskAdd;
    default:
      return {};
  }
}

std::span<const Field> io_fields(EventType type) {
  switch (type) {
    case T::workqueue_queue_work:
      return kQueueWork;
    case T::workqueue_activate_work:
    case T::workqueue_execute_start:
    case T::workqueue_execute_end:
      return kWork;
    case T::block_rq_issue:
      return kIssue;
    case T::block_rq_complete:
      return kComplete;
    case T::sys_enter_io_submit:
      return kIoSubmit;
    case T::sys_enter_io_getevents:
      return kGetevents;
    case T::sys_enter_io_uring_enter:
      return kUringEnter;
    case T::sys_exit_io_submit:
    case T::sys_exit_io_getevents:
    case T::sys_exit_io_uring_enter:
      return kRet;
    default:
      return uring_fields(type);
  }
}

template <class N>
N load(const Event& e, std::size_t offset) {
  N value;
  std::memcpy(&value, reinterpret_cast<const unsigned char*>(&e) + offset, sizeof value);
  return value;
}

template <class N>
void store(Event& e, std::size_t offset, std::int64_t value) {
  const N narrow = static_cast<N>(value);
  std::memcpy(reinterpret_cast<unsigned char*>(&e) + offset, &narrow, sizeof narrow);
}

}  // namespace

std::span<const Field> fields_of(EventType type) {
  switch (type) {
    case T::sched_switch:
      return kSwitch;
    case T::sched_waking:
    case T::sched_wakeup:
    case T::sched_wakeup_new:
      return kWakeup;
    case T::sched_migrate_task:
      return kMigrate;
    case T::sched_stat_runtime:
      return kRuntime;
    case T::sched_process_fork:
      return kFork;
    case T::sched_process_exit:
      return kExit;
    case T::irq_handler_entry:
      return kIrqEntry;
    case T::irq_handler_exit:
      return kIrqExit;
    case T::softirq_raise:
    case T::softirq_entry:
    case T::softirq_exit:
      return kSoftirqVec;
    case T::local_timer_entry:
    case T::local_timer_exit:
    case T::reschedule_entry:
    case T::reschedule_exit:
      return kVector;
    case T::hrtimer_expire_entry:
      return kTimerEntry;
    case T::hrtimer_expire_exit:
      return kTimerExit;
    case T::ipi_send_cpu:
      return kIpi;
    case T::sched_wake_idle_without_ipi:
      return kTargetCpu;
    case T::lost_events:
      return kLost;
    default:
      return io_fields(type);
  }
}

const Field* field_of(EventType type, std::string_view name) {
  for (const Field& f : fields_of(type)) {
    if (f.name == name) return &f;
  }
  return nullptr;
}

bool is_present(const Event& e, const Field& f) { return f.present == 0 || load<bool>(e, f.present); }

std::int64_t number_of(const Event& e, const Field& f, const StringPool& pool) {
  switch (f.kind) {
    case K::u16:
      return load<std::uint16_t>(e, f.offset);
    case K::u32:
      return load<std::uint32_t>(e, f.offset);
    case K::i64:
    case K::u64:
      return load<std::int64_t>(e, f.offset);
    case K::flag:
      return load<bool>(e, f.offset) ? 1 : 0;
    case K::handled:
      return pool.str(load<StringId>(e, f.offset)) == "unhandled" ? 0 : 1;
    case K::i32:
    case K::name:
      break;
  }
  return load<std::int32_t>(e, f.offset);
}

void set_number(Event& e, const Field& f, std::int64_t value, StringPool& pool) {
  switch (f.kind) {
    case K::u16:
      store<std::uint16_t>(e, f.offset, value);
      break;
    case K::u32:
      store<std::uint32_t>(e, f.offset, value);
      break;
    case K::i64:
    case K::u64:
      store<std::int64_t>(e, f.offset, value);
      break;
    case K::flag:
      store<bool>(e, f.offset, value != 0);
      break;
    case K::handled:
      store<StringId>(e, f.offset, pool.intern(value != 0 ? "handled" : "unhandled"));
      break;
    case K::i32:
    case K::name:
      store<std::int32_t>(e, f.offset, value);
      break;
  }
  if (f.present != 0) store<bool>(e, f.present, 1);
}

StringId name_of(const Event& e, const Field& f) { return load<StringId>(e, f.offset); }

void set_name(Event& e, const Field& f, StringId id) { store<StringId>(e, f.offset, id); }

void complete_fields(Event& e) {
  if (e.type == T::block_rq_complete) e.u.rq.bytes = e.u.rq.nr_sector * 512U;
  if (e.type == T::io_uring_submit_req) e.u.uring.flag = (e.u.uring.flags & kUringForceAsync) != 0;
}

}  // namespace wakepath::trace
