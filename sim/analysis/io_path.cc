// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/analysis/io_path.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "sim/analysis/counter.h"
#include "sim/analysis/damaged_input.h"

namespace wakepath::analysis {

using trace::Event;
using trace::EventType;

namespace {
constexpr std::size_t kKept = 1 << 20;
constexpr std::int64_t kLongest = std::int64_t{1} << 40;  // of a stage: damaged stamps must not overflow the sums

}  // namespace

std::string_view name_of(Stage s) {
  constexpr std::array<std::string_view, kStages> kNames{"submit",       "device",       "interrupt", "worker_runs",
                                                         "worker_waits", "worker_wakes", "work",      "reap_runs",
                                                         "reap_waits",   "reap_sleeps"};
  return kNames[static_cast<std::size_t>(s)];
}

IoPath::Cpu& IoPath::cpu(std::int32_t id) {
  const auto i = cpu_index(id);
  if (i >= cpus_.size()) cpus_.resize(i + 1);
  return cpus_[i];
}

void IoPath::on_issue(const Event& e) {
  if (issued_.size() >= kKept) return;
  const auto call = calls_.find(e.pid);
  if (call == calls_.end()) return;  // issued by another than its submitter: not linked
  Io io;
  io.pid = e.pid;
  io.submit_ns = call->second;
  io.issue_ns = e.ts_ns;
  issued_[key_of(e.u.rq)] = io;
}

void IoPath::on_complete(const Event& e, Cpu& c) {
  close(c, e.ts_ns);
  const auto it = issued_.find(key_of(e.u.rq));
  if (it == issued_.end()) {
    ++unlinked_;
    return;
  }
  c.last = it->second;
  issued_.erase(it);
  device_seen_ = true;
  c.last.irq_ns = c.irqs > 0 ? std::max(c.irq_ns, c.last.issue_ns) : e.ts_ns;
  c.last.complete_ns = e.ts_ns;
  c.has_last = true;
}

// Nothing was queued for the request that was completed last: it ended where it was completed.
void IoPath::close(Cpu& c, std::int64_t ns) {
  if (!c.has_last) return;
  c.has_last = false;
  c.last.start_ns = c.last.complete_ns;
  done(c.last, ns);
}

void IoPath::on_queue(const Event& e, Cpu& c) {
  if (!c.has_last) return;
  c.has_last = false;
  if (e.u.work.work != 0) {
    if (queued_at_.size() < kKept) queued_at_[e.u.work.work] = c.last;
  } else {
    queued_[{e.u.work.cpu, e.u.work.function}].push_back(c.last);
  }
}

void IoPath::on_start(const Event& e) {
  Io io;
  if (const auto it = queued_at_.find(e.u.work.work); it != queued_at_.end()) {
    io = it->second;
    queued_at_.erase(it);
  } else {
    at_work_[e.pid] = {};  // a worker, whatever its item is
    if (!linked_) return;
    if (ahead_ > 0) {
      --ahead_;
      return;
    }
    const auto list = queued_.find({e.cpu, e.u.work.function});
    if (list == queued_.end() || list->second.empty()) return;
    io = list->second.front();
    list->second.pop_front();
  }
  io.worker = e.pid;
  io.start_ns = e.ts_ns;
  at_work_[e.pid] = io;
}

void IoPath::on_end(const Event& e) {
  const auto it = at_work_.find(e.pid);
  if (it == at_work_.end() || it->second.pid == 0) return;
  const Io io = it->second;
  it->second = {};  // still a worker
  if (io.done_ns == 0) done(io, e.ts_ns);
}

void IoPath::done(Io io, std::int64_t ns) {
  io.done_ns = ns;
  ring_[io.pid].push_back(io);
}

void IoPath::reap(std::int32_t pid, std::int64_t n, std::int64_t ns) {
  const auto ring = ring_.find(pid);
  if (ring == ring_.end()) return;
  for (; n > 0 && !ring->second.empty(); --n) {
    count(ring->second.front(), ns);
    ring->second.pop_front();
  }
}

void IoPath::on_wait(const Event& e) {
  if (linked_ || !device_seen_ || e.u.sys.min_nr <= 0 || queued_.size() != 1) return;
  auto& list = queued_.begin()->second;
  const auto ring = ring_.find(e.pid);
  const auto reapable = ring == ring_.end() ? 0 : static_cast<std::int64_t>(ring->second.size());
  const auto at_work = std::count_if(at_work_.begin(), at_work_.end(),
                                     [](const auto& w) { return w.second.pid != 0 && w.second.done_ns == 0; });
  const auto on_list = e.u.sys.nr - static_cast<std::int64_t>(issued_.size()) - at_work - reapable;
  const auto seen = static_cast<std::int64_t>(list.size());
  for (std::int64_t gone = seen - std::max<std::int64_t>(0, on_list); gone > 0; --gone) list.pop_front();
  ahead_ = std::max<std::int64_t>(0, on_list - seen);
  linked_ = true;
}

void IoPath::on_switch(const Event& e) {
  const bool slept = (e.u.sw.prev_state & ~trace::kStatePreempted) != 0;
  if (!slept) return;
  // A worker that has nothing left: what is asleep in that state without being one says nothing.
  if (e.u.sw.prev_state != trace::kStateIdle || !at_work_.contains(e.u.sw.prev_pid)) return;
  for (const auto& [pid, io] : at_work_)
    if (io.pid != 0) return;
  for (auto& [where, list] : queued_)
    if (where.first == e.cpu) list.clear();
  linked_ = true;
  ahead_ = 0;
}

void IoPath::count(const Io& io, std::int64_t ns) {
  std::array<std::int64_t, kStages> spent{};
  const auto put = [&](Stage s, std::int64_t v) {
    spent[static_cast<std::size_t>(s)] = std::clamp<std::int64_t>(v, 0, kLongest);
  };
  put(Stage::submit, io.issue_ns - io.submit_ns);
  put(Stage::device, io.irq_ns - io.issue_ns);
  put(Stage::interrupt, io.complete_ns - io.irq_ns);
  if (io.worker != 0) {
    const TaskTimes t = tasks_->at(io.worker, io.start_ns) - tasks_->at(io.worker, io.complete_ns);
    const std::int64_t whole = std::max<std::int64_t>(0, io.start_ns - io.complete_ns);
    const std::int64_t runs = std::clamp<std::int64_t>(t.run_ns, 0, whole);
    const std::int64_t waits = std::clamp<std::int64_t>(t.wait_ns, 0, whole - runs);
    put(Stage::worker_runs, runs);
    put(Stage::worker_waits, waits);
    put(Stage::worker_wakes, whole - runs - waits);
  }
  put(Stage::work, io.done_ns - io.start_ns);
  const TaskTimes t = tasks_->at(io.pid, ns) - tasks_->at(io.pid, io.done_ns);
  const std::int64_t whole = std::max<std::int64_t>(0, ns - io.done_ns);
  const std::int64_t waits = std::clamp<std::int64_t>(t.wait_ns, 0, whole);
  const std::int64_t sleeps = std::clamp<std::int64_t>(t.sleep_ns, 0, whole - waits);
  put(Stage::reap_waits, waits);
  put(Stage::reap_sleeps, sleeps);
  put(Stage::reap_runs, whole - waits - sleeps);
  std::size_t most = 0;
  for (std::size_t i = 0; i < kStages; ++i) {
    stages_[i].record(spent[i]);
    if (spent[i] > spent[most]) most = i;
  }
  ++longest_[most];
  latency_.record(std::clamp<std::int64_t>(ns - io.submit_ns, 0, kLongest));
}

void IoPath::on_event(const Event& e) {
  Cpu& c = cpu(e.cpu);
  switch (e.type) {
    case EventType::sys_enter_io_submit:
    case EventType::sys_enter_io_uring_enter:
      calls_[e.pid] = e.ts_ns;
      return;
    case EventType::block_rq_issue:
      return on_issue(e);
    case EventType::block_rq_complete:
      return on_complete(e, c);
    case EventType::workqueue_queue_work:
      return on_queue(e, c);
    case EventType::workqueue_execute_start:
      return on_start(e);
    case EventType::workqueue_execute_end:
      return on_end(e);
    case EventType::sched_waking:
      // The item's waking of its submitter comes after the event is in the ring: the item is done for the I/O.
      if (const auto it = at_work_.find(e.pid);
          it != at_work_.end() && it->second.pid == e.u.task.pid && it->second.done_ns == 0 && c.irqs == 0) {
        it->second.done_ns = e.ts_ns;
        done(it->second, e.ts_ns);
      }
      return;
    case EventType::sys_exit_io_getevents:
      return reap(e.pid, e.u.sys.ret, e.ts_ns);
    case EventType::sys_exit_io_uring_enter:
      return reap(e.pid, static_cast<std::int64_t>(kKept), e.ts_ns);
    case EventType::irq_handler_entry:
    case EventType::local_timer_entry:
    case EventType::reschedule_entry:
      if (c.irqs++ == 0) c.irq_ns = e.ts_ns;
      return;
    case EventType::irq_handler_exit:
    case EventType::local_timer_exit:
    case EventType::reschedule_exit:
      c.irqs = std::max(0, c.irqs - 1);
      return close(c, e.ts_ns);
    case EventType::hrtimer_expire_exit:
    case EventType::softirq_exit:
    case EventType::sched_switch:
      close(c, e.ts_ns);
      if (e.type != EventType::sched_switch) return;
      c.irqs = 0;
      return on_switch(e);
    case EventType::sys_enter_io_getevents:
      return on_wait(e);
    case EventType::lost_events:
      calls_.clear(), issued_.clear(), queued_at_.clear(), queued_.clear(), at_work_.clear(), ring_.clear();
      cpus_.clear();
      device_seen_ = linked_ = false;
      ahead_ = 0;
      return;
    default:
      return;
  }
}

namespace {
nlohmann::json histogram_json(const engine::Histogram& h) {
  return {{"mean", ratio(h.sum(), h.count())},
          {"p50", h.percentile(50, 100)},
          {"p99", h.percentile(99, 100)},
          {"max", h.count() > 0 ? h.max() : 0}};
}
}  // namespace

nlohmann::json IoPath::json() const {
  nlohmann::json stages = nlohmann::json::array();
  for (std::size_t i = 0; i < kStages; ++i) {
    if (stages_[i].sum() == 0) continue;
    nlohmann::json row = {{"stage", name_of(static_cast<Stage>(i))}};
    row.update(histogram_json(stages_[i]));
    row["share"] = ratio(stages_[i].sum(), latency_.sum());
    row["longest_of"] = ratio(longest_[i], latency_.count());
    stages.push_back(std::move(row));
  }
  return {{"ios", latency_.count()},
          {"unlinked", unlinked_},
          {"latency_ns", histogram_json(latency_)},
          {"stages", std::move(stages)}};
}

}  // namespace wakepath::analysis
