// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/cluster/node.h"

#include <algorithm>

namespace wakepath::cluster {

Node::Node(const NodeConf& conf, const ClusterConf& cluster, const std::vector<Partition>& partitions, int id)
    : conf_(conf),
      cluster_(cluster),
      partitions_(partitions),
      id_(id),
      patience_(cluster.seed, "node." + conf.name + ".patience") {
  options_.waits = true;
  places_.resize(partitions.size(), kNowhere);
  for (std::size_t r = 0; r < conf.reactors.size(); ++r)
    for (std::size_t p = r; p < partitions.size(); p += conf.reactors.size())
      if (std::ranges::count(partitions[p].replicas, id) > 0) {
        places_[p] = static_cast<std::uint32_t>(replicas_.size());
        replicas_.emplace_back();
      }
  arrival_.context = this;
  arrival_.fire = [](engine::Timer& t, Time) { static_cast<Node*>(t.context)->take_due(); };
}

Node::~Node() { lose_power(); }

void Node::boot(Time now) {
  booted_at_ = now;
  ++boots;
  simulation_ = std::make_unique<run::Simulation>(conf_.scenario, options_);
  auto& machine = simulation_->machine();
  if (conf_.disk_index >= 0) {
    disk_ = std::make_unique<RemoteDisk>(*this, conf_.disk_index, boots);
    simulation_->filesystem().queue().attach(*disk_);
  }
  if (cluster_.has_log) {
    if (cluster_.log.fsync) events_wq_ = &simulation_->workqueues().create("events", {.mem_reclaim = false});
    nic_ = std::make_unique<Nic>(machine, cluster_.costs, conf_.nic_cpu, *this);
    int index = 0;
    for (const int cpu : conf_.reactors) reactors_.push_back(std::make_unique<Reactor>(*this, index++, cpu));
    for (std::size_t p = 0; p < places_.size(); ++p)
      if (places_[p] != kNowhere) reactor_of(static_cast<int>(p)).serve(static_cast<int>(p), boots == 1);
  }
  simulation_->start();
  for (auto& r : reactors_) machine.first_wake(r->task());
}

void Node::lose_power() {
  if (simulation_ == nullptr) return;
  simulation_->machine().engine.cancel(arrival_);
  due_.clear();
  reactors_.clear();
  nic_.reset();
  disk_.reset();
  simulation_.reset();
  for (Replica& r : replicas_) r.lose_power();
}

void Node::advance(Time until, std::vector<Arrival>& arrivals, std::vector<Parcel>& out) {
  if (!up()) return;
  out_ = &out;
  auto& engine = simulation_->machine().engine;
  for (Arrival& a : arrivals) {
    const Time at = a.at - booted_at_;
    if (at < 1) continue;  // it was on the wire when the node booted
    if (due_.empty() || due_.back()->arrived != a.at) {
      simulation_->advance(at - 1);
      engine.arm(arrival_, at);
    }
    a.message->arrived = a.at;
    prefetch(*a.message);
    due_.push_back(std::move(a.message));
    // The next message's run up to its time lets this one happen.
  }
  simulation_->advance(until - booted_at_);
  out_ = nullptr;
}

// Beats are for several.
void Node::prefetch(const Message& m) const {
  prefetch_lines<1>(&m.beats);
  if (m.kind == Kind::disk_reply || m.kind == Kind::beat) return;
  replica(m.partition).prefetch();
  reactor_of(m.partition).prefetch(m.partition);
}

void Node::take_due() {
  for (MessagePtr& m : due_) {
    if (m->kind == Kind::disk_reply)
      disk_->replied(*m);
    else
      nic_->receive(std::move(m));
  }
  due_.clear();
  if (nic_ != nullptr) nic_->interrupt();
}

machine::Call<void> Node::deliver(machine::ExecContext& softirq, MessagePtr& m) {
  return reactor_of(m->partition).deliver(softirq, m);
}

void Node::send(MessagePtr m) {
  m->sent = now();
  if (m->kind == Kind::reply) m->shares.leader.submit += m->sent - m->replicated;
  out_->emplace_back(std::move(m));
}

void Node::begin_window() {
  if (up()) simulation_->begin_window();
  appended = 0;
}

void Node::end_window() {
  if (up()) simulation_->end_window();
}

nlohmann::ordered_json Node::result() const {
  nlohmann::ordered_json r;
  r["name"] = conf_.name;
  r["host"] = conf_.host;
  r["up"] = up();
  r["boots"] = boots;
  if (up()) r.update(simulation_->result(engine::Stop::time));
  return r;
}

}  // namespace wakepath::cluster
