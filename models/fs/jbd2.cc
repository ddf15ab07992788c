// SPDX-License-Identifier: GPL-2.0-or-later
// ext4's journal as fsync sees it: a running transaction takes the changes; a force asks the journal's own thread to
// commit it and sleeps. The thread writes the blocks, waits, writes the commit record (PREFLUSH and FUA), waits, and
// wakes all who waited for that transaction. Changes that come meanwhile are in the next one.
// Source: fs/jbd2/journal.c (kjournald2, jbd2_log_start_commit, jbd2_log_wait_commit), fs/jbd2/commit.c
// (jbd2_journal_commit_transaction), 6.1 and 6.12. Not modelled: commits by age or size, fast commits, checkpoints.
#include <algorithm>

#include "models/fs/journal.h"
#include "models/fs/sync_bio.h"

namespace wakepath::fs {

using machine::CostId;
using machine::run_cost;
using sched::State;

namespace {

class Jbd2 final : public Journal {
 public:
  Jbd2(Machine& m, block::Flusher& device) : machine_(m), device_(device) {
    thread_ = &m.add_task("jbd2/" + m.scenario.block.name + "-8", "jbd2", "", 0, 0, false, true);
    thread_->body = body(*thread_);
    thread_->resume_at = thread_->body.handle();
  }
  std::uint64_t change() override { return running_; }
  [[nodiscard]] bool stable(std::uint64_t number) const override { return number <= committed_; }

  Call<bool> force(KTask& t, std::uint64_t number) override {
    ++counters.forces;
    co_await run_cost(machine_, t, CostId::log_force);
    if (stable(number)) co_return false;
    if (number > asked_) {
      asked_ = number;
      co_await machine_.wake(t, *thread_);
    }
    for (;;) {
      done_.prepare(t, State::uninterruptible);
      if (stable(number)) break;
      co_await t.schedule();
    }
    done_.finish(t);
    co_return true;
  }

 private:
  machine::Body body(KTask& t) {
    for (;;) {
      while (asked_ > committed_) co_await commit(t);
      t.set_state(State::interruptible);
      if (asked_ <= committed_) co_await t.schedule();
      t.set_state(State::running);
    }
  }
  Call<void> commit(KTask& t) {
    ++counters.commits;
    const std::uint64_t mine = running_++;
    co_await run_cost(machine_, t, CostId::log_push);
    SyncBio blocks(machine_);
    blocks.sector = 0;
    blocks.bytes = kBlocksBytes;
    co_await write(t, blocks);
    SyncBio record(machine_);
    record.bytes = 4096;
    record.preflush = record.fua = true;
    co_await write(t, record);
    co_await run_cost(machine_, t, CostId::log_ioend);
    committed_ = mine;
    co_await done_.wake_all(t);
  }
  Call<void> write(KTask& t, SyncBio& bio) {
    ++counters.writes;
    bio.waiter = &t;
    co_await run_cost(machine_, t, CostId::log_write);
    co_await device_.submit(t, bio, nullptr);
    co_await bio.wait(t);
  }

  static constexpr std::uint32_t kBlocksBytes = 3 * 4096;  // descriptor, inode table block, superblock or bitmap
  Machine& machine_;
  block::Flusher& device_;
  KTask* thread_ = nullptr;
  machine::WaitQueue done_;
  std::uint64_t running_ = 1, committed_ = 0, asked_ = 0;
};

}  // namespace

std::unique_ptr<Journal> make_jbd2(Machine& m, block::Flusher& device) { return std::make_unique<Jbd2>(m, device); }

}  // namespace wakepath::fs
