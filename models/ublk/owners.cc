// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/ublk/owners.h"

#include <fmt/format.h>

namespace wakepath::ublk {

namespace {

int thread_of(const OwnersRequest& r, int queue, int tag) {
  if (r.scheme == "queue") return queue < r.threads ? queue : -1;
  if (r.scheme == "commit") return (tag + queue) % r.threads;
  if (r.scheme == "kublk") return static_cast<int>((static_cast<long>(queue) * r.depth + tag) % r.threads);
  const int each = r.threads / r.queues;  // of a queue
  if (r.scheme == "interleaved") return queue * each + tag % each;
  return queue * each + static_cast<int>(static_cast<long>(tag) * each / r.depth);  // contiguous
}

}  // namespace

std::string owners_error(const OwnersRequest& r) {
  if (r.scheme == "queue" && r.threads != r.queues)
    return fmt::format("{} threads for {} queues: {}", r.threads, r.queues,
                       r.threads < r.queues ? "nobody would fetch the tags of some queues"
                                            : "some threads would have no tags to fetch");
  if ((r.scheme == "interleaved" || r.scheme == "contiguous") && (r.threads < r.queues || r.threads % r.queues != 0))
    return fmt::format("{} threads cannot be shared out over {} queues", r.threads, r.queues);
  if (static_cast<long>(r.threads) > static_cast<long>(r.queues) * r.depth)
    return fmt::format("{} threads for {} slots: some would have no tags to fetch", r.threads, r.queues * r.depth);
  return {};
}

Owners assign_owners(const OwnersRequest& r) {
  Owners o;
  for (int q = 0; q < r.queues; ++q) {
    auto& row = o.thread_of.emplace_back();
    for (int tag = 0; tag < r.depth; ++tag) row.push_back(thread_of(r, q, tag));
  }
  return o;
}

}  // namespace wakepath::ublk
