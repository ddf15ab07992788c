// SPDX-License-Identifier: GPL-2.0-or-later
// The records of one trace kept in memory, by type, for numpy views without copying.
//
// Rows of a type lie behind each other with their place in the whole trace beside them, so a field of a type is a
// column with a fixed stride. After the filling has ended a table is never changed: a view stays valid as long as the
// table lives. Memory: sizeof(Row) a record.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "sim/trace/event.h"
#include "sim/trace/string_pool.h"

namespace wakepath::bindings {

inline constexpr auto kTypeCount = static_cast<std::size_t>(trace::EventType::count_);

class RecordTable : public trace::Sink {
 public:
  struct Row {
    std::int64_t index;  // place in the whole trace, from 0
    trace::Event event;
  };

  void on_event(const trace::Event& e) override { rows_[static_cast<std::size_t>(e.type)].push_back({count_++, e}); }

  [[nodiscard]] trace::StringPool& pool() { return pool_; }
  [[nodiscard]] const trace::StringPool& pool() const { return pool_; }
  [[nodiscard]] std::vector<Row>& rows(trace::EventType type) { return rows_[static_cast<std::size_t>(type)]; }
  [[nodiscard]] std::int64_t count() const { return count_; }
  void set_count(std::int64_t n) { count_ = n; }

 private:
  trace::StringPool pool_;
  std::array<std::vector<Row>, kTypeCount> rows_;
  std::int64_t count_ = 0;
};

// How a column's numbers are to be read.
enum class Kind : std::uint8_t { i64, u64, i32, u32, i16, u16, u8, flag, name };  // name: an id of the string pool

struct Field {
  const char* name;    // the kernel's
  std::size_t offset;  // in a Row
  Kind kind;
};

// The columns of a type: those every record has, then its own (sim/trace/event.h says which hold).
[[nodiscard]] std::vector<Field> fields_of(trace::EventType type);

}  // namespace wakepath::bindings
