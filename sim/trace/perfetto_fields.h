// SPDX-License-Identifier: GPL-2.0-or-later
// Which message of perfetto_trace.proto carries a tracepoint, and which of its fields which field of an Event; found
// once by their names. A tracepoint without a message of its own is a Generic with the kernel's names.
//
// Two fields differ in kind: `dev` is one number there, and `function` is the number of a name in interned_data
// (Perfetto's symbolised kernel addresses).
#pragma once
#ifdef WAKEPATH_HAVE_PROTOBUF

#include <perfetto_trace.pb.h>

#include <array>
#include <vector>

#include "sim/trace/event.h"
#include "sim/trace/fields.h"

namespace wakepath::trace {

struct PerfettoMapping {
  struct Step {
    const Field* ours;
    const google::protobuf::FieldDescriptor* theirs;
  };
  const google::protobuf::FieldDescriptor* message = nullptr;  // in FtraceEvent; null: Generic
  const google::protobuf::FieldDescriptor* device = nullptr;   // dev = major << 20 | minor
  std::vector<Step> steps;
};

using PerfettoMappings = std::array<PerfettoMapping, static_cast<std::size_t>(EventType::count_)>;
[[nodiscard]] PerfettoMappings perfetto_mappings();

}  // namespace wakepath::trace
#endif
