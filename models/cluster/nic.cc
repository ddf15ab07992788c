// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/cluster/nic.h"

namespace wakepath::cluster {

using machine::Call;
using machine::ExecContext;
using trace::EventType;

namespace {
constexpr unsigned kNetRxSoftirq = 3;  // NET_RX_SOFTIRQ
constexpr int kNapiWeight = 64;        // NAPI_POLL_WEIGHT
constexpr int kNicIrq = 90;
}  // namespace

Nic::Nic(machine::Machine& m, const NetCosts& costs, int irq_cpu, Sockets& sockets)
    : machine_(m), costs_(costs), sockets_(sockets) {
  cpu = &m.cpu(irq_cpu);
  number = kNicIrq;
  name_id = m.tp.name("eth0-rx-0");
  m.register_softirq(kNetRxSoftirq, this);
}

void Nic::interrupt() {
  if (masked_ || ring_.empty()) return;
  masked_ = true;
  cpu->raise(*this);
}

Call<void> Nic::handle(ExecContext& irq) {
  machine_.tp.irq(*cpu, EventType::irq_handler_entry, number, name_id);
  co_await irq.run_ns(costs_[static_cast<std::size_t>(NetCost::net_irq)]);
  co_await machine_.raise_softirq(irq, kNetRxSoftirq);
  machine_.tp.irq(*cpu, EventType::irq_handler_exit, number, name_id);
}

Call<void> Nic::run(ExecContext& softirq) {
  for (int taken = 0; !ring_.empty() && taken < kNapiWeight; ++taken) {
    MessagePtr m = ring_.take_front();
    co_await softirq.run_ns(costs_[static_cast<std::size_t>(NetCost::net_rx)]);
    co_await sockets_.deliver(softirq, m);
  }
  if (ring_.empty())
    masked_ = false;
  else
    softirq.cpu->raise_softirq(kNetRxSoftirq);
}

}  // namespace wakepath::cluster
