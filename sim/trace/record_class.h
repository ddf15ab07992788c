// SPDX-License-Identifier: GPL-2.0-or-later
// Which records cost more to write than the rest: scheduler records carry names that are copied, and records of system
// calls (on x86) pass through the slow entry path. Both are measured apart, as trace_record_sched and trace_record.
#pragma once

#include "sim/trace/event.h"

namespace wakepath::trace {

constexpr bool is_sched_record(EventType type) {
  switch (type) {
    case EventType::sched_switch:
    case EventType::sched_waking:
    case EventType::sched_wakeup:
    case EventType::sched_wakeup_new:
    case EventType::sched_migrate_task:
    case EventType::sched_stat_runtime:
    case EventType::sched_process_fork:
    case EventType::sched_process_exit:
    case EventType::sys_enter_io_submit:
    case EventType::sys_exit_io_submit:
    case EventType::sys_enter_io_getevents:
    case EventType::sys_exit_io_getevents:
    case EventType::sys_enter_io_uring_enter:
    case EventType::sys_exit_io_uring_enter:
      return true;
    default:
      return false;
  }
}

}  // namespace wakepath::trace
