// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/trace/trace_dat_source.h"

#include "sim/trace/record_pipe.h"
#include "sim/trace/trace_dat_child.h"

namespace wakepath::trace {

tl::expected<std::unique_ptr<Source>, std::string> open_trace_dat([[maybe_unused]] Spool file,
                                                                  [[maybe_unused]] const std::string& path,
                                                                  [[maybe_unused]] StringPool& pool) {
#ifdef WAKEPATH_HAVE_TRACECMD
  const auto kept = std::make_shared<Spool>(std::move(file));
  const auto work = [kept](RecordPipe& out) { read_trace_dat(kept->path(), out); };
  auto source = std::make_unique<ChildSource>(work, "trace-cmd's library", path, pool);
  source->report().container = "trace-cmd";
  return source;
#else
  return tl::make_unexpected(std::string(
      "is a trace.dat of trace-cmd, and this build cannot read it: apt-get install libtracecmd-dev and build "
      "again, or give the text of `trace-cmd report -t FILE`"));
#endif
}

}  // namespace wakepath::trace
