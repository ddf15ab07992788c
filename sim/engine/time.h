// SPDX-License-Identifier: GPL-2.0-or-later
// Simulated time: int64 nanoseconds. No double holds a time.
#pragma once

#include <cstdint>
#include <limits>

namespace wakepath::engine {
using Time = std::int64_t;
inline constexpr Time kNever = std::numeric_limits<Time>::max();
}  // namespace wakepath::engine
