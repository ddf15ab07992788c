// SPDX-License-Identifier: GPL-2.0-or-later
// Which server thread fetches which slot (queue, tag) of a ublk device: the programs' choice, not the kernel's.
//
//   queue        thread q serves queue q whole (ublksrv, kublk without --per_io_tasks)
//   kublk        slot i = q * depth + tag belongs to thread i mod N (kublk --per_io_tasks)
//   commit       thread (tag + q) mod N: the table in the message of the per-I/O daemon commit
//   interleaved  n threads a queue: thread k of a queue owns its tags k, k + n, k + 2n, ... (rublk)
//   contiguous   n threads a queue, each a run of neighbouring tags
//
// Source: tools/testing/selftests/ublk/kublk.c; io_uring specification 3.6.
#pragma once

#include <string>
#include <vector>

namespace wakepath::ublk {

struct Owners {
  std::vector<std::vector<int>> thread_of;  // by queue and tag; -1: nobody's
  [[nodiscard]] int of(int queue, int tag) const {
    return thread_of[static_cast<std::size_t>(queue)][static_cast<std::size_t>(tag)];
  }
};

struct OwnersRequest {
  std::string scheme;
  int queues = 1, depth = 1, threads = 1;
};

Owners assign_owners(const OwnersRequest& r);
// "" or what the scheme cannot do with these numbers.
std::string owners_error(const OwnersRequest& r);

}  // namespace wakepath::ublk
