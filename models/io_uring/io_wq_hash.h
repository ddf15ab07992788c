// SPDX-License-Identifier: GPL-2.0-or-later
// The hash buckets that keep writes to one inode in order: one object per ring, shared by the pools made from it. A
// set bit: one worker owns a chain of items of that bucket; who finds it set waits on the queue.
// Source: io_uring/io-wq.c (io_wq_hash, io_wait_on_hash, io_wq_hash_work), 6.1 to 6.18.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "models/machine/task.h"

namespace wakepath::io_uring {

struct HashWaiter {  // a pool's single wait entry
  virtual ~HashWaiter() = default;
  virtual machine::Call<void> hash_wake(machine::KTask& waker) = 0;
  bool waiting = false;
};

struct Hash {
  static constexpr int kBuckets = 64;
  // hash_ptr(inode, 6): the top bits of the product with the 64-bit golden ratio.
  static int bucket_of(std::uint64_t inode_address) {
    return static_cast<int>((inode_address * 0x61C8864680B583EBULL) >> 58);
  }
  [[nodiscard]] bool busy(int bucket) const { return (map >> bucket & 1U) != 0; }
  void set(int bucket) { map |= std::uint64_t{1} << bucket; }
  void clear(int bucket) { map &= ~(std::uint64_t{1} << bucket); }
  void wait(HashWaiter& w) {
    if (!std::exchange(w.waiting, true)) waiters.push_back(&w);
  }
  std::uint64_t map = 0;
  std::vector<HashWaiter*> waiters;  // in order of arrival
};

}  // namespace wakepath::io_uring
