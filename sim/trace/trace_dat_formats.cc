// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/trace/trace_dat_formats.h"

#include <fmt/format.h>

#include <array>
#include <iterator>

#include "sim/trace/event_names.h"

namespace wakepath::trace {
namespace {

using T = EventType;

struct Wording {
  EventType type;
  std::string_view system, format, arguments;  // REC-> is put before each bare word of the arguments
};

constexpr std::string_view kTask = "comm, pid, prio, target_cpu";
constexpr std::string_view kTaskFormat = "comm=%s pid=%d prio=%d target_cpu=%03d";
constexpr std::string_view kSoftirqFormat = "vec=%u [action=%s]";
constexpr std::string_view kSoftirqNames =
    "vec, __print_symbolic(REC->vec, { 0, \"HI\" }, { 1, \"TIMER\" }, { 2, \"NET_TX\" }, { 3, \"NET_RX\" }, { 4, "
    "\"BLOCK\" }, { 5, \"IRQ_POLL\" }, { 6, \"TASKLET\" }, { 7, \"SCHED\" }, { 8, \"HRTIMER\" }, { 9, \"RCU\" })";
constexpr std::string_view kDevice =
    "((unsigned int) ((REC->dev) >> 20)), ((unsigned int) ((REC->dev) & ((1U << 20) - 1))), ";

constexpr std::array kWordings{
    Wording{T::sched_switch, "sched",
            "prev_comm=%s prev_pid=%d prev_prio=%d prev_state=%s%s ==> next_comm=%s next_pid=%d next_prio=%d",
            "prev_comm, prev_pid, prev_prio, REC->prev_state & 0xff ? __print_flags(REC->prev_state & 0xff, \"|\", { "
            "0x01, \"S\" }, { 0x02, \"D\" }, { 0x04, \"T\" }, { 0x08, \"t\" }, { 0x10, \"X\" }, { 0x20, \"Z\" }, { "
            "0x40, \"P\" }, { 0x80, \"I\" }) : \"R\", REC->prev_state & 0x100 ? \"+\" : \"\", next_comm, next_pid, "
            "next_prio"},
    Wording{T::sched_waking, "sched", kTaskFormat, kTask},
    Wording{T::sched_wakeup, "sched", kTaskFormat, kTask},
    Wording{T::sched_wakeup_new, "sched", kTaskFormat, kTask},
    Wording{T::sched_migrate_task, "sched", "comm=%s pid=%d prio=%d orig_cpu=%d dest_cpu=%d",
            "comm, pid, prio, orig_cpu, dest_cpu"},
    Wording{T::sched_stat_runtime, "sched", "comm=%s pid=%d runtime=%Lu [ns] vruntime=%Lu [ns]",
            "comm, pid, runtime, vruntime"},
    Wording{T::sched_process_fork, "sched", "pid=%d child_comm=%s child_pid=%d",
            "REC->common_pid, child_comm, child_pid"},
    Wording{T::sched_process_exit, "sched", "comm=%s pid=%d prio=%d", "comm, pid, prio"},
    Wording{T::irq_handler_entry, "irq", "irq=%d name=%s", "irq, name"},
    Wording{T::irq_handler_exit, "irq", "irq=%d ret=%s", "irq, REC->ret ? \"handled\" : \"unhandled\""},
    Wording{T::softirq_raise, "irq", kSoftirqFormat, kSoftirqNames},
    Wording{T::softirq_entry, "irq", kSoftirqFormat, kSoftirqNames},
    Wording{T::softirq_exit, "irq", kSoftirqFormat, kSoftirqNames},
    Wording{T::local_timer_entry, "irq_vectors", "vector=%d", "vector"},
    Wording{T::local_timer_exit, "irq_vectors", "vector=%d", "vector"},
    Wording{T::reschedule_entry, "irq_vectors", "vector=%d", "vector"},
    Wording{T::reschedule_exit, "irq_vectors", "vector=%d", "vector"},
    Wording{T::hrtimer_expire_entry, "timer", "hrtimer=%p function=%ps now=%llu", "hrtimer, function, now"},
    Wording{T::hrtimer_expire_exit, "timer", "hrtimer=%p", "hrtimer"},
    Wording{T::workqueue_queue_work, "workqueue", "work struct=%p function=%ps workqueue=%s req_cpu=%d cpu=%d",
            "work, function, workqueue, req_cpu, cpu"},
    Wording{T::workqueue_activate_work, "workqueue", "work struct %p", "work"},
    Wording{T::workqueue_execute_start, "workqueue", "work struct %p: function %ps", "work, function"},
    Wording{T::workqueue_execute_end, "workqueue", "work struct %p: function %ps", "work, function"},
    Wording{T::block_rq_issue, "block", "%d,%d %s %u () %llu + %u %s [%s]",
            "DEV rwbs, bytes, sector, nr_sector, ioprio, comm"},
    Wording{T::block_rq_complete, "block", "%d,%d %s () %llu + %u %s [%d]",
            "DEV rwbs, sector, nr_sector, ioprio, error"},
    Wording{T::sys_enter_io_submit, "syscalls", "ctx_id: 0x%08lx, nr: 0x%08lx, iocbpp: 0x%08lx", "ctx_id, nr, iocbpp"},
    Wording{T::sys_enter_io_getevents, "syscalls",
            "ctx_id: 0x%08lx, min_nr: 0x%08lx, nr: 0x%08lx, events: 0x%08lx, timeout: 0x%08lx",
            "ctx_id, min_nr, nr, events, timeout"},
    Wording{T::sys_enter_io_uring_enter, "syscalls",
            "fd: 0x%08lx, to_submit: 0x%08lx, min_complete: 0x%08lx, flags: 0x%08lx, argp: 0x%08lx, argsz: 0x%08lx",
            "fd, to_submit, min_complete, flags, argp, argsz"},
    Wording{T::sys_exit_io_submit, "syscalls", "0x%lx", "ret"},
    Wording{T::sys_exit_io_getevents, "syscalls", "0x%lx", "ret"},
    Wording{T::sys_exit_io_uring_enter, "syscalls", "0x%lx", "ret"},
    Wording{T::ipi_send_cpu, "ipi", "cpu=%u %s", "cpu, callsite"},
    Wording{T::sched_wake_idle_without_ipi, "sched", "cpu=%d", "cpu"}};

// "a, b" -> "REC->a, REC->b"; what is an expression already stays, DEV is the device's two numbers.
std::string arguments_of(std::string_view text, const DatFormat& format) {
  std::string out;
  std::size_t depth = 0;
  bool start = true;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (start && text.substr(i).starts_with("DEV ")) {
      out += kDevice;
      i += 3;
      continue;
    }
    if (start && c != ' ') {
      const std::string_view word = text.substr(i, text.find_first_of(", (-&", i) - i);
      std::string_view kind = "";
      for (const DatField& f : format.fields) {
        if (f.field != nullptr && f.field->name == word) kind = f.kind == DatField::Kind::text ? "text" : "plain";
      }
      if (kind == "text") {
        out += fmt::format("__get_str({})", word);
        i += word.size() - 1;
        start = false;
        continue;
      }
      if (kind == "plain" && !text.substr(i).starts_with("REC->")) out += "REC->";
      start = false;
    }
    if (c == '(' || c == '{') ++depth;
    if (c == ')' || c == '}') --depth;
    if (c == ',' && depth == 0) start = true;
    out += c;
  }
  return out;
}

bool is_comm(std::string_view name) { return name == "comm" || name.ends_with("_comm"); }

std::uint16_t size_of(FieldKind kind) {
  switch (kind) {
    case FieldKind::u16:
      return 2;
    case FieldKind::flag:
      return 1;
    case FieldKind::i64:
    case FieldKind::u64:
      return 8;
    default:
      return 4;
  }
}

std::string_view type_name(const Field& f) {
  switch (f.kind) {
    case FieldKind::u16:
      return "unsigned short";
    case FieldKind::u32:
      return "unsigned int";
    case FieldKind::i64:
      return "s64";
    case FieldKind::u64:
      return "u64";
    case FieldKind::flag:
      return "bool";
    default:
      return "int";
  }
}

void line(std::string& out, std::string_view declaration, std::uint16_t offset, std::uint16_t size, bool is_signed) {
  fmt::format_to(std::back_inserter(out), "\tfield:{};\toffset:{};\tsize:{};\tsigned:{};\n", declaration, offset, size,
                 is_signed ? 1 : 0);
}

std::string head_of(std::string_view name, std::uint16_t id) {
  std::string out = fmt::format("name: {}\nID: {}\nformat:\n", name, id);
  line(out, "unsigned short common_type", 0, 2, false);
  line(out, "unsigned char common_flags", 2, 1, false);
  line(out, "unsigned char common_preempt_count", 3, 1, false);
  line(out, "int common_pid", 4, 4, true);
  out += '\n';
  return out;
}

void add_field(DatFormat& format, const Field& f) {
  if (f.name == "minor") return;
  DatField made{&f, DatField::Kind::number, 0, size_of(f.kind)};
  std::string declaration = fmt::format("{} {}", type_name(f), f.name);
  if (f.name == "major") {
    made.kind = DatField::Kind::device;
    declaration = "dev_t dev";
  } else if (f.is_name() && is_comm(f.name)) {
    made.kind = DatField::Kind::comm;
    made.size = 16;
    declaration = fmt::format("char {}[16]", f.name);
  } else if (f.is_name() && f.name == "function") {
    made.kind = DatField::Kind::function;
    made.size = 8;
    declaration = "void * function";
  } else if (f.is_name()) {
    made.kind = DatField::Kind::text;
    made.size = 4;
    declaration = fmt::format("__data_loc char[] {}", f.name);
  }
  const std::uint16_t align = made.kind == DatField::Kind::comm ? 1 : made.size;
  made.offset = static_cast<std::uint16_t>((format.size + align - 1) / align * align);
  format.size = static_cast<std::uint16_t>(made.offset + made.size);
  line(format.text, declaration, made.offset, made.size,
       f.kind == FieldKind::i32 || f.kind == FieldKind::i64 || f.kind == FieldKind::handled);
  format.fields.push_back(made);
}

}  // namespace

DatFormat dat_format(const Event& first) {
  const EventType type = first.type;
  DatFormat format;
  format.id = static_cast<std::uint16_t>(100 + static_cast<int>(type));
  format.size = kDatCommonSize;
  format.text = head_of(name_of(type), format.id);
  bool whole = true;
  for (const Field& f : fields_of(type)) {
    if (is_present(first, f)) add_field(format, f);
    whole = whole && is_present(first, f);
  }
  for (const Wording& w : kWordings) {
    if (w.type != type) continue;
    std::string_view words = w.format, arguments = w.arguments;
    if (!whole) {  // what may be missing stands last
      words = words.substr(0, words.rfind(" vruntime="));
      arguments = arguments.substr(0, arguments.rfind(", "));
    }
    format.system = w.system;
    format.text += fmt::format("\nprint fmt: \"{}\", {}\n", words, arguments_of(arguments, format));
    return format;
  }
  // io_uring's records, whose wording changed with every other kernel: names and numbers.
  format.system = "io_uring";
  std::string words, arguments;
  for (const DatField& f : format.fields) {
    words += fmt::format("{}{} {}", words.empty() ? "" : ", ", f.field->name == "ctx" ? "ring" : f.field->name,
                         f.size == 8 ? "0x%llx" : "%d");
    arguments += fmt::format(", REC->{}", f.field->name);
  }
  format.text += fmt::format("\nprint fmt: \"{}\"{}\n", words, arguments);
  return format;
}

DatFormat dat_format_of_unknown(const std::string& name, std::uint16_t id) {
  DatFormat format;
  format.system = "unknown";
  format.id = id;
  format.size = kDatCommonSize;
  format.text = head_of(name, id) + "\nprint fmt: \"\"\n";
  return format;
}

}  // namespace wakepath::trace
