// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/trace/columns.h"

#include <cstring>

#include "sim/trace/event_names.h"
#include "sim/trace/fields.h"
#include "sim/trace/raw_flags.h"

namespace wakepath::trace {
namespace {

using Kind = ColumnType::Kind;

// The columns every event has; those of its fields follow.
struct Head {
  enum : std::size_t { ts, event, cpu, pid, comm, flags, preempt, size_ };
};

constexpr auto kTypes = static_cast<std::size_t>(EventType::count_);

Kind kind_of(FieldKind kind) {
  switch (kind) {
    case FieldKind::name:
      return Kind::name;
    case FieldKind::u64:
      return Kind::u64;
    case FieldKind::i64:
    case FieldKind::u32:
      return Kind::i64;
    default:
      return Kind::i32;
  }
}

std::size_t find(const std::vector<ColumnType>& all, std::string_view name) {
  std::size_t i = Head::size_;
  while (i < all.size() && all[i].name != name) ++i;
  return i;
}

std::vector<ColumnType> make_types() {
  std::vector<ColumnType> all{{"ts_ns", Kind::i64},
                              {"event", Kind::name},
                              {"common_cpu", Kind::i32},
                              {"common_pid", Kind::i32},
                              {"common_comm", Kind::name},
                              {"common_flags", Kind::i32},
                              {"common_preempt_count", Kind::i32}};
  for (std::size_t t = 0; t < kTypes; ++t) {
    for (const Field& f : fields_of(static_cast<EventType>(t))) {
      const std::size_t at = find(all, f.name);
      if (at == all.size()) all.push_back({f.name, kind_of(f.kind)});
      if (kind_of(f.kind) > all[at].kind) all[at].kind = kind_of(f.kind);  // the widest of its uses
    }
  }
  return all;
}

std::vector<std::vector<std::size_t>> make_places() {
  std::vector<std::vector<std::size_t>> places(kTypes);
  for (std::size_t t = 0; t < kTypes; ++t) {
    for (const Field& f : fields_of(static_cast<EventType>(t))) places[t].push_back(find(column_types(), f.name));
  }
  return places;
}

}  // namespace

const std::vector<ColumnType>& column_types() {
  static const std::vector<ColumnType> kAll = make_types();
  return kAll;
}

Columns::Columns(StringPool& pool) : pool_(&pool), column_of_(make_places()), columns_(column_types().size()) {}

void Columns::set(std::size_t column, std::int64_t value) {
  Column& c = columns_[column];
  c.values.resize(rows_, 0);
  c.valid.resize(rows_, 0);
  c.values.push_back(value);
  c.valid.push_back(1);
}

void Columns::append(const Event& e) {
  set(Head::ts, e.ts_ns);
  set(Head::event, e.type == EventType::unknown ? e.u.unknown.name : pool_->intern(name_of(e.type)));
  set(Head::cpu, e.cpu);
  set(Head::pid, e.pid);
  set(Head::comm, e.comm);
  if (e.has_flags) {
    set(Head::flags, raw_of_flags(e.flags));
    set(Head::preempt, (e.preempt_depth & 15) | (e.migrate_disable & 15) << 4);
  }
  const auto type = static_cast<std::size_t>(e.type);
  std::size_t i = 0;
  for (const Field& f : fields_of(e.type)) {
    const std::size_t column = column_of_[type][i++];
    if (!is_present(e, f)) continue;
    set(column, f.is_name() ? static_cast<std::int64_t>(name_of(e, f)) : number_of(e, f, *pool_));
  }
  ++rows_;
}

void Columns::clear() {
  for (Column& c : columns_) {
    c.values.clear();
    c.valid.clear();
  }
  rows_ = 0;
}

Event event_of_row(std::span<const Column> columns, std::size_t row, StringPool& pool) {
  const auto has = [&](std::size_t c) { return row < columns[c].valid.size() && columns[c].valid[row] != 0; };
  const auto at = [&](std::size_t c) { return has(c) ? columns[c].values[row] : 0; };
  Event e;
  const auto name = static_cast<StringId>(at(Head::event));
  e.ts_ns = at(Head::ts);
  e.cpu = static_cast<std::int16_t>(at(Head::cpu));
  e.pid = static_cast<std::int32_t>(at(Head::pid));
  e.comm = static_cast<StringId>(at(Head::comm));
  e.has_flags = has(Head::flags);
  e.flags = flags_of_raw(static_cast<std::uint32_t>(at(Head::flags)));
  e.preempt_depth = static_cast<std::uint8_t>(at(Head::preempt) & 15);
  e.migrate_disable = static_cast<std::uint8_t>(at(Head::preempt) >> 4 & 15);
  e.type = pool.str(name) == name_of(EventType::lost_events) ? EventType::lost_events : type_of(pool.str(name));
  std::memset(static_cast<void*>(&e.u), 0, sizeof e.u);
  if (e.type == EventType::unknown) {
    e.u.unknown = {name};
    return e;
  }
  for (const Field& f : fields_of(e.type)) {
    const std::size_t c = find(column_types(), f.name);
    if (!has(c)) continue;
    if (f.is_name()) {
      set_name(e, f, static_cast<StringId>(at(c)));
    } else {
      set_number(e, f, at(c), pool);
    }
  }
  complete_fields(e);
  return e;
}

}  // namespace wakepath::trace
