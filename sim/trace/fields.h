// SPDX-License-Identifier: GPL-2.0-or-later
// The payload of each tracepoint as a list of named fields: one table for every format that names its fields
// (trace.dat, Perfetto, columns). Names are the kernel's own, from the `format` files of tracefs; what the kernel packs
// into one number (dev) is two here, and what it prints of a pointer (function) is the name.
//
// `ret` of irq_handler_exit is a word in an Event ("handled") and 0 or 1 in the kernel: kind handled. A field with a
// `present` offset holds only where that bool is true (vruntime, up to 6.6).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "sim/trace/event.h"
#include "sim/trace/string_pool.h"

namespace wakepath::trace {

enum class FieldKind : std::uint8_t { i32, u16, u32, i64, u64, flag, name, handled };

struct Field {
  std::string_view name;
  FieldKind kind;
  std::uint16_t offset;       // in Event
  std::uint16_t present = 0;  // offset of a bool in Event; 0: always there
  [[nodiscard]] bool is_name() const { return kind == FieldKind::name; }
};

// In the order in which the kernel prints them; empty for EventType::unknown, which has a name only.
[[nodiscard]] std::span<const Field> fields_of(EventType type);
[[nodiscard]] const Field* field_of(EventType type, std::string_view name);  // null: no such field

[[nodiscard]] bool is_present(const Event& e, const Field& f);
// Kind name apart. A u64 comes as its bits. `handled` is 1 or 0.
[[nodiscard]] std::int64_t number_of(const Event& e, const Field& f, const StringPool& pool);
void set_number(Event& e, const Field& f, std::int64_t value, StringPool& pool);
[[nodiscard]] StringId name_of(const Event& e, const Field& f);
void set_name(Event& e, const Field& f, StringId id);

// After the fields of an event were set one by one: what follows from others (bytes of a completed request, the flags
// of an io_uring request).
void complete_fields(Event& e);

}  // namespace wakepath::trace
