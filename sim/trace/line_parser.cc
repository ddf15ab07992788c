// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/trace/line_parser.h"

#include <array>
#include <limits>

#include "sim/trace/event.h"
#include "sim/trace/scan.h"

namespace wakepath::trace {
namespace {

using scan::all_digits;
using scan::blank;
using scan::digit;

bool hex_depth(char c, std::uint8_t& out) {
  if (c == '.') {
    out = 0;
    return true;
  }
  return scan::hex(std::string_view(&c, 1), out);
}

// kernel/trace/trace_output.c:trace_print_lat_fmt, the columns' letters up to 6.19.
bool irqs_column(char c, std::uint8_t& flags) {
  switch (c) {
    case '.':
      return true;
    case 'd':
    case 'X':  // old: interrupt state unknown
      flags |= kIrqsOff;
      return true;
    case 'b':
      flags |= kBhOff;
      return true;
    case 'D':
      flags |= kIrqsOff | kBhOff;
      return true;
    default:
      return false;
  }
}

bool resched_column(char c, std::uint8_t& flags) {
  switch (c) {
    case '.':
      return true;
    case 'N':
    case 'p':  // the preempt count alone
      flags |= kNeedResched;
      return true;
    case 'n':
      flags |= kNeedResched | kTifOnly;
      return true;
    case 'B':  // thread flag, lazy and preempt count
      flags |= kNeedResched | kNeedReschedLazy;
      return true;
    case 'b':
      flags |= kNeedResched | kNeedReschedLazy | kTifOnly;
      return true;
    case 'L':  // lazy, the preempt count shows a reschedule
    case 'l':
      flags |= kNeedReschedLazy;
      return true;
    default:
      return false;
  }
}

bool context_column(char c, std::uint8_t& flags) {
  switch (c) {
    case '.':
      return true;
    case 'Z':  // NMI inside a hard interrupt
      flags |= kNmi | kHardirq;
      return true;
    case 'z':
      flags |= kNmi;
      return true;
    case 'H':  // hard interrupt inside a softirq
      flags |= kHardirq | kSoftirq;
      return true;
    case 'h':
      flags |= kHardirq;
      return true;
    case 's':
      flags |= kSoftirq;
      return true;
    default:
      return false;
  }
}

// Comm and pid, from what stands left of "[cpu]".
bool parse_task(std::string_view left, Line& out) {
  left = scan::rtrim(left);
  if (!left.empty() && left.back() == ')') {  // the tgid column: "(  123)", "(-------)"
    const auto open = left.rfind('(');
    if (open == std::string_view::npos) return false;
    for (const char c : left.substr(open + 1, left.size() - open - 2)) {
      if (!digit(c) && c != ' ' && c != '-') return false;
    }
    left = scan::rtrim(left.substr(0, open));
  }
  std::size_t at = left.size();
  while (at > 0 && !blank(left[at - 1])) --at;
  std::string_view token = left.substr(at);
  if (const auto slash = token.find('/');
      slash != std::string_view::npos && all_digits(token.substr(0, slash)) && all_digits(token.substr(slash + 1))) {
    token.remove_prefix(slash + 1);  // perf's pid/tid
  }
  if (at > 0 && (all_digits(token) || token == "-1")) {
    out.layout = Layout::perf;
    out.comm = scan::ltrim(scan::rtrim(left.substr(0, at)));
    return scan::number(token, out.pid) && !out.comm.empty();
  }
  const auto dash = left.rfind('-');
  if (dash == std::string_view::npos) return false;
  out.layout = Layout::ftrace;
  out.comm = scan::ltrim(left.substr(0, dash));
  return all_digits(left.substr(dash + 1)) && scan::number(left.substr(dash + 1), out.pid) && !out.comm.empty();
}

// Flags and stamp, from what stands right of "[cpu]"; leaves in `right` what follows the stamp.
bool parse_when(std::string_view& right, Line& out) {
  right = scan::ltrim(right);
  std::string_view rest = right;
  std::string_view token = scan::word(rest);
  if (!token.empty() && token.back() != ':') {
    if (!parse_flags(token, out)) return false;
    out.has_flags = true;
    token = scan::word(rest);
  }
  if (token.size() < 2 || token.back() != ':') return false;
  token.remove_suffix(1);
  if (!parse_stamp(token, out.ts_ns, out.stamp_digits)) return false;
  right = rest;
  return true;
}

void parse_name(std::string_view rest, Line& out) {
  if (out.layout == Layout::perf) {  // the sample's period may stand before the event
    std::string_view after = rest;
    if (all_digits(scan::word(after))) rest = after;
  }
  std::size_t n = 0;
  while (n < rest.size() && !blank(rest[n]) && rest[n] != '(') ++n;
  const std::string_view token = rest.substr(0, n);
  const std::string_view after = rest.substr(n);
  if (token.starts_with("sys_") && token.back() != ':') {
    out.name = token.substr(4);
    out.sys_enter = after.starts_with("(");
    out.sys_exit = after.starts_with(" -> ");
    out.text = out.sys_enter ? after.substr(1) : out.sys_exit ? after.substr(4) : after;
    return;
  }
  out.text = scan::ltrim(after);
  if (token.ends_with(':')) {
    out.name = token.substr(0, token.size() - 1);
    if (const auto system = out.name.rfind(':'); system != std::string_view::npos) out.name.remove_prefix(system + 1);
  } else if (token == "<stack" && after == " trace>") {
    out.name = "<stack trace>";
  } else if (out.text.starts_with("<-") || token.empty()) {
    out.name = "function";  // the function tracer: "vfs_read <-ksys_read"
  } else {
    out.name = token;
  }
}

bool parse_record(std::string_view line, Line& out) {
  out.reason = kNoRecord;
  for (std::size_t open = line.find('['); open != std::string_view::npos; open = line.find('[', open + 1)) {
    const auto close = line.find(']', open);
    if (close == std::string_view::npos) return false;
    std::int16_t cpu = 0;
    if (!scan::number(line.substr(open + 1, close - open - 1), cpu) || cpu < 0) continue;
    Line trial;
    std::string_view right = line.substr(close + 1);
    if (!parse_task(line.substr(0, open), trial)) {
      out.reason = "no task and pid before \"[CPU]\"";
      continue;
    }
    if (!parse_when(right, trial)) {
      out.reason = "no time stamp after \"[CPU]\"";
      continue;
    }
    trial.cpu = cpu;
    trial.kind = LineKind::record;
    parse_name(right, trial);
    out = trial;
    return true;
  }
  return false;
}

// "CPU:1 [LOST 5 EVENTS]", "CPU:1 [LOST EVENTS]" (kernel/trace/trace.c), "CPU:1 [5 EVENTS DROPPED]" (trace-cmd),
// "Lost 5 events" (bpftrace, which does not say where).
bool parse_lost(std::string_view line, Line& out) {
  std::string_view s = scan::ltrim(line);
  std::string_view cpu;
  if (scan::skip(s, "Lost ")) return scan::number(scan::word(s), out.lost) && s == "events";
  if (scan::skip(s, "CPU:")) {
    cpu = scan::word(s);
    if (!scan::number(cpu, out.cpu) || out.cpu < 0) return false;
  }
  if (s.empty() || s.front() != '[' || s.back() != ']') return false;
  s = s.substr(1, s.size() - 2);
  bool lost = false;
  while (!s.empty()) {
    const std::string_view w = scan::word(s);
    if (w == "LOST" || w == "DROPPED") {
      lost = true;
    } else if (all_digits(w)) {
      if (!scan::number(w, out.lost)) return false;
    } else if (w != "EVENTS") {
      return false;
    }
  }
  return lost;
}

// perf: "\tffffffff810d5b2c try_to_wake_up+0x2c ([kernel.kallsyms])"; ftrace: " => try_to_wake_up".
bool parse_frame(std::string_view line, Line& out) {
  if (!blank(line.front())) return false;
  std::string_view s = scan::ltrim(line);
  out.text = s;
  if (s.starts_with("=> ")) return true;
  std::size_t n = 0;
  while (n < s.size() && scan::hex_digit(s[n])) ++n;
  const bool aligned = line.front() == '\t' && line.size() - s.size() + n == 17;  // perf: "\t             b29 f+0x39"
  const bool short_address = n > 0 && (aligned || s.substr(n).starts_with(" [unknown]"));
  return (n >= 4 || short_address) && n <= 16 && (n == s.size() || blank(s[n]));
}

}  // namespace

bool parse_flags(std::string_view columns, Line& out) {
  if (columns.size() < 4 || columns.size() > 5) return false;
  return irqs_column(columns[0], out.flags) && resched_column(columns[1], out.flags) &&
         context_column(columns[2], out.flags) && hex_depth(columns[3], out.preempt_depth) &&
         (columns.size() < 5 || hex_depth(columns[4], out.migrate_disable));
}

bool parse_stamp(std::string_view text, std::int64_t& ts_ns, std::uint8_t& digits) {
  const auto dot = text.find('.');
  if (dot == std::string_view::npos) {
    digits = 0;
    return all_digits(text) && scan::number(text, ts_ns);
  }
  const std::string_view whole = text.substr(0, dot), part = text.substr(dot + 1);
  std::int64_t seconds = 0, fraction = 0;
  if (part.size() > 9 || !all_digits(whole) || !all_digits(part)) return false;
  if (!scan::number(whole, seconds) || !scan::number(part, fraction)) return false;
  for (std::size_t i = part.size(); i < 9; ++i) fraction *= 10;
  constexpr std::int64_t kNsPerSecond = 1000000000;
  if (seconds > (std::numeric_limits<std::int64_t>::max() - fraction) / kNsPerSecond) return false;
  ts_ns = seconds * kNsPerSecond + fraction;
  digits = static_cast<std::uint8_t>(part.size());
  return true;
}

Line parse_line(std::string_view line) {
  Line out;
  while (!line.empty() && (line.back() == '\r' || blank(line.back()))) line.remove_suffix(1);
  if (line.empty()) {
    out.kind = LineKind::blank;
  } else if (line.front() == '#' || (line.starts_with("cpus=") && all_digits(line.substr(5))) ||
             (line.starts_with("Attaching ") && line.find(" probe") != std::string_view::npos)) {
    out.kind = LineKind::header;
    out.text = line;
  } else if (parse_record(line, out)) {
    if (out.layout == Layout::perf && out.name.starts_with("PERF_RECORD_LOST")) {
      std::string_view rest = out.text;
      std::string_view before;
      out.kind = LineKind::lost;
      if (scan::until(rest, "lost ", before) && !scan::number(scan::word(rest), out.lost)) out.lost = 0;
    }
  } else {
    Line other;
    if (parse_lost(line, other)) {
      other.kind = LineKind::lost;
      return other;
    }
    if (parse_frame(line, other)) {
      other.kind = LineKind::call_chain;
      return other;
    }
  }
  return out;
}

}  // namespace wakepath::trace
