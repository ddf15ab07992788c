// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/cluster/remote_disk.h"

#include "models/cluster/node.h"

namespace wakepath::cluster {

namespace {
constexpr std::int64_t kCommand = 64;  // bytes of what carries no data
}  // namespace

void RemoteDisk::submit(block::Request& rq) {
  auto m = std::make_unique<Message>();
  m->kind = Kind::disk_request;
  m->from = node_.id();
  m->index = disk_;
  m->record = next_++;
  m->write = rq.bio->write;
  m->data = rq.bio->flush ? 0 : rq.bio->bytes;
  m->bytes = kCommand + (m->write ? m->data : 0);
  under_way_.emplace(m->record, &rq);
  node_.send(std::move(m));
}

void RemoteDisk::replied(const Message& m) {
  const auto it = under_way_.find(m.record);
  if (it == under_way_.end()) return;
  auto& engine = node_.simulation().machine().engine;
  engine.arm(it->second->timer, engine.now());
  under_way_.erase(it);
}

}  // namespace wakepath::cluster
