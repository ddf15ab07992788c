// SPDX-License-Identifier: GPL-2.0-or-later
// What a reactor answers: records that a quorum has, with where their time went; who leads; and that it lives.
#include <algorithm>
#include <memory>

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
void Reactor::settle(Served& s, const Message* ack, const Steps* own) {
  Raft& raft = s.raft;
  for (MessagePtr& m : to_tell_) {
    if (m->kind == Kind::replicate) m->bytes += node_.cluster().log.record_bytes;
    to_send_.push_back(std::move(m));
  }
  to_tell_.clear();
  if (raft.to_persist) persist(s);
  if (std::exchange(raft.heard, false)) s.patience_ends = draw_patience();
  if (raft.leads()) {
    node_.elections_won += !s.led;
  } else if (s.led) {
    while (!s.pending.empty()) refuse(s.pending.take_front().request, raft.leader());
  }
  s.led = raft.leads();
  while (!s.pending.empty() && s.pending.front().index < raft.committed()) answer(s.pending.take_front(), ack, own);
}

// The request's message goes back as its answer.
void Reactor::answer(Pending pending, const Message* ack, const Steps* own) {
  const Time now = node_.now();
  Message& r = *pending.request;
  Shares& s = *std::construct_at(&r.shares);
  s.leader.node = node_.id();
  Path path{r.asked};
  path.to(r.sent, s.retry);
  path.to(r.arrived, s.network);
  path.to(pending.handled, s.leader.wait);
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
  r.kind = Kind::reply;
  r.to = std::exchange(r.from, node_.id());
  r.bytes = kSmallMessage;
  r.replicated = now;
  to_send_.push_back(std::move(pending.request));
}

void Reactor::refuse(MessagePtr request, int leader) {
  request->kind = Kind::refuse;
  request->to = std::exchange(request->from, node_.id());
  request->bytes = kSmallMessage;
  request->index = leader;
  to_send_.push_back(std::move(request));
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
  for (Served& s : served_) {
    if (s.raft.leads()) continue;
    if (now >= s.patience_ends) {
      s.patience_ends = draw_patience();
      s.raft.campaign();
      settle(s, nullptr, nullptr);
    }
    next = std::min(next, s.patience_ends);
  }
  timer_->arm(next);
}

// One message to each reactor that follows in something.
void Reactor::send_beats() {
  std::map<std::pair<int, std::size_t>, MessagePtr> beats;  // by node and its reactor
  for (const Served& s : served_) {
    if (!s.raft.leads()) continue;
    const int p = s.raft.partition();
    for (const int n : node_.partition(p).replicas) {
      if (n == node_.id()) continue;
      MessagePtr& m =
          beats[{n, static_cast<std::size_t>(p) % node_.cluster().nodes[static_cast<std::size_t>(n)].reactors.size()}];
      if (m == nullptr) {
        m = std::make_unique<Message>();
        m->kind = Kind::beat;
        m->from = node_.id(), m->to = n, m->partition = p, m->bytes = kSmallMessage;
        m->beats.list = std::make_unique<std::vector<Beat>>();
      }
      m->beats.list->push_back({p, s.raft.term()});
      m->bytes += kBeatBytes;
    }
  }
  for (auto& [to, m] : beats) to_send_.push_back(std::move(m));
}

}  // namespace wakepath::cluster
