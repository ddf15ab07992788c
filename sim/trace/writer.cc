// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/trace/writer.h"

#include <array>
#include <string_view>

#include "sim/trace/ftrace_writer.h"
#include "sim/trace/perfetto_writer.h"
#include "sim/trace/trace_dat_writer.h"

namespace wakepath::trace {
namespace {

template <class T>
tl::expected<std::unique_ptr<Writer>, Error> as_writer(tl::expected<std::unique_ptr<T>, Error> made) {
  if (!made) return tl::make_unexpected(made.error());
  return std::unique_ptr<Writer>(std::move(*made));
}

}  // namespace

tl::expected<std::unique_ptr<Writer>, Error> Writer::create(const std::string& path, const StringPool& pool, int cpus) {
  std::string_view name = path;
  for (const std::string_view packing : {".xz", ".gz", ".zst"}) {
    if (name.ends_with(packing)) name.remove_suffix(packing.size());
  }
  if (name.ends_with(".pftrace") || name.ends_with(".perfetto-trace")) return create_perfetto_writer(path, pool);
  if (name.ends_with(".dat")) return as_writer(TraceDatWriter::create(path, pool, cpus));
  return as_writer(FtraceWriter::create(path, pool, cpus));
}

}  // namespace wakepath::trace
