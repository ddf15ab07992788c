// SPDX-License-Identifier: GPL-2.0-or-later
// The rows of switches.def as a table that can be looked through.
#include "models/kernel/switches_table.h"

#include <string_view>
#include <type_traits>

namespace wakepath::kernel {
namespace {

// A row's cells name their evidence: R(1), L(0, "note").
constexpr TableCell R(std::int64_t value, std::string_view note = {}) { return {value, Grade::read, note}; }
constexpr TableCell L(std::int64_t value, std::string_view note = {}) { return {value, Grade::looked_up, note}; }
constexpr TableCell K(std::int64_t value, std::string_view note = {}) { return {value, Grade::knowledge, note}; }
constexpr TableCell I(std::int64_t value, std::string_view note = {}) { return {value, Grade::inferred, note}; }

template <std::size_t n>
constexpr TableRow row(std::string_view name, std::string_view text, bool is_bool, std::string_view source,
                       const TableCell (&cells)[n]) {
  static_assert(n == kTableVersions.size(), "a row of switches.def has one cell for each version");
  TableRow r{name, text, source, is_bool, {}};
  for (std::size_t i = 0; i < n; ++i) r.cells[i] = cells[i];
  return r;
}

constexpr TableRow kTable[] = {
#define SWITCH(type, name, text, source, ...) row(#name, text, std::is_same_v<type, bool>, source, {__VA_ARGS__}),
#include "models/kernel/switches.def"
};

}  // namespace

std::span<const TableRow> switches_table() { return kTable; }

}  // namespace wakepath::kernel
