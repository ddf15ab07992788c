// SPDX-License-Identifier: GPL-2.0-or-later
// What a reactor writes: records, by direct writes or by buffered ones and fsync, and votes.
#include <algorithm>

#include "models/cluster/reactor_parts.h"

namespace wakepath::cluster {

using machine::Call;
using machine::CostId;
using machine::KTask;
using machine::Mode;
using machine::run_cost;
using trace::EventType;

Reactor::Fsync::Fsync(Reactor& r, int p)
    : reactor(r), partition(p), file(r.node_.simulation().page_cache().add_file(r.node_.cluster().log.segment_bytes)) {
  owner = nullptr;
  persistent = true;
  function_id = r.machine_.tp.name("aio_fsync_work");
  id = static_cast<std::uint64_t>(p) + 1;
}

Reactor::Served::Served(Reactor& r, int partition, bool first_boot)
    : raft(r.node_.id(), partition, r.node_.partition(partition), r.node_.replica(partition), r.node_.vote(partition),
           first_boot, r.to_tell_) {}

Reactor::Served::Served(Served&& o) noexcept = default;
Reactor::Served::~Served() = default;

Call<void> Reactor::Fsync::function(KTask& worker) {
  began = reactor.node_.now();
  co_await reactor.node_.simulation().page_cache().fsync(worker, file, true);
  ended = reactor.node_.now();
  co_await reactor.aio_.complete(worker, *this);
}

Reactor::Append& Reactor::make_append() {
  appends_.push_back(std::make_unique<Append>());
  Append& a = *appends_.back();
  a.dio.aio = &aio_;
  a.dio.owner = &a;
  a.dio.bytes = static_cast<std::uint32_t>(node_.cluster().log.record_bytes);
  a.dio.write = true;
  a.dio.id = static_cast<std::uint64_t>(appends_.size());
  return a;
}

Reactor::Append& Reactor::take_append() {
  if (free_.empty()) return make_append();  // a vote does not wait for a place
  Append& a = *free_.back();
  free_.pop_back();
  return a;
}

void Reactor::write(int partition, std::int64_t index, const Cause& cause, Time handled) {
  if (node_.cluster().log.fsync) {
    to_buffer_.push_back({partition, index, cause, handled});
    return;
  }
  if (free_.empty()) {
    waiting_.push_back({partition, index, cause, handled});
    return;
  }
  Served& s = served(partition);
  Replica& log = s.raft.log();
  if (index >= log.size()) return;  // cut off while it waited
  Append& a = take_append();
  a.of = &s, a.log = &log;
  a.index = index, a.entry = log[index], a.cuts = log.cuts();
  a.sent = cause.sent;
  a.steps = {};
  a.steps.arrived = cause.arrived, a.steps.handled = handled;
  a.dio.sector = next_sector_;
  next_sector_ += a.dio.bytes / 512;
  to_submit_.push_back(&a);
}

// A vote goes to the disk before anybody hears of it.
void Reactor::persist(Served& s) {
  Append& a = take_append();
  a.of = &s;
  a.ballot = std::make_unique<Ballot>(Ballot{*s.raft.to_persist, std::exchange(s.raft.after_persist, {})});
  a.dio.sector = next_sector_;
  next_sector_ += a.dio.bytes / 512;
  s.raft.to_persist.reset();
  to_submit_.push_back(&a);
}

Call<void> Reactor::write_buffered(KTask& t) {
  fs::PageCache& cache = node_.simulation().page_cache();
  const std::int64_t bytes = node_.cluster().log.record_bytes;
  while (!to_buffer_.empty()) {
    const Write w = to_buffer_.take_front();
    const Served& s = served(w.partition);
    if (w.index >= s.raft.log().size()) continue;  // cut off meanwhile
    Fsync& f = *s.file;
    const Replica& log = s.raft.log();
    Buffered b{w.index, log[w.index], log.cuts(), w.cause.sent, {}};
    b.steps.arrived = w.cause.arrived, b.steps.handled = w.handled;
    const std::int64_t places = node_.cluster().log.segment_bytes / bytes;
    co_await run_cost(machine_, t, CostId::syscall_entry);
    co_await cache.write(t, dirtier_, f.file, w.index % places * bytes, bytes);
    co_await leave_kernel(t);
    f.written.push_back(b);
  }
}

// One io_submit for all files that have something new.
Call<void> Reactor::submit_fsyncs(KTask& t) {
  const auto due = [](const Served& s) { return !s.file->under_way && !s.file->written.empty(); };
  if (std::none_of(served_.begin(), served_.end(), due)) co_return;
  co_await run_cost(machine_, t, CostId::syscall_entry);
  co_await run_cost(machine_, t, CostId::io_submit_call);
  for (const Served& s : served_) {
    if (!due(s)) continue;
    Fsync& f = *s.file;
    f.under_way = true;
    f.covered = std::exchange(f.written, {});
    for (Buffered& b : f.covered) b.steps.submitted = node_.now();
    co_await machine::owe_with_points(machine_, t, machine_.cost(CostId::io_submit_iocb), aio::kIocbPoints);
    co_await t.settle();
    co_await node_.events_wq().queue(t, f);
  }
  co_await leave_kernel(t);
}

Call<void> Reactor::sys_io_submit(KTask& t) {
  constexpr std::size_t kPlugThreshold = 2;  // AIO_PLUG_THRESHOLD
  const std::size_t nr = to_submit_.size();
  co_await run_cost(machine_, t, CostId::syscall_entry);
  machine_.tp.syscall(*t.cpu, EventType::sys_enter_io_submit, ctx_id_, static_cast<std::int64_t>(nr), 0, 0);
  co_await run_cost(machine_, t, CostId::io_submit_call);
  block::Plug plug;
  block::Plug* use = nr > kPlugThreshold ? &plug : nullptr;
  for (std::size_t i = 0; i < nr; ++i) {
    Append& a = *to_submit_.take_front();
    co_await machine::owe_with_points(machine_, t, machine_.cost(CostId::io_submit_iocb), aio::kIocbPoints);
    a.steps.submitted = node_.now() + t.owed.total();
    co_await node_.simulation().filesystem().submit(t, a.dio, use);
    if (a.dio.put()) co_await node_.simulation().filesystem().complete_in_submitter(t, a.dio);
  }
  if (use != nullptr) co_await node_.simulation().filesystem().queue().flush_plug(t, plug, false);
  machine_.tp.syscall(*t.cpu, EventType::sys_exit_io_submit, ctx_id_, 0, 0, static_cast<std::int64_t>(nr));
  co_await leave_kernel(t);
}

Call<void> Reactor::finish(KTask& t, Append& a) {
  if (a.ballot == nullptr) {
    a.of->prefetch();
    a.log->prefetch();
  }
  co_await t.run_ns(cost(NetCost::reactor_durable), Mode::user);
  if (const auto ballot = std::move(a.ballot)) {
    Vote& kept = node_.vote(a.of->raft.partition());
    if (ballot->vote.term >= kept.term) kept = ballot->vote;
    for (MessagePtr& m : ballot->then) to_send_.push_back(std::move(m));
  } else {
    ++node_.appended;
    a.steps.bio_ended = node_.now() - machine_.now() + a.dio.bio_ended_at;
    a.steps.durable = node_.now();
    a.log->written(a.index, a.entry, a.cuts);
    a.of->raft.durable(a.steps, a.entry.record, a.sent);
    settle(*a.of, nullptr, &a.steps);
  }
  free_.push_back(&a);
  if (waiting_.empty()) co_return;
  const Write w = waiting_.take_front();
  write(w.partition, w.index, w.cause, w.handled);
}

Call<void> Reactor::finish(KTask& t, Fsync& f) {
  f.under_way = false;
  Served& s = served(f.partition);
  for (Buffered& b : f.covered) {
    co_await t.run_ns(cost(NetCost::reactor_durable), Mode::user);
    ++node_.appended;
    // What passed in the worker's fsync is the device's part; that it had to wait for a CPU is the scheduler's.
    b.steps.bio_ended = b.steps.submitted + (f.ended - f.began);
    b.steps.durable = node_.now();
    s.raft.log().written(b.index, b.entry, b.cuts);
  }
  const auto covered = std::exchange(f.covered, {});
  if (covered.empty()) co_return;
  const Buffered& last = covered.back();
  s.raft.durable(last.steps, last.entry.record, last.sent);
  settle(s, nullptr, &last.steps);
}

}  // namespace wakepath::cluster
