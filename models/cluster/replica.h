// SPDX-License-Identifier: GPL-2.0-or-later
// One node's copy of one partition's log: its entries, and which of them would outlive a loss of power.
//
// Invariant: the first durable() entries are on the disk, without a gap; cutting entries off never cuts off more than
// the leader of a later term asks for.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "models/cluster/message.h"

namespace wakepath::cluster {

inline constexpr int kMostReplicas = 15;

// Of one partition, the same on all machines: where its copies are, and who leads it to begin with.
struct Partition {
  std::vector<int> replicas;  // nodes
  int first_leader = 0;
};

class alignas(64) Replica {  // one cache line
 public:
  struct Entry {
    std::uint64_t record = 0;
    std::int64_t term = 0;
    bool operator==(const Entry&) const = default;
  };

  std::int64_t append(const Entry& e) {
    entries_.push_back(e);
    return size() - 1;
  }
  // A leader's entry at its place, without a gap before it. False: it is there already.
  bool accept(std::int64_t index, const Entry& e) {
    if (index < size()) {
      if ((*this)[index] == e) return false;
      truncate(index);  // of a leader that was
    }
    append(e);
    return true;
  }
  // The write of `index`, which began after so many cuts(), is on the disk. An entry that was cut off meanwhile is none
  // of ours any more; where nothing was, nobody looks at it.
  void written(std::int64_t index, const Entry& e, std::uint32_t cuts) {
    if (cuts != cuts_ && (index >= size() || (*this)[index] != e)) return;
    if (index == durable_)
      ++durable_;
    else if (index > durable_)
      beyond_.insert(std::lower_bound(beyond_.begin(), beyond_.end(), index), index);
    auto next = beyond_.begin();
    for (; next != beyond_.end() && *next <= durable_; ++next) durable_ += *next == durable_;
    beyond_.erase(beyond_.begin(), next);
  }
  void lose_power() { truncate(durable_); }

  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(entries_.size()); }
  [[nodiscard]] std::int64_t durable() const { return durable_; }  // that many from the start, without a gap
  [[nodiscard]] std::uint32_t cuts() const { return cuts_; }
  void prefetch() const { __builtin_prefetch(this, 1); }
  void prefetch_end() const { __builtin_prefetch(entries_.data() + entries_.size(), 1); }
  [[nodiscard]] std::int64_t term_before(std::int64_t index) const { return index > 0 ? (*this)[index - 1].term : 0; }
  [[nodiscard]] std::int64_t last_durable_term() const { return term_before(durable_); }
  [[nodiscard]] const Entry& operator[](std::int64_t index) const { return entries_[static_cast<std::size_t>(index)]; }
  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }

 private:
  void truncate(std::int64_t size) {
    entries_.resize(static_cast<std::size_t>(size));
    beyond_.erase(std::lower_bound(beyond_.begin(), beyond_.end(), size), beyond_.end());
    durable_ = std::min(durable_, size);
    ++cuts_;
  }
  std::vector<Entry> entries_;
  std::int64_t durable_ = 0;
  std::vector<std::int64_t> beyond_;  // durable, but something before is not; in order
  std::uint32_t cuts_ = 0;            // how often entries were cut off
};

}  // namespace wakepath::cluster
