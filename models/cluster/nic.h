// SPDX-License-Identifier: GPL-2.0-or-later
// A node's NIC with one receive queue: an interrupt on a CPU of its own choice masks it and raises NET_RX; the softirq
// takes messages while there are any, 64 at a time (NAPI), and unmasks it when it finds none.
//
// One message counts once, however many segments it has: what GRO makes of them. Source: net/core/dev.c:net_rx_action,
// napi_poll; 6.1. Not modelled: several queues, RPS, interrupt moderation, transmit completions.
#pragma once

#include "models/cluster/config.h"
#include "models/cluster/message.h"
#include "models/machine/machine.h"
#include "sim/engine/fifo.h"

namespace wakepath::cluster {

struct Sockets {
  virtual ~Sockets() = default;
  virtual machine::Call<void> deliver(machine::ExecContext& softirq, MessagePtr& m) = 0;  // takes it
};

class Nic final : public machine::IrqLine, public machine::Machine::SoftirqHandler {
 public:
  Nic(machine::Machine& m, const NetCosts& costs, int irq_cpu, Sockets& sockets);
  // At the engine's present time: all messages that arrive at it, then the interrupt, which may run at once and move
  // the clock on.
  void receive(MessagePtr m) { ring_.push_back(std::move(m)); }
  void interrupt();
  machine::Call<void> handle(machine::ExecContext& irq) override;
  machine::Call<void> run(machine::ExecContext& softirq) override;

 private:
  machine::Machine& machine_;
  const NetCosts& costs_;
  Sockets& sockets_;
  engine::Fifo<MessagePtr> ring_;
  bool masked_ = false;
};

}  // namespace wakepath::cluster
