// SPDX-License-Identifier: GPL-2.0-or-later
// A Sink that writes a trace file; the suffix of the name (before .xz, .gz, .zst) decides the format:
//   .pftrace, .perfetto-trace   Perfetto protobuf (perfetto_writer.h)
//   .dat                        trace.dat of trace-cmd (trace_dat_writer.h)
//   anything else               ftrace text (ftrace_writer.h)
// The file appears whole when it is closed, or not at all: until then, and after an error, an older one stays.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <tl/expected.hpp>

#include "sim/trace/error.h"
#include "sim/trace/event.h"
#include "sim/trace/string_pool.h"

namespace wakepath::trace {

class Writer : public Sink {
 public:
  // `pool` must outlive the writer. `cpus`: how many the machine has; 0: as many as records name.
  static tl::expected<std::unique_ptr<Writer>, Error> create(const std::string& path, const StringPool& pool,
                                                             int cpus = 0);
  void finish() final { static_cast<void>(close()); }  // its error is kept for status()
  // Completes the file; the second call gives the result of the first.
  tl::expected<void, Error> close() {
    if (!closed_) status_ = complete();
    closed_ = true;
    return status_;
  }
  [[nodiscard]] const tl::expected<void, Error>& status() const { return status_; }
  [[nodiscard]] std::int64_t records() const { return records_; }

 protected:
  virtual tl::expected<void, Error> complete() = 0;
  std::int64_t records_ = 0;  // lost_events apart

 private:
  bool closed_ = false;
  tl::expected<void, Error> status_;
};

}  // namespace wakepath::trace
