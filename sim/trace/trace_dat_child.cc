// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/trace/trace_dat_child.h"

#ifdef WAKEPATH_HAVE_TRACECMD
#define _TRACE_FS_H  // NOLINT: tracefs.h of Debian 12 is no C++, and nothing of it is used here
#include <fmt/format.h>
#include <sched.h>
#include <trace-cmd.h>
#include <trace-seq.h>

#include <array>
#include <cstring>
#include <memory>
#include <unordered_map>
#include <vector>

#include "sim/trace/event_names.h"
#include "sim/trace/field_parser.h"
#include "sim/trace/fields.h"
#include "sim/trace/raw_flags.h"

namespace wakepath::trace {
namespace {

// The last field of that name: in the formats of old system calls an argument `nr` follows the call's own number `nr`.
tep_format_field* last_field(const tep_event& event, std::string_view name) {
  tep_format_field* found = nullptr;
  for (tep_format_field* f = event.format.fields; f != nullptr; f = f->next) {
    if (f->name == name) found = f;
  }
  return found;
}

// How the fields of one tracepoint of this file become those of an Event.
struct Plan {
  struct Step {
    const Field* to;
    tep_format_field* from;
  };
  EventType type = EventType::unknown;
  tep_event* event = nullptr;
  StringId name = 0;
  bool by_text = false;  // what it prints is read instead
  std::vector<Step> steps;
};

class Child {
 public:
  Child(tep_handle* tep, RecordPipe& out) : tep_(tep), out_(out) { trace_seq_init(&text_); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() { trace_seq_destroy(&text_); }

  void take(tep_record& record) {
    if (record.missed_events != 0) lost(record);
    const Plan* plan = plan_of(record);
    if (plan == nullptr) return;
    Event e;
    e.ts_ns = stamp_of(record.ts);
    e.cpu = static_cast<std::int16_t>(record.cpu);
    e.pid = tep_data_pid(tep_, &record);
    e.comm = comm_of(e.pid);
    const auto preempt = static_cast<unsigned>(tep_data_preempt_count(tep_, &record));
    e.flags = flags_of_raw(static_cast<std::uint32_t>(tep_data_flags(tep_, &record)));
    e.preempt_depth = static_cast<std::uint8_t>(preempt & 15U);
    e.migrate_disable = static_cast<std::uint8_t>((preempt >> 4U) & 15U);
    e.has_flags = true;
    e.type = plan->type;
    if (const char* reason = payload(*plan, record, e); reason != nullptr) {
      out_.bad_record(reason);
      return;
    }
    out_.record(e);
  }

 private:
  void lost(const tep_record& record) {
    Event e;
    e.type = EventType::lost_events;
    e.ts_ns = stamp_of(record.ts);
    e.cpu = static_cast<std::int16_t>(record.cpu);
    e.u.value = record.missed_events > 0 ? record.missed_events : 0;
    out_.record(e);
  }

  StringId comm_of(int pid) {
    const auto known = comms_.find(pid);
    if (known != comms_.end()) return known->second;
    const char* comm = tep_data_comm_from_pid(tep_, pid);
    return comms_[pid] = out_.pool().intern(comm != nullptr ? comm : "<...>");
  }

  const Plan* plan_of(tep_record& record) {
    const int id = tep_data_type(tep_, &record);
    const auto known = plans_.find(id);
    if (known != plans_.end()) return &known->second;
    tep_event* event = tep_find_event(tep_, id);
    if (event == nullptr) {
      out_.bad_record("a record of a tracepoint whose format is not in the file");
      return nullptr;
    }
    Plan& plan = plans_[id];
    plan.event = event;
    plan.type = type_of(event->name);
    plan.name = out_.pool().intern(event->name);
    plan.by_text = plan.type == EventType::ipi_send_cpu;
    for (const Field& f : fields_of(plan.type)) {
      const std::string_view there = f.name == "major" || f.name == "minor" ? "dev" : f.name;
      if (tep_format_field* from = last_field(*event, there); from != nullptr) plan.steps.push_back({&f, from});
    }
    if (plan.steps.empty()) plan.by_text = true;
    return &plan;
  }

  const char* payload(const Plan& plan, tep_record& record, Event& e) {
    if (plan.type == EventType::unknown) {
      e.u.unknown = {plan.name};
      return nullptr;
    }
    if (plan.by_text) return parse_fields(e.type, printed(record), out_.pool(), e);
    std::memset(static_cast<void*>(&e.u), 0, sizeof e.u);
    for (const Plan::Step& step : plan.steps) {
      if (step.from->offset < 0 || step.from->size <= 0 || step.from->offset + step.from->size > record.size) {
        return "a record shorter than its format says";
      }
      if (step.to->is_name()) {
        set_name(e, *step.to, name(*step.to, *step.from, record));
      } else if (const char* reason = number(*step.to, *step.from, record, e); reason != nullptr) {
        return reason;
      }
    }
    complete_fields(e);
    return nullptr;
  }

  std::string_view printed(tep_record& record) {
    trace_seq_reset(&text_);
    tep_print_event(tep_, &text_, &record, "%s", TEP_PRINT_INFO);
    trace_seq_terminate(&text_);
    return {text_.buffer, text_.len};
  }

  const char* number(const Field& to, tep_format_field& from, tep_record& record, Event& e) {
    unsigned long long value = 0;
    if (tep_read_number_field(&from, record.data, &value) != 0) return "a field that is no number";
    auto number = static_cast<std::int64_t>(value);
    if (to.name == "major") number = static_cast<std::int64_t>(value >> 20U);
    if (to.name == "minor") number = static_cast<std::int64_t>(value & 0xfffffU);
    if (to.name == "prev_state") {
      const auto known = states_.find(value);
      if (known == states_.end()) {
        Event said;  // which letters a bit has is the kernel's own, and in the file
        if (const char* reason = parse_fields(EventType::sched_switch, printed(record), out_.pool(), said);
            reason != nullptr) {
          return reason;
        }
        number = states_[value] = said.u.sw.prev_state;
      } else {
        number = known->second;
      }
    }
    set_number(e, to, number, out_.pool());
    return nullptr;
  }

  StringId name(const Field& to, const tep_format_field& from, const tep_record& record) {
    const char* data = static_cast<const char*>(record.data);
    if ((from.flags & TEP_FIELD_IS_DYNAMIC) != 0) {
      std::uint32_t where = 0;
      std::memcpy(&where, data + from.offset, sizeof where);
      std::uint32_t offset = where & 0xffffU;
      if ((from.flags & TEP_FIELD_IS_RELATIVE) != 0) offset += static_cast<std::uint32_t>(from.offset + from.size);
      const std::uint32_t size = where >> 16U;
      if (offset + size > static_cast<std::uint32_t>(record.size)) return 0;
      return out_.pool().intern(std::string_view(data + offset, ::strnlen(data + offset, size)));
    }
    if ((from.flags & TEP_FIELD_IS_ARRAY) != 0) {
      const auto size = static_cast<std::size_t>(from.size);
      return out_.pool().intern(std::string_view(data + from.offset, ::strnlen(data + from.offset, size)));
    }
    unsigned long long value = 0;
    if (tep_read_number_field(const_cast<tep_format_field*>(&from), data, &value) != 0) return 0;
    if (to.name == "ioprio") return ioprio(static_cast<unsigned>(value));
    const char* function = to.name == "function" ? tep_find_function(tep_, value) : nullptr;
    return out_.pool().intern(function != nullptr ? std::string(function) : fmt::format("0x{:x}", value));
  }

  // As block_rq_* prints it: class, hint, level (include/uapi/linux/ioprio.h).
  StringId ioprio(unsigned value) {
    constexpr std::array kClasses{"none", "rt", "be", "idle"};
    const unsigned level = value & 7U, hint = (value >> 3U) & 0x3ffU, kind = value >> 13U;
    return out_.pool().intern(
        fmt::format("{},{},{}", kind < kClasses.size() ? kClasses[kind] : "invalid", hint, level));
  }

  tep_handle* tep_;
  RecordPipe& out_;
  trace_seq text_{};
  std::unordered_map<int, Plan> plans_;
  std::unordered_map<int, StringId> comms_;
  std::unordered_map<unsigned long long, std::uint16_t> states_;
};

struct Buffers {
  std::unordered_map<tracecmd_input*, std::unique_ptr<Child>> children;
};

int on_record(tracecmd_input* handle, tep_record* record, int, void* context) {
  auto& child = static_cast<Buffers*>(context)->children[handle];
  child->take(*record);
  return 0;
}

}  // namespace

void read_trace_dat(const std::string& path, RecordPipe& out) {
  tracecmd_input* whole = tracecmd_open(path.c_str(), TRACECMD_FL_LOAD_NO_PLUGINS);
  if (whole == nullptr) return out.fail("trace-cmd's library cannot open it: the file is cut or damaged");
  std::vector<tracecmd_input*> handles{whole};
  for (int i = 0; i < tracecmd_buffer_instances(whole); ++i) {
    tracecmd_input* handle = tracecmd_buffer_instance_handle(whole, i);
    if (handle == nullptr) return out.fail("an instance of the trace cannot be opened: the file is cut or damaged");
    handles.push_back(handle);
  }
  Buffers buffers;
  for (tracecmd_input* handle : handles) {
    buffers.children[handle] = std::make_unique<Child>(tracecmd_get_tep(handle), out);
  }
  const int done =
      tracecmd_iterate_events_multi(handles.data(), static_cast<int>(handles.size()), &on_record, &buffers);
  if (done < 0) return out.fail("the records of the trace cannot be read to their end: the file is cut or damaged");
  out.end();
}

}  // namespace wakepath::trace
#endif
