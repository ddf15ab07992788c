// SPDX-License-Identifier: GPL-2.0-or-later
// A filesystem without a journal (ext4 -O ^has_journal): fsync's caller writes the inode's own block and waits, where
// the inode has changed; the flush of the device's cache follows.
// Source: fs/ext4/fsync.c:ext4_fsync_nojournal, fs/buffer.c, 6.1 and 6.12; seen on 6.18 (docs/page-cache.md).
#include "models/fs/journal.h"
#include "models/fs/sync_bio.h"

namespace wakepath::fs {

using machine::CostId;
using machine::run_cost;

namespace {

class NoJournal final : public Journal {
 public:
  NoJournal(Machine& m, block::Flusher& device) : machine_(m), device_(device) {}
  std::uint64_t change() override { return ++changes_; }
  [[nodiscard]] bool stable(std::uint64_t number) const override { return number <= written_; }
  Call<bool> force(KTask& t, std::uint64_t number) override {
    ++counters.forces;
    ++counters.writes;
    written_ = number;
    SyncBio inode(machine_);
    inode.waiter = &t;
    co_await run_cost(machine_, t, CostId::log_write);
    co_await device_.submit(t, inode, nullptr);
    co_await inode.wait(t);
    co_return false;
  }

 private:
  Machine& machine_;
  block::Flusher& device_;
  std::uint64_t changes_ = 0, written_ = 0;
};

}  // namespace

std::unique_ptr<Journal> make_no_journal(Machine& m, block::Flusher& device) {
  return std::make_unique<NoJournal>(m, device);
}

}  // namespace wakepath::fs
