// SPDX-License-Identifier: GPL-2.0-or-later
// The server's side of the driver: its commands, who may issue them, and what is left when a server exits.
// Source: drivers/block/ublk_drv.c (__ublk_ch_uring_cmd, ublk_mark_io_ready, ublk_commit_completion,
// ublk_uring_cmd_cancel_fn, ublk_abort_queue), 6.1 and 6.12; later rules as in the io_uring specification 3.2 and 3.3.
#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "models/kernel/switches.h"
#include "models/machine/violation.h"
#include "models/ublk/device.h"

namespace wakepath::ublk {

using machine::CostId;
using machine::run_cost;

const char* cmd_name(Cmd c) {
  switch (c) {
    case Cmd::fetch_req:
      return "FETCH_REQ";
    case Cmd::commit_and_fetch_req:
      return "COMMIT_AND_FETCH_REQ";
    case Cmd::need_get_data:
      return "NEED_GET_DATA";
    case Cmd::register_io_buf:
      return "REGISTER_IO_BUF";
    case Cmd::unregister_io_buf:
      return "UNREGISTER_IO_BUF";
  }
  return "?";
}

namespace {
scenario::Block block_of(const Machine& m, const scenario::Ublk& conf) {
  scenario::Block b;
  b.name = "ublkb0";
  b.driver = "ublk";
  b.hw_queues = std::min(conf.queues, m.topology.cpus());
  b.queue_depth = conf.depth;
  return b;
}
}  // namespace

Device::Device(Machine& m, workqueue::Workqueues& wqs, const scenario::Ublk& conf)
    : machine_(m),
      k_(m.k),
      conf_(conf),
      batch_(static_cast<Batch>(m.k.ublk_batch)),
      block_(block_of(m, conf)),
      queue_(m, wqs, block_, *this),
      disk_(m, queue_, wqs, true) {
  queues_.resize(static_cast<std::size_t>(block_.hw_queues));
  for (QueueState& q : queues_) q.slots.resize(static_cast<std::size_t>(block_.queue_depth));
  by_queue_.resize(queues_.size());
}

Device::~Device() = default;

Device::Descriptor Device::descriptor(int queue, int tag) const {
  const block::Bio& bio = *queues_[static_cast<std::size_t>(queue)].slots[static_cast<std::size_t>(tag)].request->bio;
  return {bio.write, bio.sector, bio.bytes};
}

Call<int> Device::uring_cmd(KTask& t, io_uring::Request& cmd) {
  const int res = co_await run_command(t, cmd);
  constexpr std::size_t kRemembered = 64;
  if (res < 0 && res != kQueued && refusals_.size() < kRemembered)
    refusals_.push_back({static_cast<Cmd>(cmd.sqe.cmd_op), cmd.sqe.cmd_queue, cmd.sqe.cmd_tag, t.st.comm, res});
  co_return res;
}

Call<int> Device::run_command(KTask& t, io_uring::Request& cmd) {
  const auto op = static_cast<Cmd>(cmd.sqe.cmd_op);
  if (op == Cmd::register_io_buf || op == Cmd::unregister_io_buf) {
    co_await run_cost(machine_, t, CostId::ublk_buf_register);
    co_return 0;
  }
  co_await run_cost(machine_, t, CostId::ublk_cmd);
  const int refused = check_command(t, cmd);
  if (refused != 0) co_return refused;
  if (op == Cmd::fetch_req) co_return co_await fetch(t, cmd);
  if (op == Cmd::need_get_data) co_return co_await get_data(t, cmd);
  co_return co_await commit(t, cmd);
}

// 0, or the error that the kernel returns.
int Device::check_command(const KTask& t, const io_uring::Request& cmd) {
  if (cmd.sqe.cmd_queue >= queues_.size() || cmd.sqe.cmd_tag >= block_.queue_depth) return kInvalid;
  const auto op = static_cast<Cmd>(cmd.sqe.cmd_op);
  const QueueState& q = queues_[cmd.sqe.cmd_queue];
  const Slot& s = q.slots[cmd.sqe.cmd_tag];
  if (k_.ublk_owner_slot) {
    if (op == Cmd::fetch_req) return check_fetch(q, s);
    if (s.task != &t) return kInvalid;
  } else if (q.daemon != nullptr && q.daemon != &t) {
    return kInvalid;
  }
  if (s.active) return kBusy;
  if (s.get_data != (op == Cmd::need_get_data)) return kInvalid;
  if (op == Cmd::fetch_req) return check_fetch(q, s);
  return s.owned ? 0 : kInvalid;
}

int Device::check_fetch(const QueueState& q, const Slot& s) const {
  const bool is_ready = k_.ublk_ready_by_device ? live_ : q.ready == block_.queue_depth;
  if (is_ready) return kBusy;
  if (s.active) return k_.ublk_ready_by_device ? kInvalid : kBusy;
  return s.owned ? kInvalid : 0;
}

Call<int> Device::fetch(KTask& t, io_uring::Request& cmd) {
  QueueState& q = queues_[cmd.sqe.cmd_queue];
  Slot& s = q.slots[cmd.sqe.cmd_tag];
  s.fetched = s.active = true;
  s.cmd = &cmd;
  s.task = &t;
  if (++q.ready == block_.queue_depth) {
    q.daemon = &t;
    became_ready();
    if (live_ && !waiting_.empty()) co_await reissue(t);
  }
  co_return kQueued;
}

// The last slot of the last queue: START_DEV, or the end of a recovery, goes on.
void Device::became_ready() {
  for (const QueueState& q : queues_)
    if (q.ready != block_.queue_depth) return;
  live_ = true;
  for (QueueState& q : queues_) q.canceling = false;
  if (on_live) on_live();
}

Call<void> Device::reissue(KTask& t) {
  const auto all = std::exchange(waiting_, {});
  for (block::Request* rq : all) {
    ++counters.reissued;
    co_await queue_.requeue(t, *rq);
  }
}

Call<int> Device::commit(KTask& t, io_uring::Request& cmd) {
  Slot& s = slot(cmd.sqe.cmd_queue, cmd.sqe.cmd_tag);
  block::Request* rq = s.request;
  if (rq == nullptr)
    throw machine::Violation(
        "I5", fmt::format("(q{}, tag {}) is committed and has no request", cmd.sqe.cmd_queue, cmd.sqe.cmd_tag));
  // ACTIVE before the request ends: its tag may be taken at once, by another CPU.
  s.owned = false;
  s.active = true;
  s.cmd = &cmd;
  s.request = nullptr;
  ++counters.committed;
  ++by_queue_[cmd.sqe.cmd_queue];
  co_await run_cost(machine_, t, CostId::ublk_commit);
  co_await cross_llc(t, t.cpu->id(), rq->ctx_cpu);
  if (conf_.data == "auto_buf_reg") co_await run_cost(machine_, t, CostId::ublk_auto_buf);
  if (!rq->bio->write && conf_.data == "copy") co_await t.run_ns(copy_ns(*rq));
  co_await queue_.end_request(t, *rq);
  co_return kQueued;
}

// Up to 6.16 the request is dispatched a second time; later the command copies and ends at once.
Call<int> Device::get_data(KTask& t, io_uring::Request& cmd) {
  Slot& s = slot(cmd.sqe.cmd_queue, cmd.sqe.cmd_tag);
  if (k_.ublk_get_data_inline) {
    s.get_data = false;
    if (conf_.data == "copy") co_await t.run_ns(copy_ns(*s.request));
    co_return kResOk;
  }
  s.owned = false;
  s.active = true;
  s.cmd = &cmd;
  s.request->next = nullptr;
  co_await hand_over(t, *s.request);
  co_return kQueued;
}

Call<void> Device::pause_for_copy(KTask& t, const Descriptor& d) {
  constexpr std::uint32_t kPage = 4096;
  co_await run_cost(machine_, t, CostId::ublk_user_copy);
  co_await t.run_ns(machine_.cost(CostId::ublk_copy) * ((d.bytes + kPage - 1) / kPage));
}

// A queue with one of its commands cancelled takes no more requests; what the server has of it is given up.
Call<void> Device::cancel(KTask& t) {
  live_ = false;
  for (QueueState& q : queues_) {
    const bool concerned = std::any_of(q.slots.begin(), q.slots.end(), [&](const Slot& s) { return s.task == &t; });
    if (!concerned) continue;
    q.canceling = true;
    q.daemon = nullptr;
    q.list.clear();
    for (Slot& s : q.slots) {
      if (s.task != &t) continue;
      s.carried = nullptr;
      if (block::Request* rq = s.request) co_await give_up(t, *rq);
      if (s.fetched) --q.ready;
      s = Slot{};
    }
  }
}

void Device::check() const {
  std::uint64_t here = waiting_.size();
  for (const QueueState& q : queues_)
    for (const Slot& s : q.slots) here += s.request != nullptr;
  const std::uint64_t started = counters.started - counters.committed - counters.aborted - counters.reissued;
  if (here != started || here > queue_.in_flight())
    throw std::logic_error(fmt::format("ublk: {} requests are held, {} were started and not ended, {} are in flight",
                                       here, started, queue_.in_flight()));
}

}  // namespace wakepath::ublk
