// SPDX-License-Identifier: GPL-2.0-or-later
// State that a recording does not show and whoever follows it assumes: beside what Scheduler has for that. EEVDF only.
#pragma once

#include <cstdint>

namespace wakepath::sched {

struct Entity;

void assume_deadline(Entity& se, std::uint64_t deadline);
// The running entity began a new request since it was switched in (up to 6.16: its stamp is not its deadline).
void assume_unprotected(Entity& se);

}  // namespace wakepath::sched
