// SPDX-License-Identifier: GPL-2.0-or-later
// The time that a trace's records tell of: from the first to the last, but for where the recorder lost some.
#pragma once

#include <algorithm>

#include "sim/analysis/damaged_input.h"

namespace wakepath::analysis {

class ToldTime {
 public:
  void see(const trace::Event& e) {
    if (e.type == trace::EventType::lost_events) {
      lost_ = true;
      return;
    }
    if (!lost_ && begun_) told_ns_ += between(last_ns_, e.ts_ns);
    last_ns_ = begun_ ? std::max(last_ns_, e.ts_ns) : e.ts_ns;
    begun_ = true;
    lost_ = false;
  }
  [[nodiscard]] std::int64_t ns() const { return told_ns_; }
  [[nodiscard]] std::int64_t last_ns() const { return last_ns_; }

 private:
  bool begun_ = false, lost_ = false;
  std::int64_t last_ns_ = 0, told_ns_ = 0;
};

}  // namespace wakepath::analysis
