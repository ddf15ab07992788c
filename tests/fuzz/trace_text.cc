// SPDX-License-Identifier: GPL-2.0-or-later
// Trace text of any kind: no input crashes or hangs the reader, each line is accounted for, and what is read can be
// written and analysed. Corpora: ftrace, perf.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "sim/analysis/analyze.h"
#include "sim/trace/ftrace_writer.h"
#include "sim/trace/reader.h"

using namespace wakepath;

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

std::int64_t blank_lines(std::string_view text) {
  std::int64_t n = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    if (text.substr(0, end).find_first_not_of(" \t\r") == std::string_view::npos) ++n;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return n;
}

bool packed(std::string_view text) {
  return text.starts_with(
             "\xfd"
             "7zXZ") ||
         text.starts_with("\x1f\x8b") || text.starts_with("\x28\xb5\x2f\xfd");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
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
  std::string line;
  trace::Event e;
  bool whole = true;
  for (;;) {
    const auto more = reader->next(e);
    whole = more.has_value();
    if (!more || !*more) break;
    analyzer.on_event(e);
    line.clear();
    trace::append_ftrace_line(line, e, pool);
    must(line.ends_with('\n'));
  }
  const trace::Report& r = reader->report();
  must(!analyzer.json().dump(-1, ' ', false, nlohmann::json::error_handler_t::strict).empty());
  if (whole && !packed(text))
    must(r.lines == r.records + r.header_lines + r.call_chain_lines + r.bad_lines + blank_lines(text));
  return 0;
}
