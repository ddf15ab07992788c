// SPDX-License-Identifier: GPL-2.0-or-later
// Events: what somebody writes into a cgroup file or does to a task while the scenario runs, [event.NAME] with `at` and
// `set`. `set` is a key of a scenario with its value, as --set has it; the keys that a running kernel can change are
// allowed: a group's cpu files, and nice, slice and policy of tasks; and that a recorder is turned on, from when on
// records cost what costs.trace_record says (else from the start of the run on).
#pragma once

#include "models/scenario/document.h"

namespace wakepath::scenario {

inline constexpr const char* kRecorderOn = "recorder=on";

// Fills what an event changes from its text; wants the groups of the scenario complete.
std::optional<Error> resolve_event(const Scenario& s, const Document& doc, Event& e);

}  // namespace wakepath::scenario
