// SPDX-License-Identifier: GPL-2.0-or-later
// What writing a record costs the recorded kernel at most: of all pairs of kinds of records that follow each other on a
// CPU often enough, the least mean distance, as the first must be written before the second. Means, since stamps may be
// whole microseconds. Apart for plain records and for those of the scheduler and system calls (is_sched_record).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "sim/analysis/cpu_time.h"
#include "sim/analysis/damaged_input.h"
#include "sim/trace/event.h"
#include "sim/trace/record_class.h"

namespace wakepath::analysis {

class Shortest {
 public:
  static constexpr std::int64_t kPairsLeast = 50;

  void on_event(const trace::Event& e) {
    const auto id = cpu_index(e.cpu);
    if (id >= last_.size()) last_.resize(id + 1);
    Last& last = last_[id];
    if (last.ns >= 0 && e.ts_ns >= last.ns) {
      Pair& p = pairs_[index(last.type) * kTypes + index(e.type)];
      ++p.n;
      p.sum_ns += std::min(e.ts_ns - last.ns, kLongest);
    }
    last = {e.ts_ns, e.type};
  }
  // 0: no pair is frequent enough.
  [[nodiscard]] std::int64_t of(bool sched) const {
    std::int64_t least = 0;
    for (std::size_t from = 0; from < kTypes; ++from) {
      if (trace::is_sched_record(static_cast<trace::EventType>(from)) != sched) continue;
      for (std::size_t to = 0; to < kTypes; ++to) {
        const Pair& p = pairs_[from * kTypes + to];
        if (p.n < kPairsLeast) continue;
        const std::int64_t mean = p.sum_ns / p.n;
        if (least == 0 || mean < least) least = mean;
      }
    }
    return least;
  }

 private:
  static constexpr std::size_t kTypes = static_cast<std::size_t>(trace::EventType::count_);
  static constexpr std::int64_t kLongest = std::int64_t{1} << 30;
  static std::size_t index(trace::EventType t) { return static_cast<std::size_t>(t); }
  struct Pair {
    std::int64_t n = 0, sum_ns = 0;
  };
  struct Last {
    std::int64_t ns = -1;
    trace::EventType type = trace::EventType::unknown;
  };
  std::vector<Pair> pairs_ = std::vector<Pair>(kTypes * kTypes);
  std::vector<Last> last_;
};

}  // namespace wakepath::analysis
