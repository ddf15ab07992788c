// SPDX-License-Identifier: GPL-2.0-or-later
// How much of memory may be dirty, and how fast a task may dirty more: the control law of the page cache. Plain
// integers, pages of 4 KiB and jiffies; nothing here knows of tasks, files or devices.
//
// Below the middle of the two thresholds a writer runs free and looks again after dirty_poll_interval() pages. Above
// it, each look costs it a pause, so that writers together dirty as fast as the device cleans: a base rate that follows
// the device's measured bandwidth, times a ratio that falls from 2 to 0 as dirty pages go from the middle to the limit.
//
// One device and no memory cgroups: the device's own share of the thresholds is all of them.
// Source: mm/page-writeback.c (domain_dirty_limits, wb_position_ratio, wb_update_write_bandwidth,
// wb_update_dirty_ratelimit, wb_max_pause, wb_min_pause, balance_dirty_pages), 6.1 and 6.12.
#pragma once

#include <cstdint>

namespace wakepath::fs {

inline constexpr std::int64_t kPageBytes = 4096;

struct DirtyKnobs {  // vm.dirty_*
  std::int64_t dirtyable_pages = 0;
  std::int64_t ratio = 20, background_ratio = 10;  // percent
  std::int64_t bytes = 0, background_bytes = 0;    // instead, when not 0
};

struct DirtyLimits {
  std::int64_t thresh = 0, background = 0;  // pages
  [[nodiscard]] std::int64_t freerun() const { return (thresh + background) / 2; }
};

DirtyLimits dirty_limits(const DirtyKnobs& k);
// After how many newly dirtied pages a writer that runs free looks again.
std::int64_t dirty_poll_interval(std::int64_t dirty, std::int64_t thresh);

// The estimates of one device (bdi_writeback) and the hard limit that follows the threshold.
class DirtyControl {
 public:
  static constexpr int kRatioShift = 10;  // ratios are in 1/1024
  explicit DirtyControl(int hz);

  // At most once an interval of 200 ms per caller's rule; `dirtied`, `written`: totals since the start.
  void update(std::int64_t jiffies, const DirtyLimits& l, std::int64_t dirty, std::int64_t dirtied,
              std::int64_t written, bool ratelimit);
  [[nodiscard]] bool due(std::int64_t jiffies) const { return jiffies > stamp_ + interval_; }
  // The estimate pauses where nothing is written for a second.
  void restart_if_idle(std::int64_t jiffies, std::int64_t dirtied, std::int64_t written, bool writing);

  [[nodiscard]] std::int64_t position_ratio(const DirtyLimits& l, std::int64_t dirty) const;

  struct Pause {
    std::int64_t jiffies = 0;  // 0 or less: none
    std::int64_t period = 0, least = 0, most = 0;
    std::int64_t next_look = 0;  // nr_dirtied_pause
    std::int64_t rate = 0;       // pages a second this task may dirty
  };
  // For a task that dirtied `pages` since `paused_at` (0: never paused), now.
  [[nodiscard]] Pause pause(std::int64_t ratio, std::int64_t dirty, std::int64_t pages, std::int64_t now,
                            std::int64_t paused_at) const;

  [[nodiscard]] std::int64_t write_bandwidth() const { return average_bandwidth_; }  // pages a second
  [[nodiscard]] std::int64_t base_rate() const { return base_rate_; }

 private:
  void update_bandwidth(std::int64_t elapsed, std::int64_t written);
  void update_base_rate(const DirtyLimits& l, std::int64_t dirty, std::int64_t dirtied, std::int64_t elapsed);
  [[nodiscard]] std::int64_t hard_limit(const DirtyLimits& l) const { return l.thresh > limit_ ? l.thresh : limit_; }

  std::int64_t hz_, interval_;
  std::int64_t bandwidth_, average_bandwidth_, base_rate_, balanced_rate_;
  std::int64_t limit_ = 0;  // follows the threshold down slowly
  std::int64_t stamp_ = 0, dirtied_stamp_ = 0, written_stamp_ = 0;
};

}  // namespace wakepath::fs
