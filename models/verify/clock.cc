// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/verify/clock.h"

#include <utility>

namespace wakepath::verify {

namespace {
constexpr std::int64_t kFewSamples = 2;  // a distance seen less often says nothing about the shift
constexpr std::int64_t kRounding = 1;
constexpr std::int64_t kOtherPath = 100;     // ns: wakees of another kind choose their CPU by a longer or shorter way
constexpr std::size_t kKeysKept = 1u << 16;  // one a wakee and context: a bound for hostile input
}  // namespace

void Mode::add(std::int64_t value) {
  ++samples_;
  std::size_t i = 0;
  while (i < slots_.size() && slots_[i].count > 0 && slots_[i].value != value) ++i;
  if (i == slots_.size()) slots_[--i] = {value, 0};  // the least frequent makes room
  slots_[i].value = value;
  ++slots_[i].count;
  for (; i > 0 && slots_[i].count > slots_[i - 1].count; --i) std::swap(slots_[i], slots_[i - 1]);
}

std::int64_t Mode::spread() const {
  std::int64_t farthest = 0;
  for (const Slot& s : slots_) {
    if (s.count < 2) continue;
    const std::int64_t distance = s.value > best() ? s.value - best() : best() - s.value;
    if (distance > farthest) farthest = distance;
  }
  return farthest;
}

void StampClock::learn(Key k, std::int64_t ts, std::int64_t clock) {
  const bool wakes = (k >> 32) != 0;  // keys of wakeups name the wakee
  if (offsets_.size() >= kKeysKept) offsets_.clear();
  Mode& m = offsets_[k];
  if (m.samples() > kFewSamples) {
    const std::int64_t shift = clock - ts - m.best();
    if (!shift_known_ || (has_candidate_ && shift == candidate_)) {
      shift_ = shift;
      shift_known_ = true;
      has_candidate_ = false;
    } else if (shift != shift_) {  // believed when seen twice in a row
      candidate_ = shift;
      has_candidate_ = true;
    } else {
      has_candidate_ = false;
    }
  }
  m.add(clock - ts - shift_);
  if (wakes) any_.add(clock - ts - shift_);
}

StampClock::Estimate StampClock::estimate(Key k, std::int64_t ts, std::int64_t end) const {
  const std::int64_t shift = shift_known_ ? shift_ : 0;
  // Stamps and clock are each rounded to a nanosecond.
  const auto by = [&](const Mode& m) { return Estimate{ts + m.best() + shift, m.spread() + kRounding}; };
  if (const auto it = offsets_.find(k); it != offsets_.end() && it->second.samples() > kFewSamples) {
    return by(it->second);
  }
  if (any_.samples() > kFewSamples && end > ts) {  // another wakee's
    Estimate e = by(any_);
    e.spread += kOtherPath;
    return e;
  }
  return {ts + (end - ts) / 2, (end - ts) / 2 + kOtherPath};
}

}  // namespace wakepath::verify
