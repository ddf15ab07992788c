// SPDX-License-Identifier: GPL-2.0-or-later
// A file as far as the path cares: what its identity is to io-wq's hash, and when its timestamps last changed.
//
// Timestamps come from the coarse clock, which moves once a tick
// (kernel/time/timekeeping.c:ktime_get_coarse_real_ts64): the first write of each tick changes them, and those until it
// has been carried out see that they would. Source: fs/inode.c:file_modified_flags, inode_needs_update_time, 6.1
// and 6.12.
#pragma once

#include <cstdint>
#include <deque>

#include "models/machine/task.h"

namespace wakepath::fs {

struct File;

struct Inode {
  std::uint64_t address = 0;     // where the kernel's inode would lie
  engine::Time fresh_until = 0;  // mtime and ctime are of the tick before: a write from then on changes them
  // Buffered writes hold the inode's lock exclusively; who may not wait gives up.
  machine::KTask* locked_by = nullptr;
  std::deque<machine::KTask*> lock_waiters;
  File* pages = nullptr;  // in the page cache; null: nothing of it is written through there or synced
};

}  // namespace wakepath::fs
