// SPDX-License-Identifier: GPL-2.0-or-later
// Records as columns and back: one column for each field name of any tracepoint (fields.h), empty where a record's
// tracepoint has no such field. Names are ids of the trace's StringPool; who exports them turns ids into words.
//
// The head of a record is in ts_ns, event, common_cpu, common_pid, common_comm, common_flags (bits as in the kernel's
// ring buffer; empty where the source did not tell) and common_preempt_count (preempt depth, four bits above it the
// migrate-disable depth).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/trace/event.h"
#include "sim/trace/string_pool.h"

namespace wakepath::trace {

struct ColumnType {
  enum class Kind : std::uint8_t { i32, i64, u64, name };
  std::string_view name;
  Kind kind;
};

// Head first, then the fields in the order of their first tracepoint.
[[nodiscard]] const std::vector<ColumnType>& column_types();

struct Column {
  std::vector<std::int64_t> values;  // of a u64 its bits
  std::vector<std::uint8_t> valid;
};

class Columns {
 public:
  explicit Columns(StringPool& pool);
  void append(const Event& e);
  [[nodiscard]] std::size_t rows() const { return rows_; }
  [[nodiscard]] const std::vector<Column>& columns() const { return columns_; }  // as column_types()
  void clear();

 private:
  void set(std::size_t column, std::int64_t value);
  StringPool* pool_;
  std::vector<std::vector<std::size_t>> column_of_;  // by type, by field
  std::vector<Column> columns_;
  std::size_t rows_ = 0;
};

// One row of columns that are laid out as column_types(), names already ids of `pool`. An event name without a type
// gives EventType::unknown.
[[nodiscard]] Event event_of_row(std::span<const Column> columns, std::size_t row, StringPool& pool);

}  // namespace wakepath::trace
