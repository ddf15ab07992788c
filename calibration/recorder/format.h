// SPDX-License-Identifier: GPL-2.0-or-later
// Writes urtrace, version 1 (docs/recording.md): text, one record a line, fields separated by tabs, first its type.
// Times are ns of CLOCK_MONOTONIC since the header's t0. H comes first, E last; a file without E was cut short.
//
// Nothing is written while a probe measures: each hands over what it has when it is done.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "calibration/recorder/samples.h"

namespace wakepath::recorder {

// One request of a recorded loop.
struct IoRecord {
  std::int64_t prep_ns = 0, seen_ns = 0;
  std::int64_t offset = 0;
  std::int32_t result = 0;
  std::uint32_t submit_call = 0, seen_call = 0;
};
// One io_uring_enter of a recorded loop.
struct CallRecord {
  std::int64_t begin_ns = 0, end_ns = 0;
  std::int32_t submitted = 0, min_complete = 0, ret = 0;
  std::uint32_t first_io = 0;
  std::int16_t cpu_begin = 0, cpu_end = 0;
};
// What a loop used, from its thread's clocks and counters.
struct LoopTotals {
  std::int64_t window_ns = 0, ios = 0, calls = 0, cpu_ns = 0, user_ns = 0, system_ns = 0;
  std::int64_t voluntary = 0, involuntary = 0, run_ns = 0, wait_ns = 0, interrupts = 0;
};

class Writer {
 public:
  explicit Writer(const std::string& path);
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void header(const std::string& kernel, const std::string& cpu_model, bool virtual_machine,
              const std::string& clocksource);
  void target(const std::string& path, bool block_device, std::int64_t size);
  void cost(const Samples& samples);                                         // K
  void count(std::string_view kind, std::int64_t n, std::int64_t happened);  // N
  void loop(std::string_view name, const LoopTotals& totals);                // L
  void ios(const std::vector<IoRecord>& ios, const std::vector<CallRecord>& calls, bool write, std::int64_t bytes);
  void lack(std::string_view part, std::string_view reason);  // X
  void host(std::int64_t steal_ticks, std::int64_t irq_ticks, std::int64_t softirq_ticks);
  void end();

 private:
  template <class... Fields>
  void line(char type, const Fields&... fields);
  void put(std::string_view text);
  void put(std::int64_t value);
  void put(const std::vector<std::int64_t>& list);
  void flush();

  std::FILE* out_ = nullptr;
  std::string path_;
  std::int64_t t0_ = 0;
  std::uint64_t ios_ = 0, calls_ = 0;
};

}  // namespace wakepath::recorder
