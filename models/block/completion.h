// SPDX-License-Identifier: GPL-2.0-or-later
// The completion side of blk-mq: the queue's interrupt with its completion queue and coalescing, the steering decision,
// and the lists that the BLOCK softirq drains. Source: block/blk-mq.c:blk_mq_complete_request_remote,
// blk_complete_reqs; drivers/nvme/host/pci.c:nvme_irq as specified in io-completion.md section 2.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "models/block/queue.h"

namespace wakepath::block {

class Completions final : public Machine::SoftirqHandler {
 public:
  Completions(Machine& m, Queue& q);
  ~Completions() override;
  enum class Steer : std::uint8_t { direct, softirq_here, remote };
  [[nodiscard]] Steer steer(int cpu, const Request& rq, int nr_ctx, int hw_queues) const;
  Call<void> to_softirq(ExecContext& ctx, Request& rq);  // this CPU's list
  Call<void> to_remote(ExecContext& ctx, Request& rq);   // the submitting CPU's list, an IPI if it was empty
  Call<void> run(ExecContext& ctx) override;             // BLOCK softirq: ends everything on this CPU's list, FIFO

 private:
  struct CallIpi;
  Machine& machine_;
  Queue& queue_;
  std::vector<std::deque<Request*>> lists_;
  std::vector<std::unique_ptr<CallIpi>> ipis_;
};

struct QueueInterrupt final : machine::IrqLine {
  QueueInterrupt(Machine& m, Queue& q, Completions& c, int irq_cpu, int index);
  ~QueueInterrupt() override;
  void post(Request& rq);  // the device wrote a completion entry
  Call<void> handle(ExecContext& irq) override;

 private:
  void raise();
  Machine& machine_;
  Queue& queue_;
  Completions& completions_;
  std::deque<Request*> cq_;
  bool raised_ = false;  // the interrupt is pending, or its sweep is not over
  engine::Timer coalesce_;
};

}  // namespace wakepath::block
