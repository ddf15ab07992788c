// SPDX-License-Identifier: GPL-2.0-or-later
// Puts the records of another source into the order of time within a window. bpftrace prints what it finds in one CPU's
// buffer after the other, so neighbours of two CPUs change places; what is further apart than the window stays, and is
// counted in stamps_back as ever. Call chains are not kept.
#pragma once

#include <memory>
#include <queue>
#include <vector>

#include "sim/trace/source.h"

namespace wakepath::trace {

class ReorderSource final : public Source {
 public:
  explicit ReorderSource(std::unique_ptr<Source> from) : from_(std::move(from)) {}
  tl::expected<bool, Error> next(Event& e) override;
  [[nodiscard]] Report& report() override { return from_->report(); }

 private:
  struct Waiting {
    std::int64_t number;  // equal stamps keep the file's order
    Event event;
    bool operator<(const Waiting& other) const {  // the oldest on top of the queue
      return event.ts_ns != other.event.ts_ns ? event.ts_ns > other.event.ts_ns : number > other.number;
    }
  };
  std::unique_ptr<Source> from_;
  std::priority_queue<Waiting> waiting_;
  std::int64_t read_ = 0, stamps_back_ = 0, first_ts_ns_ = 0, last_ts_ns_ = 0;
  bool given_ = false;
};

}  // namespace wakepath::trace
