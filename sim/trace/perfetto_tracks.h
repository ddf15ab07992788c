// SPDX-License-Identifier: GPL-2.0-or-later
// What Perfetto does not make of ftrace events by itself, as track events:
//   a task       its io_submit, io_getevents and io_uring_enter calls; an instant where it issues an I/O and where one
//                wakes it
//   a workqueue  a slice for each item that runs, on a track for each worker
//   a device     a slice from issue to completion of each request, on as many lanes as are in flight; their number
// One flow leads through each I/O: issue, slice, completion, work item that ends it, wakeup. Who was woken by which I/O
// is told by where the waking was: in the interrupt that completed it, or in the item that this interrupt queued.
// Memory: what is in flight, and a word for each task and lane.
#pragma once
#ifdef WAKEPATH_HAVE_PROTOBUF

#include <perfetto_trace.pb.h>

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sim/trace/event.h"
#include "sim/trace/string_pool.h"

namespace wakepath::trace {

class PerfettoTracks {
 public:
  explicit PerfettoTracks(const StringPool& pool) : pool_(&pool) {}
  void on_event(const Event& e, std::string& out);  // appends packets
  void finish(std::string& out);                    // ends what is open at the last record

 private:
  using Flows = std::vector<std::uint64_t>;
  struct Device {
    std::vector<bool> lanes;  // in use
    std::int64_t in_flight = 0;
  };
  struct Io {
    std::uint64_t flow, track;
    std::size_t lane;
  };
  struct Item {  // of a workqueue, queued or running
    StringId workqueue = 0;
    Flows flows;
  };
  struct Context {  // I/Os that the code now running on a CPU has completed
    Flows flows;
    bool in_interrupt = false;
  };

  void issue(const Event& e, std::string& out);
  void complete(const Event& e, std::string& out);
  void waking(const Event& e, std::string& out);
  void start_item(const Event& e, std::string& out);
  void end_item(const Event& e, std::string& out);
  void enter(const Event& e, std::string& out);
  void leave(const Event& e, std::string& out);

  perfetto::TrackEvent& event(std::int64_t ts_ns, std::uint64_t track, perfetto::TrackEvent::Type type);
  void put(std::string& out);
  void describe(std::uint64_t uuid, const std::string& name, std::uint64_t parent, std::string& out);
  std::uint64_t task_track(std::int32_t pid, StringId comm, std::string& out);
  std::uint64_t lane_track(std::uint64_t dev, std::size_t lane, std::string& out);
  std::uint64_t worker_track(StringId workqueue, std::int32_t pid, std::string& out);
  void count(std::int64_t ts_ns, std::uint64_t dev, std::int64_t value, std::string& out);

  const StringPool* pool_;
  perfetto::TracePacket packet_;
  std::unordered_map<std::uint64_t, bool> described_;
  std::map<std::uint64_t, Device> devices_;
  std::multimap<std::pair<std::uint64_t, std::uint64_t>, Io> in_flight_;  // (dev, sector)
  std::unordered_map<std::uint64_t, Item> queued_;                        // by work struct
  std::map<std::int32_t, std::pair<std::uint64_t, Item>> running_;        // by worker: its track, the item
  std::map<std::int32_t, std::uint64_t> in_call_;                         // by task: its track
  std::unordered_map<int, Context> contexts_;                             // by CPU
  std::uint64_t next_flow_ = 1;
  std::int64_t last_ts_ns_ = 0;
  bool begun_ = false;
};

}  // namespace wakepath::trace
#endif
