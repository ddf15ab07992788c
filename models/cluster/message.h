// SPDX-License-Identifier: GPL-2.0-or-later
// What travels between the machines of a fleet, with the times that it has been through. All times are the fleet's, ns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "sim/engine/time.h"

namespace wakepath::cluster {

using engine::Time;

// Of the machines of a fleet little stays in the caches from one turn to the next: what is going to be used is asked
// for while something else has its time.
template <int lines>
void prefetch_lines(const void* first) {
  for (int i = 0; i < lines; ++i) __builtin_prefetch(static_cast<const char*>(first) + i * 64, 1);
}

inline constexpr std::int64_t kSmallMessage = 64;  // bytes of what carries no data

enum class Kind : std::uint8_t {
  produce,       // client to leader: append this record
  reply,         // leader to client: it is on a quorum
  refuse,        // not the leader (any more): the client asks `index`, or another where that is -1
  replicate,     // leader to follower: append it too
  ack,           // follower to leader: all up to and with `index` are durable here
  beat,          // leader to follower, for all partitions in `beats`: the leader lives
  hello,         // follower to a leader that is new to it: `index` entries are here
  probe,         // leader to follower: do you have an entry of term `entry_term` before `index`?
  match,         // follower to leader: yes; and `data` are durable
  lack,          // follower to leader: no; ask again no later than `index`
  request_vote,  // candidate to the others; `index` entries are durable here, the last of `entry_term`
  vote,          // granted where `data` is 1
  disk_request,  // node to its remote disk
  disk_reply,
};

// Of the message that made a node write something.
struct Cause {
  Time sent = 0, arrived = 0;
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

struct Beat {
  int partition = 0;
  std::int64_t term = 0;
};

// Few messages have any: one word of the others.
struct Beats {
  Beats() = default;
  Beats(const Beats& o) : list(o.list == nullptr ? nullptr : std::make_unique<std::vector<Beat>>(*o.list)) {}
  Beats& operator=(const Beats&) = delete;
  std::unique_ptr<std::vector<Beat>> list;
};

// What every kind uses is in its first cache line, all but a reply's shares in two. The rest is written by who uses it:
// a message is made on one machine and read on another, each time out of the cache.
struct alignas(64) Message {
  Message() {}  // neither of the last two is there
  Kind kind = Kind::produce;
  bool write = false;    // disk_request
  int from = 0, to = 0;  // endpoints: nodes first, then clients
  int partition = 0;
  std::uint64_t record = 0;  // its identity: client and number; disk_request: the request's own number
  std::int64_t index = 0;    // its place in the partition's log; disk_request: which disk
  std::int64_t term = 0;     // of the sender
  std::int64_t bytes = 0;    // on the wire
  Time sent = 0;             // when it left its machine
  Time arrived = 0;          // when it reached the other
  Beats beats;
  union {                         // one of them, by kind
    std::int64_t entry_term = 0;  // replicate: of the entry
    Time asked;                   // produce: when the client sent it
    std::int64_t data;            // bytes for or of the disk; match, vote
  };
  Time replicated = 0;  // ack: when the leader had sent it; reply: up to when `shares` tells
  union {
    Steps steps;    // ack: of the follower, for this record
    Shares shares;  // reply
  };

  // From a list of those that are free, the last one first: what is on its way stays in the cache.
  static void* operator new(std::size_t bytes);
  static void operator delete(void* freed);
};
// Whoever holds it has it alone: sockets, rings and the network pass on the pointer.
using MessagePtr = std::unique_ptr<Message>;

// A message that leaves its machine, with what the network asks of it: its lines are in the caches of its two ends, and
// whoever carries it leaves them there.
struct Parcel {
  explicit Parcel(MessagePtr m)
      : kind(m->kind), from(m->from), to(m->to), bytes(m->bytes), sent(m->sent), message(std::move(m)) {}
  Parcel() = default;
  Kind kind = Kind::produce;
  int from = 0, to = 0;
  std::int64_t bytes = 0;
  Time sent = 0;
  MessagePtr message;
};

// One that has come; who takes it writes that down in it.
struct Arrival {
  Time at = 0;
  MessagePtr message;
};

}  // namespace wakepath::cluster
