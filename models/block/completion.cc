// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/block/completion.h"

#include <fmt/format.h>

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
    if (m.k.ipi_completes_in_hardirq)
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

// One last-level cache and equal capacities: topologies come with the placement model.
Completions::Steer Completions::steer(int cpu, const Request& rq, int nr_ctx, int hw_queues) const {
  const auto& k = machine_.k;
  if (nr_ctx == 1 && (!k.direct_complete_needs_submitting_cpu || rq.ctx_cpu == cpu)) return Steer::direct;
  if (queue_.conf_.rq_affinity == 2 && cpu != rq.ctx_cpu) return Steer::remote;
  return hw_queues == 1 ? Steer::softirq_here : Steer::direct;
}

Call<void> Completions::to_softirq(ExecContext& ctx, Request& rq) {
  auto& list = lists_[static_cast<std::size_t>(ctx.cpu->id())];
  list.push_back(&rq);
  if (list.size() == 1) co_await machine_.raise_softirq(ctx, Machine::kBlockSoftirq);
}

Call<void> Completions::to_remote(ExecContext& ctx, Request& rq) {
  const auto target = static_cast<std::size_t>(rq.ctx_cpu);
  lists_[target].push_back(&rq);
  if (lists_[target].size() != 1) co_return;
  co_await run_cost(machine_, ctx, CostId::ipi_send);
  CallIpi& ipi = *ipis_[target];
  if (!ipi.flight.armed() && !ipi.pending) machine_.engine.arm_in(ipi.flight, machine_.cost(CostId::ipi_latency));
}

Call<void> Completions::run(ExecContext& ctx) {
  auto& list = lists_[static_cast<std::size_t>(ctx.cpu->id())];
  for (std::size_t n = list.size(); n > 0; --n) {  // what was there when it began
    Request& rq = *list.front();
    list.pop_front();
    co_await queue_.end_request(ctx, rq);
  }
  if (!list.empty()) co_await machine_.raise_softirq(ctx, Machine::kBlockSoftirq);
}

// ---- the interrupt -------------------------------------------------------------------------------------------------

QueueInterrupt::QueueInterrupt(Machine& m, Queue& q, Completions& c, int irq_cpu, int index)
    : machine_(m), queue_(q), completions_(c) {
  cpu = &m.cpu(irq_cpu);
  number = 36 + index;
  name_id = m.tp.name(fmt::format("{}q{}", m.scenario.block.name, index + 1));
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
  Request *batch = nullptr, *batch_tail = nullptr;
  const bool reversed = machine_.k.completion_batch_reversed;
  while (!cq_.empty()) {
    Request& rq = *cq_.front();
    cq_.pop_front();
    co_await run_cost(machine_, irq, CostId::cqe);
    switch (completions_.steer(cpu->id(), rq, rq.hctx->nr_ctx, static_cast<int>(queue_.hctxs_.size()))) {
      case Completions::Steer::remote:
        co_await completions_.to_remote(irq, rq);
        break;
      case Completions::Steer::softirq_here:
        co_await completions_.to_softirq(irq, rq);
        break;
      case Completions::Steer::direct:
        if (!queue_.batches_) {
          co_await queue_.end_request(irq, rq);
        } else if (reversed || batch == nullptr) {
          rq.next = batch;
          batch = &rq;
          if (batch_tail == nullptr) batch_tail = &rq;
        } else {
          rq.next = nullptr;
          batch_tail->next = &rq;
          batch_tail = &rq;
        }
        break;
    }
  }
  raised_ = false;
  for (Request *rq = batch, *next; rq != nullptr; rq = next) {
    next = rq->next;  // ending it gives the tag back
    co_await queue_.end_request(irq, *rq);
  }
  machine_.tp.irq(*cpu, EventType::irq_handler_exit, number, name_id);
}

}  // namespace wakepath::block
