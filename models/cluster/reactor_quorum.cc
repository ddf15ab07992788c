// SPDX-License-Identifier: GPL-2.0-or-later
// What a reactor answers: records that a quorum has, with where their time went; who leads; and that it lives.
#include <algorithm>

#include "models/cluster/message.h"
#include "models/cluster/reactor_parts.h"

namespace wakepath::cluster {

namespace {
constexpr std::int64_t kBeatBytes = 16;  // of one partition in a beat

// Walks along the path that made the quorum; a step that lay before the last one took no time of this record.
struct Path {
  Time at;
  void to(Time until, Time& share) {
    if (until <= at) return;
    share += until - at;
    at = until;
  }
};

}  // namespace

// Does what the partition's Raft wants done after something has happened to it.
void Reactor::settle(int partition, Served& s, const Message* ack, const Steps* own) {
  Raft& raft = s.raft;
  for (Message& m : raft.out) {
    if (m.kind == Kind::replicate) m.bytes += node_.cluster().log.record_bytes;
    to_send_.push_back(std::move(m));
  }
  raft.out.clear();
  if (raft.to_persist) persist(partition, s);
  if (std::exchange(raft.heard, false)) s.patience_ends = draw_patience();
  if (!raft.leads()) {
    for (const auto& [index, p] : s.pending) refuse(p.request, raft.leader());
    s.pending.clear();
  } else if (!s.led) {
    ++node_.elections_won;
  }
  s.led = raft.leads();
  while (!s.pending.empty() && s.pending.begin()->first < raft.committed()) {
    answer(s.pending.begin()->second, ack, own);
    s.pending.erase(s.pending.begin());
  }
}

void Reactor::answer(const Pending& p, const Message* ack, const Steps* own) {
  const Time now = node_.now();
  Message r;
  r.kind = Kind::reply;
  r.from = node_.id(), r.to = p.request.from;
  r.partition = p.request.partition, r.record = p.request.record, r.bytes = kSmallMessage, r.asked = p.request.asked;
  Shares& s = r.shares;
  s.leader.node = node_.id();
  Path path{p.request.asked};
  path.to(p.request.sent, s.retry);
  path.to(p.request.arrived, s.network);
  path.to(p.handled, s.leader.wait);
  if (own != nullptr) {
    path.to(own->submitted, s.leader.submit);
    path.to(own->bio_ended, s.leader.device);
    path.to(now, s.leader.completion);
  } else if (ack != nullptr) {
    s.decider.node = ack->from;
    path.to(ack->replicated, s.leader.submit);
    path.to(ack->steps.arrived, s.network);
    path.to(ack->steps.handled, s.decider.wait);
    path.to(ack->steps.submitted, s.decider.submit);
    path.to(ack->steps.bio_ended, s.decider.device);
    path.to(ack->sent, s.decider.completion);
    path.to(ack->arrived, s.network);
  }
  path.to(now, s.leader.wait);
  r.replicated = now;
  to_send_.push_back(r);
}

void Reactor::refuse(const Message& request, int leader) {
  Message no = request;
  no.kind = Kind::refuse;
  no.from = node_.id(), no.to = request.from, no.bytes = kSmallMessage;
  no.index = leader;
  to_send_.push_back(no);
}

// Between one and two timeouts, so that followers do not all lose it at once.
Time Reactor::draw_patience() {
  const Time timeout = node_.cluster().log.election_timeout_ns;
  return machine_.now() + timeout + node_.patience().uniform(0, timeout - 1);
}

void Reactor::keep_time() {
  const Time now = machine_.now();
  if (now >= next_beat_) {
    send_beats();
    next_beat_ = now + node_.cluster().log.heartbeat_ns;
  }
  Time next = next_beat_;
  for (auto& [p, s] : served_) {
    if (s->raft.leads()) continue;
    if (now >= s->patience_ends) {
      s->patience_ends = draw_patience();
      s->raft.campaign();
      settle(p, *s, nullptr, nullptr);
    }
    next = std::min(next, s->patience_ends);
  }
  timer_->arm(next);
}

// One message to each reactor that follows in something.
void Reactor::send_beats() {
  std::map<std::pair<int, std::size_t>, Message> beats;  // by node and its reactor
  for (const auto& [p, s] : served_) {
    if (!s->raft.leads()) continue;
    for (const int n : node_.partition(p).replicas) {
      if (n == node_.id()) continue;
      const auto reactors = node_.cluster().nodes[static_cast<std::size_t>(n)].reactors.size();
      Message& m = beats[{n, static_cast<std::size_t>(p) % reactors}];
      if (m.beats.empty()) {
        m.kind = Kind::beat;
        m.from = node_.id(), m.to = n, m.partition = p, m.bytes = kSmallMessage;
      }
      m.beats.push_back({p, s->raft.term()});
      m.bytes += kBeatBytes;
    }
  }
  for (auto& [to, m] : beats) to_send_.push_back(std::move(m));
}

}  // namespace wakepath::cluster
