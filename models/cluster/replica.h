// SPDX-License-Identifier: GPL-2.0-or-later
// A replicated log as Raft has it, without its messages for elections: one node's copy of one partition, and who leads.
//
// A record is acknowledged when a majority has it durable, in order, and only by the leader of the current term. A new
// leader is the live copy whose durable log is the most up to date (last term, then length), and there is one only
// while a majority lives: so no acknowledged record is lost. Checked at the end of every run (Fleet::missing).
//
// Source: D. Ongaro, J. Ousterhout, "In search of an understandable consensus algorithm", USENIX ATC 2014, sections 5.3
// and 5.4.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "models/cluster/message.h"

namespace wakepath::cluster {

class Replica {
 public:
  struct Entry {
    std::uint64_t record = 0;
    std::int64_t term = 0;
  };

  std::int64_t append(std::uint64_t record, std::int64_t term) {
    entries_.push_back({record, term});
    return size() - 1;
  }
  // A leader's entry at its place. False: it is there already, or there is a gap before it.
  bool accept(std::int64_t index, std::uint64_t record, std::int64_t term) {
    if (index > size()) return false;
    if (index < size()) {
      const Entry& mine = entries_[static_cast<std::size_t>(index)];
      if (mine.record == record && mine.term == term) return false;
      truncate(index);  // of a leader that was
    }
    append(record, term);
    return true;
  }
  // The write of `index` is on the disk. An entry that was cut off meanwhile is none of ours any more.
  void written(std::int64_t index, std::uint64_t record) {
    if (index >= size() || entries_[static_cast<std::size_t>(index)].record != record) return;
    if (index >= durable_) beyond_.insert(index);
    while (!beyond_.empty() && *beyond_.begin() == durable_) {
      beyond_.erase(beyond_.begin());
      ++durable_;
    }
  }
  void lose_power() { truncate(durable_); }

  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(entries_.size()); }
  [[nodiscard]] std::int64_t durable() const { return durable_; }  // that many from the start, without a gap
  [[nodiscard]] std::int64_t last_durable_term() const {
    return durable_ > 0 ? entries_[static_cast<std::size_t>(durable_ - 1)].term : 0;
  }
  [[nodiscard]] const Entry& operator[](std::int64_t index) const { return entries_[static_cast<std::size_t>(index)]; }
  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }

 private:
  void truncate(std::int64_t size) {
    entries_.resize(static_cast<std::size_t>(size));
    beyond_.erase(beyond_.lower_bound(size), beyond_.end());
    durable_ = std::min(durable_, size);
  }
  std::vector<Entry> entries_;
  std::int64_t durable_ = 0;
  std::set<std::int64_t> beyond_;  // durable, but something before is not
};

// What everybody knows at once of a partition (the metadata of a real cluster takes a round trip to get about).
struct Partition {
  std::vector<int> replicas;  // nodes
  int leader = 0;             // -1: none; a majority is down
  std::int64_t term = 1;
};

}  // namespace wakepath::cluster
