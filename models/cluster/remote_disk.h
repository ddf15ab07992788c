// SPDX-License-Identifier: GPL-2.0-or-later
// A node's block device that is a SimGrid host's disk across the network: each request is a message with the data of a
// write, an operation on that disk, and an answer with the data of a read; SimGrid has them all (network.h). The card
// that speaks to it is the node's NVMe device, as with the volumes of a cloud: the host pays the block layer and the
// interrupt, not the network's path. A flush is a round trip.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "models/block/queue.h"
#include "models/cluster/message.h"

namespace wakepath::cluster {

class Node;

class RemoteDisk final : public block::RemoteDevice {
 public:
  RemoteDisk(Node& node, int disk, std::uint64_t boot) : node_(node), disk_(disk), next_(boot << 40U) {}
  void submit(block::Request& rq) override;
  void replied(const Message& m);  // at the engine's present time; an answer to an earlier boot is nobody's

 private:
  Node& node_;
  int disk_;
  std::uint64_t next_;
  std::unordered_map<std::uint64_t, block::Request*> under_way_;
};

}  // namespace wakepath::cluster
