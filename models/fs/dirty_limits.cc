// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/fs/dirty_limits.h"

#include <algorithm>
#include <bit>

namespace wakepath::fs {

namespace {

constexpr std::int64_t kFirstBandwidth = (100LL << 20) / kPageBytes;  // 100 MB/s until measured (INIT_BW)
constexpr std::int64_t kOne = 1LL << DirtyControl::kRatioShift;
constexpr std::int64_t kFewPages = 128 >> (12 - 10);  // DIRTY_POLL_THRESH: 128 KiB

int log2_of(std::int64_t v) { return 63 - std::countl_zero(static_cast<std::uint64_t>(std::max<std::int64_t>(v, 1))); }
std::int64_t power_of_two_from(std::int64_t v) {
  return static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(v)));
}
std::int64_t pages_of(std::int64_t bytes) { return (bytes + kPageBytes - 1) / kPageBytes; }

// 1 + ((setpoint - dirty) / (limit - setpoint))^3, from 0 to 2.
std::int64_t cubic(std::int64_t setpoint, std::int64_t dirty, std::int64_t limit) {
  const std::int64_t x = (setpoint - dirty) * kOne / ((limit - setpoint) | 1);
  std::int64_t r = x * x >> DirtyControl::kRatioShift;
  r = r * x >> DirtyControl::kRatioShift;
  return std::clamp<std::int64_t>(r + kOne, 0, 2 * kOne);
}

}  // namespace

DirtyLimits dirty_limits(const DirtyKnobs& k) {
  const auto part = [&](std::int64_t percent) { return percent * kPageBytes / 100 * k.dirtyable_pages / kPageBytes; };
  DirtyLimits l;
  l.thresh = k.bytes > 0 ? pages_of(k.bytes) : part(k.ratio);
  l.background = k.background_bytes > 0 ? pages_of(k.background_bytes) : part(k.background_ratio);
  if (l.background >= l.thresh) l.background = l.thresh / 2;
  return l;
}

std::int64_t dirty_poll_interval(std::int64_t dirty, std::int64_t thresh) {
  return thresh > dirty ? 1LL << (log2_of(thresh - dirty) >> 1) : 1;
}

DirtyControl::DirtyControl(int hz)
    : hz_(hz),
      interval_(std::max(1, hz / 5)),
      bandwidth_(kFirstBandwidth),
      average_bandwidth_(kFirstBandwidth),
      base_rate_(kFirstBandwidth),
      balanced_rate_(kFirstBandwidth) {}

std::int64_t DirtyControl::position_ratio(const DirtyLimits& l, std::int64_t dirty) const {
  const std::int64_t limit = hard_limit(l);
  if (dirty >= limit) return 0;
  const std::int64_t setpoint = (l.freerun() + limit) / 2;
  std::int64_t ratio = cubic(setpoint, dirty, limit);
  // The device's own control line; its share of the threshold is the whole of it.
  const std::int64_t x = (l.thresh << 16) / (l.thresh | 1);
  const std::int64_t own_setpoint = setpoint * x >> 16;
  const std::int64_t span = 8 * average_bandwidth_ * x >> 16;
  const std::int64_t intercept = own_setpoint + span;
  if (dirty < intercept - span / 4)
    ratio = ratio * (intercept - dirty) / ((intercept - own_setpoint) | 1);
  else
    ratio /= 4;
  // Far below its share it may go faster.
  const std::int64_t half = l.thresh / 2;
  if (dirty < half) ratio = dirty > half / 8 ? ratio * half / dirty : ratio * 8;
  return ratio;
}

void DirtyControl::update_bandwidth(std::int64_t elapsed, std::int64_t written) {
  const std::int64_t period = power_of_two_from(3 * hz_);
  std::int64_t bw = std::max<std::int64_t>(0, written - written_stamp_) * hz_;
  std::int64_t avg = average_bandwidth_;
  if (elapsed > period) {
    avg = bw = bw / elapsed;
  } else {
    bw = (bw + bandwidth_ * (period - elapsed)) >> log2_of(period);
    // Moves only where both old and new lie on the same side: spikes and fluctuation are smoothed away.
    if (avg > bandwidth_ && bandwidth_ >= bw) avg -= (avg - bandwidth_) >> 3;
    if (avg < bandwidth_ && bandwidth_ <= bw) avg += (bandwidth_ - avg) >> 3;
  }
  average_bandwidth_ = std::max<std::int64_t>(avg, 1);
  bandwidth_ = bw;
}

void DirtyControl::update_base_rate(const DirtyLimits& l, std::int64_t dirty, std::int64_t dirtied,
                                    std::int64_t elapsed) {
  const std::int64_t setpoint = (l.freerun() + hard_limit(l)) / 2;
  const std::int64_t dirty_rate = (dirtied - dirtied_stamp_) * hz_ / elapsed;
  const std::int64_t task_rate = (base_rate_ * position_ratio(l, dirty) >> kRatioShift) + 1;
  // With n writers at task_rate each, dirty_rate is n times it: this is what each may have.
  const std::int64_t balanced = std::min(task_rate * average_bandwidth_ / (dirty_rate | 1), average_bandwidth_);
  std::int64_t step = 0;
  if (dirty < setpoint) {
    const std::int64_t x = std::min({balanced_rate_, balanced, task_rate});
    if (base_rate_ < x) step = x - base_rate_;
  } else {
    const std::int64_t x = std::max({balanced_rate_, balanced, task_rate});
    if (base_rate_ > x) step = base_rate_ - x;
  }
  // Small errors are not chased, and no step is taken whole.
  const std::int64_t shift = base_rate_ / (2 * step + 1);
  step = shift < 64 ? ((step >> shift) + 7) / 8 : 0;
  const std::int64_t next = base_rate_ < balanced ? base_rate_ + step : base_rate_ - step;
  base_rate_ = std::max<std::int64_t>(next, 1);
  balanced_rate_ = balanced;
}

void DirtyControl::update(std::int64_t jiffies, const DirtyLimits& l, std::int64_t dirty, std::int64_t dirtied,
                          std::int64_t written, bool ratelimit) {
  const std::int64_t elapsed = std::max<std::int64_t>(jiffies - stamp_, 1);
  if (ratelimit) {
    const std::int64_t floor = std::max(l.thresh, dirty);
    if (limit_ < l.thresh)
      limit_ = l.thresh;
    else if (limit_ > floor)
      limit_ -= (limit_ - floor) >> 5;
    update_base_rate(l, dirty, dirtied, elapsed);
  }
  update_bandwidth(elapsed, written);
  dirtied_stamp_ = dirtied;
  written_stamp_ = written;
  stamp_ = jiffies;
}

void DirtyControl::restart_if_idle(std::int64_t jiffies, std::int64_t dirtied, std::int64_t written, bool writing) {
  if (writing || jiffies - stamp_ <= hz_) return;
  dirtied_stamp_ = dirtied;
  written_stamp_ = written;
  stamp_ = jiffies;
}

DirtyControl::Pause DirtyControl::pause(std::int64_t ratio, std::int64_t dirty, std::int64_t pages, std::int64_t now,
                                        std::int64_t paused_at) const {
  Pause p;
  p.rate = base_rate_ * ratio >> kRatioShift;
  p.most = std::min(dirty / (1 + average_bandwidth_ / power_of_two_from(1 + hz_ / 8)) + 1,
                    std::max<std::int64_t>(1, hz_ / 5));
  // The least pause: 10 ms for one writer, longer the more of them share the device, and no longer than half the most.
  std::int64_t target = std::max<std::int64_t>(1, hz_ / 100);
  const int shared = log2_of(average_bandwidth_) - log2_of(base_rate_);
  if (shared > 0) target += shared * (10 * hz_) / 1024;
  target = std::min(target, 1 + p.most / 2);
  const std::int64_t hz_power = power_of_two_from(hz_);
  p.next_look = base_rate_ * target / hz_power;
  if (p.next_look < kFewPages) {
    target = p.most;
    p.next_look = base_rate_ * target / hz_power;
    if (p.next_look > kFewPages) {
      p.next_look = kFewPages;
      target = hz_ * kFewPages / base_rate_;
    }
  }
  if (hz_ * p.next_look / (p.rate + 1) > p.most) {
    target = p.most;
    p.next_look = p.rate * target / hz_power;
  }
  p.least = p.next_look >= kFewPages ? 1 + target / 2 : target;
  if (p.rate == 0) {
    p.period = p.jiffies = p.most;
    return p;
  }
  p.period = hz_ * pages / p.rate;
  p.jiffies = p.period - (paused_at > 0 ? now - paused_at : 0);
  return p;
}

}  // namespace wakepath::fs
