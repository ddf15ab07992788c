// SPDX-License-Identifier: GPL-2.0-or-later
// What a reader has to say about a trace file: what was read, what was not, and why.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sim/trace/event.h"

namespace wakepath::trace {

struct BadLine {
  std::int64_t line = 0;
  std::string reason;
  std::string text;  // its first 120 characters
};

struct Report {
  static constexpr std::size_t kBadLinesKept = 100;
  static constexpr std::size_t kUnknownNamesKept = 1000;  // those beyond are counted together as "(others)"

  std::int64_t lines = 0;    // of a binary file: records
  std::int64_t records = 0;  // given out, unknown and lost ones included
  std::int64_t ftrace_records = 0, perf_records = 0, blkparse_records = 0;
  std::string container;  // what a binary file is: "trace-cmd", "perf.data", "Perfetto"; "" for text
  std::int64_t header_lines = 0;
  std::int64_t call_chain_lines = 0;
  std::int64_t bad_lines = 0;  // of a binary file: records that cannot be read
  std::vector<BadLine> first_bad;
  std::map<std::string, std::int64_t> unknown;  // tracepoint name -> records
  std::array<std::int64_t, static_cast<std::size_t>(EventType::count_)> by_type{};
  std::int64_t losses = 0;       // places where records were lost
  std::int64_t lost_events = 0;  // how many, as far as it was told
  std::int64_t entries_in_buffer = -1,
               entries_written = -1;  // ftrace's header; written - in buffer: overwritten at the start
  std::int64_t stamps_back = 0;       // records older than the one before
  std::int64_t first_ts_ns = 0, last_ts_ns = 0;
  std::int64_t precision_ns = 1;  // 1000: stamps are whole microseconds, their order within one is the file's
  bool ends_within_line = false;  // no newline at the end: the last record may have been cut

  [[nodiscard]] std::string format() const {
    if (!container.empty()) return container;
    if ((ftrace_records > 0) + (perf_records > 0) + (blkparse_records > 0) > 1) return "mixed";
    return perf_records > 0 ? "perf script" : blkparse_records > 0 ? "blkparse" : "ftrace";
  }
};

}  // namespace wakepath::trace
