// SPDX-License-Identifier: GPL-2.0-or-later
// The completion side of blk-mq: the queue's interrupt with its completion queue and coalescing, the steering decision,
// the lists that the BLOCK softirq drains, and interrupt threads. Source:
// block/blk-mq.c:blk_mq_complete_request_remote, blk_complete_reqs; drivers/nvme/host/pci.c:nvme_irq as specified in
// io-completion.md section 2.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "models/block/queue.h"
#include "models/block/steering.h"
#include "sim/engine/fifo.h"

namespace wakepath::block {

class Completions final : public Machine::SoftirqHandler {
 public:
  Completions(Machine& m, Queue& q);
  ~Completions() override;
  // blk_mq_complete_request_remote; what is not direct is handed to the list of this or the submitting CPU.
  [[nodiscard]] Steer steer(int cpu, const Request& rq) const;
  Call<void> hand_over(ExecContext& ctx, Request& rq, Steer how);
  Call<void> run(ExecContext& ctx) override;  // BLOCK softirq: ends everything on this CPU's list, FIFO

 private:
  struct CallIpi;
  struct List {  // by CPU; who finds it empty tells the CPU
    Request *first = nullptr, *last = nullptr;
    bool push(Request& rq);  // true: it was empty
  };
  Call<void> to_remote(ExecContext& ctx, Request& rq);
  Machine& machine_;
  Queue& queue_;
  std::vector<List> lists_;
  std::vector<std::unique_ptr<CallIpi>> ipis_;
};

// The interrupt of one hardware queue. Threaded (nvme.use_threaded_interrupts, or threadirqs on the command line): the
// handler only wakes its thread, SCHED_FIFO 50 on the same CPU, which sweeps with bottom halves off.
struct alignas(64) QueueInterrupt final : machine::IrqLine {
  QueueInterrupt(Machine& m, Queue& q, Completions& c, int irq_cpu, HwQueue& h);
  ~QueueInterrupt() override;
  void post(Request& rq);  // the device wrote a completion entry
  Call<void> handle(ExecContext& irq) override;

 private:
  void raise();
  Call<void> sweep(ExecContext& ctx);
  Call<void> wake_thread(ExecContext& irq);
  machine::Body thread_body(KTask& t);
  bool raised_ = false;  // the interrupt is pending, or its sweep is not over
  bool run_thread_ = false;
  Machine& machine_;
  Queue& queue_;
  engine::Fifo<Request*> cq_;
  Completions& completions_;
  HwQueue& hctx_;
  KTask* thread_ = nullptr;
  engine::Timer coalesce_;
};

}  // namespace wakepath::block
