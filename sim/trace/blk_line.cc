// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/trace/blk_line.h"

#include <array>

#include "sim/trace/line_parser.h"
#include "sim/trace/scan.h"

namespace wakepath::trace {
namespace {

using scan::number;
using Text = std::string_view;

struct Action {
  Text letters, tracepoint;
};
constexpr std::array kActions{
    Action{"Q", "block_bio_queue"},      Action{"G", "block_getrq"},      Action{"I", "block_rq_insert"},
    Action{"R", "block_rq_requeue"},     Action{"B", "block_bio_bounce"}, Action{"M", "block_bio_backmerge"},
    Action{"F", "block_bio_frontmerge"}, Action{"P", "block_plug"},       Action{"U", "block_unplug"},
    Action{"UT", "block_unplug"},        Action{"X", "block_split"},      Action{"A", "block_bio_remap"},
    Action{"S", "block_sleeprq"},        Action{"m", "blk_add_trace_msg"}};

bool is_total(Text line) {
  constexpr std::array<Text, 12> kStarts{"CPU",    "Total (",     "Reads ",         "Writes ",
                                         "Read ",  "Write ",      "Throughput (",   "Events (",
                                         "Skips:", "IO unplugs:", "Timer unplugs:", "Allocation"};
  for (const Text start : kStarts) {
    if (line.starts_with(start)) return true;
  }
  return false;
}

// "12345 + 8 [fio]", of a completion "12345 + 8 [0]"; messages between the length and the bracket stay out.
bool parse_extent(Text s, bool complete, StringPool& pool, Event& e) {
  Event::Request& r = e.u.rq;
  if (!number(scan::word(s), r.sector)) return false;
  if (scan::skip(s, "+ ")) {
    if (!number(scan::word(s), r.nr_sector)) return false;
  }
  const auto open = s.rfind('[');
  if (open == Text::npos || !s.ends_with(']')) return false;
  const Text last = s.substr(open + 1, s.size() - open - 2);
  r.bytes = r.nr_sector * 512U;
  if (complete) return number(last, r.error);
  r.comm = e.comm = pool.intern(last);
  return true;
}

}  // namespace

BlkLine parse_blk_line(Text text, bool begun, StringPool& pool, Event& e) {
  Text s = scan::rtrim(scan::ltrim(text));
  while (!s.empty() && s.back() == '\r') s.remove_suffix(1);
  if ((begun && is_total(s)) || (s.starts_with("Input file ") && s.ends_with(" added"))) return BlkLine::total;
  Text device = scan::word(s), major;
  std::int64_t sequence = 0;
  std::uint8_t digits = 0;
  std::uint32_t major_number = 0, minor = 0;
  if (!scan::until(device, ",", major) || !number(major, major_number) || !number(device, minor)) return BlkLine::none;
  if (!number(scan::word(s), e.cpu) || e.cpu < 0 || !number(scan::word(s), sequence)) return BlkLine::none;
  if (!parse_stamp(scan::word(s), e.ts_ns, digits) || !number(scan::word(s), e.pid) || e.pid < 0) return BlkLine::none;
  const Text action = scan::word(s), rwbs = scan::word(s);
  e.u.rq = {};
  e.u.rq.major = major_number;
  e.u.rq.minor = minor;
  if (action == "D" || action == "C") {
    e.type = action == "D" ? EventType::block_rq_issue : EventType::block_rq_complete;
    e.u.rq.rwbs = pool.intern(rwbs);
    return parse_extent(s, action == "C", pool, e) ? BlkLine::record : BlkLine::none;
  }
  for (const Action& known : kActions) {
    if (known.letters != action) continue;
    e.type = EventType::unknown;
    e.u.unknown = {pool.intern(known.tracepoint)};
    return BlkLine::record;
  }
  return BlkLine::none;
}

}  // namespace wakepath::trace
