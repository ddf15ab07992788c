// SPDX-License-Identifier: GPL-2.0-or-later
// On which CPU the I/Os of each CPU end: read off where block_rq_issue and block_rq_complete of a request were written,
// and whether the end was in the interrupt itself or in a softirq. Where most of a CPU's I/Os end elsewhere, completion
// steering (the queue's interrupt affinity and rq_affinity) makes their work items, and the wakeups of those who wait,
// come from there. Source: block/blk-mq.c:blk_mq_complete_request_remote, blk_mq_complete_need_ipi, 6.1 and 6.12.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <unordered_map>
#include <utility>

#include "sim/trace/event.h"

namespace wakepath::analysis {

class Steering final : public trace::Sink {
 public:
  void on_event(const trace::Event& e) override;
  // "" where no CPU has most of at least kLeast I/Os ended elsewhere.
  [[nodiscard]] std::string cause() const;
  // {"ios", "elsewhere_share", "rows": [{issued_on, completed_on, n, in_softirq}], "cause"}
  [[nodiscard]] nlohmann::json json() const;

 private:
  static constexpr std::int64_t kLeast = 20;
  static constexpr std::size_t kOpenKept = 1 << 20, kPairsKept = 1 << 14;
  struct Ends {
    std::int64_t n = 0, in_softirq = 0;
  };
  std::unordered_map<std::uint64_t, std::int16_t> open_;  // by device and sector: where it was issued
  std::map<std::pair<std::int16_t, std::int16_t>, Ends> pairs_;
  std::int64_t ios_ = 0, elsewhere_ = 0;
};

}  // namespace wakepath::analysis
