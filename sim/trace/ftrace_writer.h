// SPDX-License-Identifier: GPL-2.0-or-later
// A Sink that writes the ftrace text format, as the kernel's own `trace` file reads: header, latency columns, fields of
// every tracepoint as its TP_printk prints them. Stamps are whole ns (a clock such as mono would print microseconds, in
// which records of one microsecond lose their distance).
//
// What a record does not hold is written as the kernel writes what it hides or does not know: a pointer that is 0 as
// (____ptrval____), missing latency columns as dots. A tracepoint without a type keeps its name only.
// Source: kernel/trace/trace_output.c, include/trace/events, 6.1 and 6.12.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <tl/expected.hpp>

#include "sim/trace/error.h"
#include "sim/trace/event.h"
#include "sim/trace/output.h"
#include "sim/trace/string_pool.h"
#include "sim/trace/writer.h"

namespace wakepath::trace {

class FtraceWriter final : public Writer {
 public:
  // `cpus` is the header's #P; 0: as many as records name.
  static tl::expected<std::unique_ptr<FtraceWriter>, Error> create(const std::string& path, const StringPool& pool,
                                                                   int cpus = 0);
  void on_event(const Event& e) override;

 protected:
  tl::expected<void, Error> complete() override;

 private:
  FtraceWriter(std::unique_ptr<Output> output, const StringPool& pool, int cpus);
  [[nodiscard]] std::string header() const;

  std::unique_ptr<Output> output_;
  const StringPool* pool_;
  std::string text_;
  int cpus_;
};

// One record as a line with its newline, appended to `out`.
void append_ftrace_line(std::string& out, const Event& e, const StringPool& pool);

}  // namespace wakepath::trace
