// SPDX-License-Identifier: GPL-2.0-or-later
// machine.topology.*, cpu lists and queue maps of a scenario: from keys to a machine that can exist.
#pragma once

#include "models/scenario/document.h"

namespace wakepath::scenario {

// Fills machine.resolved (and machine.cpus where a real machine's files say it).
std::optional<Error> resolve_topology(Scenario& s, const Document& doc);

}  // namespace wakepath::scenario
