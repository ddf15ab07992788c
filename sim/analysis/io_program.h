// SPDX-License-Identifier: GPL-2.0-or-later
// What a recording says of its programs: how each task that does I/O calls the kernel (batches, how much it keeps in
// flight, how many completions it waits for), the requests with the device's own times, and what everybody else did.
// A replay (python/wakepath/replay.py) builds its scenario from this and from nothing that only a setting knows.
//
// In flight at the first record: what completes without having been issued in sight, what waits for a worker, what lies
// reaped by nobody. The latter two are the least numbers with which no worker executes and nobody reaps what is not
// there yet; they are exact where the worker idled and the ring ran empty once. Requests of others, and items that no
// end of a request queued, do not count; a request without an item ends where it completes.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <unordered_map>
#include <vector>

#include "sim/analysis/counter.h"
#include "sim/trace/event.h"
#include "sim/trace/string_pool.h"

namespace wakepath::analysis {

struct IoRequest {                                         // in the order of completion
  std::int64_t issue_ns = 0, irq_ns = 0, complete_ns = 0;  // irq: when the interrupt that completed it began
  std::int64_t now_ns = 0;                                 // the timer's own clock, where a timer completed it
  std::uint32_t bytes = 0;
  bool write = false;
  bool of_task = false;  // not issued by a worker (writeback)
  // Issued so often and not ended: again because the driver was full, or another one of the same sector.
  std::uint32_t issues = 1;
  bool ended = false;  // one of that sector ended since; that there is another is not known
};

struct IoTask {
  std::string comm;
  std::int32_t prio = 120;
  bool uring = false;
  std::map<std::int64_t, std::int64_t> submit_nr, min_nr, nr;  // arguments, how often
  std::map<std::int64_t, std::int64_t> batch;                  // I/Os between submits that were not followed by a wait
  std::map<std::int64_t, std::int64_t> balance;  // submitted less reaped, at the begin of each wait for something
  std::int64_t submitted = 0, reaped = 0;
  std::int64_t since_batch = -1;
  bool submitted_last = false;
  std::int64_t last_nr = 0;
  std::map<std::int32_t, std::int64_t> cpus;
};

struct OtherTask {
  std::string comm;
  std::int32_t prio = 120;
  std::int64_t turns = 0, run_ns = 0;  // times it was switched to after a sleep; CPU time
  bool works = false;
  // Requests that it issued, and by whom it was woken: workers of a ring (io-wq) issue for the task that wakes them.
  std::int64_t issued = 0, wakings = 0, woken_by_ring = 0;
  std::int64_t ended = 0;  // items of I/Os that it executed
  std::map<std::int32_t, std::int64_t> cpus;
};

class IoPrograms final : public trace::Sink {
 public:
  // Requests kept whole, in blocks of neighbours that lie evenly over the trace: where more come, every second block
  // gives way.
  static constexpr std::size_t kBlock = 4000, kBlocksKept = 64;
  explicit IoPrograms(const trace::StringPool& pool) : pool_(&pool) {}
  void on_event(const trace::Event& e) override;
  // {"tasks", "others", "requests", "completion", "in_flight", "workqueue"}
  [[nodiscard]] nlohmann::json json() const;

 private:
  struct Cpu {
    std::int64_t irq_ns = 0, now_ns = 0, since_ns = -1;
    std::int64_t raised_ns = 0;  // when the interrupt began that raised the softirq of blocks; an IPI has no record
    int irqs = 0;
    trace::StringId irq_name = 0;
    bool timer = false;
    bool ended = false;  // a request of a task ended here, and no item was queued for it yet
  };
  void on_switch(const trace::Event& e, Cpu& c);
  void on_submit(const trace::Event& e, std::int64_t nr);
  void on_wait(const trace::Event& e, std::int64_t min_nr, std::int64_t nr);
  void on_reap(const trace::Event& e);
  void on_issue(const trace::Event& e);
  void on_waking(const trace::Event& e, const Cpu& c);
  void on_complete(const trace::Event& e, Cpu& c);
  void on_queue(const trace::Event& e, Cpu& c);
  void on_execute(const trace::Event& e);
  void keep(const IoRequest& r);
  void settle(Cpu& c);

  const trace::StringPool* pool_;
  std::map<std::int32_t, IoTask> tasks_;
  std::map<std::int32_t, OtherTask> others_;
  std::vector<Cpu> cpus_;
  std::unordered_map<std::uint64_t, IoRequest> open_;  // by device and sector
  std::vector<IoRequest> requests_;
  std::size_t seen_whole_ = 0, stride_ = 1;            // every stride_-th block is kept
  std::map<std::string, std::int64_t> completed_by_;   // name of the interrupt, or function of the timer
  std::map<std::string, std::int64_t> workqueues_;     // items queued by completions
  std::map<std::uint32_t, std::int64_t> issued_to_;    // by device number
  std::map<std::int32_t, std::int64_t> completed_on_;  // by CPU
  std::int64_t issued_ = 0, completed_ = 0, unseen_ = 0, writes_ = 0, completed_in_softirq_ = 0;
  std::vector<trace::StringId> item_functions_;  // of items that ends of requests queue
  std::int64_t queued_ = 0, executed_ = 0, done_ = 0, reaped_ = 0, waiting_at_begin_ = 0, in_ring_at_begin_ = 0;
  std::map<std::uint32_t, std::int64_t> bytes_;
};

}  // namespace wakepath::analysis
