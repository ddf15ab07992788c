// SPDX-License-Identifier: GPL-2.0-or-later
// The XFS log as fsync sees it. Changes are collected in memory (the CIL) under a sequence number. A force has them
// formatted by an unbound worker (xfs-cil), then itself switches and writes the in-core log (PREFLUSH and FUA) and
// sleeps; the end of that write is a work item of the high-priority bound pool of the completing CPU (xfs-log,
// xlog_ioend_work), which wakes the sleepers. Forces that come while a log write is under way are in the next one.
// Source: fs/xfs/xfs_log_cil.c (xlog_cil_force_seq, xlog_cil_push_now, xlog_cil_push_work), fs/xfs/xfs_log.c
// (xlog_force_lsn, xlog_write_iclog, xlog_ioend_work), 6.1 and 6.12. Not modelled: background pushes by size, log
// space.
#include <deque>
#include <vector>

#include "models/fs/journal.h"

namespace wakepath::fs {

using machine::CostId;
using machine::run_cost;
using sched::State;

namespace {

class XfsLog final : public Journal {
 public:
  XfsLog(Machine& m, block::Flusher& device, workqueue::Workqueues& wqs)
      : machine_(m),
        device_(device),
        cil_wq_(wqs.create("xfs-cil/" + m.scenario.block.name, {.unbound = true, .max_active = 4})),
        log_wq_(wqs.create("xfs-log/" + m.scenario.block.name, {.highpri = true})),
        push_(*this),
        active_(&take()) {
    push_.persistent = true;
    push_.function_id = m.tp.name("xlog_cil_push_work");
    ioend_function_ = m.tp.name("xlog_ioend_work");
  }

  std::uint64_t change() override {
    empty_ = false;
    return sequence_;
  }
  [[nodiscard]] bool stable(std::uint64_t number) const override { return number <= stable_; }

  Call<bool> force(KTask& t, std::uint64_t number) override {
    ++counters.forces;
    co_await run_cost(machine_, t, CostId::log_force);
    co_await commit(t, number);
    if (stable(number)) co_return true;
    bool slept = false;
    for (;;) {  // xlog_force_lsn
      Iclog* log = holding(number);
      if (log == nullptr) co_return true;
      if (log == active_ && previous_ != nullptr && !slept) {  // more may join while the one before is written
        slept = true;
        Iclog& before = *previous_;
        before.written.prepare(t, State::uninterruptible);
        if (previous_ == &before) co_await t.schedule();
        before.written.finish(t);
        continue;
      }
      if (log == active_) co_await write(t, *log);
      for (;;) {
        log->stable.prepare(t, State::uninterruptible);
        if (stable(number)) break;
        co_await t.schedule();
      }
      log->stable.finish(t);
      co_return true;
    }
  }

 private:
  struct Iclog final : block::Bio, workqueue::Work {
    Call<void> end_io(ExecContext& ctx) override { return owner->log_wq_.queue(ctx, *this); }
    Call<void> function(KTask& worker) override { return owner->written(worker, *this); }
    XfsLog* owner = nullptr;
    std::uint64_t last = 0;  // highest sequence whose commit record it holds
    machine::WaitQueue stable, written;
    bool syncing = false;
  };
  struct PushWork final : workqueue::Work {
    explicit PushWork(XfsLog& l) : log(l) {}
    Call<void> function(KTask& worker) override { return log.push(worker); }
    XfsLog& log;
  };

  Iclog& take() {
    if (free_.empty()) {
      all_.push_back(std::make_unique<Iclog>());
      free_.push_back(all_.back().get());
    }
    Iclog& l = *free_.front();
    free_.pop_front();
    l.owner = this;
    l.function_id = ioend_function_;
    l.id = all_.size();
    l.preflush = l.fua = true;
    l.bytes = 4096;
    l.last = 0;
    l.syncing = false;
    return l;
  }
  Iclog* holding(std::uint64_t number) {
    if (stable(number)) return nullptr;
    for (Iclog* l : syncing_)
      if (l->last >= number) return l;
    return active_->last >= number ? active_ : nullptr;
  }

  // xlog_cil_force_seq: until the commit record is in an in-core log.
  Call<void> commit(KTask& t, std::uint64_t number) {
    while (committed_ < number) {
      if (!empty_ && number > pushed_) {
        pushed_ = number;
        co_await cil_wq_.queue(t, push_);
      }
      pushed_queue_.prepare(t, State::uninterruptible);
      if (committed_ < number) co_await t.schedule();
      pushed_queue_.finish(t);
    }
  }

  Call<void> push(KTask& worker) {
    const std::uint64_t mine = sequence_++;  // later changes go to the next context
    empty_ = true;
    co_await run_cost(machine_, worker, CostId::log_push);
    ++counters.commits;
    active_->last = mine;
    committed_ = mine;
    co_await pushed_queue_.wake_all(worker);
  }

  // xlog_write_iclog, by who forces.
  Call<void> write(KTask& t, Iclog& log) {
    log.syncing = true;
    syncing_.push_back(&log);
    previous_ = &log;
    active_ = &take();
    ++counters.writes;
    log.sector = next_sector_;
    next_sector_ = (next_sector_ + 8) % kLogSectors;
    co_await run_cost(machine_, t, CostId::log_write);
    co_await device_.submit(t, log, nullptr);
  }

  Call<void> written(KTask& worker, Iclog& log) {
    co_await run_cost(machine_, worker, CostId::log_ioend);
    stable_ = std::max(stable_, log.last);
    std::erase(syncing_, &log);
    if (previous_ == &log) previous_ = nullptr;
    co_await log.written.wake_all(worker);
    co_await log.stable.wake_all(worker);
    free_.push_back(&log);
  }

  static constexpr std::uint64_t kLogSectors = 1U << 18;  // 128 MiB, for what records show
  Machine& machine_;
  block::Flusher& device_;
  workqueue::Workqueue &cil_wq_, &log_wq_;
  PushWork push_;
  trace::StringId ioend_function_ = 0;
  std::uint64_t sequence_ = 1, pushed_ = 0, committed_ = 0, stable_ = 0, next_sector_ = 0;
  bool empty_ = true;
  machine::WaitQueue pushed_queue_;
  std::deque<std::unique_ptr<Iclog>> all_;
  std::deque<Iclog*> free_;
  Iclog* active_;
  Iclog* previous_ = nullptr;  // the one before, while it is being written
  std::vector<Iclog*> syncing_;
};

}  // namespace

std::unique_ptr<Journal> make_xfs_log(Machine& m, block::Flusher& device, workqueue::Workqueues& wqs) {
  return std::make_unique<XfsLog>(m, device, wqs);
}

}  // namespace wakepath::fs
