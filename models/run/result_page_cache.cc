// SPDX-License-Identifier: GPL-2.0-or-later
// The page cache's part of wakepath.result/1; present where a workload uses it.
#include "models/run/simulation.h"

namespace wakepath::run {

using json = nlohmann::ordered_json;

json Simulation::page_cache_json(double seconds) const {
  const auto& now = page_cache_->counters;
  const auto& then = page_cache_start_.counters;
  const auto& journal = page_cache_->journal().counters;
  const auto rate = [&](auto a, auto b) { return static_cast<double>(a - b) / seconds; };
  engine::Histogram h;
  std::uint64_t syncs = 0;
  for (const auto& j : jobs_) h.merge(j.window().sync_lat), syncs += j.window().syncs;
  const json fsync = {{"mean", h.count() > 0 ? static_cast<double>(h.sum()) / static_cast<double>(h.count()) : 0.0},
                      {"max", h.count() > 0 ? h.max() : 0},
                      {"p50", h.percentile(50, 100)},
                      {"p90", h.percentile(90, 100)},
                      {"p99", h.percentile(99, 100)}};
  return {{"dirtied_pages_per_s", rate(now.dirtied, then.dirtied)},
          {"written_pages_per_s", rate(now.written, then.written)},
          {"ioends_per_s", rate(now.ioends, then.ioends)},
          {"conversion_items_per_s", rate(now.conversion_items, then.conversion_items)},
          {"pauses_per_s", rate(now.pauses, then.pauses)},
          {"throttled", rate(now.throttled_ns, then.throttled_ns) / 1e9},
          {"fsyncs_per_s", static_cast<double>(syncs) / seconds},
          {"fsync_ns", fsync},
          {"journal_commits_per_s", rate(journal.commits, page_cache_start_.journal.commits)},
          {"journal_writes_per_s", rate(journal.writes, page_cache_start_.journal.writes)},
          {"device_flushes_per_s", rate(page_cache_->device().counters.flushes, page_cache_start_.flushes)},
          {"dirty_pages_at_end", page_cache_->dirty()},
          {"writeback_pages_at_end", page_cache_->under_writeback()}};
}

}  // namespace wakepath::run
