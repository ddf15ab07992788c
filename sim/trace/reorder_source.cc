// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/trace/reorder_source.h"

namespace wakepath::trace {
namespace {

constexpr std::size_t kWindow = 1 << 15;  // records; bpftrace's buffers hold 64 pages a CPU

}  // namespace

tl::expected<bool, Error> ReorderSource::next(Event& e) {
  Event fresh;
  while (waiting_.size() < kWindow) {
    const auto more = from_->next(fresh);
    if (!more && waiting_.empty()) return more;
    if (!more || !*more) break;
    waiting_.push({read_++, fresh});
  }
  if (waiting_.empty()) return false;
  e = waiting_.top().event;
  waiting_.pop();
  if (!given_) first_ts_ns_ = e.ts_ns;
  if (given_ && e.ts_ns < last_ts_ns_) ++stamps_back_;
  given_ = true;
  last_ts_ns_ = e.ts_ns;
  Report& r = from_->report();
  r.stamps_back = stamps_back_;
  r.first_ts_ns = first_ts_ns_;
  r.last_ts_ns = last_ts_ns_;
  return true;
}

}  // namespace wakepath::trace
