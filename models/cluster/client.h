// SPDX-License-Identifier: GPL-2.0-or-later
// Clients of the log: they produce records and wait for them to be acknowledged. No CPU of theirs is modelled.
//
// Open loop: arrivals of a Poisson process, whatever happens. Closed loop: `concurrency` records under way, the next
// after the answer and the think time. A record goes to a partition drawn evenly, and to the node that the client takes
// for its leader. A refusal may name another, to which it goes 1 ms later; without a name, and where there is no answer
// within the timeout, the next of the partition's nodes is tried. So a log may hold a record twice.
#pragma once

#include <functional>
#include <queue>
#include <vector>

#include "models/cluster/config.h"
#include "models/cluster/message.h"
#include "models/cluster/replica.h"
#include "sim/engine/fifo.h"
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
  void advance(Time until, std::vector<Arrival>& arrivals, std::vector<Parcel>& out);
  void begin_window();

  struct Window {
    std::uint64_t sent = 0, acknowledged = 0, refused = 0, timeouts = 0;
    std::vector<Answer> answers;
  };
  [[nodiscard]] const Window& window() const { return window_; }
  [[nodiscard]] const ClientConf& conf() const { return conf_; }
  struct Acknowledged {
    std::uint64_t record;
    int partition;
  };
  [[nodiscard]] const std::vector<Acknowledged>& acknowledged() const { return acknowledged_; }  // of the whole run
  [[nodiscard]] std::uint64_t under_way() const { return under_way_; }

 private:
  struct Record {
    enum class State : std::uint8_t { planned, under_way, answered } state = State::planned;
    int partition = -1;
    int asked_of = -1;        // whom it waits for
    Time asked = 0, due = 0;  // due: when it is sent again
  };
  void try_another(int partition, int instead_of);
  void plan_next(Time now);
  struct Plan {  // when what is sent, first or again
    Time at;
    std::uint64_t place, record;  // place: those of one time in the order of planning
    bool operator>(const Plan& o) const { return at != o.at ? at > o.at : place > o.place; }
  };
  void plan(Time when, std::uint64_t record) { agenda_.push({when, plans_++, record}); }
  void plan_new(Time when);
  [[nodiscard]] Time next_plan() const;
  std::uint64_t take_plan();
  Record& of(std::uint64_t record) { return records_[record - oldest_]; }
  Record* find_under_way(std::uint64_t record);
  void send(Time now, std::uint64_t record, std::vector<Parcel>& out);
  void take(const Message& m);
  const ClientConf& conf_;
  const ClusterConf& cluster_;
  const std::vector<Partition>& partitions_;
  int id_;
  engine::RandomStream gaps_, where_;
  std::vector<int> leaders_;      // by partition, as far as it knows
  engine::Fifo<Record> records_;  // by number, from the oldest that is not answered
  std::uint64_t oldest_, under_way_ = 0, plans_ = 0;
  std::priority_queue<Plan, std::vector<Plan>, std::greater<>> agenda_;  // stale ones are passed over
  engine::Fifo<Plan> timeouts_;                                          // in order, since all take as long
  std::vector<Acknowledged> acknowledged_;
  Window window_;
};

}  // namespace wakepath::cluster
