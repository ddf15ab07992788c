// SPDX-License-Identifier: GPL-2.0-or-later
#ifdef WAKEPATH_HAVE_PROTOBUF
#include "sim/trace/perfetto_fields.h"

#include <string>

#include "sim/trace/event_names.h"

namespace wakepath::trace {

PerfettoMappings perfetto_mappings() {
  PerfettoMappings all;
  const auto* events = perfetto::FtraceEvent::descriptor();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto type = static_cast<EventType>(i);
    PerfettoMapping& mapping = all[i];
    const auto* message = events->FindFieldByName(std::string(name_of(type)));
    if (message == nullptr || message->message_type() == nullptr) continue;
    mapping.message = message;
    mapping.device = message->message_type()->FindFieldByName("dev");
    for (const Field& f : fields_of(type)) {
      const auto* theirs = message->message_type()->FindFieldByName(std::string(f.name));
      if (theirs != nullptr) mapping.steps.push_back({&f, theirs});
    }
  }
  return all;
}

}  // namespace wakepath::trace
#endif
