// SPDX-License-Identifier: GPL-2.0-or-later
// What every peer program prints: one line "NS_PER_OPERATION OPERATIONS CHECK", CPU time of the process over the loop
// alone. CHECK depends on all that was computed: bench/peers.py compares it with what it has to be.
#pragma once

#include <cstdio>
#include <ctime>

namespace wakepath::peers {

inline double cpu_ns() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return 1e9 * static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec);
}

inline void print(double spent_ns, double operations, double check) {
  std::printf("%.3f %.0f %.9g\n", spent_ns / operations, operations, check);
}

}  // namespace wakepath::peers
