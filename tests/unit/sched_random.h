// SPDX-License-Identifier: GPL-2.0-or-later
// The scheduler tests' own random numbers, xorshift64*: sequences never change with a library.
#pragma once

#include <cstdint>

namespace wakepath::sched_test {

struct Random {
  std::uint64_t x;
  std::uint64_t next() {
    x ^= x >> 12, x ^= x << 25, x ^= x >> 27;
    return x * 0x2545f4914f6cdd1dull;
  }
  int below(int n) { return static_cast<int>((next() >> 33) % static_cast<std::uint64_t>(n)); }
  int between(int low, int high) { return low + below(high - low + 1); }  // both included
};

}  // namespace wakepath::sched_test
