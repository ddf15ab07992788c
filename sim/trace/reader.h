// SPDX-License-Identifier: GPL-2.0-or-later
// Streaming reader of trace files, plain or .xz, .gz, .zst. The format is told by the content, never by the name:
//   text       ftrace (`trace`, `trace_pipe`, `trace-cmd report`), `perf script`, blkparse, the scripts of
//              calibration/record: line by line (text_source.h)
//   trace.dat  of trace-cmd, with its library (trace_dat_source.h)
//   perf.data  through `perf script --ns` (process_input.h)
//   Perfetto   protobuf traces with ftrace events (perfetto_source.h)
// Memory is constant but for the names (StringPool).
//
// Nothing is dropped silently. What is no record is counted in the Report: lines that cannot be read (the first hundred
// with line number and reason), tracepoints without a type (as EventType::unknown, counted by name), frames of call
// chains, losses. A loss is also a record (lost_events), so that nobody judges a decision across it. Records keep the
// file's order: stamps that go back are counted, equal stamps stay as they stand.
#pragma once

#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "sim/trace/error.h"
#include "sim/trace/event.h"
#include "sim/trace/report.h"
#include "sim/trace/source.h"
#include "sim/trace/string_pool.h"

namespace wakepath::trace {

class Reader {
 public:
  // `pool` must outlive the reader.
  static tl::expected<Reader, Error> open(const std::string& path, StringPool& pool, ReadOptions options = {});

  // The next record: true, or false at the end. After an error or the end every call gives the same again.
  tl::expected<bool, Error> next(Event& e);
  // All that is left into `sink`, and its finish(); after an error finish() is called too, as what came before holds.
  tl::expected<void, Error> drain(Sink& sink);

  [[nodiscard]] const Report& report() const { return source_->report(); }
  // The frames printed under the record that next() gave last, innermost first; empty unless they are kept.
  [[nodiscard]] const std::vector<StringId>& call_chain() const { return source_->call_chain(); }

 private:
  explicit Reader(std::unique_ptr<Source> source) : source_(std::move(source)) {}

  std::unique_ptr<Source> source_;
};

}  // namespace wakepath::trace
