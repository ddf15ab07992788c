// SPDX-License-Identifier: GPL-2.0-or-later
// One machine of a fleet: a wakepath node with a NIC and reactors, advanced by the fleet from outside. It shares
// nothing with the others: what it knows of them came in messages. Its copies of the log and its votes outlive a loss
// of power as far as they were durable.
//
// Its own clock starts at 0 with each boot. Messages that arrive at a time are taken after the events that were due at
// that time already and before those that they cause, whatever the width of the fleet's windows.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "models/cluster/config.h"
#include "models/cluster/nic.h"
#include "models/cluster/raft.h"
#include "models/cluster/reactor.h"
#include "models/cluster/remote_disk.h"
#include "models/run/simulation.h"
#include "sim/engine/random.h"

namespace wakepath::cluster {

class Node final : public Sockets {
 public:
  Node(const NodeConf& conf, const ClusterConf& cluster, const std::vector<Partition>& partitions, int id);
  ~Node() override;

  void boot(Time now);
  void lose_power();  // what is not durable is gone; the simulation ends
  [[nodiscard]] bool up() const { return simulation_ != nullptr; }
  // To `until`, with what arrives in between (in order, taken from there); what was sent is appended to `out`.
  void advance(Time until, std::vector<Arrival>& arrivals, std::vector<Parcel>& out);
  void begin_window();
  void end_window();
  [[nodiscard]] nlohmann::ordered_json result() const;
  [[nodiscard]] const Raft& raft(int p) const { return reactor_of(p).raft(p); }  // while it is up
  [[nodiscard]] const Replica& replica(int p) const { return replicas_[place(p)]; }

  // For reactors and the remote disk.
  machine::Call<void> deliver(machine::ExecContext& softirq, MessagePtr& m) override;
  [[nodiscard]] Time now() { return booted_at_ + simulation_->machine().now(); }
  void send(MessagePtr m);
  [[nodiscard]] const NodeConf& conf() const { return conf_; }
  [[nodiscard]] const ClusterConf& cluster() const { return cluster_; }
  [[nodiscard]] int id() const { return id_; }
  [[nodiscard]] const Partition& partition(int p) const { return partitions_[static_cast<std::size_t>(p)]; }
  Replica& replica(int p) { return replicas_[place(p)]; }
  // Of the copy in what the reactors serve, one reactor's after the other's.
  [[nodiscard]] const std::vector<std::uint32_t>& places() const { return places_; }
  [[nodiscard]] std::size_t place(int p) const { return places_[static_cast<std::size_t>(p)]; }
  Vote& vote(int p) { return votes_[p]; }
  engine::RandomStream& patience() { return patience_; }
  run::Simulation& simulation() { return *simulation_; }
  workqueue::Workqueue& events_wq() { return *events_wq_; }  // system_wq
  std::uint64_t appended = 0, boots = 0, elections_won = 0;

 private:
  static constexpr std::uint32_t kNowhere = ~std::uint32_t{0};
  void take_due();
  void prefetch(const Message& m) const;
  [[nodiscard]] Reactor& reactor_of(int p) const { return *reactors_[static_cast<std::size_t>(p) % reactors_.size()]; }
  // What each message asks for comes first.
  const NodeConf& conf_;
  const ClusterConf& cluster_;
  const std::vector<Partition>& partitions_;
  int id_;
  std::unique_ptr<run::Simulation> simulation_;
  std::unique_ptr<RemoteDisk> disk_;
  std::unique_ptr<Nic> nic_;
  std::vector<std::unique_ptr<Reactor>> reactors_;
  Time booted_at_ = 0;
  std::vector<Parcel>* out_ = nullptr;
  std::vector<MessagePtr> due_;  // at one time
  engine::Timer arrival_;
  workqueue::Workqueue* events_wq_ = nullptr;
  run::Options options_;
  std::vector<std::uint32_t> places_;  // by partition; kNowhere: not here
  std::vector<Replica> replicas_;      // by place
  std::map<int, Vote> votes_;
  engine::RandomStream patience_;
};

}  // namespace wakepath::cluster
