// SPDX-License-Identifier: GPL-2.0-or-later
#ifdef WAKEPATH_HAVE_PROTOBUF
#include "sim/trace/perfetto_tracks.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/trace/event_names.h"
#include "sim/trace/perfetto_packets.h"

namespace wakepath::trace {
namespace {

using perfetto::TrackEvent;

constexpr std::uint32_t kTracksSequence = 2;
constexpr std::size_t kFlowsLimit = 64;  // arrows from one waking; more are no picture
constexpr std::size_t kLanesLimit = 4096;
constexpr std::size_t kInFlightLimit = 1 << 16;  // a trace that lost its completions must not grow

// Ids of tracks: a kind above 48 bits of what it is of.
enum : std::uint64_t {
  kTask = std::uint64_t{1} << 48U,
  kLane = std::uint64_t{2} << 48U,
  kWorker = std::uint64_t{3} << 48U,
  kCounter = std::uint64_t{4} << 48U,
  kDevices = std::uint64_t{5} << 48U,
  kWorkqueues = std::uint64_t{6} << 48U
};

std::uint64_t dev_of(const Event& e) { return (std::uint64_t{e.u.rq.major} << 20U) | (e.u.rq.minor & 0xfffffU); }

bool in_interrupt(const Event& e) { return e.has_flags && (e.flags & (kHardirq | kSoftirq)) != 0; }

void annotate(TrackEvent& event, const char* name, std::uint64_t value) {
  auto& note = *event.add_debug_annotations();
  note.set_name(name);
  note.set_uint_value(value);
}

void append(std::vector<std::uint64_t>& to, const std::vector<std::uint64_t>& from) {
  const std::size_t room = kFlowsLimit - std::min(kFlowsLimit, to.size());
  to.insert(to.end(), from.begin(), from.begin() + static_cast<std::ptrdiff_t>(std::min(room, from.size())));
}

}  // namespace

TrackEvent& PerfettoTracks::event(std::int64_t ts_ns, std::uint64_t track, TrackEvent::Type type) {
  packet_.Clear();
  packet_.set_timestamp(static_cast<std::uint64_t>(ts_ns));
  auto& made = *packet_.mutable_track_event();
  made.set_type(type);
  made.set_track_uuid(track);
  return made;
}

void PerfettoTracks::put(std::string& out) {
  packet_.set_trusted_packet_sequence_id(kTracksSequence);
  if (!begun_) packet_.set_sequence_flags(1);
  begun_ = true;
  append_packet(out, packet_);
}

void PerfettoTracks::describe(std::uint64_t uuid, const std::string& name, std::uint64_t parent, std::string& out) {
  packet_.Clear();
  auto& track = *packet_.mutable_track_descriptor();
  track.set_uuid(uuid);
  track.set_name(name);
  if (parent != 0) track.set_parent_uuid(parent);
  put(out);
}

std::uint64_t PerfettoTracks::task_track(std::int32_t pid, StringId comm, std::string& out) {
  const std::uint64_t uuid = kTask | static_cast<std::uint32_t>(pid);
  if (!described_.insert({uuid, true}).second) return uuid;
  packet_.Clear();
  auto& track = *packet_.mutable_track_descriptor();
  track.set_uuid(uuid);
  track.mutable_thread()->set_pid(pid);  // its process is not told by a trace: each task stands for itself
  track.mutable_thread()->set_tid(pid);
  track.mutable_thread()->set_thread_name(pool_->str(comm));
  put(out);
  return uuid;
}

std::uint64_t PerfettoTracks::lane_track(std::uint64_t dev, std::size_t lane, std::string& out) {
  if (described_.insert({kDevices, true}).second) describe(kDevices, "I/O", 0, out);
  const std::uint64_t uuid = kLane | (dev << 12U) | lane;
  if (described_.insert({uuid, true}).second) {
    describe(uuid, fmt::format("I/O {},{}", dev >> 20U, dev & 0xfffffU), kDevices, out);
  }
  return uuid;
}

std::uint64_t PerfettoTracks::worker_track(StringId workqueue, std::int32_t pid, std::string& out) {
  if (described_.insert({kWorkqueues, true}).second) describe(kWorkqueues, "workqueues", 0, out);
  const std::uint64_t group = kWorkqueues | workqueue;
  const std::string& name = workqueue == 0 ? "(queued before)" : pool_->str(workqueue);
  if (workqueue != 0 && described_.insert({group, true}).second) describe(group, name, kWorkqueues, out);
  const std::uint64_t uuid =
      kWorker | (std::uint64_t{workqueue & 0xffffffU} << 24U) | (static_cast<std::uint32_t>(pid) & 0xffffffU);
  if (described_.insert({uuid, true}).second) {
    describe(uuid, fmt::format("{} in {}", name, pid), workqueue != 0 ? group : std::uint64_t{kWorkqueues}, out);
  }
  return uuid;
}

void PerfettoTracks::count(std::int64_t ts_ns, std::uint64_t dev, std::int64_t value, std::string& out) {
  const std::uint64_t uuid = kCounter | dev;
  if (described_.insert({uuid, true}).second) {
    packet_.Clear();
    auto& track = *packet_.mutable_track_descriptor();
    track.set_uuid(uuid);
    track.set_name(fmt::format("in flight {},{}", dev >> 20U, dev & 0xfffffU));
    track.mutable_counter()->set_unit_name("I/Os");
    put(out);
  }
  event(ts_ns, uuid, TrackEvent::COUNTER).set_counter_value(value);
  put(out);
}

void PerfettoTracks::issue(const Event& e, std::string& out) {
  const std::uint64_t dev = dev_of(e);
  Device& device = devices_[dev];
  if (in_flight_.size() >= kInFlightLimit) return;
  std::size_t lane = 0;
  while (lane < device.lanes.size() && device.lanes[lane]) ++lane;
  if (lane == kLanesLimit) return;
  if (lane == device.lanes.size()) device.lanes.push_back(false);
  device.lanes[lane] = true;
  const Io io{next_flow_++, lane_track(dev, lane, out), lane};
  in_flight_.insert({{dev, e.u.rq.sector}, io});
  const std::uint64_t task = task_track(e.pid, e.comm, out);
  auto& submitted = event(e.ts_ns, task, TrackEvent::INSTANT);
  submitted.set_name("issue");
  submitted.add_flow_ids(io.flow);
  put(out);
  auto& slice = event(e.ts_ns, io.track, TrackEvent::SLICE_BEGIN);
  slice.set_name(pool_->str(e.u.rq.rwbs));
  slice.add_flow_ids(io.flow);
  annotate(slice, "sector", e.u.rq.sector);
  annotate(slice, "bytes", e.u.rq.bytes);
  put(out);
  count(e.ts_ns, dev, ++device.in_flight, out);
}

void PerfettoTracks::complete(const Event& e, std::string& out) {
  const std::uint64_t dev = dev_of(e);
  // Of two requests for one sector the older one.
  const auto found = in_flight_.lower_bound({dev, e.u.rq.sector});
  if (found == in_flight_.end() || found->first != std::pair(dev, e.u.rq.sector)) return;  // issued before the trace
  const Io io = found->second;
  in_flight_.erase(found);
  Device& device = devices_[dev];
  device.lanes[io.lane] = false;
  auto& done = event(e.ts_ns, io.track, TrackEvent::INSTANT);
  done.set_name("complete");
  done.add_flow_ids(io.flow);
  put(out);
  event(e.ts_ns, io.track, TrackEvent::SLICE_END);
  put(out);
  count(e.ts_ns, dev, --device.in_flight, out);
  Context& context = contexts_[e.cpu];
  context.in_interrupt = in_interrupt(e);
  append(context.flows, {io.flow});
}

// Whose I/Os are behind it: those of the interrupt it is in, or of the item that its worker runs.
void PerfettoTracks::waking(const Event& e, std::string& out) {
  Flows flows;
  Context& context = contexts_[e.cpu];
  if (context.in_interrupt && e.has_flags && !in_interrupt(e)) context.flows.clear();
  std::swap(flows, context.flows);
  const auto item = running_.find(e.pid);
  if (flows.empty() && item != running_.end() && !in_interrupt(e)) std::swap(flows, item->second.second.flows);
  if (flows.empty()) return;
  const std::uint64_t task = task_track(e.u.task.pid, e.u.task.comm, out);
  auto& woken = event(e.ts_ns, task, TrackEvent::INSTANT);
  woken.set_name("woken by I/O");
  for (const std::uint64_t flow : flows) woken.add_terminating_flow_ids(flow);
  put(out);
}

void PerfettoTracks::start_item(const Event& e, std::string& out) {
  Item item;
  if (const auto queued = queued_.find(e.u.work.work); queued != queued_.end()) {
    item = std::move(queued->second);
    queued_.erase(queued);
  }
  const std::uint64_t track = worker_track(item.workqueue, e.pid, out);
  auto& slice = event(e.ts_ns, track, TrackEvent::SLICE_BEGIN);
  slice.set_name(pool_->str(e.u.work.function));
  for (const std::uint64_t flow : item.flows) slice.add_flow_ids(flow);
  put(out);
  running_[e.pid] = {track, std::move(item)};
}

void PerfettoTracks::end_item(const Event& e, std::string& out) {
  const auto running = running_.find(e.pid);
  if (running == running_.end()) return;
  event(e.ts_ns, running->second.first, TrackEvent::SLICE_END);
  put(out);
  running_.erase(running);
}

void PerfettoTracks::enter(const Event& e, std::string& out) {
  const std::uint64_t task = task_track(e.pid, e.comm, out);
  if (!in_call_.insert({e.pid, task}).second) return;
  auto& slice = event(e.ts_ns, task, TrackEvent::SLICE_BEGIN);
  slice.set_name(std::string(name_of(e.type).substr(std::string_view("sys_enter_").size())));
  annotate(slice, "nr", static_cast<std::uint64_t>(e.u.sys.nr));
  if (e.type != EventType::sys_enter_io_submit) annotate(slice, "min_nr", static_cast<std::uint64_t>(e.u.sys.min_nr));
  put(out);
}

void PerfettoTracks::leave(const Event& e, std::string& out) {
  const auto call = in_call_.find(e.pid);
  if (call == in_call_.end()) return;
  event(e.ts_ns, call->second, TrackEvent::SLICE_END);
  put(out);
  in_call_.erase(call);
}

void PerfettoTracks::on_event(const Event& e, std::string& out) {
  if (e.ts_ns > last_ts_ns_) last_ts_ns_ = e.ts_ns;
  switch (e.type) {
    case EventType::block_rq_issue:
      return issue(e, out);
    case EventType::block_rq_complete:
      return complete(e, out);
    case EventType::sched_waking:
      return waking(e, out);
    case EventType::workqueue_queue_work: {
      if (queued_.size() >= kInFlightLimit) queued_.clear();
      Context& context = contexts_[e.cpu];
      Item& item = queued_[e.u.work.work];
      item.workqueue = e.u.work.workqueue;
      append(item.flows, context.flows);
      context.flows.clear();
      return;
    }
    case EventType::workqueue_execute_start:
      return start_item(e, out);
    case EventType::workqueue_execute_end:
      return end_item(e, out);
    case EventType::sys_enter_io_submit:
    case EventType::sys_enter_io_getevents:
    case EventType::sys_enter_io_uring_enter:
      return enter(e, out);
    case EventType::sys_exit_io_submit:
    case EventType::sys_exit_io_getevents:
    case EventType::sys_exit_io_uring_enter:
      return leave(e, out);
    case EventType::sched_switch:
    case EventType::irq_handler_exit:
    case EventType::softirq_exit:
    case EventType::local_timer_exit:
      contexts_[e.cpu].flows.clear();
      return;
    default:
      return;
  }
}

void PerfettoTracks::finish(std::string& out) {
  for (const auto& [where, io] : in_flight_) {
    event(last_ts_ns_, io.track, TrackEvent::SLICE_END);
    put(out);
  }
  for (const auto& [pid, running] : running_) {
    event(last_ts_ns_, running.first, TrackEvent::SLICE_END);
    put(out);
  }
  for (const auto& [pid, track] : in_call_) {
    event(last_ts_ns_, track, TrackEvent::SLICE_END);
    put(out);
  }
}

}  // namespace wakepath::trace
#endif
