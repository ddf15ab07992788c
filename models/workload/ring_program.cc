// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/workload/ring_program.h"

#include <algorithm>

namespace wakepath::workload {

using io_uring::Ring;
using machine::Call;
using machine::CostId;
using machine::KTask;
using machine::Mode;
using machine::run_cost;
using scenario::RingOp;

namespace {

io_uring::Setup setup_of(const scenario::RingProgram& conf) {
  io_uring::Setup s;
  s.entries = conf.entries;
  s.cq_entries = conf.cq_entries;
  const auto has = [&](const char* flag) {
    return std::find(conf.flags.begin(), conf.flags.end(), flag) != conf.flags.end();
  };
  s.iopoll = has("IOPOLL");
  s.sqpoll = has("SQPOLL");
  s.coop_taskrun = has("COOP_TASKRUN");
  s.single_issuer = has("SINGLE_ISSUER");
  s.defer_taskrun = has("DEFER_TASKRUN");
  s.registered_ring = conf.registered_ring;
  s.sq_thread_cpu = conf.sq_thread_cpu;
  s.sq_thread_idle_ns = conf.sq_thread_idle_ns;
  return s;
}

}  // namespace

RingProgram::RingProgram(machine::Machine& m, fs::Filesystem& fs, io_uring::IoWqs& pools,
                         const scenario::RingProgram& conf, int index)
    : machine_(m), conf_(conf), sleep_(m) {
  constexpr std::uint64_t kInodes = 0xffff888204a00000ULL, kInodeBytes = 1024;
  for (const std::string& text : conf.ops) ops_.push_back(*scenario::parse_ring_op(text));  // checked when read
  std::map<std::string, std::uint64_t> inodes;
  for (const RingOp& op : ops_) {
    if (op.file.empty()) continue;
    const auto [inode, added] =
        inodes.try_emplace(op.file, kInodes + kInodeBytes * (static_cast<std::uint64_t>(index) * 1024 + inodes.size()));
    io_uring::File& f = files_[op.file + (op.buffered ? " buffered" : "") + (op.uncached ? " uncached" : "")];
    f.inode.address = inode->second;
    f.direct = !op.buffered;
    f.cached = !op.uncached;
    f.block_device = fs.is_block_device();
  }
  task_ = &m.add_task(conf.name, conf.name, m.group_of_session(conf.cgroup, conf.session), conf.nice, conf.cpu, true,
                      false);
  tctx_ = std::make_unique<io_uring::Tctx>(m, *task_, pools);
  ring_ = std::make_unique<Ring>(m, fs, *tctx_, setup_of(conf));
  ring_->tctx().max_workers = {conf.iowq_max_bounded.value_or(0), conf.iowq_max_unbounded.value_or(0)};
  task_->body = body(*task_);
  task_->resume_at = task_->body.handle();
}

bool RingProgram::needs_page_cache(const scenario::RingProgram& conf) {
  return std::any_of(conf.ops.begin(), conf.ops.end(), [](const std::string& text) {
    const RingOp op = *scenario::parse_ring_op(text);  // checked when read
    return op.kind == RingOp::Kind::fsync || (op.kind == RingOp::Kind::write && op.buffered);
  });
}

// Every way a file is used has an inode of its own here, with the same pages.
void RingProgram::use(fs::PageCache& cache) {
  constexpr std::int64_t kFileBytes = std::int64_t{1} << 30;
  std::map<std::uint64_t, fs::File*> pages;
  for (auto& [name, f] : files_) {
    fs::File*& p = pages[f.inode.address];
    if (p == nullptr) p = &cache.add_file(kFileBytes);
    f.inode.pages = p;
  }
}

machine::Body RingProgram::body(KTask& t) {
  for (std::uint64_t turn = 0; conf_.loops == 0 || turn < static_cast<std::uint64_t>(conf_.loops); ++turn, ++turns_) {
    for (const RingOp& op : ops_) {
      if (op.prepares()) co_await prepare(t, op);
      if (op.kind == RingOp::Kind::submit) co_await ring_->enter(t, static_cast<unsigned>(ring_->sq_ready()), 0, 0);
      if (op.waits()) co_await wait(t, op);
      if (op.kind == RingOp::Kind::run) co_await t.run_ns(op.time_ns, Mode::user);
      if (op.kind == RingOp::Kind::sleep) co_await machine::sleep_until(t, sleep_, machine_.now() + op.time_ns);
    }
  }
  co_await machine_.exit_task(t);
}

Call<void> RingProgram::prepare(KTask& t, const RingOp& op) {
  for (int i = 0; i < op.count; ++i) {
    co_await run_cost(machine_, t, CostId::fio_uring_prep, Mode::user);
    io_uring::Sqe e;
    e.op = op.kind == RingOp::Kind::read    ? io_uring::Op::read
           : op.kind == RingOp::Kind::write ? io_uring::Op::write
           : op.kind == RingOp::Kind::fsync ? io_uring::Op::fsync
                                            : io_uring::Op::nop;
    if (!op.file.empty())
      e.file = &files_.at(op.file + (op.buffered ? " buffered" : "") + (op.uncached ? " uncached" : ""));
    e.bytes = static_cast<std::uint32_t>(conf_.bs);
    e.offset = static_cast<std::uint64_t>(conf_.bs) * next_;
    e.user_data = ++next_;
    e.link = op.link, e.hardlink = op.hardlink, e.drain = op.drain, e.async = op.async;
    e.fixed_file = op.fixed_file, e.fixed_buffer = op.fixed_buffer, e.nowait = op.nowait;
    ring_->push(e);
  }
}

// Takes `count`: in the call that submits, then in calls that only wait.
Call<void> RingProgram::wait(KTask& t, const RingOp& op) {
  const bool submits = op.kind == RingOp::Kind::submit_and_wait;
  int left = op.count;
  bool first = submits;
  for (;;) {
    while (left > 0 && !first && ring_->cq_ready() > 0) {
      co_await run_cost(machine_, t, CostId::fio_uring_reap, Mode::user);
      ring_->pop();
      ++taken_;
      --left;
    }
    if (left == 0) break;
    const auto submit = first ? static_cast<unsigned>(ring_->sq_ready()) : 0U;
    const unsigned wakeup = ring_->setup().sqpoll && ring_->needs_wakeup() ? Ring::kSqWakeup : 0U;
    const int ret =
        co_await ring_->enter(t, submit, static_cast<unsigned>(left), Ring::kGetEvents | wakeup, op.time_ns);
    if (ret == Ring::kTimedOut) left = std::min(left, ring_->cq_ready());
    first = false;
  }
}

}  // namespace wakepath::workload
