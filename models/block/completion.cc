// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/block/completion.h"

#include <fmt/format.h>

#include <utility>

#include "models/kernel/switches.h"

namespace wakepath::block {

using machine::CostId;
using machine::run_cost;
using trace::EventType;

// A remote completion: its handler marks the BLOCK softirq, which runs on the way out (5.4: it ends the requests
// itself).
struct Completions::CallIpi final : machine::IrqLine {
  CallIpi(Machine& machine, Completions& all, int cpu_id) : m(machine), completions(all) {
    cpu = &m.cpu(cpu_id);
    number = 251;
    flight.context = this;
    flight.fire = [](engine::Timer& t, Time) {
      auto& self = *static_cast<CallIpi*>(t.context);
      self.cpu->raise(self);
    };
  }
  ~CallIpi() override { m.engine.cancel(flight); }
  Call<void> handle(ExecContext& irq) override {
    if (m.k.ipi_completes_in_hardirq && completions.queue_.hw_queues() > 1)
      co_await completions.run(irq);
    else
      co_await m.raise_softirq(irq, Machine::kBlockSoftirq);
  }
  Machine& m;
  Completions& completions;
  engine::Timer flight;
};

Completions::Completions(Machine& m, Queue& q) : machine_(m), queue_(q) {
  lists_.resize(static_cast<std::size_t>(m.cpu_count()));
  for (int c = 0; c < m.cpu_count(); ++c) ipis_.push_back(std::make_unique<CallIpi>(m, *this, c));
  m.register_softirq(Machine::kBlockSoftirq, this);
}

Completions::~Completions() = default;

bool Completions::List::push(Request& rq) {
  rq.next = nullptr;
  (last ? last->next : first) = &rq;
  last = &rq;
  return first == &rq;
}

Steer Completions::steer(int cpu, const Request& rq) const {
  if (rq.hctx->nr_ctx == 1 && rq.ctx_cpu == cpu && machine_.k.direct_complete_one_cpu_hctx) return Steer::direct;
  Steering s;
  s.this_cpu = cpu;
  s.ctx_cpu = rq.ctx_cpu;
  s.nr_ctx = rq.hctx->nr_ctx;
  s.hw_queues = queue_.hw_queues();
  s.rq_affinity = queue_.conf_.rq_affinity;
  s.forced_threads = machine_.threaded_irqs;
  const auto a = static_cast<std::size_t>(cpu), b = static_cast<std::size_t>(rq.ctx_cpu);
  s.shares_cache = machine_.topology.llc[a] == machine_.topology.llc[b];
  s.equal_capacity = machine_.topology.capacity[a] == machine_.topology.capacity[b];
  return block::steer(s, machine_.k);
}

Call<void> Completions::hand_over(ExecContext& ctx, Request& rq, Steer how) {
  if (how == Steer::remote) return to_remote(ctx, rq);
  if (!lists_[static_cast<std::size_t>(ctx.cpu->id())].push(rq)) return {};
  return machine_.raise_softirq(ctx, Machine::kBlockSoftirq);
}

Call<void> Completions::to_remote(ExecContext& ctx, Request& rq) {
  const auto target = static_cast<std::size_t>(rq.ctx_cpu);
  if (!lists_[target].push(rq)) co_return;
  co_await run_cost(machine_, ctx, CostId::ipi_send);
  CallIpi& ipi = *ipis_[target];
  if (!ipi.flight.armed() && !ipi.pending) machine_.engine.arm_in(ipi.flight, machine_.cost(CostId::ipi_latency));
}

Call<void> Completions::run(ExecContext& ctx) {
  Request* rq = std::exchange(lists_[static_cast<std::size_t>(ctx.cpu->id())], {}).first;
  while (rq != nullptr) {
    Request* next = rq->next;  // ending it gives the tag back
    co_await queue_.end_request(ctx, *rq);
    rq = next;
  }
}

// ---- the interrupt -------------------------------------------------------------------------------------------------

QueueInterrupt::QueueInterrupt(Machine& m, Queue& q, Completions& c, int irq_cpu, HwQueue& h)
    : machine_(m), queue_(q), completions_(c), hctx_(h) {
  cpu = &m.cpu(irq_cpu);
  number = 36 + h.index;
  name_id = m.tp.name(fmt::format("{}q{}", m.scenario.block.name, h.index + 1));
  const auto& conf = m.scenario;
  if (conf.kernel.threadirqs || conf.block.threaded_interrupts) {
    const std::string name = fmt::format("irq/{}-{}q{}", number, conf.block.name, h.index + 1);
    thread_ = &m.add_task(name, "irq", "", 0, irq_cpu, true, true, sched::Policy::fifo, 50);
    thread_->body = thread_body(*thread_);
    thread_->resume_at = thread_->body.handle();
  }
  begins_with_cost = thread_ == nullptr && conf.device.coalesce_ns <= 0 && !conf.device.interrupt_on_drain &&
                     conf.block.ring_requests == 0;
  coalesce_.context = this;
  coalesce_.fire = [](engine::Timer& t, Time) { static_cast<QueueInterrupt*>(t.context)->raise(); };
}

QueueInterrupt::~QueueInterrupt() { machine_.engine.cancel(coalesce_); }

void QueueInterrupt::raise() {
  raised_ = true;
  cpu->raise(*this);
}

void QueueInterrupt::post(Request& rq) {
  cq_.push_back(&rq);
  __builtin_prefetch(rq.bio);  // the interrupt takes its time to get there
  --queue_.in_device;
  if (queue_.device_.interrupt_on_drain) {
    if (queue_.in_device == 0 && !raised_) raise();
    return;
  }
  if (raised_) return;  // consumed by the interrupt under way
  const auto& d = queue_.device_;
  if (d.coalesce_ns <= 0 || static_cast<int>(cq_.size()) >= d.coalesce_n) {
    machine_.engine.cancel(coalesce_);
    raise();
  } else if (!coalesce_.armed()) {
    machine_.engine.arm_in(coalesce_, d.coalesce_ns);
  }
}

Call<void> QueueInterrupt::handle(ExecContext& irq) {
  machine_.tp.irq(*cpu, EventType::irq_handler_entry, number, name_id);
  machine_.engine.cancel(coalesce_);
  return thread_ == nullptr ? sweep(irq) : wake_thread(irq);
}

Call<void> QueueInterrupt::wake_thread(ExecContext& irq) {
  raised_ = false;
  run_thread_ = true;
  co_await machine_.wake(irq, *thread_);
  machine_.tp.irq(*cpu, EventType::irq_handler_exit, number, name_id);
}

machine::Body QueueInterrupt::thread_body(KTask& t) {
  for (;;) {
    t.set_state(sched::State::interruptible);
    if (!std::exchange(run_thread_, false)) {
      co_await t.schedule();
      continue;
    }
    t.set_state(sched::State::running);
    t.bh_disabled = true;
    co_await sweep(t);
    t.bh_disabled = false;
    co_await machine_.local_bh_enable(t);
    if (t.resched_at_cond_resched()) co_await t.schedule(true);
  }
}

Call<void> QueueInterrupt::sweep(ExecContext& ctx) {
  Request *batch = nullptr, *batch_tail = nullptr;
  const bool reversed = machine_.k.completion_batch_reversed;
  while (!cq_.empty()) {
    Request& rq = *cq_.front();
    cq_.pop_front();
    --rq.hctx->in_ring;
    co_await run_cost(machine_, ctx, CostId::cqe);
    const Steer how = completions_.steer(cpu->id(), rq);
    if (how != Steer::direct) {
      co_await completions_.hand_over(ctx, rq, how);
    } else if (!queue_.batches_) {
      co_await queue_.end_request(ctx, rq);
    } else if (reversed || batch == nullptr) {
      rq.next = batch;
      batch = &rq;
      if (batch_tail == nullptr) batch_tail = &rq;
    } else {
      rq.next = nullptr;
      batch_tail->next = &rq;
      batch_tail = &rq;
    }
  }
  if (thread_ == nullptr) raised_ = false;
  if (hctx_.stopped) co_await queue_.restart_stopped(ctx, hctx_);
  for (Request *rq = batch, *next; rq != nullptr; rq = next) {
    next = rq->next;  // ending it gives the tag back
    co_await queue_.end_bio(ctx, *rq);
    co_await queue_.put_tag(ctx, *rq);
  }
  if (thread_ == nullptr) machine_.tp.irq(*cpu, EventType::irq_handler_exit, number, name_id);
}

}  // namespace wakepath::block
