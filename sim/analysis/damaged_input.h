// SPDX-License-Identifier: GPL-2.0-or-later
// What every analysis does with numbers of a trace: damaged ones must neither take memory without end nor overflow.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "sim/trace/event.h"

namespace wakepath::analysis {

inline constexpr std::size_t kCpusKept = 1 << 13;
inline constexpr std::size_t kRows = 30;  // of a list in the result, the largest ones

// Six days: stamps farther from the first one are damaged, and the times of all CPUs together must not overflow.
inline constexpr std::int64_t kLongestTrace = std::int64_t{1} << 49;

// Stamps of a damaged trace may go back or far ahead: no sum may overflow for it.
[[nodiscard]] constexpr std::int64_t between(std::int64_t from, std::int64_t to) {
  return std::clamp<std::int64_t>(to - from, 0, kLongestTrace);
}

// Where a CPU's state is kept.
[[nodiscard]] constexpr std::size_t cpu_index(std::int32_t cpu) {
  return std::min(static_cast<std::size_t>(std::max(0, cpu)), kCpusKept - 1);
}

// A number of I/Os as a system call prints it.
[[nodiscard]] constexpr std::int64_t some(std::int64_t n) { return std::clamp<std::int64_t>(n, 0, 1 << 20); }

// What the records of one request have in common.
[[nodiscard]] constexpr std::uint64_t key_of(const trace::Event::Request& r) {
  return (static_cast<std::uint64_t>(r.major << 20U | r.minor) << 40U) ^ r.sector;
}

}  // namespace wakepath::analysis
