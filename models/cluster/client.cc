// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/cluster/client.h"

#include <algorithm>

#include "sim/engine/sample.h"

namespace wakepath::cluster {

Client::Client(const ClientConf& conf, const ClusterConf& cluster, const std::vector<Partition>& partitions, int id,
               int index)
    : conf_(conf),
      cluster_(cluster),
      partitions_(partitions),
      id_(id),
      gaps_(cluster.seed, "client." + conf.name + ".gap", static_cast<std::uint64_t>(index)),
      where_(cluster.seed, "client." + conf.name + ".partition", static_cast<std::uint64_t>(index)),
      next_record_(static_cast<std::uint64_t>(index) << 40),
      acknowledged_(partitions.size()) {
  for (const Partition& p : partitions) leaders_.push_back(p.first_leader);
  if (conf.open) {
    plan_next(0);
  } else {  // spread over the first 100 us, so that they do not come as one
    for (int i = 0; i < conf.concurrency; ++i) at(1 + gaps_.uniform(0, 99'999), next_record_++, true);
  }
}

void Client::plan_next(Time now) {
  const Time mean = std::max<Time>(1, 1'000'000'000 / conf_.rate);
  at(now + std::max<Time>(1, engine::sample_exponential(gaps_, mean)), next_record_++, true);
}

void Client::at(Time when, std::uint64_t record, bool first) { agenda_.emplace(when, Plan{record, first}); }

Time Client::next_plan() const {
  const Time planned = agenda_.empty() ? engine::kNever : agenda_.begin()->first;
  return timeouts_.empty() ? planned : std::min(planned, timeouts_.front().first);
}

Client::Plan Client::take_plan() {
  if (!agenda_.empty() && agenda_.begin()->first == next_plan()) return agenda_.extract(agenda_.begin()).mapped();
  const Plan plan{timeouts_.front().second, false};
  timeouts_.pop_front();
  return plan;
}

void Client::advance(Time until, const std::vector<MessagePtr>& arrivals, std::vector<MessagePtr>& out) {
  for (auto next = arrivals.begin();;) {
    const Time when = next_plan();
    if (next != arrivals.end() && (*next)->arrived <= when)
      take(**next++);
    else if (when <= until)
      send(when, take_plan(), out);
    else
      return;
  }
}

void Client::send(Time now, const Plan& plan, std::vector<MessagePtr>& out) {
  const std::uint64_t record = plan.record;
  auto it = open_.find(record);
  if (plan.first) {
    const int partition = static_cast<int>(where_.uniform(partitions_.size()));
    it = open_.emplace(record, Open{partition, now, now}).first;
    ++window_.sent;
    if (conf_.open) plan_next(now);
  } else if (it == open_.end() || it->second.due != now) {
    return;  // it has been answered, or was sent again for another reason
  } else {
    ++window_.timeouts;
    try_another(it->second.partition, it->second.asked_of);
  }
  Open& o = it->second;
  o.due = now + conf_.timeout_ns;
  o.asked_of = leaders_[static_cast<std::size_t>(o.partition)];
  timeouts_.emplace_back(o.due, record);
  auto m = std::make_unique<Message>();
  m->kind = Kind::produce;
  m->from = id_, m->to = o.asked_of, m->partition = o.partition, m->record = record;
  m->bytes = cluster_.log.record_bytes + kSmallMessage;
  m->asked = o.asked, m->sent = now;
  out.push_back(std::move(m));
}

// Unless it has been given up already.
void Client::try_another(int partition, int instead_of) {
  int& leader = leaders_[static_cast<std::size_t>(partition)];
  if (leader != instead_of) return;
  const auto& nodes = partitions_[static_cast<std::size_t>(partition)].replicas;
  const auto here = std::find(nodes.begin(), nodes.end(), leader);
  leader = here == nodes.end() || here + 1 == nodes.end() ? nodes.front() : *(here + 1);
}

void Client::take(const Message& m) {
  const auto it = open_.find(m.record);
  if (it == open_.end()) return;  // the answer to its second copy
  if (m.kind == Kind::refuse) {
    ++window_.refused;
    Open& o = it->second;
    if (m.index >= 0)
      leaders_[static_cast<std::size_t>(o.partition)] = static_cast<int>(m.index);
    else
      try_another(o.partition, m.from);
    o.asked_of = -1;
    o.due = m.arrived + kAskAgain;
    at(o.due, m.record, false);
    return;
  }
  Shares s = m.shares;
  s.network += m.arrived - m.sent;
  window_.answers.push_back({m.arrived - it->second.asked, s});
  ++window_.acknowledged;
  acknowledged_[static_cast<std::size_t>(it->second.partition)].push_back(m.record);
  open_.erase(it);
  if (!conf_.open) at(m.arrived + std::max<Time>(1, conf_.think_ns), next_record_++, true);
}

void Client::begin_window() { window_ = {}; }

}  // namespace wakepath::cluster
