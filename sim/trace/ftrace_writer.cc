// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/trace/ftrace_writer.h"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "sim/trace/event_names.h"
#include "sim/trace/uring_opcodes.h"

namespace wakepath::trace {
namespace {

constexpr std::size_t kTextSize = 1 << 16;
constexpr std::string_view kHidden = "(____ptrval____)";

template <class Format, class... Args>
void put(std::string& out, const Format& format, const Args&... args) {
  fmt::format_to(std::back_inserter(out), format, args...);
}

void put_pointer(std::string& out, std::uint64_t p) {
  if (p == 0) {
    out += kHidden;
  } else {
    put(out, FMT_COMPILE("{:016x}"), p);
  }
}

char depth_column(std::uint8_t depth) {
  return depth == 0 ? '.' : "0123456789abcdef"[std::min<std::uint8_t>(depth, 15)];
}

char resched_column(std::uint8_t flags) {
  const bool full = (flags & kNeedResched) != 0, lazy = (flags & kNeedReschedLazy) != 0, tif = (flags & kTifOnly) != 0;
  if (full && lazy) return tif ? 'b' : 'B';
  if (full) return tif ? 'n' : 'N';
  return lazy ? 'l' : '.';
}

char context_column(std::uint8_t flags) {
  const bool hard = (flags & kHardirq) != 0, soft = (flags & kSoftirq) != 0, nmi = (flags & kNmi) != 0;
  if (nmi) return hard ? 'Z' : 'z';
  if (hard) return soft ? 'H' : 'h';
  return soft ? 's' : '.';
}

void put_flags(std::string& out, const Event& e) {
  const bool irqs = (e.flags & kIrqsOff) != 0, bh = (e.flags & kBhOff) != 0;
  out += irqs ? (bh ? 'D' : 'd') : (bh ? 'b' : '.');
  out += resched_column(e.flags);
  out += context_column(e.flags);
  out += depth_column(e.preempt_depth);
  out += depth_column(e.migrate_disable);
}

void put_switch(std::string& out, const Event::Switch& s, const StringPool& pool) {
  put(out, FMT_COMPILE("prev_comm={} prev_pid={} prev_prio={} prev_state="), pool.str(s.prev_comm), s.prev_pid,
      s.prev_prio);
  append_state(out, s.prev_state);
  put(out, FMT_COMPILE(" ==> next_comm={} next_pid={} next_prio={}"), pool.str(s.next_comm), s.next_pid, s.next_prio);
}

void put_task(std::string& out, EventType type, const Event::TaskRef& t, const Event& e, const StringPool& pool) {
  const std::string& comm = pool.str(t.comm);
  switch (type) {
    case EventType::sched_process_fork:
      put(out, FMT_COMPILE("comm={} pid={} child_comm={} child_pid={}"), pool.str(e.comm), e.pid, comm, t.pid);
      return;
    case EventType::sched_migrate_task:
      put(out, FMT_COMPILE("comm={} pid={} prio={} orig_cpu={} dest_cpu={}"), comm, t.pid, t.prio, t.orig_cpu,
          t.dest_cpu);
      return;
    case EventType::sched_process_exit:
      put(out, FMT_COMPILE("comm={} pid={} prio={}"), comm, t.pid, t.prio);
      return;
    default:
      put(out, FMT_COMPILE("comm={} pid={} prio={} target_cpu={:03}"), comm, t.pid, t.prio, t.target_cpu);
  }
}

void put_runtime(std::string& out, const Event::Runtime& r, const StringPool& pool) {
  put(out, FMT_COMPILE("comm={} pid={} runtime={} [ns]"), pool.str(r.comm), r.pid, r.runtime_ns);
  if (r.has_vruntime) put(out, FMT_COMPILE(" vruntime={} [ns]"), r.vruntime);
}

void put_interrupt(std::string& out, EventType type, const Event::Irq& i, const StringPool& pool) {
  switch (type) {
    case EventType::irq_handler_entry:
      put(out, FMT_COMPILE("irq={} name={}"), i.irq, pool.str(i.name));
      return;
    case EventType::irq_handler_exit:
      put(out, FMT_COMPILE("irq={} ret={}"), i.irq,
          i.name == 0 ? std::string_view("handled") : std::string_view(pool.str(i.name)));
      return;
    case EventType::softirq_raise:
    case EventType::softirq_entry:
    case EventType::softirq_exit:
      put(out, FMT_COMPILE("vec={} [action={}]"), i.irq, softirq_name(i.irq));
      return;
    default:
      put(out, FMT_COMPILE("vector={}"), i.irq);
  }
}

void put_timer(std::string& out, EventType type, const Event::Timer& t, const StringPool& pool) {
  out += "hrtimer=";
  put_pointer(out, t.hrtimer);
  if (type == EventType::hrtimer_expire_entry)
    put(out, FMT_COMPILE(" function={} now={}"), pool.str(t.function), t.now);
}

void put_work(std::string& out, EventType type, const Event::Work& w, const StringPool& pool) {
  out += type == EventType::workqueue_queue_work ? "work struct=" : "work struct ";
  put_pointer(out, w.work);
  if (type == EventType::workqueue_queue_work) {
    put(out, FMT_COMPILE(" function={} workqueue={} req_cpu={} cpu={}"), pool.str(w.function), pool.str(w.workqueue),
        w.req_cpu, w.cpu);
  } else if (w.function != 0) {
    put(out, FMT_COMPILE(": function {}"), pool.str(w.function));
  }
}

void put_request(std::string& out, EventType type, const Event& e, const StringPool& pool) {
  const Event::Request& r = e.u.rq;
  put(out, FMT_COMPILE("{},{} {} "), r.major, r.minor, pool.str(r.rwbs));
  if (type == EventType::block_rq_issue) put(out, FMT_COMPILE("{} "), r.bytes);
  put(out, FMT_COMPILE("() {} + {} "), r.sector, r.nr_sector);
  if (r.ioprio != 0) put(out, FMT_COMPILE("{} "), pool.str(r.ioprio));
  if (type == EventType::block_rq_issue) {
    put(out, FMT_COMPILE("[{}]"), pool.str(r.comm != 0 ? r.comm : e.comm));
  } else {
    put(out, FMT_COMPILE("[{}]"), r.error);
  }
}

void put_syscall(std::string& out, EventType type, const Event::Syscall& s) {
  const auto nr = static_cast<std::uint64_t>(s.nr), min_nr = static_cast<std::uint64_t>(s.min_nr);
  const auto ret = static_cast<std::uint64_t>(s.ret);
  switch (type) {
    case EventType::sys_enter_io_submit:
      put(out, FMT_COMPILE("sys_io_submit(ctx_id: {:x}, nr: {:x}, iocbpp: {:x})"), s.ctx_id, nr, s.ptr);
      return;
    case EventType::sys_enter_io_getevents:
      put(out, FMT_COMPILE("sys_io_getevents(ctx_id: {:x}, min_nr: {:x}, nr: {:x}, events: {:x}, timeout: {:x})"),
          s.ctx_id, min_nr, nr, s.ptr, s.extra);
      return;
    case EventType::sys_enter_io_uring_enter:
      put(out,
          FMT_COMPILE("sys_io_uring_enter(fd: {:x}, to_submit: {:x}, min_complete: {:x}, flags: {:x}, argp: {:x}, "
                      "argsz: {:x})"),
          s.ctx_id, nr, min_nr, s.extra, s.ptr, ret);
      return;
    case EventType::sys_exit_io_submit:
      put(out, FMT_COMPILE("sys_io_submit -> 0x{:x}"), ret);
      return;
    case EventType::sys_exit_io_getevents:
      put(out, FMT_COMPILE("sys_io_getevents -> 0x{:x}"), ret);
      return;
    default:
      put(out, FMT_COMPILE("sys_io_uring_enter -> 0x{:x}"), ret);
  }
}

void put_request_of(std::string& out, std::string_view name, const Event::Uring& u) {
  out += ", ";
  out += name;
  out += ' ';
  put_pointer(out, u.req);
  put(out, FMT_COMPILE(", user_data 0x{:x}"), u.user_data);
}

void put_uring(std::string& out, EventType type, const Event::Uring& u) {
  out += type == EventType::io_uring_task_work_run ? "tctx " : "ring ";
  put_pointer(out, u.ctx);
  const std::string_view opcode = uring_opcode_name(u.opcode);
  const auto mask = static_cast<std::uint32_t>(u.value);
  switch (type) {
    case EventType::io_uring_submit_req:
      put_request_of(out, "req", u);
      put(out, FMT_COMPILE(", opcode {}, flags 0x{:x}, sq_thread 0"), opcode,
          u.flags | (u.flag ? kUringForceAsync : 0));
      return;
    case EventType::io_uring_queue_async_work:
      put_request_of(out, "request", u);
      put(out, FMT_COMPILE(", opcode {}, flags 0x{:x}, {} queue, work {}"), opcode, u.flags,
          u.flag ? "hashed" : "normal", kHidden);
      return;
    case EventType::io_uring_complete:
      put_request_of(out, "req", u);
      put(out, FMT_COMPILE(", result {}, cflags 0x{:x} extra1 0 extra2 0 "), u.value, u.flags);
      return;
    case EventType::io_uring_cqring_wait:
      put(out, FMT_COMPILE(", min_events {}"), u.value);
      return;
    case EventType::io_uring_local_work_run:
      put(out, FMT_COMPILE(", count {}, loops {}"), u.value, u.flags);
      return;
    case EventType::io_uring_file_get:
      put_request_of(out, "req", u);
      put(out, FMT_COMPILE(", fd {}"), u.value);
      return;
    case EventType::io_uring_poll_arm:
      put_request_of(out, "req", u);
      put(out, FMT_COMPILE(", opcode {}, mask 0x{:x}, events 0x{:x}"), opcode, mask, u.flags);
      return;
    case EventType::io_uring_task_add:
      put_request_of(out, "req", u);
      put(out, FMT_COMPILE(", opcode {}, mask {:x}"), opcode, mask);
      return;
    default:
      put(out, FMT_COMPILE(", count {}"), u.value);
  }
}

void put_target_cpu(std::string& out, const Event::Irq& i, const StringPool& pool) {
  put(out, FMT_COMPILE("cpu={}"), i.irq);
  if (i.name != 0) put(out, FMT_COMPILE(" {}"), pool.str(i.name));
}

void put_lost(std::string& out, const Event& e) {
  if (e.cpu >= 0) put(out, FMT_COMPILE("CPU:{} "), e.cpu);
  out += "[LOST ";
  if (e.u.value > 0) put(out, FMT_COMPILE("{} "), e.u.value);
  out += "EVENTS]";
}

void put_fields(std::string& out, const Event& e, const StringPool& pool) {
  using Type = EventType;
  if (e.type >= Type::sys_enter_io_submit && e.type <= Type::sys_exit_io_uring_enter)
    return put_syscall(out, e.type, e.u.sys);
  out += e.type == Type::unknown ? std::string_view(pool.str(e.u.unknown.name)) : name_of(e.type);
  out += ':';
  if (e.type == Type::unknown) return;
  out += ' ';
  if (e.type == Type::sched_switch) return put_switch(out, e.u.sw, pool);
  if (e.type == Type::sched_stat_runtime) return put_runtime(out, e.u.runtime, pool);
  if (e.type >= Type::io_uring_submit_req && e.type <= Type::io_uring_task_add)
    return put_uring(out, e.type, e.u.uring);
  if (e.type >= Type::ipi_send_cpu) return put_target_cpu(out, e.u.irq, pool);
  if (e.type <= Type::sched_process_fork || e.type == Type::sched_process_exit)
    return put_task(out, e.type, e.u.task, e, pool);
  if (e.type <= Type::reschedule_exit) return put_interrupt(out, e.type, e.u.irq, pool);
  if (e.type <= Type::hrtimer_expire_exit) return put_timer(out, e.type, e.u.timer, pool);
  if (e.type <= Type::workqueue_execute_end) return put_work(out, e.type, e.u.work, pool);
  put_request(out, e.type, e, pool);
}

}  // namespace

void append_ftrace_line(std::string& out, const Event& e, const StringPool& pool) {
  if (e.type == EventType::lost_events) {
    put_lost(out, e);
  } else {
    const std::string_view comm = e.pid == 0 ? std::string_view("<idle>") : std::string_view(pool.str(e.comm));
    put(out, FMT_COMPILE("{:>16}-{:<7} [{:03}] "), comm, e.pid, e.cpu);
    put_flags(out, e);
    put(out, FMT_COMPILE(" {:>12}: "), e.ts_ns);
    put_fields(out, e, pool);
  }
  out += '\n';
}

FtraceWriter::FtraceWriter(std::unique_ptr<Output> output, const StringPool& pool, int cpus)
    : output_(std::move(output)), pool_(&pool), cpus_(cpus) {}

tl::expected<std::unique_ptr<FtraceWriter>, Error> FtraceWriter::create(const std::string& path, const StringPool& pool,
                                                                        int cpus) {
  auto output = Output::create(path);
  if (!output) return tl::make_unexpected(output.error());
  return std::unique_ptr<FtraceWriter>(new FtraceWriter(std::move(*output), pool, cpus));
}

void FtraceWriter::on_event(const Event& e) {
  append_ftrace_line(text_, e, *pool_);
  if (e.type != EventType::lost_events) ++records_;
  cpus_ = std::max(cpus_, e.cpu + 1);
  if (text_.size() < kTextSize) return;
  output_->write(text_);
  text_.clear();
}

std::string FtraceWriter::header() const {
  return fmt::format(
      "# tracer: nop\n#\n# entries-in-buffer/entries-written: {0}/{0}   #P:{1}\n#\n"
      "#                                _-----=> irqs-off/BH-disabled\n"
      "#                               / _----=> need-resched\n"
      "#                              | / _---=> hardirq/softirq\n"
      "#                              || / _--=> preempt-depth\n"
      "#                              ||| / _-=> migrate-disable\n"
      "#                              |||| /     delay\n"
      "#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION\n"
      "#              | |         |   |||||     |         |\n",
      records_, cpus_);
}

tl::expected<void, Error> FtraceWriter::complete() {
  output_->write(text_);
  text_.clear();
  auto done = output_->finish(header());
  output_.reset();
  return done;
}

}  // namespace wakepath::trace
