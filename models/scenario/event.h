// SPDX-License-Identifier: GPL-2.0-or-later
// Events: what somebody writes into a cgroup file or does to a task while the scenario runs, [event.NAME] with `at` and
// `set`. `set` is a key of a scenario with its value, as --set has it; the keys that a running kernel can change are
// allowed: a group's cpu files, and nice, slice and policy of tasks.
#pragma once

#include "models/scenario/document.h"

namespace wakepath::scenario {

// Fills what an event changes from its text; wants the groups of the scenario complete.
std::optional<Error> resolve_event(const Scenario& s, const Document& doc, Event& e);

}  // namespace wakepath::scenario
