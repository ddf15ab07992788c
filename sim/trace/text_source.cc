// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/trace/text_source.h"

#include <algorithm>
#include <cstring>

#include "sim/trace/blk_line.h"
#include "sim/trace/event_names.h"
#include "sim/trace/field_parser.h"
#include "sim/trace/scan.h"

namespace wakepath::trace {
namespace {

constexpr std::size_t kLineLimit = 1 << 16;  // no tracepoint prints more than a page
constexpr std::size_t kBufferSize = 1 << 18;
constexpr std::size_t kNamesLimit = 4 << 20;  // distinct names: beyond it the input is no trace, and memory has an end
constexpr std::size_t kExcerpt = 120;

// sys_NAME(…) of ftrace and sys_enter_NAME of perf are the same tracepoint.
EventType type_of_line(const Line& line) {
  if (!line.sys_enter && !line.sys_exit) return type_of(line.name);
  if (line.name == "io_submit") return line.sys_enter ? EventType::sys_enter_io_submit : EventType::sys_exit_io_submit;
  if (line.name == "io_getevents") {
    return line.sys_enter ? EventType::sys_enter_io_getevents : EventType::sys_exit_io_getevents;
  }
  if (line.name == "io_uring_enter") {
    return line.sys_enter ? EventType::sys_enter_io_uring_enter : EventType::sys_exit_io_uring_enter;
  }
  return EventType::unknown;
}

}  // namespace

TextSource::TextSource(std::unique_ptr<Input> input, std::string_view head, StringPool& pool, std::string path,
                       ReadOptions options)
    : input_(std::move(input)),
      pool_(&pool),
      path_(std::move(path)),
      options_(options),
      buffer_(std::max(kBufferSize, head.size())),
      end_(head.size()) {
  if (!head.empty()) std::memcpy(buffer_.data(), head.data(), head.size());
}

Error TextSource::error(std::string message, std::int64_t line) const { return Error{path_, line, std::move(message)}; }

tl::expected<bool, Error> TextSource::read_line(std::string_view& line) {
  bool too_long = false;
  std::size_t scanned = 0;
  for (;;) {
    const char* data = buffer_.data() + begin_;
    const void* newline = std::memchr(data + scanned, '\n', end_ - begin_ - scanned);
    if (newline != nullptr) {
      const auto size = static_cast<std::size_t>(static_cast<const char*>(newline) - data);
      begin_ += size + 1;
      ++report_.lines;
      line = too_long ? std::string_view() : std::string_view(data, size);
      if (!too_long && size <= kLineLimit) return true;
      bad("the line is longer than 64 KiB", line.substr(0, kExcerpt));
      too_long = false;
      scanned = 0;
      continue;
    }
    if (input_ended_) {
      if (begin_ == end_) return false;
      line = std::string_view(data, end_ - begin_);
      begin_ = end_;
      ++report_.lines;
      report_.ends_within_line = true;
      if (!too_long && line.size() <= kLineLimit) return true;
      bad("the line is longer than 64 KiB", std::string_view());
      return false;
    }
    if (end_ - begin_ > kLineLimit) {  // go on looking for its end, but keep nothing of it
      too_long = true;
      begin_ = end_ = 0;
    }
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    scanned = end_;
    const auto n = input_->read(buffer_.data() + end_, buffer_.size() - end_);
    if (!n)
      return tl::make_unexpected(error(n.error() + " after line " + std::to_string(report_.lines), report_.lines));
    input_ended_ = *n == 0;
    end_ += *n;
  }
}

void TextSource::bad(const char* reason, std::string_view text) {
  ++report_.bad_lines;
  if (report_.first_bad.size() < Report::kBadLinesKept) {
    report_.first_bad.push_back({report_.lines, reason, scan::printable(text.substr(0, kExcerpt))});
  }
}

// "# entries-in-buffer/entries-written: 27342/27342   #P:1"
void TextSource::take_header(std::string_view text) {
  ++report_.header_lines;
  constexpr std::string_view kEntries = "entries-in-buffer/entries-written: ";
  const auto at = text.find(kEntries);
  if (at == std::string_view::npos) return;
  text.remove_prefix(at + kEntries.size());
  std::string_view in_buffer, written = scan::word(text);
  std::int64_t a = 0, b = 0;
  if (scan::until(written, "/", in_buffer) && scan::number(in_buffer, a) && scan::number(written, b)) {
    report_.entries_in_buffer = a;
    report_.entries_written = b;
  }
}

void TextSource::note_stamp(int stamp_digits, const Event& e) {
  const bool first = report_.ftrace_records + report_.perf_records + report_.blkparse_records == 1;
  if (first) report_.first_ts_ns = e.ts_ns;
  if (!first && e.ts_ns < report_.last_ts_ns) ++report_.stamps_back;
  report_.last_ts_ns = e.ts_ns;
  std::int64_t precision = 1;
  if (stamp_digits > 0) {
    for (int i = stamp_digits; i < 9; ++i) precision *= 10;
  }
  if (precision > report_.precision_ns) report_.precision_ns = precision;
}

void TextSource::take_record(const Line& line, Event& e) {
  ++(line.layout == Layout::perf ? report_.perf_records : report_.ftrace_records);
  e.ts_ns = line.ts_ns;
  e.flags = line.flags;
  e.preempt_depth = line.preempt_depth;
  e.migrate_disable = line.migrate_disable;
  e.has_flags = line.has_flags;
  e.cpu = line.cpu;
  e.pid = line.pid;
  e.comm = pool_->intern(line.comm);
  note_stamp(line.stamp_digits, e);
}

void TextSource::take_lost(const Line& line, Event& e) {
  if (!line.comm.empty()) take_record(line, e);
  e.type = EventType::lost_events;
  e.ts_ns = line.comm.empty() ? report_.last_ts_ns : line.ts_ns;
  e.cpu = line.cpu;
  e.u.value = line.lost;
  ++report_.losses;
  report_.lost_events += line.lost;
}

// A record of blkparse, or its totals, which stand below the records.
bool TextSource::take_blkparse(std::string_view text, Event& e) {
  const BlkLine blk = parse_blk_line(text, report_.blkparse_records > 0, *pool_, e);
  if (blk == BlkLine::none) {
    bad(kNoRecord, text);
    return false;
  }
  if (blk == BlkLine::total) {
    ++report_.header_lines;
    return false;
  }
  ++report_.blkparse_records;
  note_stamp(9, e);
  if (e.type == EventType::unknown) count_unknown(pool_->str(e.u.unknown.name));
  return true;
}

StringId TextSource::count_unknown(std::string name) {
  const bool known = report_.unknown.contains(name);
  if (!known && report_.unknown.size() >= Report::kUnknownNamesKept) name = "(others)";
  ++report_.unknown[name];
  return pool_->intern(name);
}

bool TextSource::take_typed(const Line& line, std::string_view text, Event& e) {
  if (line.name == "<stack trace>") {  // the kernel prints it as a record; its frames follow
    ++report_.call_chain_lines;
    return false;
  }
  e.type = type_of_line(line);
  if (e.type == EventType::unknown) {
    const std::string kind = line.sys_enter ? "sys_enter_" : line.sys_exit ? "sys_exit_" : "";
    e.u.unknown = {count_unknown(kind + scan::printable(line.name))};
  } else if (const char* reason = parse_fields(e.type, line.text, *pool_, e); reason != nullptr) {
    bad(reason, text);
    return false;
  }
  take_record(line, e);
  return true;
}

// True when the line gave a record.
bool TextSource::take(const Line& line, std::string_view text, Event& e) {
  e = Event{};
  switch (line.kind) {
    case LineKind::blank:
      return false;
    case LineKind::header:
      take_header(line.text);
      return false;
    case LineKind::call_chain:
      ++report_.call_chain_lines;
      if (options_.keep_call_chains && has_pending_) pending_chain_.push_back(pool_->intern(line.text));
      return false;
    case LineKind::bad:
      if (line.reason == kNoRecord || report_.blkparse_records > 0) return take_blkparse(text, e);
      bad(line.reason, text);
      return false;
    case LineKind::lost:
      take_lost(line, e);
      return true;
    case LineKind::record:
      break;
  }
  return take_typed(line, text, e);
}

tl::expected<bool, Error> TextSource::at_end() {
  if (report_.records == 0 && !has_pending_ && (report_.bad_lines > 0 || report_.header_lines == 0)) {
    if (report_.first_bad.empty()) return tl::make_unexpected(error("holds no trace record"));
    const BadLine& b = report_.first_bad.front();
    return tl::make_unexpected(error("no trace record in the whole file; its first line: " + b.reason, b.line));
  }
  return false;
}

tl::expected<bool, Error> TextSource::next_record(Event& e) {
  std::string_view text;
  for (;;) {
    const auto more = read_line(text);
    if (!more) return more;
    if (!*more) return at_end();
    if (take(parse_line(text), text, e)) return true;
    if (pool_->size() > kNamesLimit) {
      return tl::make_unexpected(error("more than four million distinct names: this is no trace", report_.lines));
    }
  }
}

tl::expected<bool, Error> TextSource::next(Event& e) {
  if (failed_ && !has_pending_) return tl::make_unexpected(*failed_);
  if (finished_ && !has_pending_) return false;
  // Frames stand under their record, so with call chains the reader stays one record ahead.
  for (;;) {
    Event fresh;
    bool got = false;
    if (!failed_ && !finished_) {
      const auto more = next_record(fresh);
      if (!more) failed_ = std::make_unique<Error>(more.error());
      got = more && *more;
      finished_ = more && !*more;
    }
    if (!options_.keep_call_chains) {
      e = fresh;
    } else {
      e = pending_;
      const bool had = has_pending_;
      chain_ = std::move(pending_chain_);
      pending_chain_.clear();
      pending_ = fresh;
      has_pending_ = got;
      if (!had && got) continue;
      got = had;
    }
    if (got) return true;
    if (failed_) return tl::make_unexpected(*failed_);
    return false;
  }
}

}  // namespace wakepath::trace
