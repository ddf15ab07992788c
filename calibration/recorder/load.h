// SPDX-License-Identifier: GPL-2.0-or-later
// A file or device opened past the page cache, aligned buffers, and the closed loop that both the recorder and
// `load` run: keep `depth` requests in flight, submit in batches, wait for at least `complete_min`.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "calibration/recorder/format.h"
#include "calibration/recorder/probe.h"
#include "calibration/recorder/ring.h"
#include "calibration/recorder/samples.h"

namespace wakepath::recorder {

class Target {
 public:
  Target(const Options& options, std::size_t buffers);
  ~Target();
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] char* buffer(std::size_t i) const { return memory_ + i * stride_; }
  // A random place, aligned to a request. Deterministic: what is measured must not depend on the day's dice.
  std::int64_t next_offset();
  [[nodiscard]] std::int64_t size() const { return blocks_ * bytes_; }
  [[nodiscard]] bool is_block_device() const { return block_device_; }

 private:
  int fd_ = -1;
  bool block_device_ = false;
  std::int64_t blocks_ = 0, bytes_ = 0;
  std::size_t stride_ = 0;
  char* memory_ = nullptr;
  std::uint64_t state_ = 0x9e3779b97f4a7c15ULL;
};

struct LoopSetting {
  int depth = 1, batch = 1, complete_min = 1, complete_max = 1;
  bool write = true, stamp = true;
  double seconds = 1;
  std::size_t max_records = 20'000;
};

struct LoopResult {
  LoopTotals totals;
  std::vector<IoRecord> ios;
  std::vector<CallRecord> calls;
};

LoopResult run_loop(const Options& options, Target& target, const LoopSetting& setting);

// What stamps cost: CPU time a request with them over that without, in 0.00001, of `rounds` of four turns of `turn_s`
// each. Short turns of one loop that goes on: a shared machine is faster or slower from second to second.
Samples cost_of_stamps(const Options& options, Target& target, const LoopSetting& setting, double turn_s, int rounds);

}  // namespace wakepath::recorder
