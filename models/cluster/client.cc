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
      oldest_(static_cast<std::uint64_t>(index) << 40) {
  for (const Partition& p : partitions) leaders_.push_back(p.first_leader);
  if (conf.open) {
    plan_next(0);
  } else {  // spread over the first 100 us, so that they do not come as one
    for (int i = 0; i < conf.concurrency; ++i) plan_new(1 + gaps_.uniform(0, 99'999));
  }
}

void Client::plan_next(Time now) {
  const Time mean = std::max<Time>(1, 1'000'000'000 / conf_.rate);
  plan_new(now + std::max<Time>(1, engine::sample_exponential(gaps_, mean)));
}

void Client::plan_new(Time when) {
  plan(when, oldest_ + records_.size());
  records_.push_back({});
}

Time Client::next_plan() const {
  const Time planned = agenda_.empty() ? engine::kNever : agenda_.top().at;
  return timeouts_.empty() ? planned : std::min(planned, timeouts_.front().at);
}

std::uint64_t Client::take_plan() {
  if (agenda_.empty() || agenda_.top().at != next_plan()) return timeouts_.take_front().record;
  const std::uint64_t record = agenda_.top().record;
  agenda_.pop();
  return record;
}

// Null: it has been answered.
Client::Record* Client::find_under_way(std::uint64_t record) {
  if (record < oldest_) return nullptr;
  Record& r = of(record);
  return r.state == Record::State::under_way ? &r : nullptr;
}

void Client::advance(Time until, std::vector<Arrival>& arrivals, std::vector<Parcel>& out) {
  for (const Arrival& a : arrivals) prefetch_lines<sizeof(Message) / 64>(a.message.get());
  for (auto next = arrivals.begin();;) {
    const Time when = next_plan();
    if (next != arrivals.end() && next->at <= when) {
      next->message->arrived = next->at;
      take(*next++->message);
    } else if (when <= until) {
      send(when, take_plan(), out);
    } else {
      return;
    }
  }
}

void Client::send(Time now, std::uint64_t record, std::vector<Parcel>& out) {
  if (record < oldest_) return;  // it has been answered
  if (of(record).state == Record::State::planned) {
    Record& r = of(record);
    r.state = Record::State::under_way;
    r.partition = static_cast<int>(where_.uniform(partitions_.size()));
    r.asked = now;
    ++under_way_;
    ++window_.sent;
    if (conf_.open) plan_next(now);
  } else if (const Record* r = find_under_way(record); r == nullptr || r->due != now) {
    return;  // it has been answered, or was sent again for another reason
  } else {
    ++window_.timeouts;
    try_another(r->partition, r->asked_of);
  }
  Record& r = of(record);
  r.due = now + conf_.timeout_ns;
  r.asked_of = leaders_[static_cast<std::size_t>(r.partition)];
  timeouts_.push_back({r.due, 0, record});
  auto m = std::make_unique<Message>();
  m->kind = Kind::produce;
  m->from = id_, m->to = r.asked_of, m->partition = r.partition, m->record = record;
  m->bytes = cluster_.log.record_bytes + kSmallMessage;
  m->asked = r.asked, m->sent = now;
  out.emplace_back(std::move(m));
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
  Record* r = find_under_way(m.record);
  if (r == nullptr) return;  // the answer to its second copy
  if (m.kind == Kind::refuse) {
    ++window_.refused;
    if (m.index >= 0)
      leaders_[static_cast<std::size_t>(r->partition)] = static_cast<int>(m.index);
    else
      try_another(r->partition, m.from);
    r->asked_of = -1;
    r->due = m.arrived + kAskAgain;
    plan(r->due, m.record);
    return;
  }
  Shares s = m.shares;
  s.network += m.arrived - m.sent;
  window_.answers.push_back({m.arrived - r->asked, s});
  ++window_.acknowledged;
  acknowledged_.push_back({m.record, r->partition});
  r->state = Record::State::answered;
  --under_way_;
  for (; !records_.empty() && records_.front().state == Record::State::answered; ++oldest_) records_.pop_front();
  if (!conf_.open) plan_new(m.arrived + std::max<Time>(1, conf_.think_ns));
}

void Client::begin_window() { window_ = {}; }

}  // namespace wakepath::cluster
