// SPDX-License-Identifier: GPL-2.0-or-later
// The format descriptions that a trace.dat carries for its tracepoints: binary layout and how a tool prints a record.
// The layout follows the field table (fields.h), the wording is the kernel's TP_printk, so that what `trace-cmd report`
// prints reads back.
//
// A name is a char[16] where it is a comm, an address where it is a function (kallsyms of the file has its name), else
// a string behind the fixed part (__data_loc).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim/trace/event.h"
#include "sim/trace/fields.h"

namespace wakepath::trace {

struct DatField {
  enum class Kind : std::uint8_t { number, comm, function, text, device };
  const Field* field = nullptr;  // of a device: major; minor is the one after it
  Kind kind = Kind::number;
  std::uint16_t offset = 0, size = 0;  // in the record
};

struct DatFormat {
  std::string_view system;
  std::uint16_t id = 0;
  std::uint16_t size = 0;  // of the fixed part
  std::vector<DatField> fields;
  std::string text;  // what tracefs has as `format`
};

inline constexpr std::uint16_t kDatCommonSize = 8;  // type, flags, preempt count, pid

// Of the records like `first`: a field that it lacks (vruntime, from 6.7 on) is not in the format.
[[nodiscard]] DatFormat dat_format(const Event& first);
// A tracepoint that is known by its name only: no fields but the common ones.
[[nodiscard]] DatFormat dat_format_of_unknown(const std::string& name, std::uint16_t id);

}  // namespace wakepath::trace
