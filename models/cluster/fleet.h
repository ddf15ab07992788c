// SPDX-License-Identifier: GPL-2.0-or-later
// A whole fleet: nodes and clients in step with the network, and the figures.
//
// Loop of one window: the network to its end; every node and client to its end with what has arrived; what they sent to
// the network. A window ends at each change of the platform. None of them sees another but through messages, so the
// threads of a crew advance them in any order, and the number of threads changes nothing.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "models/cluster/client.h"
#include "models/cluster/config.h"
#include "models/cluster/crew.h"
#include "models/cluster/network.h"
#include "models/cluster/node.h"

namespace wakepath::cluster {

class Fleet {
 public:
  Fleet(ClusterConf conf, int threads);  // no more than there are nodes; throws scenario::Error
  ~Fleet();
  // progress: share done; false ends the run early.
  void run(const std::function<bool(double)>& progress);
  // Keep what reaches each node, and run every node again by itself with that: the same results, and what the nodes
  // cost without the coupling. To be asked before run(); not where a host goes down.
  void keep_inboxes() { keep_ = true; }
  void run_alone();
  [[nodiscard]] nlohmann::ordered_json result() const;
  // Acknowledged records that the partition's leader does not hold: must be 0.
  [[nodiscard]] std::uint64_t missing() const;

 private:
  void place_partitions();
  void host_changed(const Network::HostChange& c);
  [[nodiscard]] const Node* leader_of(std::size_t partition) const;
  void advance(Time to, std::span<Network::Arrived>& arrived);
  void hand_over();
  double run_alone(std::size_t i);
  void begin_window();
  [[nodiscard]] nlohmann::ordered_json produce_json(double seconds) const;
  [[nodiscard]] nlohmann::ordered_json tail_json() const;

  ClusterConf conf_;
  std::vector<Partition> partitions_;
  std::unique_ptr<Network> network_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::unique_ptr<Crew> crew_;
  std::vector<std::vector<Arrival>> inbox_;  // by endpoint
  std::vector<std::vector<Parcel>> sent_;    // by endpoint
  std::vector<std::vector<Message>> kept_;   // of the whole run, by node
  Time window_ns_ = 0, now_ = 0, measured_ns_ = 0;
  std::uint64_t windows_ = 0;
  nlohmann::ordered_json changes_ = nlohmann::ordered_json::array();
  double wall_s_ = 0, alone_wall_s_ = 0;
  bool stopped_ = false, measuring_ = false, keep_ = false;
};

}  // namespace wakepath::cluster
