// SPDX-License-Identifier: GPL-2.0-or-later
// Binary traces: no input crashes or hangs the reader, and what is read can be written in every format and analysed.
// Corpus: perfetto. A trace.dat is read by trace-cmd's library in a child process, where no fuzzer sees what is
// covered: tests/python/test_formats.py damages those of the corpus dat.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "sim/analysis/analyze.h"
#include "sim/trace/columns.h"
#include "sim/trace/ftrace_writer.h"
#include "sim/trace/reader.h"

using namespace wakepath;

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size >= 8 && std::string(reinterpret_cast<const char*>(data), 8) == "PERFILE2") return 0;  // perf reads these
  static const int fd = ::memfd_create("trace", 0);
  static const std::string path = "/proc/self/fd/" + std::to_string(fd);
  must(::ftruncate(fd, 0) == 0 && ::pwrite(fd, data, size, 0) == static_cast<ssize_t>(size));
  trace::StringPool pool;
  auto reader = trace::Reader::open(path, pool, {size % 2 == 0});
  if (!reader) {
    must(!reader.error().message.empty());
    return 0;
  }
  analysis::Analyzer analyzer(pool);
  trace::Columns columns(pool);
  std::string line;
  trace::Event e;
  std::int64_t records = 0;
  for (;;) {
    const auto more = reader->next(e);
    if (!more) must(!more.error().message.empty());
    if (!more || !*more) break;
    ++records;
    analyzer.on_event(e);
    columns.append(e);
    line.clear();
    trace::append_ftrace_line(line, e, pool);
    must(line.ends_with('\n'));
  }
  must(reader->report().records == records);
  must(!analysis::to_json(reader->report()).dump(-1, ' ', false, nlohmann::json::error_handler_t::strict).empty());
  must(!analyzer.json().dump(-1, ' ', false, nlohmann::json::error_handler_t::strict).empty());
  return 0;
}
