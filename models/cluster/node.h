// SPDX-License-Identifier: GPL-2.0-or-later
// One machine of a fleet: a wakepath node with a NIC and reactors, advanced by the fleet from outside. It shares
// nothing with the others; its copies of the log outlive a loss of power as far as they were durable.
//
// Its own clock starts at 0 with each boot. Messages that arrive at a time are taken after the events that were due at
// that time already and before those that they cause, whatever the width of the fleet's windows.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "models/cluster/config.h"
#include "models/cluster/nic.h"
#include "models/cluster/reactor.h"
#include "models/cluster/replica.h"
#include "models/run/simulation.h"

namespace wakepath::cluster {

class Node final : public Sockets {
 public:
  Node(const NodeConf& conf, const ClusterConf& cluster, std::vector<Partition>& partitions, int id);
  ~Node() override;

  void boot(Time now);
  void lose_power();  // what is not durable is gone; the simulation ends
  [[nodiscard]] bool up() const { return simulation_ != nullptr; }
  // To `until`, with what arrives in between (in order); what was sent is appended to `out`.
  void advance(Time until, const std::vector<Message>& arrivals, std::vector<Message>& out);
  void begin_window();
  void end_window();
  [[nodiscard]] nlohmann::ordered_json result() const;

  // For reactors.
  machine::Call<void> deliver(machine::ExecContext& softirq, const Message& m) override;
  [[nodiscard]] Time now() { return booted_at_ + simulation_->machine().now(); }
  void send(Message m);
  [[nodiscard]] const NodeConf& conf() const { return conf_; }
  [[nodiscard]] const ClusterConf& cluster() const { return cluster_; }
  [[nodiscard]] int id() const { return id_; }
  Partition& partition(int p) { return partitions_[static_cast<std::size_t>(p)]; }
  Replica& replica(int p) { return replicas_[p]; }
  [[nodiscard]] const std::map<int, Replica>& replicas() const { return replicas_; }
  Reactor& reactor_of(int p) { return *reactors_[static_cast<std::size_t>(p) % reactors_.size()]; }
  run::Simulation& simulation() { return *simulation_; }
  std::uint64_t appended = 0, boots = 0;

 private:
  void take_due();
  const NodeConf& conf_;
  const ClusterConf& cluster_;
  std::vector<Partition>& partitions_;
  int id_;
  run::Options options_;
  std::map<int, Replica> replicas_;
  std::unique_ptr<run::Simulation> simulation_;
  std::unique_ptr<Nic> nic_;
  std::vector<std::unique_ptr<Reactor>> reactors_;
  Time booted_at_ = 0;
  engine::Timer arrival_;
  std::deque<Message> due_;
  std::vector<Message>* out_ = nullptr;
};

}  // namespace wakepath::cluster
