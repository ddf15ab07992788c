// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/cluster/reactor.h"

#include <algorithm>

#include "models/cluster/node.h"
#include "models/cluster/reactor_parts.h"

namespace wakepath::cluster {

using machine::Call;
using machine::CostId;
using machine::ExecContext;
using machine::KTask;
using machine::Mode;
using machine::run_cost;

namespace {
constexpr int kMaxEvents = 128;  // taken from the ring at a time
}  // namespace

Reactor::Reactor(Node& node, int index, int cpu)
    : node_(node),
      machine_(node.simulation().machine()),
      idle_poll_ns_(node.conf().idle_poll_ns),
      aio_(machine_),
      places_(node.places()),
      ctx_id_(0x7e0000000000ULL + static_cast<std::uint64_t>(index) * 0x1000),
      timer_(std::make_unique<Timer>(*this)) {
  task_ =
      &machine_.add_task("reactor-" + std::to_string(index), "reactor",
                         machine_.group_of_session(node.conf().cgroup, "reactors"), node.conf().nice, cpu, true, false);
  for (int i = 0; i < node.cluster().log.queue_depth; ++i) free_.push_back(&make_append());
  task_->body = body(*task_);
  task_->resume_at = task_->body.handle();
}

Reactor::~Reactor() = default;

Time Reactor::cost(NetCost id) const { return node_.cluster().costs[static_cast<std::size_t>(id)]; }

void Reactor::serve(int partition, bool first_boot) {
  if (served_.empty()) first_place_ = node_.place(partition);
  Served& s = served_.emplace_back(*this, partition, first_boot);
  s.led = s.raft.leads();
  s.patience_ends = draw_patience();
  if (node_.cluster().log.fsync) s.file = std::make_unique<Fsync>(*this, partition);
}

Call<void> Reactor::deliver(ExecContext& softirq, MessagePtr& m) {
  prefetch_log(*m);
  sockets_.push_back(std::move(m));
  if (std::exchange(poll_armed_, false)) co_await aio_.complete(softirq, poll_);
}

machine::Body Reactor::body(KTask& t) {
  keep_time();
  const bool has_background = node_.conf().background_shares > 0;
  for (;;) {
    const Time began = machine_.now();
    co_await t.run_ns(cost(NetCost::reactor_turn), Mode::user);
    bool came = !sockets_.empty();
    if (came) co_await receive(t);
    if (timer_due_) {
      keep_time();
      came = true;
    }
    aio_.take(kMaxEvents, events_);
    bool ended = !events_.empty();
    const bool idle = !came && !ended && to_submit_.empty() && to_buffer_.empty() && to_send_.empty();
    if (!idle) busy_at_ = machine_.now();
    if (idle && !has_background && machine_.now() - busy_at_ >= idle_poll_ns_) {
      co_await run_cost(machine_, t, CostId::syscall_entry);
      co_await t.run_ns(cost(NetCost::net_poll_arm));
      poll_armed_ = sockets_.empty() && !timer_due_;
      co_await leave_kernel(t);
      co_await aio_.sys_io_getevents(t, ctx_id_, poll_armed_ ? 1 : 0, kMaxEvents, events_);
      co_await t.settle();
      poll_armed_ = false;
      ended = !events_.empty();
    }
    if (ended) co_await completed(t);
    co_await flush(t);
    if (has_background) co_await background(t, began, !idle);
  }
}

// After a turn for the log, if there was anything for it.
Call<void> Reactor::background(KTask& t, Time began, bool served) {
  constexpr std::int64_t kScale = 1024;
  if (served) {
    served_vruntime_ += (machine_.now() - began) * kScale / node_.conf().shares;
    if (background_vruntime_ > served_vruntime_) co_return;
  }
  co_await t.run_ns(node_.conf().task_quota_ns, Mode::user);
  background_vruntime_ += node_.conf().task_quota_ns * kScale / node_.conf().background_shares;
  if (!served) served_vruntime_ = std::max(served_vruntime_, background_vruntime_);
}

Call<void> Reactor::completed(KTask& t) {
  for (aio::Iocb* e : events_)
    if (e->owner != nullptr) prefetch_lines<3>(&static_cast<Append*>(e->owner)->of);
  for (aio::Iocb* e : events_) {
    if (e == &poll_) continue;
    if (Fsync* f = Fsync::of(e))
      co_await finish(t, *f);
    else
      co_await finish(t, *static_cast<Append*>(e->owner));
  }
  events_.clear();
}

Call<void> Reactor::leave_kernel(KTask& t) {
  if (t.work_at_user_exit()) co_await machine::exit_to_user_mode_loop(t);
  co_await run_cost(machine_, t, CostId::syscall_exit, Mode::irqs_off);
}

// One read of each message that is there when the turn begins.
Call<void> Reactor::receive(KTask& t) {
  for (std::size_t n = sockets_.size(); n > 0; --n) {
    MessagePtr m = sockets_.take_front();
    prefetch_write(*m);
    co_await run_cost(machine_, t, CostId::syscall_entry);
    co_await t.run_ns(cost(NetCost::net_recv));
    co_await leave_kernel(t);
    co_await handle(t, m);
  }
}

// Its partition has been asked for: the log's end, and who waits.
void Reactor::prefetch_log(const Message& m) {
  const Served& s = served(m.partition);
  s.raft.log().prefetch_end();
  if (!s.pending.empty()) prefetch_lines<1>(&s.pending.front());
}

// What is written with next, or the request that waits.
void Reactor::prefetch_write(const Message& m) {
  const Served& s = served(m.partition);
  if ((m.kind == Kind::produce || m.kind == Kind::replicate) && !free_.empty())
    prefetch_lines<sizeof(Append) / 64>(free_.back());
  if (m.kind == Kind::ack && !s.pending.empty()) prefetch_lines<3>(s.pending.front().request.get());
}

Call<void> Reactor::handle(KTask& t, MessagePtr& message) {
  const Time handled = node_.now();
  const Message& m = *message;
  if (m.kind == Kind::produce) {
    co_await t.run_ns(cost(NetCost::reactor_produce), Mode::user);
    const int partition = m.partition;
    const Cause cause{m.sent, m.arrived};
    Served& s = served(partition);
    if (!s.raft.leads()) {
      refuse(std::move(message), s.raft.leader());
      co_return;
    }
    const std::int64_t index = s.raft.produce(m.record);
    s.pending.push_back({index, handled, std::move(message)});
    settle(s, nullptr, nullptr);
    write(partition, index, cause, handled);
    co_return;
  }
  co_await t.run_ns(cost(m.kind == Kind::replicate ? NetCost::reactor_replicate : NetCost::reactor_ack), Mode::user);
  if (m.kind == Kind::beat) {
    for (const Beat& b : *m.beats.list) {
      Served& s = served(b.partition);
      s.raft.heard_beat(m.from, b.term);
      settle(s, nullptr, nullptr);
    }
    co_return;
  }
  Served& s = served(m.partition);
  accepted_.clear();
  s.raft.handle(m, accepted_);
  for (const auto& a : accepted_) write(m.partition, a.index, a.cause, handled);
  settle(s, m.kind == Kind::ack ? &m : nullptr, nullptr);
}

Call<void> Reactor::flush(KTask& t) {
  if (!to_buffer_.empty()) co_await write_buffered(t);
  if (!to_submit_.empty()) co_await sys_io_submit(t);
  if (node_.cluster().log.fsync) co_await submit_fsyncs(t);
  std::swap(to_send_, sending_);
  for (MessagePtr& m : sending_) {
    prefetch_lines<2>(m.get());
    co_await run_cost(machine_, t, CostId::syscall_entry);
    co_await t.run_ns(cost(NetCost::net_send));
    node_.send(std::move(m));
    co_await leave_kernel(t);
  }
  sending_.clear();
}

}  // namespace wakepath::cluster
