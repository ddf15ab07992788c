// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/trace/field_parser.h"

#include <optional>

#include "sim/trace/event_names.h"
#include "sim/trace/scan.h"
#include "sim/trace/uring_opcodes.h"

namespace wakepath::trace {
namespace {

using scan::last;
using scan::number;
using scan::skip;
using scan::until;
using Text = std::string_view;

// A pointer: hex with or without 0x, "(____ptrval____)", "(null)". What is not told is 0.
bool pointer(Text s, std::uint64_t& out) {
  out = 0;
  if (s.starts_with('(') && s.ends_with(')')) return true;
  return scan::hex(s, out);
}

// "KEY=VALUE" somewhere in `s`, VALUE up to the next blank.
template <class T>
bool key(Text s, Text name, T& out) {
  for (auto at = s.find(name); at != Text::npos; at = s.find(name, at + 1)) {
    if (at > 0 && !scan::blank(s[at - 1])) continue;
    Text value = s.substr(at + name.size());
    return number(scan::word(value), out);
  }
  return false;
}

// "NAME:PID [PRIO]" of libtraceevent's plugin, the name may hold colons.
bool plugin_task(Text s, StringPool& pool, StringId& comm, std::int32_t& pid, std::int32_t& prio) {
  const auto open = last(s, " [");
  if (open == Text::npos || !s.ends_with(']')) return false;
  if (!number(s.substr(open + 2, s.size() - open - 3), prio)) return false;
  const Text who = s.substr(0, open);
  const auto colon = who.rfind(':');
  if (colon == Text::npos || colon == 0 || !number(who.substr(colon + 1), pid)) return false;
  comm = pool.intern(who.substr(0, colon));
  return true;
}

const char* plugin_switch(Text left, Text right, StringPool& pool, Event::Switch& sw) {
  const auto space = left.rfind(' ');
  if (space == Text::npos) return "sched_switch without prev_state";
  const auto state = parse_state(left.substr(space + 1));
  if (!state) return "sched_switch with an unknown prev_state";
  sw.prev_state = *state;
  if (!plugin_task(left.substr(0, space), pool, sw.prev_comm, sw.prev_pid, sw.prev_prio) ||
      !plugin_task(right, pool, sw.next_comm, sw.next_pid, sw.next_prio)) {
    return "sched_switch without its tasks";
  }
  return nullptr;
}

// A comm of at most 15 bytes may itself look like fields; the last " prev_pid=" before " ==> " is the real one.
const char* parse_switch(Text s, StringPool& pool, Event& e) {
  Event::Switch sw{};
  Text left;
  const bool keyed = s.starts_with("prev_comm=");
  if (!until(s, keyed ? " ==> next_comm=" : " ==> ", left)) return "sched_switch without \"==>\"";
  if (!keyed) {
    const char* reason = plugin_switch(left, s, pool, sw);
    e.u.sw = sw;
    return reason;
  }
  skip(left, "prev_comm=");
  const auto at = last(left, " prev_pid=");
  const auto next_at = last(s, " next_pid=");
  if (at == Text::npos || next_at == Text::npos) return "sched_switch without prev_pid or next_pid";
  sw.prev_comm = pool.intern(left.substr(0, at));
  sw.next_comm = pool.intern(s.substr(0, next_at));
  const Text prev = left.substr(at), next = s.substr(next_at);
  if (!key(prev, "prev_pid=", sw.prev_pid) || !key(prev, "prev_prio=", sw.prev_prio) ||
      !key(next, "next_pid=", sw.next_pid) || !key(next, "next_prio=", sw.next_prio)) {
    return "sched_switch with a field that is no number";
  }
  const auto state_at = last(prev, " prev_state=");
  const auto state = state_at == Text::npos ? std::nullopt : parse_state(prev.substr(state_at + 12));
  if (!state) return "sched_switch with an unknown prev_state";
  sw.prev_state = *state;
  e.u.sw = sw;
  return nullptr;
}

const char* parse_task(EventType type, Text s, StringPool& pool, Event& e) {
  Event::TaskRef t{};
  if (!skip(s, "comm=")) {  // "fio:119 [120] success=1 CPU:000"
    const auto close = s.find("] ");
    const auto cpu = last(s, "CPU:");
    if (type == EventType::sched_migrate_task || close == Text::npos || cpu == Text::npos ||
        !plugin_task(s.substr(0, close + 1), pool, t.comm, t.pid, t.prio) || !number(s.substr(cpu + 4), t.target_cpu)) {
      return "a task without comm=";
    }
    e.u.task = t;
    return nullptr;
  }
  const auto at = last(s, " pid=");
  if (at == Text::npos) return "a task without pid=";
  t.comm = pool.intern(s.substr(0, at));
  s.remove_prefix(at);
  if (!key(s, "pid=", t.pid) || !key(s, "prio=", t.prio)) return "a task without pid= or prio=";
  if (type == EventType::sched_migrate_task) {
    if (!key(s, "orig_cpu=", t.orig_cpu) || !key(s, "dest_cpu=", t.dest_cpu)) return "a migration without its CPUs";
  } else if (type != EventType::sched_process_exit && !key(s, "target_cpu=", t.target_cpu)) {
    return "a wakeup without target_cpu=";
  }
  e.u.task = t;
  return nullptr;
}

const char* parse_fork(Text s, StringPool& pool, Event& e) {
  Event::TaskRef t{};
  const auto child = last(s, " child_comm=");
  if (child == Text::npos) return "sched_process_fork without child_comm=";
  s.remove_prefix(child + 12);
  const auto at = last(s, " child_pid=");
  if (at == Text::npos || !key(s.substr(at), "child_pid=", t.pid)) return "sched_process_fork without child_pid=";
  t.comm = pool.intern(s.substr(0, at));
  e.u.task = t;
  return nullptr;
}

const char* parse_runtime(Text s, StringPool& pool, Event& e) {
  Event::Runtime r{};
  const auto at = last(s, " pid=");
  if (!skip(s, "comm=") || at == Text::npos || at < 5) return "sched_stat_runtime without comm= or pid=";
  r.comm = pool.intern(s.substr(0, at - 5));
  s.remove_prefix(at - 5);
  if (!key(s, "pid=", r.pid) || !key(s, "runtime=", r.runtime_ns)) return "sched_stat_runtime without pid= or runtime=";
  if (!s.ends_with(" [ns]")) return "sched_stat_runtime without its unit";
  if (s.find(" vruntime=") != Text::npos) {
    if (!key(s, "vruntime=", r.vruntime)) return "sched_stat_runtime with a vruntime that is no number";
    r.has_vruntime = true;
  }
  e.u.runtime = r;
  return nullptr;
}

const char* parse_irq(EventType type, Text s, StringPool& pool, Event& e) {
  Event::Irq irq{};
  switch (type) {
    case EventType::irq_handler_entry:
    case EventType::irq_handler_exit: {
      Text n;
      const Text second = type == EventType::irq_handler_entry ? " name=" : " ret=";
      if (!skip(s, "irq=") || !until(s, second, n) || !number(n, irq.irq)) return "an interrupt without irq=";
      irq.name = pool.intern(s);
      break;
    }
    case EventType::softirq_raise:
    case EventType::softirq_entry:
    case EventType::softirq_exit:
      if (!key(s, "vec=", irq.irq)) return "a softirq without vec=";
      break;
    default:
      if (!key(s, "vector=", irq.irq)) return "an interrupt vector without vector=";
      break;
  }
  e.u.irq = irq;
  return nullptr;
}

const char* parse_timer(EventType type, Text s, StringPool& pool, Event& e) {
  Event::Timer t{};
  Text p = s;
  if (!skip(s, "hrtimer=")) return "a timer without hrtimer=";
  if (type == EventType::hrtimer_expire_entry && s.find(" now=") < s.find(" function=")) {  // libtraceevent's plugin
    Text now;
    if (!until(s, " now=", p) || !until(s, " function=", now) || !number(now, t.now)) {
      return "a timer without function= or now=";
    }
    if (s.ends_with("/0x0")) s.remove_suffix(4);
    t.function = pool.intern(s);
  } else if (type == EventType::hrtimer_expire_entry) {
    if (!until(s, " function=", p)) return "a timer without function= or now=";
    const auto now = last(s, " now=");
    if (now == Text::npos || !number(s.substr(now + 5), t.now)) {
      return "a timer without function= or now=";
    }
    t.function = pool.intern(s.substr(0, now));
  } else {
    p = s;
  }
  if (!pointer(p, t.hrtimer)) return "a timer whose hrtimer= is no pointer";
  e.u.timer = t;
  return nullptr;
}

// "struct=P function=F workqueue=W req_cpu=N cpu=N" and "struct P: function F", after "work ".
const char* parse_work(EventType type, Text s, StringPool& pool, Event& e) {
  Event::Work w{};
  w.req_cpu = w.cpu = -1;
  Text p, f, n;
  if (!skip(s, "work struct")) return "a work record without its work struct";
  if (type == EventType::workqueue_queue_work) {
    if (!skip(s, "=") || !until(s, " function=", p) || !until(s, " workqueue=", f))
      return "queue_work without function=";
    const auto req = last(s, " req_cpu="), cpu = last(s, " cpu=");
    if (req == Text::npos || cpu == Text::npos || cpu < req) return "queue_work without req_cpu= or cpu=";
    std::uint32_t u = 0;  // WORK_CPU_UNBOUND is NR_CPUS; some kernels print the CPUs unsigned
    n = s.substr(req + 9, cpu - req - 9);
    if (!number(n, w.req_cpu) && number(n, u)) w.req_cpu = static_cast<std::int32_t>(u);
    n = s.substr(cpu + 5);
    if (!number(n, w.cpu)) {
      if (!number(n, u)) return "queue_work with a CPU that is no number";
      w.cpu = static_cast<std::int32_t>(u);
    }
    w.workqueue = pool.intern(s.substr(0, req));
  } else {
    if (!s.starts_with(' ') && !s.starts_with('=')) return "a work record without its pointer";
    s.remove_prefix(1);
    if (until(s, ": function ", p) || until(s, " function=", p)) {
      f = s;
    } else {
      p = s;  // activate_work, and execute_end up to 5.x
    }
  }
  if (!pointer(p, w.work)) return "a work record whose struct is no pointer";
  w.function = pool.intern(f);
  e.u.work = w;
  return nullptr;
}

// issue:    "254,0 WS 4096 () 61696 + 8 [fio]", 6.10+ with the I/O priority before the bracket: "… + 8 0x2,0,4 [fio]"
// complete: "254,0 WS () 18992 + 8 [0]"
const char* parse_request(EventType type, Text s, StringPool& pool, Event& e) {
  Event::Request r{};
  Text major, command;
  if (!until(s, ",", major) || !number(major, r.major) || !number(scan::word(s), r.minor)) {
    return "a request without its device";
  }
  r.rwbs = pool.intern(scan::word(s));
  if (type == EventType::block_rq_issue && !number(scan::word(s), r.bytes)) return "block_rq_issue without its bytes";
  if (!skip(s, "(") || !until(s, ") ", command)) return "a request without its command";
  if (!number(scan::word(s), r.sector)) return "a request without its sector";
  if (!skip(s, "+ ") || !number(scan::word(s), r.nr_sector)) return "a request without its length";
  const auto open = s.find('[');
  if (open == Text::npos || !s.ends_with(']')) return "a request without its last field";
  r.ioprio = pool.intern(scan::rtrim(s.substr(0, open)));
  s = s.substr(open + 1, s.size() - open - 2);
  if (type == EventType::block_rq_issue) {
    r.comm = pool.intern(s);
  } else {
    if (!number(s, r.error)) return "block_rq_complete with an error that is no number";
    r.bytes = r.nr_sector * 512U;
  }
  e.u.rq = r;
  return nullptr;
}

// "NAME: HEX" among "a: 1, b: 2"; ftrace prints hex without 0x, perf with.
bool argument(Text s, Text name, std::uint64_t& out) {
  for (auto at = s.find(name); at != Text::npos; at = s.find(name, at + 1)) {
    if (at > 0 && !scan::blank(s[at - 1])) continue;
    const Text value = s.substr(at + name.size());
    return scan::hex(value.substr(0, value.find_first_of(",) ")), out);
  }
  return false;
}

const char* parse_enter(EventType type, Text s, Event& e) {
  Event::Syscall sys{};
  std::uint64_t nr = 0, min_nr = 0, argsz = 0;
  if (s.ends_with(')')) s.remove_suffix(1);
  bool ok = true;
  if (type == EventType::sys_enter_io_uring_enter) {
    ok = argument(s, "fd: ", sys.ctx_id) && argument(s, "to_submit: ", nr) && argument(s, "min_complete: ", min_nr);
    if (!argument(s, "flags: ", sys.extra)) sys.extra = 0;
    if (!argument(s, "argp: ", sys.ptr)) sys.ptr = 0;
    if (!argument(s, "argsz: ", argsz)) argsz = 0;
  } else {
    ok = argument(s, "ctx_id: ", sys.ctx_id) && argument(s, "nr: ", nr);
    if (type == EventType::sys_enter_io_getevents) {
      ok = ok && argument(s, "min_nr: ", min_nr);
      if (!argument(s, "events: ", sys.ptr)) sys.ptr = 0;
      if (!argument(s, "timeout: ", sys.extra)) sys.extra = 0;
    } else if (!argument(s, "iocbpp: ", sys.ptr)) {
      sys.ptr = 0;
    }
  }
  sys.nr = static_cast<std::int64_t>(nr);
  sys.min_nr = static_cast<std::int64_t>(min_nr);
  sys.ret = static_cast<std::int64_t>(argsz);
  e.u.sys = sys;
  return ok ? nullptr : "a system call whose arguments cannot be read";
}

const char* parse_exit(Text s, Event& e) {
  Event::Syscall sys{};
  std::uint64_t bits = 0;
  if (s.starts_with("0x") ? scan::hex(s, bits) : false) {
    sys.ret = static_cast<std::int64_t>(bits);
  } else if (!number(s, sys.ret)) {
    return "a system call whose result is no number";
  }
  e.u.sys = sys;
  return nullptr;
}

// "NAME VALUE" among "ring P, req P, user_data 0x1, …", VALUE up to the next comma or blank. Empty where it is missing.
Text uring_field(Text s, Text name) {
  for (auto at = s.find(name); at != Text::npos; at = s.find(name, at + 1)) {
    if (at > 0 && !scan::blank(s[at - 1])) continue;
    const Text value = s.substr(at + name.size());
    return value.substr(0, value.find_first_of(", "));
  }
  return {};
}

// Hex with 0x, decimal without; a field that this kernel does not print stays zero.
template <class T>
bool uring_number(Text s, Text name, T& out) {
  const Text value = uring_field(s, name);
  if (value.empty()) return true;
  return value.starts_with("0x") ? scan::hex(value, out) : number(value, out);
}

// Which field is `value`, and which is `flags` beside "flags "; "" when there is none.
struct UringWords {
  Text value, flags;
};
UringWords uring_words(EventType type) {
  switch (type) {
    case EventType::io_uring_complete:
      return {"result ", "cflags "};
    case EventType::io_uring_cqring_wait:
      return {"min_events ", ""};
    case EventType::io_uring_task_work_run:
    case EventType::io_uring_local_work_run:
      return {"count ", "loops "};
    case EventType::io_uring_file_get:
      return {"fd ", ""};
    case EventType::io_uring_poll_arm:
      return {"mask ", "events "};
    case EventType::io_uring_task_add:
      return {"mask ", ""};
    default:
      return {"", "flags "};
  }
}

const char* parse_uring(EventType type, Text s, Event& e) {
  Event::Uring u{};
  const UringWords fields = uring_words(type);
  const bool task = type == EventType::io_uring_task_work_run;
  const Text ring = uring_field(s, task ? "tctx " : "ring ");
  const Text req = uring_field(s, type == EventType::io_uring_queue_async_work ? "request " : "req ");
  if (ring.empty() || !pointer(ring, u.ctx)) return "an io_uring record without its ring";
  if (!req.empty() && !pointer(req, u.req)) return "an io_uring record whose request is no pointer";
  if (!uring_number(s, "user_data ", u.user_data)) return "an io_uring record with a user_data that is no number";
  const Text value = fields.value.empty() ? Text() : uring_field(s, fields.value);
  if (!fields.value.empty() && value.empty()) return "an io_uring record without its number";
  const bool hex = type == EventType::io_uring_task_add || value.starts_with("0x");
  std::uint32_t bits = 0;
  if (hex && scan::hex(value, bits)) {
    u.value = static_cast<std::int32_t>(bits);
  } else if (!value.empty() && (hex || !number(value, u.value))) {
    return "an io_uring record with a number that is none";
  }
  if (!fields.flags.empty() && !uring_number(s, fields.flags, u.flags))
    return "an io_uring record with flags that are no number";
  u.opcode = uring_opcode(uring_field(s, "opcode "));
  u.flag = type == EventType::io_uring_queue_async_work ? s.find(" hashed queue") != Text::npos
                                                        : (u.flags & kUringForceAsync) != 0;
  if (type != EventType::io_uring_submit_req && type != EventType::io_uring_queue_async_work) u.flag = false;
  e.u.uring = u;
  return nullptr;
}

// "cpu=1 callsite=… callback=…"; "cpu=1".
const char* parse_target_cpu(Text s, StringPool& pool, Event& e) {
  Event::Irq irq{};
  if (!key(s, "cpu=", irq.irq)) return "an interprocessor interrupt without cpu=";
  const auto rest = s.find(' ');
  irq.name = rest == Text::npos ? 0 : pool.intern(s.substr(rest + 1));
  e.u.irq = irq;
  return nullptr;
}

}  // namespace

const char* parse_fields(EventType type, Text s, StringPool& pool, Event& e) {
  using T = EventType;
  switch (type) {
    case T::sched_switch:
      return parse_switch(s, pool, e);
    case T::sched_waking:
    case T::sched_wakeup:
    case T::sched_wakeup_new:
    case T::sched_migrate_task:
    case T::sched_process_exit:
      return parse_task(type, s, pool, e);
    case T::sched_process_fork:
      return parse_fork(s, pool, e);
    case T::sched_stat_runtime:
      return parse_runtime(s, pool, e);
    case T::irq_handler_entry:
    case T::irq_handler_exit:
    case T::softirq_raise:
    case T::softirq_entry:
    case T::softirq_exit:
    case T::local_timer_entry:
    case T::local_timer_exit:
    case T::reschedule_entry:
    case T::reschedule_exit:
      return parse_irq(type, s, pool, e);
    case T::hrtimer_expire_entry:
    case T::hrtimer_expire_exit:
      return parse_timer(type, s, pool, e);
    case T::workqueue_queue_work:
    case T::workqueue_activate_work:
    case T::workqueue_execute_start:
    case T::workqueue_execute_end:
      return parse_work(type, s, pool, e);
    case T::block_rq_issue:
    case T::block_rq_complete:
      return parse_request(type, s, pool, e);
    case T::sys_enter_io_submit:
    case T::sys_enter_io_getevents:
    case T::sys_enter_io_uring_enter:
      return parse_enter(type, s, e);
    case T::sys_exit_io_submit:
    case T::sys_exit_io_getevents:
    case T::sys_exit_io_uring_enter:
      return parse_exit(s, e);
    case T::io_uring_submit_req:
    case T::io_uring_queue_async_work:
    case T::io_uring_complete:
    case T::io_uring_cqring_wait:
    case T::io_uring_task_work_run:
    case T::io_uring_local_work_run:
    case T::io_uring_file_get:
    case T::io_uring_poll_arm:
    case T::io_uring_task_add:
      return parse_uring(type, s, e);
    case T::ipi_send_cpu:
    case T::sched_wake_idle_without_ipi:
      return parse_target_cpu(s, pool, e);
    case T::unknown:
    case T::lost_events:
    case T::count_:
      break;
  }
  return nullptr;
}

}  // namespace wakepath::trace
