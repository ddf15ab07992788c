// SPDX-License-Identifier: GPL-2.0-or-later
// What travels between the machines of a fleet, with the times that it has been through. All times are the fleet's, ns.
#pragma once

#include <cstdint>

#include "sim/engine/time.h"

namespace wakepath::cluster {

using engine::Time;

enum class Kind : std::uint8_t {
  produce,    // client to leader: append this record
  reply,      // leader to client: it is on a quorum
  replicate,  // leader to follower: append it too
  ack,        // follower to leader: all up to and with `index` are durable here
  refuse,     // not the leader (any more): the client asks another
  elected,    // new leader to the others: how far are you?
  lead,       // to itself: it has been elected
  hello,      // to the leader: `index` records are durable here, send the rest
};

// What one node did with one record: taken off the wire, handled by its reactor, given to the disk, off the disk, seen.
struct Steps {
  Time arrived = 0, handled = 0, submitted = 0, bio_ended = 0, durable = 0;
};

// Where the time of one acknowledged record went, from the client's question to its answer; adds up to it.
struct Share {  // on one node, ns
  int node = -1;
  Time wait = 0;    // arrived, not handled: interrupt, softirq, run queue, other work of the reactor
  Time submit = 0;  // the reactor's own work up to the disk or the wire, and the wait for a place in its queue depth
  Time device = 0;  // block layer, device, its interrupt
  Time completion = 0;  // the bio has ended, the reactor has not seen it: kworker, wakeup, run queue
};
struct Shares {
  Time retry = 0, network = 0;
  Share leader, decider;  // decider: whose copy made the quorum; the leader itself where decider.node is -1
};

struct Message {
  Kind kind = Kind::produce;
  int from = 0, to = 0;  // endpoints: nodes first, then clients
  int partition = 0;
  std::uint64_t record = 0;  // its identity: client and number
  std::int64_t index = 0;    // its place in the partition's log
  std::int64_t term = 0;     // of the leader that sent it
  std::int64_t bytes = 0;    // on the wire
  Time asked = 0;            // produce, reply: when the client sent it
  Time sent = 0;             // when it left its machine
  Time arrived = 0;          // when it reached the other
  Steps steps;               // ack: of the follower, for this record
  Time replicated = 0;       // ack: when the leader had sent it; reply: up to when `shares` tells
  Shares shares;             // reply
};

}  // namespace wakepath::cluster
