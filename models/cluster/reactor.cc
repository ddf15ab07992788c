// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/cluster/reactor.h"

#include <algorithm>

#include "models/cluster/node.h"

namespace wakepath::cluster {

using machine::Call;
using machine::CostId;
using machine::ExecContext;
using machine::KTask;
using machine::Mode;
using machine::run_cost;
using trace::EventType;

namespace {
constexpr std::int64_t kSmallMessage = 64;  // bytes of what carries no record
constexpr std::int64_t kCatchUp = 32;       // records on their way to a follower that lags
constexpr int kMaxEvents = 128;             // taken from the ring at a time
}  // namespace

Reactor::Reactor(Node& node, int index, int cpu)
    : node_(node),
      machine_(node.simulation().machine()),
      aio_(machine_),
      ctx_id_(0x7e0000000000ULL + static_cast<std::uint64_t>(index) * 0x1000) {
  task_ = &machine_.add_task("reactor-" + std::to_string(index), "reactor", node.conf().cgroup, node.conf().nice, cpu,
                             true, false);
  for (int i = 0; i < node.cluster().log.queue_depth; ++i) {
    appends_.push_back(std::make_unique<Append>());
    Append& a = *appends_.back();
    a.dio.aio = &aio_;
    a.dio.owner = &a;
    a.dio.bytes = static_cast<std::uint32_t>(node.cluster().log.record_bytes);
    a.dio.write = true;
    a.dio.id = static_cast<std::uint64_t>(i) + 1;
    free_.push_back(&a);
  }
  task_->body = body(*task_);
  task_->resume_at = task_->body.handle();
}

Time Reactor::cost(NetCost id) const { return node_.cluster().costs[static_cast<std::size_t>(id)]; }

Call<void> Reactor::deliver(ExecContext& softirq, const Message& m) {
  sockets_.push_back(m);
  if (std::exchange(poll_armed_, false)) co_await aio_.complete(softirq, poll_);
}

Call<void> Reactor::body(KTask& t) {
  for (;;) {
    co_await t.run_ns(cost(NetCost::reactor_turn), Mode::user);
    const bool came = !sockets_.empty();
    if (came) co_await receive(t);
    aio_.take(kMaxEvents, events_);
    bool ended = !events_.empty();
    const bool idle = !came && !ended && to_submit_.empty() && to_send_.empty();
    if (!idle) busy_at_ = machine_.now();
    if (idle && machine_.now() - busy_at_ >= node_.conf().idle_poll_ns) {
      co_await run_cost(machine_, t, CostId::syscall_entry);
      co_await t.run_ns(cost(NetCost::net_poll_arm));
      poll_armed_ = sockets_.empty();
      co_await leave_kernel(t);
      co_await aio_.sys_io_getevents(t, ctx_id_, poll_armed_ ? 1 : 0, kMaxEvents, events_);
      poll_armed_ = false;
      ended = !events_.empty();
    }
    if (ended)
      for (aio::Iocb* e : std::exchange(events_, {}))
        if (e != &poll_) co_await finish(t, *static_cast<Append*>(e->owner));
    co_await flush(t);
  }
}

Call<void> Reactor::leave_kernel(KTask& t) {
  if (t.work_at_user_exit()) co_await machine::exit_to_user_mode_loop(t);
  co_await run_cost(machine_, t, CostId::syscall_exit, Mode::irqs_off);
}

// One read of each message that is there when the turn begins.
Call<void> Reactor::receive(KTask& t) {
  for (std::size_t n = sockets_.size(); n > 0; --n) {
    const Message m = sockets_.front();
    sockets_.pop_front();
    co_await run_cost(machine_, t, CostId::syscall_entry);
    co_await t.run_ns(cost(NetCost::net_recv));
    co_await leave_kernel(t);
    co_await handle(t, m);
  }
}

Call<void> Reactor::handle(KTask& t, const Message& m) {
  const Time handled = node_.now();
  Partition& part = node_.partition(m.partition);
  const bool leads = part.leader == node_.id();
  if (m.kind == Kind::produce) {
    co_await t.run_ns(cost(NetCost::reactor_produce), Mode::user);
    if (!leads) {
      Message no = m;
      no.kind = Kind::refuse;
      no.from = node_.id(), no.to = m.from, no.bytes = kSmallMessage;
      to_send_.push_back(no);
      co_return;
    }
    const std::int64_t index = node_.replica(m.partition).append(m.record, part.term);
    led_[m.partition].pending[index] = {m, handled, 0};
    for (const int n : part.replicas)
      if (n != node_.id() && led_[m.partition].next[n] == index) replicate(m.partition, led_[m.partition].next[n]++, n);
    write(m.partition, index, m, handled);
    co_return;
  }
  co_await t.run_ns(cost(m.kind == Kind::replicate ? NetCost::reactor_replicate : NetCost::reactor_ack), Mode::user);
  if (m.term < part.term) co_return;  // of a leader, or to a leader, that was
  if (m.kind == Kind::replicate) {
    Replica& mine = node_.replica(m.partition);
    if (m.index > mine.size()) {
      early_[m.partition][m.index] = m;
    } else if (mine.accept(m.index, m.record, m.term)) {
      write(m.partition, m.index, m, handled);
      accept_waiting(m.partition, handled);
    }
  } else if (m.kind == Kind::lead) {
    if (leads) take_over(m.partition);
  } else if (m.kind == Kind::elected) {
    early_[m.partition].clear();
    say_hello(m.partition);
  } else if (leads && m.kind == Kind::hello) {
    Led& led = led_[m.partition];
    led.match[m.from] = led.next[m.from] = m.index;
    catch_up(m.partition, led, m.from);
    commit(m.partition, led, nullptr, nullptr);
  } else if (leads && m.kind == Kind::ack) {
    Led& led = led_[m.partition];
    std::int64_t& match = led.match[m.from];
    if (m.index + 1 <= match) co_return;
    match = m.index + 1;
    catch_up(m.partition, led, m.from);
    commit(m.partition, led, &m, nullptr);
  }
}

void Reactor::accept_waiting(int partition, Time handled) {
  auto& early = early_[partition];
  while (!early.empty() && early.begin()->first <= node_.replica(partition).size()) {
    const Message m = early.begin()->second;
    early.erase(early.begin());
    if (m.term >= node_.partition(partition).term && node_.replica(partition).accept(m.index, m.record, m.term))
      write(partition, m.index, m, handled);
  }
}

void Reactor::replicate(int partition, std::int64_t index, int to) {
  Message r;
  r.kind = Kind::replicate;
  r.from = node_.id(), r.to = to;
  r.partition = partition, r.index = index, r.record = node_.replica(partition)[index].record;
  r.term = node_.replica(partition)[index].term;
  r.bytes = node_.cluster().log.record_bytes + kSmallMessage;
  to_send_.push_back(r);
}

void Reactor::catch_up(int partition, Led& led, int node) {
  std::int64_t& next = led.next[node];
  while (next >= 0 && next < node_.replica(partition).size() && next - led.match[node] < kCatchUp)
    replicate(partition, next++, node);
}

void Reactor::write(int partition, std::int64_t index, const Message& cause, Time handled) {
  if (free_.empty()) {
    waiting_.push_back({partition, index, cause.record, cause, handled});
    return;
  }
  Append& a = *free_.back();
  free_.pop_back();
  a.partition = partition, a.index = index, a.record = cause.record, a.cause = cause;
  a.steps = {};
  a.steps.arrived = cause.arrived, a.steps.handled = handled;
  a.dio.sector = next_sector_;
  next_sector_ += a.dio.bytes / 512;
  to_submit_.push_back(&a);
}

Call<void> Reactor::flush(KTask& t) {
  if (!to_submit_.empty()) co_await sys_io_submit(t);
  const auto messages = std::exchange(to_send_, {});
  for (const Message& m : messages) {
    co_await run_cost(machine_, t, CostId::syscall_entry);
    co_await t.run_ns(cost(NetCost::net_send));
    node_.send(m);
    co_await leave_kernel(t);
  }
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
    Append& a = *to_submit_.front();
    to_submit_.pop_front();
    co_await run_cost(machine_, t, CostId::io_submit_iocb);
    a.steps.submitted = node_.now();
    co_await node_.simulation().filesystem().submit(t, a.dio, use);
  }
  if (use != nullptr) co_await node_.simulation().filesystem().queue().flush_plug(t, plug, false);
  machine_.tp.syscall(*t.cpu, EventType::sys_exit_io_submit, ctx_id_, 0, 0, static_cast<std::int64_t>(nr));
  co_await leave_kernel(t);
}

Call<void> Reactor::finish(KTask& t, Append& a) {
  co_await t.run_ns(cost(NetCost::reactor_durable), Mode::user);
  ++node_.appended;
  a.steps.bio_ended = node_.now() - machine_.now() + a.dio.bio_ended_at;
  a.steps.durable = node_.now();
  Replica& mine = node_.replica(a.partition);
  const std::int64_t before = mine.durable();
  mine.written(a.index, a.record);
  Partition& part = node_.partition(a.partition);
  if (mine.durable() > before) {
    if (part.leader == node_.id()) {
      Led& led = led_[a.partition];
      led.match[node_.id()] = mine.durable();
      commit(a.partition, led, nullptr, &a);
    } else if (a.cause.kind == Kind::replicate) {
      Message ack;
      ack.kind = Kind::ack;
      ack.from = node_.id(), ack.to = part.leader;
      ack.partition = a.partition, ack.index = mine.durable() - 1, ack.record = a.record, ack.term = part.term;
      ack.bytes = kSmallMessage;
      ack.steps = a.steps;
      ack.replicated = a.cause.sent;
      if (part.leader >= 0) to_send_.push_back(ack);
    }
  }
  free_.push_back(&a);
  if (!waiting_.empty()) {
    const Write w = waiting_.front();
    waiting_.pop_front();
    write(w.partition, w.index, w.cause, w.handled);
  }
}

namespace {

// Walks along the path that made the quorum; a step that lay before the last one took no time of this record.
struct Path {
  Time at;
  void to(Time until, Time& share) {
    if (until <= at) return;
    share += until - at;
    at = until;
  }
};

}  // namespace

void Reactor::commit(int partition, Led& led, const Message* ack, const Append* own) {
  const Partition& part = node_.partition(partition);
  std::vector<std::int64_t> match;
  for (const int n : part.replicas)
    match.push_back(n == node_.id() ? node_.replica(partition).durable() : led.match[n]);
  std::sort(match.begin(), match.end(), std::greater<>());
  const std::int64_t upto = match[static_cast<std::size_t>(node_.cluster().log.quorum() - 1)];
  // Raft 5.4.2: what an earlier term left is committed with the first record of this one.
  if (upto <= led.committed || node_.replica(partition)[upto - 1].term != part.term) return;
  led.committed = upto;
  const Time now = node_.now();
  while (!led.pending.empty() && led.pending.begin()->first < upto) {
    const Pending p = led.pending.begin()->second;
    led.pending.erase(led.pending.begin());
    Message r;
    r.kind = Kind::reply;
    r.from = node_.id(), r.to = p.request.from;
    r.partition = partition, r.record = p.request.record, r.bytes = kSmallMessage, r.asked = p.request.asked;
    Shares& s = r.shares;
    s.leader.node = node_.id();
    Path path{p.request.asked};
    path.to(p.request.sent, s.retry);
    path.to(p.request.arrived, s.network);
    path.to(p.handled, s.leader.wait);
    if (own != nullptr) {
      path.to(own->steps.submitted, s.leader.submit);
      path.to(own->steps.bio_ended, s.leader.device);
      path.to(now, s.leader.completion);
    } else if (ack != nullptr) {
      s.decider.node = ack->from;
      path.to(ack->replicated, s.leader.submit);
      path.to(ack->steps.arrived, s.network);
      path.to(ack->steps.handled, s.decider.wait);
      path.to(ack->steps.submitted, s.decider.submit);
      path.to(ack->steps.bio_ended, s.decider.device);
      path.to(ack->sent, s.decider.completion);
      path.to(ack->arrived, s.network);
    }
    path.to(now, s.leader.wait);
    r.replicated = now;
    to_send_.push_back(r);
  }
}

void Reactor::take_over(int partition) {
  Led& led = led_[partition] = {};
  led.match[node_.id()] = node_.replica(partition).durable();
  const Partition& part = node_.partition(partition);
  for (const int n : part.replicas) {
    if (n == node_.id()) continue;
    led.next[n] = -1;
    Message m;
    m.kind = Kind::elected;
    m.from = node_.id(), m.to = n, m.partition = partition, m.term = part.term, m.bytes = kSmallMessage;
    to_send_.push_back(m);
  }
}

void Reactor::say_hello(int partition) {
  const Partition& part = node_.partition(partition);
  if (part.leader < 0 || part.leader == node_.id()) return;
  Message m;
  m.kind = Kind::hello;
  m.from = node_.id(), m.to = part.leader, m.partition = partition, m.term = part.term, m.bytes = kSmallMessage;
  m.index = node_.replica(partition).durable();
  to_send_.push_back(m);
}

}  // namespace wakepath::cluster
