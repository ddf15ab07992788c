// SPDX-License-Identifier: GPL-2.0-or-later
#ifdef WAKEPATH_HAVE_PROTOBUF
#include "sim/trace/perfetto_bundle.h"

#include <fmt/format.h>
#include <google/protobuf/arena.h>

#include <algorithm>

#include "sim/trace/event_names.h"
#include "sim/trace/raw_flags.h"

namespace wakepath::trace {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::int64_t number_in(const Message& message, const FieldDescriptor* f) {
  const auto* r = message.GetReflection();
  switch (f->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return r->GetInt32(message, f);
    case FieldDescriptor::CPPTYPE_UINT32:
      return r->GetUInt32(message, f);
    case FieldDescriptor::CPPTYPE_INT64:
      return r->GetInt64(message, f);
    case FieldDescriptor::CPPTYPE_UINT64:
      return static_cast<std::int64_t>(r->GetUInt64(message, f));
    default:
      return 0;
  }
}

}  // namespace

PerfettoBundle::PerfettoBundle(StringPool& pool, const PerfettoIndex& index)
    : pool_(&pool), index_(&index), mappings_(perfetto_mappings()) {
  for (std::size_t i = 0; i < mappings_.size(); ++i) {
    if (mappings_[i].message != nullptr) by_number_[mappings_[i].message->number()] = static_cast<EventType>(i);
  }
  for (const auto& [tid, comm] : index.comms) comms_[tid] = pool.intern(comm);
}

Event PerfettoBundle::head(std::uint32_t cpu, std::uint64_t timestamp) const {
  Event e;
  e.ts_ns = stamp_of(timestamp);
  e.cpu = static_cast<std::int16_t>(cpu);
  return e;
}

StringId PerfettoBundle::function(std::uint64_t iid) const {
  const auto found = index_->symbols.find({sequence_, iid});
  return pool_->intern(found != index_->symbols.end() ? found->second : fmt::format("0x{:x}", iid));
}

void PerfettoBundle::take_message(const PerfettoMapping& mapping, const Message& message, Event& e) {
  const auto* r = message.GetReflection();
  std::string scratch;
  for (const PerfettoMapping::Step& step : mapping.steps) {
    if (!r->HasField(message, step.theirs)) continue;
    if (!step.ours->is_name()) {
      set_number(e, *step.ours, number_in(message, step.theirs), *pool_);
    } else if (step.theirs->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      set_name(e, *step.ours, pool_->intern(r->GetStringReference(message, step.theirs, &scratch)));
    } else {
      set_name(e, *step.ours, function(static_cast<std::uint64_t>(number_in(message, step.theirs))));
    }
  }
  if (mapping.device != nullptr) {
    const auto dev = static_cast<std::uint64_t>(number_in(message, mapping.device));
    e.u.rq.major = static_cast<std::uint32_t>(dev >> 20U);
    e.u.rq.minor = static_cast<std::uint32_t>(dev & 0xfffffU);
  }
}

void PerfettoBundle::take_generic(const perfetto::Generic& generic, Event& e) {
  e.type = generic.event_name() == "lost_events" ? EventType::lost_events : type_of(generic.event_name());
  if (e.type == EventType::unknown) {
    e.u.unknown = {pool_->intern(generic.event_name())};
    return;
  }
  for (const auto& field : generic.field()) {
    const Field* ours = field_of(e.type, field.name());
    if (ours == nullptr) continue;
    if (ours->is_name()) {
      set_name(e, *ours, pool_->intern(field.str_value()));
    } else {
      set_number(e, *ours, field.has_uint_value() ? static_cast<std::int64_t>(field.uint_value()) : field.int_value(),
                 *pool_);
    }
  }
}

void PerfettoBundle::take(const perfetto::FtraceEvent& event, Event& e) {
  e.pid = static_cast<std::int32_t>(event.pid());
  e.has_flags = event.has_common_flags();
  e.flags = flags_of_raw(event.common_flags());
  std::memset(static_cast<void*>(&e.u), 0, sizeof e.u);
  if (event.has_generic()) {
    take_generic(event.generic(), e);
  } else if (const auto known = by_number_.find(event.event_case()); known != by_number_.end()) {
    e.type = known->second;
    const PerfettoMapping& mapping = mappings_[static_cast<std::size_t>(e.type)];
    take_message(mapping, event.GetReflection()->GetMessage(event, mapping.message), e);
  } else {
    const auto& others = event.GetReflection()->GetUnknownFields(event);
    const int number = others.empty() ? 0 : others.field(0).number();
    e.type = EventType::unknown;
    e.u.unknown = {pool_->intern("perfetto_ftrace_event_" + std::to_string(number))};
  }
  complete_fields(e);
}

void PerfettoBundle::compact_wakings(const perfetto::FtraceEventBundle& bundle, const std::vector<StringId>& names,
                                     std::vector<Event>& out) {
  const auto& c = bundle.compact_sched();
  std::uint64_t at = 0;
  for (int i = 0; i < c.waking_timestamp_size(); ++i) {
    at += c.waking_timestamp(i);
    Event e = head(bundle.cpu(), at);
    e.type = EventType::sched_waking;
    e.u.task = {};
    if (i < c.waking_pid_size()) e.u.task.pid = c.waking_pid(i);
    if (i < c.waking_prio_size()) e.u.task.prio = c.waking_prio(i);
    if (i < c.waking_target_cpu_size()) e.u.task.target_cpu = c.waking_target_cpu(i);
    if (i < c.waking_comm_index_size() && c.waking_comm_index(i) < names.size()) {
      e.u.task.comm = names[c.waking_comm_index(i)];
    }
    if (i < c.waking_common_flags_size()) {
      e.flags = flags_of_raw(c.waking_common_flags(i));
      e.has_flags = true;
    }
    e.pid = -1;  // who ran; name_tasks() knows
    out.push_back(e);
  }
}

void PerfettoBundle::take_compact(const perfetto::FtraceEventBundle& bundle, std::vector<Event>& out) {
  const auto& c = bundle.compact_sched();
  std::vector<StringId> names;
  for (const std::string& name : c.intern_table()) names.push_back(pool_->intern(name));
  std::uint64_t at = 0;
  for (int i = 0; i < c.switch_timestamp_size(); ++i) {
    at += c.switch_timestamp(i);
    Event e = head(bundle.cpu(), at);
    e.type = EventType::sched_switch;
    e.u.sw = {};
    e.u.sw.prev_pid = e.pid = -1;
    if (i < c.switch_prev_state_size()) e.u.sw.prev_state = static_cast<std::uint16_t>(c.switch_prev_state(i));
    if (i < c.switch_next_pid_size()) e.u.sw.next_pid = c.switch_next_pid(i);
    if (i < c.switch_next_prio_size()) e.u.sw.next_prio = c.switch_next_prio(i);
    if (i < c.switch_next_comm_index_size() && c.switch_next_comm_index(i) < names.size()) {
      e.u.sw.next_comm = names[c.switch_next_comm_index(i)];
    }
    out.push_back(e);
  }
  compact_wakings(bundle, names, out);
}

// What compact records leave out: whom a switch takes off, and who ran at a waking.
void PerfettoBundle::name_tasks(std::vector<Event>& events) {
  for (Event& e : events) {
    Running& on = running_[static_cast<std::uint32_t>(e.cpu)];
    if (e.type == EventType::sched_switch) {
      auto& sw = e.u.sw;
      if (sw.prev_pid < 0 && on.pid >= 0) {
        sw.prev_pid = on.pid;
        sw.prev_comm = on.comm;
        sw.prev_prio = on.prio;
      }
      if (e.pid < 0) e.pid = sw.prev_pid;
      on = {sw.next_pid, sw.next_prio, sw.next_comm};
      if (sw.prev_comm != 0) comms_[sw.prev_pid] = sw.prev_comm;
      comms_[sw.next_pid] = sw.next_comm;
    } else if (e.pid < 0) {
      e.pid = on.pid;
    }
    if (e.pid < 0) {  // before the first switch of its CPU: by name only
      const std::string name = std::string(name_of(e.type)) + "_of_unknown_task";
      e.pid = 0;
      e.type = EventType::unknown;
      e.u.unknown = {pool_->intern(name)};
    }
    const auto known = comms_.find(e.pid);
    e.comm = e.pid == 0 ? pool_->intern("<idle>") : known != comms_.end() ? known->second : pool_->intern("<...>");
  }
}

bool PerfettoBundle::decode(std::string_view bytes, std::uint32_t sequence, std::vector<Event>& out) {
  out.clear();
  sequence_ = sequence;
  google::protobuf::Arena arena;
  auto* bundle = google::protobuf::Arena::CreateMessage<perfetto::FtraceEventBundle>(&arena);
  if (!bundle->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return false;
  if (bundle->cpu() > 8191) return false;
  for (const auto& event : bundle->event()) {
    Event e = head(bundle->cpu(), event.timestamp());
    take(event, e);
    out.push_back(e);
  }
  if (bundle->has_compact_sched()) take_compact(*bundle, out);
  std::stable_sort(out.begin(), out.end(), [](const Event& a, const Event& b) { return a.ts_ns < b.ts_ns; });
  name_tasks(out);
  if (bundle->lost_events() && !out.empty() && out.front().type != EventType::lost_events) {
    Event lost = head(bundle->cpu(), static_cast<std::uint64_t>(out.front().ts_ns));
    lost.type = EventType::lost_events;
    lost.u.value = 0;
    out.insert(out.begin(), lost);
  }
  return true;
}

}  // namespace wakepath::trace
#endif
