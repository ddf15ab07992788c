// SPDX-License-Identifier: GPL-2.0-or-later
// Tracepoint names and the letters that the kernel prints for its numbers, both ways, in one place for readers and
// writers. Sources: include/trace/events/{sched,irq,workqueue,block,timer}.h, arch/x86/include/asm/trace/irq_vectors.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sim/trace/event.h"

namespace wakepath::trace {

// The tracepoint's name as `perf list` has it, without the system ("sched_switch"); "unknown" for unknown.
[[nodiscard]] std::string_view name_of(EventType type);
// The other way; older and renamed tracepoints are accepted. EventType::unknown when there is no such type.
[[nodiscard]] EventType type_of(std::string_view name);

// sched_switch's prev_state: "S", "R+", "D", "I"; several letters are joined by "|". Never more than 32 characters.
void append_state(std::string& out, std::uint16_t prev_state);
[[nodiscard]] std::optional<std::uint16_t> parse_state(std::string_view letters);

// The action name of a softirq vector ("TIMER"); "UNKNOWN" beyond the kernel's ten.
[[nodiscard]] std::string_view softirq_name(std::int32_t vec);

}  // namespace wakepath::trace
