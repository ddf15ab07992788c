// SPDX-License-Identifier: GPL-2.0-or-later
// Which field of a record is which column, by type. A row here for each row of sim/trace/event.h.
#include "python/bindings/record_table.h"

namespace wakepath::bindings {

// Of its own name: files are compiled together, and short names would meet.
namespace record_fields {

using trace::Event;
using trace::EventType;

constexpr std::size_t kEvent = offsetof(RecordTable::Row, event);
constexpr std::size_t kPayload = kEvent + offsetof(Event, u);

#define COMMON(member, kind) \
  { #member, kEvent + offsetof(Event, member), Kind::kind }
#define OWN(part, member, kind) \
  { #member, kPayload + offsetof(Event::part, member), Kind::kind }
#define NAMED(name, part, member, kind) \
  { name, kPayload + offsetof(Event::part, member), Kind::kind }
#define VALUE(name) \
  { name, kPayload, Kind::i64 }

using Fields = std::vector<Field>;

Fields common() {
  return {{"index", offsetof(RecordTable::Row, index), Kind::i64},
          COMMON(ts_ns, i64),
          COMMON(cpu, i16),
          COMMON(pid, i32),
          COMMON(comm, name),
          COMMON(flags, u8),
          COMMON(preempt_depth, u8),
          COMMON(migrate_disable, u8),
          COMMON(has_flags, flag)};
}

// Of the task the record is about; `pid` and `comm` are those of the task that was running.
Fields task() {
  return {NAMED("task_comm", TaskRef, comm, name), NAMED("task_pid", TaskRef, pid, i32), OWN(TaskRef, prio, i32)};
}

Fields with(Fields a, const Fields& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Fields uring() {
  return {OWN(Uring, ctx, u64),       OWN(Uring, req, u64),
          OWN(Uring, user_data, u64), NAMED("uring_flags", Uring, flags, u64),
          OWN(Uring, opcode, i32),    OWN(Uring, value, i32),
          OWN(Uring, flag, flag)};
}

Fields request() {
  return {OWN(Request, major, u32),  OWN(Request, minor, u32),
          OWN(Request, rwbs, name),  OWN(Request, bytes, u32),
          OWN(Request, sector, u64), OWN(Request, nr_sector, u32),
          OWN(Request, error, i32),  NAMED("rq_comm", Request, comm, name),
          OWN(Request, ioprio, name)};
}

Fields syscall() {
  return {OWN(Syscall, ctx_id, u64), OWN(Syscall, nr, i64),  OWN(Syscall, min_nr, i64),
          OWN(Syscall, ret, i64),    OWN(Syscall, ptr, u64), OWN(Syscall, extra, u64)};
}

Fields work() {
  return {OWN(Work, work, u64), OWN(Work, function, name), OWN(Work, workqueue, name), OWN(Work, req_cpu, i32),
          NAMED("work_cpu", Work, cpu, i32)};
}

Fields of_sched(EventType type) {
  switch (type) {
    case EventType::sched_switch:
      return {OWN(Switch, prev_comm, name), OWN(Switch, prev_pid, i32),   OWN(Switch, prev_prio, i32),
              OWN(Switch, prev_state, u16), OWN(Switch, next_comm, name), OWN(Switch, next_pid, i32),
              OWN(Switch, next_prio, i32)};
    case EventType::sched_migrate_task:
      return with(task(), {OWN(TaskRef, orig_cpu, i32), OWN(TaskRef, dest_cpu, i32)});
    case EventType::sched_stat_runtime:
      return {NAMED("task_comm", Runtime, comm, name), NAMED("task_pid", Runtime, pid, i32),
              OWN(Runtime, runtime_ns, i64), OWN(Runtime, vruntime, u64), OWN(Runtime, has_vruntime, flag)};
    case EventType::sched_process_fork:
    case EventType::sched_process_exit:
      return task();
    default:
      return with(task(), {OWN(TaskRef, target_cpu, i32)});
  }
}

Fields own(EventType type) {
  if (type >= EventType::sched_switch && type <= EventType::sched_process_fork) return of_sched(type);
  if (type == EventType::sched_process_exit) return of_sched(type);
  if (type >= EventType::irq_handler_entry && type <= EventType::reschedule_exit)
    return {OWN(Irq, irq, i32), OWN(Irq, name, name)};
  if (type == EventType::ipi_send_cpu || type == EventType::sched_wake_idle_without_ipi)
    return {NAMED("target_cpu", Irq, irq, i32), OWN(Irq, name, name)};
  if (type == EventType::hrtimer_expire_entry || type == EventType::hrtimer_expire_exit)
    return {OWN(Timer, function, name), OWN(Timer, now, i64), OWN(Timer, hrtimer, u64)};
  if (type >= EventType::workqueue_queue_work && type <= EventType::workqueue_execute_end) return work();
  if (type == EventType::block_rq_issue || type == EventType::block_rq_complete) return request();
  if (type >= EventType::sys_enter_io_submit && type <= EventType::sys_exit_io_uring_enter) return syscall();
  if (type >= EventType::io_uring_submit_req && type <= EventType::io_uring_task_add) return uring();
  if (type == EventType::lost_events) return {VALUE("lost")};
  if (type == EventType::unknown) return {NAMED("name", Unknown, name, name)};
  return {};
}

#undef COMMON
#undef OWN
#undef NAMED
#undef VALUE

}  // namespace record_fields

std::vector<Field> fields_of(trace::EventType type) {
  return record_fields::with(record_fields::common(), record_fields::own(type));
}

}  // namespace wakepath::bindings
