// SPDX-License-Identifier: GPL-2.0-or-later
// One FtraceEventBundle -> the records of its CPU in the order of time: the listed events, the compact switches and
// wakings merged with them.
#pragma once
#ifdef WAKEPATH_HAVE_PROTOBUF

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sim/trace/perfetto_fields.h"
#include "sim/trace/perfetto_index.h"
#include "sim/trace/string_pool.h"

namespace wakepath::trace {

class PerfettoBundle {
 public:
  PerfettoBundle(StringPool& pool, const PerfettoIndex& index);
  // Into `out`, whose former content goes. False where the bytes are no bundle.
  bool decode(std::string_view bytes, std::uint32_t sequence, std::vector<Event>& out);

 private:
  struct Running {  // who a compact switch leaves running: the next one does not name whom it takes off
    std::int32_t pid = -1, prio = 0;
    StringId comm = 0;
  };
  Event head(std::uint32_t cpu, std::uint64_t timestamp) const;
  void take(const perfetto::FtraceEvent& event, Event& e);
  void take_message(const PerfettoMapping& mapping, const google::protobuf::Message& message, Event& e);
  void take_generic(const perfetto::Generic& generic, Event& e);
  void take_compact(const perfetto::FtraceEventBundle& bundle, std::vector<Event>& out);
  void compact_wakings(const perfetto::FtraceEventBundle& bundle, const std::vector<StringId>& names,
                       std::vector<Event>& out);
  void name_tasks(std::vector<Event>& events);
  StringId function(std::uint64_t iid) const;

  StringPool* pool_;
  const PerfettoIndex* index_;
  PerfettoMappings mappings_;
  std::unordered_map<int, EventType> by_number_;  // of the field in FtraceEvent
  std::unordered_map<std::int32_t, StringId> comms_;
  std::unordered_map<std::uint32_t, Running> running_;
  std::uint32_t sequence_ = 0;
};

}  // namespace wakepath::trace
#endif
