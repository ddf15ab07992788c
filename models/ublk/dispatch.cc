// SPDX-License-Identifier: GPL-2.0-or-later
// From the request of a submitter to the server's CQE: batches, the task work that carries them, and what must hold.
// Source: drivers/block/ublk_drv.c (ublk_queue_cmd, ublk_forward_io_cmds, __ublk_rq_task_work), 6.1 and 6.12;
// ublk_queue_rqs and ublk_cmd_list_tw_cb of 6.15 and later as in the io_uring specification 3.5 and 3.7.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "models/kernel/switches.h"
#include "models/machine/violation.h"
#include "models/ublk/device.h"

namespace wakepath::ublk {

using machine::CostId;
using machine::run_cost;
using trace::EventType;

namespace {
std::string name_of(const block::Request& rq) { return fmt::format("(q{}, tag {})", rq.hctx->index, rq.tag); }
constexpr std::uint32_t kPage = 4096;
}  // namespace

machine::Time Device::copy_ns(const block::Request& rq) {
  return machine_.cost(CostId::ublk_copy) * ((rq.bio->bytes + kPage - 1) / kPage);
}

// ublk_prep_req: false where the request does not get to the server.
Call<bool> Device::start(ExecContext& ctx, block::Request& rq) {
  co_await run_cost(machine_, ctx, CostId::ublk_queue_rq);
  Slot& s = slot(rq);
  if (s.request != nullptr)
    throw machine::Violation("I6", fmt::format("{} is started, and its slot has a request already", name_of(rq)));
  s.request = &rq;
  ++counters.started;
  if (!live_ || queues_[static_cast<std::size_t>(rq.hctx->index)].canceling) {
    co_await give_up(ctx, rq);
    co_return false;
  }
  machine_.tp.request(*ctx.cpu, EventType::block_rq_issue, rq.bio->sector, rq.bio->write, rq.bio->bytes);
  co_await cross_llc(ctx, ctx.cpu->id(), s.task->cpu->id());  // its slot and command were the server's last
  co_return true;
}

Call<void> Device::queue_rq(ExecContext& ctx, block::Request& rq) {
  rq.next = nullptr;
  const bool goes_on = co_await start(ctx, rq);
  if (goes_on) co_await hand_over(ctx, rq);
}

// One request: onto its queue's list, or as a batch of its own.
Call<void> Device::hand_over(ExecContext& ctx, block::Request& rq) {
  if (batch_ != Batch::queue_list) return send(ctx, &rq, rq);
  auto& list = queues_[static_cast<std::size_t>(rq.hctx->index)].list;
  list.push_back(&rq);
  return list.size() == 1 ? send(ctx, nullptr, rq) : Call<void>{};
}

bool Device::same_batch(const block::Request& a, const block::Request& b) {
  if (batch_ == Batch::queue_run) return a.hctx == b.hctx;
  const Slot &x = slot(a), &y = slot(b);
  if (x.task != y.task) return false;
  return batch_ == Batch::task_run || (x.cmd != nullptr && y.cmd != nullptr && &x.cmd->ring == &y.cmd->ring);
}

Call<void> Device::queue_rqs(ExecContext& ctx, block::Request* list) {
  block::Request *first = nullptr, *last = nullptr;
  while (list != nullptr) {
    block::Request& rq = *list;
    list = std::exchange(rq.next, nullptr);
    if (last != nullptr && !same_batch(*last, rq)) {
      co_await send(ctx, first, batch_ == Batch::queue_run ? *first : *last);
      first = last = nullptr;
    }
    const bool goes_on = co_await start(ctx, rq);
    if (!goes_on) continue;
    (last != nullptr ? last->next : first) = &rq;
    last = &rq;
  }
  if (first != nullptr) co_await send(ctx, first, batch_ == Batch::queue_run ? *first : *last);
}

// Task work of the carrier's command. first: the batch; null: the carrier's queue has the list.
Call<void> Device::send(ExecContext& ctx, block::Request* first, block::Request& carrier) {
  Slot& s = slot(carrier);
  if (!s.active || s.cmd == nullptr)
    throw machine::Violation(
        "I2", fmt::format("a batch rides on {}, whose command is not with the driver", name_of(carrier)));
  s.carried = first;
  ++counters.batches;
  co_await run_cost(machine_, ctx, CostId::ublk_task_work);
  co_await s.cmd->ring.complete_in_task(ctx, *s.cmd);
}

Call<void> Device::command_task_work(KTask& t, io_uring::Request& cmd) {
  const int queue = cmd.sqe.cmd_queue;
  if (batch_ == Batch::queue_list) {
    const auto all = std::exchange(queues_[static_cast<std::size_t>(queue)].list, {});
    counters.largest_batch = std::max<std::uint64_t>(counters.largest_batch, all.size());
    for (block::Request* rq : all) co_await dispatch(t, queue, *rq);
    co_return;
  }
  block::Request* rq = std::exchange(slot(queue, cmd.sqe.cmd_tag).carried, nullptr);
  check_batch(t, cmd, rq);
  while (rq != nullptr) {
    block::Request& now = *rq;
    rq = std::exchange(now.next, nullptr);
    co_await dispatch(t, queue, now);
  }
}

// I4, and the facts for what may come.
void Device::check_batch(const KTask& t, const io_uring::Request& carrier, const block::Request* first) {
  std::uint64_t size = 0;
  std::vector<std::string> facts;
  bool mixed = false;
  for (const block::Request* rq = first; rq != nullptr; rq = rq->next, ++size) {
    if (rq->next != nullptr && !same_batch(*rq, *rq->next))
      throw machine::Violation("I4", fmt::format("{} and {} are in one batch", name_of(*rq), name_of(*rq->next)));
    mixed = mixed || rq->hctx != first->hctx;
  }
  counters.largest_batch = std::max(counters.largest_batch, size);
  if (!mixed || !k_.ublk_batch_of_carrier) return;
  // The callback goes by the carrier's queue: the first request of another one reaches a foreign slot.
  std::string members;
  for (const block::Request* rq = first; rq != nullptr; rq = rq->next)
    members += (members.empty() ? "" : " ") + name_of(*rq);
  for (const block::Request* rq = first; rq != nullptr; rq = rq->next) {
    if (rq->hctx->index == carrier.sqe.cmd_queue) continue;
    const Slot& wrong = slot(carrier.sqe.cmd_queue, rq->tag);
    const std::string text =
        fmt::format("{} is dispatched to slot (q{}, tag {})", name_of(*rq), carrier.sqe.cmd_queue, rq->tag);
    const char* then = !wrong.active ? "that slot holds no command: a NULL or wild pointer is completed, the kernel "
                                       "panics"
                       : wrong.task == slot(*rq).task
                           ? "that slot's command is completed without a request of its own: the server handles a "
                             "phantom, and the real request is never delivered"
                           : "that slot belongs to another task: the request is aborted or requeued";
    machine::Violation broken(
        "I1", text,
        {"batch on its way to one server task: " + members,
         fmt::format("carried by the command of (q{}, tag {})", carrier.sqe.cmd_queue, carrier.sqe.cmd_tag),
         fmt::format("requests of CPUs {} and {}, which have different queues", rq->ctx_cpu,
                     first->hctx == rq->hctx ? first->next->ctx_cpu : first->ctx_cpu),
         then});
    broken.pid = t.st.pid;
    for (const block::Request* r = first; r != nullptr; r = r->next)
      broken.marks.push_back({r->bio->sector, fmt::format("{} of CPU {}", name_of(*r), r->ctx_cpu)});
    throw broken;
  }
}

void Device::check_target(int queue, const block::Request& rq) {
  if (queue != rq.hctx->index)
    throw machine::Violation("I1", fmt::format("{} is dispatched to queue {}", name_of(rq), queue));
  const Slot& s = slot(rq);
  if (!s.active || s.owned || s.cmd == nullptr || s.request != &rq)
    throw machine::Violation("I2", fmt::format("{} is dispatched to a slot that is not ACTIVE", name_of(rq)));
}

Call<void> Device::dispatch(KTask& t, int carrier_queue, block::Request& rq) {
  const int queue = k_.ublk_batch_of_carrier ? carrier_queue : rq.hctx->index;
  check_target(queue, rq);
  Slot& s = slot(queue, rq.tag);
  co_await run_cost(machine_, t, CostId::ublk_dispatch);
  const KTask* owner = k_.ublk_owner_slot ? s.task : queues_[static_cast<std::size_t>(queue)].daemon;
  if (owner != &t || t.fatal_signal) co_return co_await give_up(t, rq);  // I3
  co_await cross_llc(t, t.cpu->id(), rq.ctx_cpu);
  ++counters.dispatched;
  if (conf_.need_get_data && rq.bio->write) {
    if (!std::exchange(s.get_data, !s.get_data)) {
      ++counters.get_data;
      co_return give_to_server(s, kResNeedGetData);
    }
  }
  if (rq.bio->write && conf_.data == "copy") co_await t.run_ns(copy_ns(rq));
  if (conf_.data == "auto_buf_reg") co_await run_cost(machine_, t, CostId::ublk_auto_buf);
  give_to_server(s, kResOk);
}

void Device::give_to_server(Slot& s, int res) {
  s.active = false;
  s.owned = true;
  io_uring::Request& cmd = *std::exchange(s.cmd, nullptr);
  cmd.ring.command_done(cmd, res);
}

Call<void> Device::cross_llc(ExecContext& ctx, int cpu, int other) {
  const auto& llc = machine_.topology.llc;
  if (llc[static_cast<std::size_t>(cpu)] == llc[static_cast<std::size_t>(other)]) co_return;
  ++counters.cross_llc;
  co_await run_cost(machine_, ctx, CostId::ublk_cross_llc);
}

// __ublk_abort_rq: fails, or waits for another server.
Call<void> Device::give_up(ExecContext& ctx, block::Request& rq) {
  slot(rq).request = nullptr;
  if (conf_.recovery) {
    ++counters.requeued;
    waiting_.push_back(&rq);
    co_return;
  }
  ++counters.aborted;
  rq.bio->failed = true;
  co_await queue_.end_request(ctx, rq);
}

}  // namespace wakepath::ublk
