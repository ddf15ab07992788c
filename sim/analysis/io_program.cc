// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/analysis/io_program.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "sim/analysis/damaged_input.h"
#include "sim/trace/scan.h"

namespace wakepath::analysis {

using nlohmann::json;
using trace::Event;
using trace::EventType;

namespace {

constexpr std::int32_t kBlockSoftirq = 4;  // include/linux/interrupt.h:BLOCK_SOFTIRQ

constexpr std::size_t kOpenKept = 1 << 20;

}  // namespace

void IoPrograms::on_switch(const Event& e, Cpu& c) {
  const auto& s = e.u.sw;
  settle(c);
  if (c.since_ns >= 0 && s.prev_pid != 0) {
    OtherTask& t = others_[s.prev_pid];
    t.run_ns += e.ts_ns - c.since_ns;
  }
  c.since_ns = e.ts_ns;
  c.irqs = 0;
  if (s.prev_pid != 0) others_[s.prev_pid].turns += (s.prev_state & ~trace::kStatePreempted) != 0;
  if (s.next_pid == 0) return;
  OtherTask& t = others_[s.next_pid];
  if (t.comm.empty()) t.comm = pool_->str(s.next_comm);
  t.prio = s.next_prio;
  ++t.cpus[e.cpu];
  if (const auto io = tasks_.find(s.next_pid); io != tasks_.end()) io->second.prio = s.next_prio;
}

void IoPrograms::on_submit(const Event& e, std::int64_t nr) {
  IoTask& t = tasks_[e.pid];
  if (t.comm.empty()) t.comm = pool_->str(e.comm);
  ++t.cpus[e.cpu];
  ++t.submit_nr[nr];
  // A submit after a submit: the one before was made because its batch was full, not because nothing was free.
  if (t.submitted_last) {
    if (t.since_batch > 0) ++t.batch[t.since_batch];
    t.since_batch = 0;
  }
  if (t.since_batch >= 0) t.since_batch += nr;
  t.submitted_last = true;
  t.submitted += nr;
}

void IoPrograms::on_wait(const Event& e, std::int64_t min_nr, std::int64_t nr) {
  IoTask& t = tasks_[e.pid];
  if (t.comm.empty()) t.comm = pool_->str(e.comm);
  ++t.min_nr[min_nr];
  ++t.nr[nr];
  t.submitted_last = false;
  if (min_nr > 0) ++t.balance[t.submitted - t.reaped];
}

void IoPrograms::on_reap(const Event& e) {
  const std::int64_t n = some(e.u.sys.ret);
  tasks_[e.pid].reaped += n;
  reaped_ += n;
  in_ring_at_begin_ = std::max(in_ring_at_begin_, reaped_ - done_);
}

void IoPrograms::on_issue(const Event& e) {
  ++issued_;
  const bool by_worker = others_[e.pid].works;  // who submits may not have been seen to, yet
  ++others_[e.pid].issued;
  ++issued_to_[e.u.rq.major << 20U | e.u.rq.minor];
  const std::string& rwbs = pool_->str(e.u.rq.rwbs);
  const bool write = rwbs.find('W') != std::string::npos;
  writes_ += write;
  ++bytes_[e.u.rq.bytes];
  if (open_.size() >= kOpenKept) return;
  const auto [it, fresh] = open_.try_emplace(key_of(e.u.rq));
  const std::uint32_t issues = fresh || it->second.ended ? 1 : it->second.issues + 1;
  it->second = {e.ts_ns, 0, 0, 0, e.u.rq.bytes, write, !by_worker, issues};
}

// Who wakes it from its own context; an interrupt is nobody's.
void IoPrograms::on_waking(const Event& e, const Cpu& c) {
  OtherTask& t = others_[e.u.task.pid];
  ++t.wakings;
  const bool interrupted = c.irqs > 0 || (e.has_flags && (e.flags & (trace::kHardirq | trace::kSoftirq)) != 0);
  const auto by = tasks_.find(e.pid);
  t.woken_by_ring += !interrupted && by != tasks_.end() && by->second.uring;
}

// Nothing was queued for what ended last: it is there to be reaped.
void IoPrograms::settle(Cpu& c) { done_ += std::exchange(c.ended, false); }

void IoPrograms::on_queue(const Event& e, Cpu& c) {
  ++workqueues_[pool_->str(e.u.work.workqueue)];
  const bool known =
      std::find(item_functions_.begin(), item_functions_.end(), e.u.work.function) != item_functions_.end();
  if (!known && !c.ended) return;
  ++queued_;
  c.ended = false;
  if (!known) item_functions_.push_back(e.u.work.function);
}

void IoPrograms::on_execute(const Event& e) {
  others_[e.pid].works = true;
  // An item that waited when the trace began may be executed before one like it is queued.
  const bool known =
      std::find(item_functions_.begin(), item_functions_.end(), e.u.work.function) != item_functions_.end();
  if (!known && !item_functions_.empty()) return;
  ++executed_;
  ++others_[e.pid].ended;
  waiting_at_begin_ = std::max(waiting_at_begin_, executed_ - queued_);
  ++done_;
}

void IoPrograms::on_complete(const Event& e, Cpu& c) {
  settle(c);
  ++completed_;
  ++completed_on_[e.cpu];
  const bool soft = e.has_flags && (e.flags & trace::kSoftirq) != 0 && (e.flags & trace::kHardirq) == 0;
  if (c.irqs > 0 || soft) ++completed_by_[pool_->str(c.irq_name)];
  completed_in_softirq_ += soft;
  const auto it = open_.find(key_of(e.u.rq));
  if (it == open_.end()) {
    ++unseen_;
    c.ended = true;
    return;
  }
  c.ended = it->second.of_task;
  IoRequest r = it->second;
  if (r.issues > 1) {
    --it->second.issues;
    it->second.ended = true;
  } else {
    open_.erase(it);
  }
  r.complete_ns = e.ts_ns;
  // A softirq on this CPU follows the interrupt that raised it.
  const std::int64_t raised = c.raised_ns > r.issue_ns ? c.raised_ns : c.irq_ns;
  r.irq_ns = c.irqs > 0 ? c.irq_ns : soft && raised > r.issue_ns ? raised : e.ts_ns;
  r.now_ns = c.timer && r.irq_ns == c.irq_ns ? c.now_ns : 0;
  keep(r);
}

void IoPrograms::keep(const IoRequest& r) {
  const std::size_t block = seen_whole_++ / kBlock;
  if (block % stride_ != 0) return;
  if (requests_.size() == kBlock * kBlocksKept) {
    for (std::size_t b = 1; 2 * b < kBlocksKept; ++b)
      std::copy_n(requests_.begin() + static_cast<std::ptrdiff_t>(2 * b * kBlock), kBlock,
                  requests_.begin() + static_cast<std::ptrdiff_t>(b * kBlock));
    requests_.resize(kBlock * kBlocksKept / 2);
    stride_ *= 2;
    if (block % stride_ != 0) return;
  }
  requests_.push_back(r);
}

void IoPrograms::on_event(const Event& e) {
  const auto id = cpu_index(e.cpu);
  if (id >= cpus_.size()) cpus_.resize(id + 1);
  Cpu& c = cpus_[id];
  switch (e.type) {
    case EventType::sched_switch:
      return on_switch(e, c);
    case EventType::sched_waking:
      return on_waking(e, c);
    case EventType::irq_handler_entry:
    case EventType::local_timer_entry:
    case EventType::reschedule_entry:
      if (c.irqs++ == 0) c.irq_ns = e.ts_ns;
      c.timer = e.type == EventType::local_timer_entry;
      if (e.type == EventType::irq_handler_entry) c.irq_name = e.u.irq.name;
      return;
    case EventType::softirq_raise:
      if (e.u.irq.irq == kBlockSoftirq) c.raised_ns = c.irqs > 0 ? c.irq_ns : e.ts_ns;
      return;
    case EventType::hrtimer_expire_entry:
      c.irq_name = e.u.timer.function;
      c.now_ns = e.u.timer.now;
      return;
    case EventType::irq_handler_exit:
    case EventType::local_timer_exit:
    case EventType::reschedule_exit:
      c.irqs = std::max(0, c.irqs - 1);
      return;
    case EventType::block_rq_issue:
      return on_issue(e);
    case EventType::block_rq_complete:
      return on_complete(e, c);
    case EventType::workqueue_queue_work:
      return on_queue(e, c);
    case EventType::workqueue_execute_start:
      return on_execute(e);
    case EventType::sys_enter_io_submit:
      return on_submit(e, some(e.u.sys.nr));
    case EventType::sys_enter_io_getevents:
      return on_wait(e, some(e.u.sys.min_nr), some(e.u.sys.nr));
    case EventType::sys_exit_io_getevents:
      settle(c);
      return on_reap(e);
    case EventType::sys_enter_io_uring_enter:
      if (e.u.sys.nr > 0) on_submit(e, some(e.u.sys.nr));
      if (e.u.sys.min_nr > 0) on_wait(e, some(e.u.sys.min_nr), 0);
      tasks_[e.pid].uring = true;
      return;
    default:
      return;
  }
}

namespace {

json pairs(const std::map<std::int64_t, std::int64_t>& m) {
  json out = json::array();
  for (const auto& [value, n] : m) out.push_back({value, n});
  return out;
}

template <class K>
json object_of(const std::map<K, std::int64_t>& m) {
  json out = json::object();
  for (const auto& [name, n] : m) {
    if constexpr (std::is_same_v<K, std::string>)
      out[trace::scan::printable(name)] = n;
    else
      out[std::to_string(name)] = n;
  }
  return out;
}

json tasks_json(const std::map<std::int32_t, IoTask>& tasks) {
  json out = json::array();
  for (const auto& [pid, t] : tasks)
    out.push_back({{"pid", pid},
                   {"comm", trace::scan::printable(t.comm)},
                   {"prio", t.prio},
                   {"engine", t.uring ? "io_uring" : "libaio"},
                   {"submitted", t.submitted},
                   {"reaped", t.reaped},
                   {"submit_nr", pairs(t.submit_nr)},
                   {"min_nr", pairs(t.min_nr)},
                   {"nr", pairs(t.nr)},
                   {"batch", pairs(t.batch)},
                   {"balance", pairs(t.balance)},
                   {"cpus", object_of(t.cpus)}});
  return out;
}

}  // namespace

json IoPrograms::json() const {
  nlohmann::json others = nlohmann::json::array(), requests = nlohmann::json::array();
  for (const auto& [pid, t] : others_) {
    if (tasks_.contains(pid)) continue;
    others.push_back({{"pid", pid},
                      {"comm", trace::scan::printable(t.comm)},
                      {"prio", t.prio},
                      {"turns", t.turns},
                      {"run_ns", t.run_ns},
                      {"works", t.works},
                      {"issued", t.issued},
                      {"ended", t.ended},
                      {"wakings", t.wakings},
                      {"woken_by_ring", t.woken_by_ring},
                      {"cpus", object_of(t.cpus)}});
  }
  for (const IoRequest& r : requests_) requests.push_back({r.issue_ns, r.irq_ns, r.complete_ns, r.now_ns});
  std::map<std::string, std::int64_t> bytes, devices;
  for (const auto& [size, n] : bytes_) bytes[std::to_string(size)] = n;
  for (const auto& [dev, n] : issued_to_)
    devices[std::to_string(dev >> 20U) + "," + std::to_string(dev & ((1U << 20U) - 1))] = n;
  return {{"tasks", tasks_json(tasks_)},
          {"others", std::move(others)},
          {"requests", std::move(requests)},
          {"request_block", kBlock},
          {"issued", issued_},
          {"completed", completed_},
          {"writes", writes_},
          {"bytes", object_of(bytes)},
          {"devices", object_of(devices)},
          {"completed_by", object_of(completed_by_)},
          {"completed_in_softirq", completed_in_softirq_},
          {"completed_on", object_of(completed_on_)},
          {"workqueues", object_of(workqueues_)},
          {"at_begin",
           {{"in_device", unseen_}, {"waiting_for_worker", waiting_at_begin_}, {"unreaped", in_ring_at_begin_}}}};
}

}  // namespace wakepath::analysis
