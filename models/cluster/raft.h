// SPDX-License-Identifier: GPL-2.0-or-later
// One copy of one partition as Raft has it: who leads, who votes for whom, which entries a majority has. It knows no
// clock, disk or network: a reactor tells it what has happened and sends what it has appended to `out` then.
//
// A record is acknowledged when a majority has it durable, in order, and only by the leader of the current term. A vote
// is given once a term, to a candidate whose log is at least as up to date, and sent when it is on the disk. A follower
// counts for an entry only where its log has been found to be the leader's up to there. So no acknowledged record is
// lost; looked after at the end of every run (Fleet::missing).
//
// Entries travel one by one, several on their way at a time, and may overtake each other; the check of the entry before
// (prevLogIndex) is made once, by a probe, and from then on entries are taken in order. Not here: changes of the
// membership, snapshots, pre-votes, leases for reads.
// Source: D. Ongaro, J. Ousterhout, "In search of an understandable consensus algorithm", USENIX ATC 2014, section 5.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "models/cluster/message.h"
#include "models/cluster/replica.h"

namespace wakepath::cluster {

// What a copy promised, on its disk.
struct Vote {
  std::int64_t term = 1;
  int voted_for = -1;
};

class Raft {
 public:
  enum class Role : std::uint8_t { follower, candidate, leader };

  // What it has others told is appended to `out`.
  Raft(int self, int partition, const Partition& where, Replica& log, const Vote& durable, bool first_boot,
       std::vector<MessagePtr>& out);

  // A record for the leader; its place.
  std::int64_t produce(std::uint64_t record);
  // A write of ours has ended and the log's durable part may have grown; what its record went through is told along.
  void durable(const Steps& steps, std::uint64_t record, Time replicated);
  // All kinds but produce. New entries of the log that have to be written are appended to `accepted`.
  struct Accepted {
    std::int64_t index;
    Cause cause;
  };
  void handle(const Message& m, std::vector<Accepted>& accepted);
  void heard_beat(int from, std::int64_t term);
  void campaign();  // nothing was heard of a leader for too long

  [[nodiscard]] int partition() const { return partition_; }
  [[nodiscard]] Role role() const { return role_; }
  [[nodiscard]] bool leads() const { return role_ == Role::leader; }
  [[nodiscard]] int leader() const { return leader_; }  // -1: not known
  [[nodiscard]] std::int64_t term() const { return term_; }
  [[nodiscard]] std::int64_t committed() const { return committed_; }  // leader: that many are on a majority
  [[nodiscard]] Replica& log() const { return log_; }

 private:
  struct Follower {
    int node = 0;
    std::int64_t match = 0;  // that many are durable there, and the same as here
    std::int64_t next = -1;  // what it is sent next; -1: it is not known yet where its log agrees with ours
  };
  struct Early {
    std::int64_t index;
    Replica::Entry entry;
    Cause cause;
  };
  [[nodiscard]] MessagePtr to(int node, Kind kind) const;
  bool newer_term(std::int64_t term);
  void adopt(int leader, std::int64_t term);
  void on_request_vote(const Message& m);
  void on_vote(const Message& m);
  void on_probe(const Message& m);
  void on_entry(const Message& m, std::vector<Accepted>& accepted);
  void acknowledge(const Steps& steps, std::uint64_t record, Time replicated);
  void lead();
  void begin_leading(std::int64_t next);  // what each follower is sent first
  [[nodiscard]] std::span<Follower> followers() { return {followers_.data(), others_}; }
  [[nodiscard]] Follower* follower(int node);  // null: none of ours
  void probe(Follower& f, std::int64_t index);
  void replicate(Follower& f);
  void commit();

  // What each entry touches lies together, in as few cache lines as there can be: of a fleet's partitions none stays in
  // the cache.
 public:
  std::unique_ptr<Vote> to_persist;  // before what lies in after_persist may be sent

 private:
  std::vector<Early> early_;  // entries that came before their predecessors, by index
  std::vector<MessagePtr>& out_;
  Replica& log_;
  std::int64_t term_;
  std::int64_t verified_ = 0;  // follower: so much of the log is known to be the leader's ...
  std::int64_t told_ = 0;      // ... and so much of that it has told to be durable
  std::int64_t committed_ = 0;
  int self_, partition_, leader_ = -1;
  Role role_ = Role::follower;

 public:
  bool heard = false;  // of a leader, or a vote was given: the patience for it begins anew

 private:
  std::uint8_t others_;                                // followers of a leader: the first of ...
  std::int64_t led_from_ = 0;                          // leader: entries from there on are of its term
  std::array<Follower, kMostReplicas - 1> followers_;  // ... these, by node
  const Partition& where_;
  int voted_for_, votes_ = 0;

 public:
  std::vector<MessagePtr> after_persist;
};

}  // namespace wakepath::cluster
