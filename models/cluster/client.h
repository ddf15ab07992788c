// SPDX-License-Identifier: GPL-2.0-or-later
// Clients of the log: they produce records and wait for them to be acknowledged. No CPU of theirs is modelled.
//
// Open loop: arrivals of a Poisson process, whatever happens. Closed loop: `concurrency` records under way, the next
// after the answer and the think time. A record goes to a partition drawn evenly, and to the node that the client takes
// for its leader. A refusal may name another, to which it goes 1 ms later; without a name, and where there is no answer
// within the timeout, the next of the partition's nodes is tried. So a log may hold a record twice.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "models/cluster/config.h"
#include "models/cluster/message.h"
#include "models/cluster/replica.h"
#include "sim/engine/random.h"

namespace wakepath::cluster {

class Client {
 public:
  static constexpr Time kAskAgain = 1'000'000;
  struct Answer {
    Time latency;
    Shares shares;
  };

  Client(const ClientConf& conf, const ClusterConf& cluster, const std::vector<Partition>& partitions, int id,
         int index);
  void advance(Time until, const std::vector<MessagePtr>& arrivals, std::vector<MessagePtr>& out);
  void begin_window();

  struct Window {
    std::uint64_t sent = 0, acknowledged = 0, refused = 0, timeouts = 0;
    std::vector<Answer> answers;
  };
  [[nodiscard]] const Window& window() const { return window_; }
  [[nodiscard]] const ClientConf& conf() const { return conf_; }
  // Of the whole run, by partition.
  [[nodiscard]] const std::vector<std::vector<std::uint64_t>>& acknowledged() const { return acknowledged_; }
  [[nodiscard]] std::uint64_t under_way() const { return open_.size(); }

 private:
  struct Open {  // sent and not answered
    int partition;
    Time asked, due;    // due: when it is sent (again)
    int asked_of = -1;  // whom it waits for
  };
  void try_another(int partition, int instead_of);
  void plan_next(Time now);
  struct Plan {
    std::uint64_t record;
    bool first;  // else it was sent before, and may have been answered since
  };
  void at(Time when, std::uint64_t record, bool first);
  [[nodiscard]] Time next_plan() const;
  Plan take_plan();
  void send(Time now, const Plan& plan, std::vector<MessagePtr>& out);
  void take(const Message& m);
  const ClientConf& conf_;
  const ClusterConf& cluster_;
  const std::vector<Partition>& partitions_;
  int id_;
  engine::RandomStream gaps_, where_;
  std::vector<int> leaders_;  // by partition, as far as it knows
  std::uint64_t next_record_ = 0;
  Time next_at_ = 0;
  std::unordered_map<std::uint64_t, Open> open_;
  std::multimap<Time, Plan> agenda_;  // when what is sent, first or again; stale ones are passed over
  std::deque<std::pair<Time, std::uint64_t>> timeouts_;  // in order, since all take as long
  std::vector<std::vector<std::uint64_t>> acknowledged_;
  Window window_;
};

}  // namespace wakepath::cluster
