// SPDX-License-Identifier: GPL-2.0-or-later
// The raw table behind versions.h: one row per switch, one cell per version. Internal to models/kernel.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "models/kernel/versions.h"

namespace wakepath::kernel {

inline constexpr std::array<std::string_view, 10> kTableVersions{"5.4",  "6.1",  "6.6",  "6.8",  "6.12",
                                                                 "6.15", "6.16", "6.17", "6.18", "6.19"};

struct TableCell {
  std::int64_t value;
  Grade grade;
  std::string_view source;  // empty: the row's
};

struct TableRow {
  std::string_view name, text;
  std::string_view source;  // "S": scheduler specification, "C": completion-path one, with section; or a commit
  bool is_bool;
  std::array<TableCell, kTableVersions.size()> cells;
};

std::span<const TableRow> switches_table();

}  // namespace wakepath::kernel
