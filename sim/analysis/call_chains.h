// SPDX-License-Identifier: GPL-2.0-or-later
// What the call chains of a recording (`perf record -g`, ftrace's stack traces) tell and the records alone do not: at
// which point of the kernel a task was switched away, and by which path it was woken. Names of kernel functions, never
// of tasks. Source: kernel/sched/core.c, kernel/entry/common.c, 6.1 to 6.18: who calls __schedule and try_to_wake_up.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/trace/event.h"
#include "sim/trace/string_pool.h"

namespace wakepath::analysis {

// "try_to_wake_up" of "  ffffffff810d5b2c try_to_wake_up+0x2c ([kernel.kallsyms])" and of "=> try_to_wake_up".
[[nodiscard]] std::string_view function_of_frame(std::string_view frame);

// Frames innermost first, as functions. "cond_resched in iomap_dio_complete", "interrupt return in filemap_read" …; ""
// where there is no scheduler in it.
[[nodiscard]] std::string switch_point(const std::vector<std::string_view>& functions, bool involuntary);
// Up to four functions from the wakeup outwards: "aio_complete < iomap_dio_complete_work < process_one_work".
[[nodiscard]] std::string waker_path(const std::vector<std::string_view>& functions);

class CallChains {
 public:
  explicit CallChains(const trace::StringPool& pool) : pool_(&pool) {}
  void on_event(const trace::Event& e, const std::vector<trace::StringId>& chain);  // an empty chain is none
  [[nodiscard]] bool empty() const { return chains_ == 0; }
  // {"chains": n, "switches": [{"point", "involuntary", "n"}], "wakings": [{"path", "n"}]}, the most frequent first
  [[nodiscard]] nlohmann::json json() const;

 private:
  const trace::StringPool* pool_;
  std::int64_t chains_ = 0;
  std::map<std::pair<std::string, bool>, std::int64_t> switches_;
  std::map<std::string, std::int64_t> wakings_;
};

}  // namespace wakepath::analysis
