// SPDX-License-Identifier: GPL-2.0-or-later
// One line of trace text -> what kind of line it is, and for a record its head: who, where, when, which tracepoint.
//
// Three layouts are understood, told line by line, as files of different tools are sometimes joined:
//   ftrace    `  comm-pid  (tgid) [cpu] flags  stamp: name: fields`   kernel/trace/trace_output.c:trace_print_context
//   trace-cmd `  comm-pid  [cpu] flags  stamp: name:  fields`
//   perf      `  comm  pid/tid [cpu] stamp:  period system:name: fields`  tools/perf/builtin-script.c
// A comm may hold spaces, dashes, colons and brackets: the line is therefore read from its "[cpu]" outwards.
// Views point into the line given.
#pragma once

#include <cstdint>
#include <string_view>

namespace wakepath::trace {

enum class LineKind : std::uint8_t {
  blank,
  header,  // "# ...", "cpus=2", "Attaching 5 probes..." (bpftrace)
  record,
  lost,        // "CPU:1 [LOST 5 EVENTS]"; cpu and lost hold
  call_chain,  // a frame of the record before; text holds
  bad          // reason holds
};

enum class Layout : std::uint8_t { ftrace, perf };

struct Line {
  LineKind kind = LineKind::bad;
  Layout layout = Layout::ftrace;
  bool has_flags = false;
  std::uint8_t flags = 0, preempt_depth = 0, migrate_disable = 0;  // as in Event
  std::uint8_t stamp_digits = 0;                                   // of the seconds' fraction; 0: the stamp is whole ns
  bool sys_enter = false, sys_exit = false;  // `sys_NAME(…)` and `sys_NAME -> 0x…`; name is then NAME
  std::int16_t cpu = -1;
  std::int32_t pid = 0;
  std::int64_t ts_ns = 0;
  std::int64_t lost = 0;              // 0: the number is not told
  std::string_view comm, name, text;  // text: what follows the name
  const char* reason = nullptr;
};

// The reason of a line without "[cpu]": it may still be a line of another layout (blk_line.h).
inline constexpr char kNoRecord[] =  // an array: one object, told by its address
    "no \"[CPU]\" column: a line of trace text is `comm-pid [cpu] … stamp: event: …`";

[[nodiscard]] Line parse_line(std::string_view line);

// "..N1." and the like, four or five columns as a kernel prints them. False when a column holds what no kernel prints.
bool parse_flags(std::string_view columns, Line& out);

// Whole ns, or seconds with one to nine digits of fraction. False on anything else, overflow included.
bool parse_stamp(std::string_view text, std::int64_t& ts_ns, std::uint8_t& digits);

}  // namespace wakepath::trace
