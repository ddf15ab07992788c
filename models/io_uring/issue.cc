// SPDX-License-Identifier: GPL-2.0-or-later
// The operations: an attempt that must not block, or a worker's that may.
// Source: io_uring/rw.c (io_read, io_write, kiocb_done), sync.c, nop.c, 6.1 and 6.12.
#include "models/io_uring/ring.h"
#include "models/kernel/switches.h"

namespace wakepath::io_uring {

using machine::CostId;
using machine::run_cost;

Call<Ring::Issue> Ring::issue(KTask& t, Request& rq, bool nonblock, Submission* s) {
  if (rq.sqe.file != nullptr && !rq.sqe.fixed_file && !rq.file_looked_up)
    co_await run_cost(machine_, t, CostId::uring_file);
  rq.file_looked_up = true;
  switch (rq.sqe.op) {
    case Op::nop:
      co_await run_cost(machine_, t, CostId::uring_nop);
      break;
    case Op::uring_cmd: {
      co_await run_cost(machine_, t, CostId::uring_cmd);
      const int res = co_await rq.sqe.file->commands->uring_cmd(t, rq);
      if (res == CommandFile::kQueued) co_return Issue::queued;
      rq.res = res;
      rq.failed = res < 0;
      break;
    }
    case Op::fsync:
      co_await fs_.fsync(t, rq.sqe.file->inode);
      break;
    case Op::read:
    case Op::write:
      co_await run_cost(machine_, t, CostId::uring_rw);
      rq.res = static_cast<int>(rq.sqe.bytes);
      if (rq.sqe.file->direct) co_return co_await issue_direct(t, rq, nonblock, s);
      co_return co_await issue_buffered(t, rq, nonblock);
  }
  co_return Issue::done;
}

// The plug is started by the first operation that wants one, and told of no more than the block layer can hold.
Call<Ring::Issue> Ring::issue_direct(KTask& t, Request& rq, bool nonblock, Submission* s) {
  block::Plug* plug = nullptr;
  if (s != nullptr && s->may_plug) {
    s->plugged = true;
    plug = &s->plug;
  }
  fs::Dio& d = rq.dio;
  d.sector = rq.sqe.offset / 512;
  d.bytes = rq.sqe.bytes;
  d.write = rq.sqe.op == Op::write;
  d.inode = &rq.sqe.file->inode;
  d.nowait = nonblock;
  d.pinned = rq.sqe.fixed_buffer;
  d.polled = setup_.iopoll && fs_.queue().has_poll_queues();
  d.caller_completes = k_.dio_caller_completes && !setup_.iopoll && machine_.scenario.fs.written;
  rq.in_iopoll = setup_.iopoll;
  co_await fs_.submit(t, d, plug);
  if (d.would_block) co_return Issue::again;
  if (setup_.iopoll) {  // also one that is done already is found by polling
    if (d.done) rq.polled_done = true;
    iopoll_list_.push_back(&rq);
    co_return Issue::queued;
  }
  co_return d.done ? Issue::done : Issue::queued;
}

// Buffered: from or to the page cache here where that needs no wait; XFS and block devices try writes, ext4 does not.
Call<Ring::Issue> Ring::issue_buffered(KTask& t, Request& rq, bool nonblock) {
  File& f = *rq.sqe.file;
  if (rq.sqe.op == Op::read) {
    if (!f.cached && nonblock) {
      co_await run_cost(machine_, t, CostId::uring_eagain);
      co_return Issue::again;
    }
    co_await fs_.buffered_read(t, rq.sqe.offset, rq.sqe.bytes, f.cached);
    co_return Issue::done;
  }
  const bool may_try = !f.block_device && machine_.scenario.fs.type == "xfs";
  if (nonblock && !may_try) co_return Issue::again;
  const bool written = co_await fs_.buffered_write(t, f.inode, rq.sqe.offset, rq.sqe.bytes, nonblock);
  co_return written ? Issue::done : Issue::again;
}

// ---- in a worker ---------------------------------------------------------------------------------------------------

Call<void> Request::run(KTask& worker) { return ring.issue_from_worker(worker, *this); }

Call<void> Ring::issue_from_worker(KTask& worker, Request& rq) {
  rq.refs = 2;  // the worker's own
  if (rq.cancel) co_return co_await add_turn(worker, rq, Request::Turn::fail, false);
  Issue got = co_await issue(worker, rq, false, nullptr);
  while (got == Issue::again && setup_.iopoll) {  // a polled queue has no tag: it cannot be waited for
    if (worker.resched_at_cond_resched()) co_await worker.schedule(true);
    got = co_await issue(worker, rq, false, nullptr);
  }
  if (got == Issue::done) co_await post_from_worker(worker, rq);
}

}  // namespace wakepath::io_uring
