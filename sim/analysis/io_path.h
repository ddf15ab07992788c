// SPDX-License-Identifier: GPL-2.0-or-later
// The critical path of every I/O: from the system call that submitted it through device, interrupt, the wait for a
// worker, the work item, and the wait until its submitter reaps it. Each wait is split by what the one who was waited
// for did meanwhile: ran other things, wanted the CPU, slept. The stages of an I/O add up to its latency.
//
// Links: request by device and sector; request to work item by the queue_work record that follows its completion in
// the same interrupt, items by their address, or where addresses are hidden in order of the list they are on (CPU and
// function); item to reaping in the order of completion, as the aio ring has it.
//
// With hidden addresses the lists at the begin of the trace matter: items are linked from where the worker went idle
// once (nothing is before them), or, where it never does, from where the submitter waits and asks for as many events as
// it has in flight: what is neither in the device nor in the ring is on the list. An I/O whose links are not all in
// the trace is not counted: `unlinked` says how many.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sim/analysis/run_delay.h"
#include "sim/engine/stats.h"
#include "sim/trace/event.h"

namespace wakepath::analysis {

enum class Stage : std::uint8_t {
  submit,        // system call's entry to issue to the driver
  device,        // to the begin of the interrupt that completes it
  interrupt,     // to its completion record, behind others of the same interrupt
  worker_runs,   // to the begin of its work item: the worker is at other items
  worker_waits,  // ... the worker is runnable, another has the CPU
  worker_wakes,  // ... it is not woken yet
  work,          // its work item
  reap_runs,     // completed, to its reaping: the submitter is at other things
  reap_waits,    // ... the submitter wants the CPU
  reap_sleeps,   // ... the submitter sleeps: until it is woken, or until min_nr are there
  count_
};
inline constexpr std::size_t kStages = static_cast<std::size_t>(Stage::count_);
[[nodiscard]] std::string_view name_of(Stage s);

class IoPath final : public trace::Sink {
 public:
  explicit IoPath(const RunDelay& tasks) : tasks_(&tasks) {}
  // The same record must have been given to the RunDelay before.
  void on_event(const trace::Event& e) override;
  [[nodiscard]] nlohmann::json json() const;

 private:
  struct Io {
    std::int32_t pid = 0, worker = 0;
    std::int64_t submit_ns = 0, issue_ns = 0, irq_ns = 0, complete_ns = 0, start_ns = 0, done_ns = 0;
  };
  struct Cpu {
    int irqs = 0;
    std::int64_t irq_ns = 0;
    bool has_last = false;
    Io last;  // completed last on this CPU, not yet known to be queued
  };
  Cpu& cpu(std::int32_t id);
  void on_issue(const trace::Event& e);
  void on_complete(const trace::Event& e, Cpu& c);
  void on_queue(const trace::Event& e, Cpu& c);
  void on_start(const trace::Event& e);
  void on_end(const trace::Event& e);
  void done(Io io, std::int64_t ns);
  void close(Cpu& c, std::int64_t ns);
  void on_wait(const trace::Event& e);
  void on_switch(const trace::Event& e);
  void reap(std::int32_t pid, std::int64_t n, std::int64_t ns);
  void count(const Io& io, std::int64_t ns);

  const RunDelay* tasks_;
  std::vector<Cpu> cpus_;
  std::unordered_map<std::int32_t, std::int64_t> calls_;                       // by task: begin of its submitting call
  std::unordered_map<std::uint64_t, Io> issued_;                               // by device and sector
  std::unordered_map<std::uint64_t, Io> queued_at_;                            // by address of the item
  std::map<std::pair<std::int32_t, trace::StringId>, std::deque<Io>> queued_;  // by CPU and function
  std::unordered_map<std::int32_t, Io> at_work_;                               // by worker
  std::unordered_map<std::int32_t, std::deque<Io>> ring_;                      // by submitter
  std::array<engine::Histogram, kStages> stages_;
  std::array<std::int64_t, kStages> longest_{};
  engine::Histogram latency_;
  std::int64_t unlinked_ = 0;
  bool device_seen_ = false;  // a request that was issued in sight has completed: so have those before the trace
  bool linked_ = false;       // it is known what is on the list
  std::int64_t ahead_ = 0;    // items on it from before the trace
};

}  // namespace wakepath::analysis
