// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/analysis/profile.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "sim/analysis/analyze.h"
#include "sim/analysis/cpu_time.h"
#include "sim/analysis/io_program.h"
#include "sim/analysis/shortest.h"
#include "sim/trace/reader.h"

namespace wakepath::analysis {

tl::expected<nlohmann::json, trace::Error> profile_file(const std::string& path) {
  trace::StringPool pool;
  auto reader = trace::Reader::open(path, pool);
  if (!reader) return tl::make_unexpected(reader.error());
  IoPrograms programs(pool);
  CpuTime time;
  Shortest shortest;
  trace::Event e;
  for (;;) {
    const auto more = reader->next(e);
    if (!more) return tl::make_unexpected(more.error());
    if (!*more) break;
    programs.on_event(e);
    time.on_event(e);
    shortest.on_event(e);
  }
  const CpuTimeTable table = time.table();
  return nlohmann::json{{"programs", programs.json()},
                        {"time", to_json(table)},
                        {"functions", functions_json(table, pool)},
                        {"shortest", {{"plain_ns", shortest.of(false)}, {"sched_ns", shortest.of(true)}}},
                        {"trace", to_json(reader->report())}};
}

}  // namespace wakepath::analysis
