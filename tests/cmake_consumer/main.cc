// SPDX-License-Identifier: GPL-2.0-or-later
// Uses a little of what is installed: headers by their paths in the repository, a function of a library.
#include <cstdio>

#include "models/run/run.h"
#include "sim/engine/time.h"
#include "sim/trace/event.h"

int main() {
  wakepath::trace::Event event;
  event.type = wakepath::trace::EventType::sched_switch;
  const wakepath::run::Options options;
  std::printf("consumer: linked, accounting checks %s\n", options.check_accounting ? "on" : "off");
  return event.ts_ns == 0 && options.check_accounting ? 0 : 1;
}
