// SPDX-License-Identifier: GPL-2.0-or-later
// Reads a trace: peers_read_trace IN [OUT]. Every record with all its fields; with OUT it is written too, as ftrace
// text where the suffix says nothing else. The check is the number of sched_switch records.
#include <fmt/core.h>

#include "bench/peers/measure.h"
#include "sim/trace/reader.h"
#include "sim/trace/writer.h"

using namespace wakepath;  // NOLINT(google-build-using-namespace)

int main(int argc, char* argv[]) {
  if (argc < 2) return 2;
  const double begin = peers::cpu_ns();
  trace::StringPool pool;
  auto reader = trace::Reader::open(argv[1], pool);
  if (!reader) {
    fmt::print(stderr, "{}\n", trace::to_string(reader.error()));
    return 2;
  }
  std::unique_ptr<trace::Writer> writer;
  if (argc > 2) writer = trace::Writer::create(argv[2], pool).value();
  double records = 0, switches = 0;
  trace::Event e;
  while (reader->next(e).value_or(false)) {
    ++records;
    if (e.type == trace::EventType::sched_switch) ++switches;
    if (writer) writer->on_event(e);
  }
  if (writer && !writer->close()) return 2;
  peers::print(peers::cpu_ns() - begin, records, switches);
  return 0;
}
