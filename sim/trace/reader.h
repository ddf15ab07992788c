// SPDX-License-Identifier: GPL-2.0-or-later
// Streaming reader of trace text: ftrace (`trace`, `trace_pipe`, `trace-cmd report`) and `perf script`, plain or .xz,
// .gz, .zst. The format is told by the lines themselves. Memory is constant but for the names (StringPool).
//
// Nothing is dropped silently. What is no record is counted in the Report: lines that cannot be read (the first hundred
// with line number and reason), tracepoints without a type (as EventType::unknown, counted by name), frames of call
// chains, losses. A loss is also a record (lost_events), so that nobody judges a decision across it. Records keep the
// file's order: stamps that go back are counted, equal stamps stay as they stand.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "sim/trace/error.h"
#include "sim/trace/event.h"
#include "sim/trace/input.h"
#include "sim/trace/line_parser.h"
#include "sim/trace/string_pool.h"

namespace wakepath::trace {

struct BadLine {
  std::int64_t line = 0;
  std::string reason;
  std::string text;  // its first 120 characters
};

struct Report {
  static constexpr std::size_t kBadLinesKept = 100;
  static constexpr std::size_t kUnknownNamesKept = 1000;  // those beyond are counted together as "(others)"

  std::int64_t lines = 0;
  std::int64_t records = 0;  // given out, unknown and lost ones included
  std::int64_t ftrace_records = 0, perf_records = 0;
  std::int64_t header_lines = 0;
  std::int64_t call_chain_lines = 0;
  std::int64_t bad_lines = 0;
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
};

struct ReadOptions {
  bool keep_call_chains = false;
};

class Reader {
 public:
  // `pool` must outlive the reader.
  static tl::expected<Reader, Error> open(const std::string& path, StringPool& pool, ReadOptions options = {});

  // The next record: true, or false at the end. After an error or the end every call gives the same again.
  tl::expected<bool, Error> next(Event& e);
  // All that is left into `sink`, and its finish(); after an error finish() is called too, as what came before holds.
  tl::expected<void, Error> drain(Sink& sink);

  [[nodiscard]] const Report& report() const { return report_; }
  // The frames printed under the record that next() gave last, innermost first; empty unless they are kept.
  [[nodiscard]] const std::vector<StringId>& call_chain() const { return chain_; }

 private:
  Reader(std::unique_ptr<Input> input, StringPool& pool, std::string path, ReadOptions options);
  tl::expected<bool, Error> read_line(std::string_view& line);
  tl::expected<bool, Error> next_record(Event& e);
  tl::expected<bool, Error> at_end();
  bool take(const Line& line, std::string_view text, Event& e);
  void take_header(std::string_view text);
  void take_record(const Line& line, Event& e);
  void bad(const char* reason, std::string_view text);
  void note_stamp(const Line& line, const Event& e);
  [[nodiscard]] Error error(std::string message, std::int64_t line = 0) const;

  std::unique_ptr<Input> input_;
  StringPool* pool_;
  std::string path_;
  ReadOptions options_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  bool input_ended_ = false;
  bool finished_ = false;
  std::unique_ptr<Error> failed_;
  Report report_;
  std::vector<StringId> chain_, pending_chain_;
  Event pending_;
  bool has_pending_ = false;
};

}  // namespace wakepath::trace
