// SPDX-License-Identifier: GPL-2.0-or-later
// Raft's promises under everything that a fleet does to it: messages that overtake each other and get lost, writes that
// end in any order, machines that lose their power and come back, leaders that others have replaced.
#include "models/cluster/raft.h"

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "sim/engine/random.h"
#include "tests/unit/catch.h"

namespace {

using namespace wakepath;
using cluster::Kind;
using cluster::Message;
using cluster::MessagePtr;
using cluster::Raft;
using cluster::Replica;

struct World {
  struct Write {
    int node;
    std::int64_t index;
    Replica::Entry entry;
    std::uint32_t cuts;
  };
  struct VoteWrite {
    int node;
    cluster::Vote vote;
    std::vector<MessagePtr> then;
  };

  World(int nodes, std::uint64_t seed)
      : random(seed, "raft_test"), logs(nodes), votes(nodes), out(nodes), rafts(nodes) {
    for (int n = 0; n < nodes; ++n) where.replicas.push_back(n);
    for (int n = 0; n < nodes; ++n) boot(n, true);
  }
  void boot(int n, bool first) {
    rafts[n] = std::make_unique<Raft>(n, 0, where, logs[n], votes[n], first, out[n]);
    settle(n);
  }
  void lose_power(int n) {
    rafts[n].reset();
    logs[n].lose_power();
    std::erase_if(writes, [&](const Write& w) { return w.node == n; });
    std::erase_if(vote_writes, [&](const VoteWrite& w) { return w.node == n; });
    std::erase_if(wire, [&](const MessagePtr& m) { return (m->to == n || m->from == n) && random.chance(1, 2); });
  }
  std::size_t any(std::size_t n) { return static_cast<std::size_t>(random.uniform(n)); }

  void put_on_wire(std::vector<MessagePtr>& sent) {
    for (MessagePtr& m : sent) wire.push_back(std::move(m));
    sent.clear();
  }
  // What the node wants done is under way; what it must never do, it has not done.
  void settle(int n) {
    Raft& r = *rafts[n];
    put_on_wire(out[n]);
    if (r.to_persist) {
      vote_writes.push_back({n, *r.to_persist, std::exchange(r.after_persist, {})});
      r.to_persist.reset();
    }
    if (!r.leads()) return;
    const auto [leader, fresh] = leaders.emplace(r.term(), n);
    REQUIRE(leader->second == n);  // one leader a term
    for (std::int64_t i = 0; i < r.committed(); ++i) {
      if (i == static_cast<std::int64_t>(committed.size())) committed.push_back(logs[n][i]);
      REQUIRE(committed[static_cast<std::size_t>(i)] == logs[n][i]);  // what was acknowledged stays what it is
    }
    for (std::size_t i = 0; fresh && i < committed.size(); ++i) {  // a new leader has all of it
      REQUIRE(static_cast<std::int64_t>(i) < logs[n].size());
      REQUIRE(committed[i] == logs[n][static_cast<std::int64_t>(i)]);
    }
  }
  void deliver(std::size_t i) {
    const MessagePtr arrived = std::move(wire[i]);
    const Message& m = *arrived;
    wire.erase(wire.begin() + static_cast<std::ptrdiff_t>(i));
    if (rafts[m.to] == nullptr) return;
    std::vector<Raft::Accepted> accepted;
    if (m.kind == Kind::beat)
      rafts[m.to]->heard_beat(m.from, m.term);
    else
      rafts[m.to]->handle(m, accepted);
    for (const auto& a : accepted) writes.push_back({m.to, a.index, logs[m.to][a.index], logs[m.to].cuts()});
    settle(m.to);
  }
  void end_write(std::size_t i) {
    const Write w = writes[i];
    writes.erase(writes.begin() + static_cast<std::ptrdiff_t>(i));
    logs[w.node].written(w.index, w.entry, w.cuts);
    rafts[w.node]->durable({}, w.entry.record, 0);
    settle(w.node);
  }
  void end_vote(std::size_t i) {
    VoteWrite w = std::move(vote_writes[i]);
    vote_writes.erase(vote_writes.begin() + static_cast<std::ptrdiff_t>(i));
    if (w.vote.term >= votes[w.node].term) votes[w.node] = w.vote;
    put_on_wire(w.then);
  }
  void beat(int n) {
    for (const int to : where.replicas) {
      if (to == n) continue;
      auto m = std::make_unique<Message>();
      m->kind = Kind::beat;
      m->from = n, m->to = to, m->term = rafts[n]->term();
      wire.push_back(std::move(m));
    }
  }
  void produce(int n) {
    const std::int64_t index = rafts[n]->produce(next_record++);
    writes.push_back({n, index, logs[n][index], logs[n].cuts()});
    settle(n);
  }
  void anything(bool losses) {
    const int n = static_cast<int>(any(rafts.size()));
    const auto what = random.uniform(100);
    if (what < 50 && !wire.empty()) {
      const std::size_t i = any(std::min<std::size_t>(wire.size(), 8));
      if (losses && random.chance(1, 50))
        wire.erase(wire.begin() + static_cast<std::ptrdiff_t>(i));
      else
        deliver(i);
    } else if (what < 75 && !writes.empty()) {
      end_write(any(writes.size()));
    } else if (what < 80 && !vote_writes.empty()) {
      end_vote(any(vote_writes.size()));
    } else if (rafts[n] == nullptr) {
      if (random.chance(1, 4)) boot(n, false);
    } else if (rafts[n]->leads()) {
      random.chance(1, 8) ? beat(n) : produce(n);
    } else if (random.chance(1, 12)) {
      rafts[n]->campaign();
      settle(n);
    } else if (random.chance(1, 40)) {
      lose_power(n);
    }
  }
  // Without further faults everything that is under way comes to its end.
  void calm_down() {
    for (int rounds = 0; rounds < 60; ++rounds) {
      for (std::size_t n = 0; n < rafts.size(); ++n) {
        if (rafts[n] == nullptr) boot(static_cast<int>(n), false);
        if (rafts[n]->leads()) beat(static_cast<int>(n)), produce(static_cast<int>(n));
      }
      while (!wire.empty() || !writes.empty() || !vote_writes.empty()) {
        if (!wire.empty()) deliver(0);
        if (!writes.empty()) end_write(0);
        if (!vote_writes.empty()) end_vote(0);
      }
      if (leader() < 0) {
        rafts[static_cast<std::size_t>(rounds) % rafts.size()]->campaign();
        settle(static_cast<int>(static_cast<std::size_t>(rounds) % rafts.size()));
      }
    }
  }
  int leader() {  // of the latest term
    int found = -1;
    for (std::size_t n = 0; n < rafts.size(); ++n)
      if (rafts[n]->leads() && (found < 0 || rafts[n]->term() > rafts[static_cast<std::size_t>(found)]->term()))
        found = static_cast<int>(n);
    return found;
  }

  engine::RandomStream random;
  cluster::Partition where;
  std::vector<Replica> logs;
  std::vector<cluster::Vote> votes;
  std::vector<std::vector<MessagePtr>> out;
  std::vector<std::unique_ptr<Raft>> rafts;
  std::vector<MessagePtr> wire;
  std::vector<Write> writes;
  std::vector<VoteWrite> vote_writes;
  std::map<std::int64_t, int> leaders;
  std::vector<Replica::Entry> committed;
  std::uint64_t next_record = 1;
};

}  // namespace

TEST_CASE("no schedule makes Raft lose or change what it has acknowledged") {
  std::size_t acknowledged = 0, terms = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    World w(seed % 2 == 0 ? 5 : 3, seed);
    for (int i = 0; i < 6000; ++i) w.anything(seed % 3 == 0);
    acknowledged += w.committed.size();
    terms += w.leaders.size();
  }
  CHECK(acknowledged > 5'000);  // it did work ...
  CHECK(terms > 400);           // ... and was disturbed
}

TEST_CASE("when the faults end every copy becomes the leader's") {
  for (std::uint64_t seed = 101; seed <= 120; ++seed) {
    World w(seed % 2 == 0 ? 5 : 3, seed);
    for (int i = 0; i < 4000; ++i) w.anything(false);
    w.calm_down();
    const int leader = w.leader();
    REQUIRE(leader >= 0);
    for (const Replica& log : w.logs) {
      CHECK(log.entries() == w.logs[static_cast<std::size_t>(leader)].entries());
      CHECK(log.durable() == log.size());
    }
    CHECK(w.committed.size() == w.logs[static_cast<std::size_t>(leader)].entries().size());
  }
}

TEST_CASE("a vote is given once a term, to a log that is at least as long") {
  cluster::Partition where{{0, 1, 2}, 0};
  Replica log;
  log.append({1, 1});
  log.written(0, {1, 1}, log.cuts());
  std::vector<MessagePtr> out;
  Raft voter(1, 0, where, log, {1, -1}, true, out);
  std::vector<Raft::Accepted> accepted;
  const auto ask = [&](int from, std::int64_t term, std::int64_t index, std::int64_t entry_term) {
    Message m;
    m.kind = Kind::request_vote;
    m.from = from, m.to = 1, m.term = term, m.index = index, m.entry_term = entry_term;
    voter.handle(m, accepted);
    const bool granted = voter.to_persist != nullptr;
    voter.to_persist.reset();
    voter.after_persist.clear();
    return granted;
  };
  CHECK_FALSE(ask(2, 2, 0, 0));  // an empty log
  CHECK(ask(2, 3, 1, 1));
  CHECK_FALSE(ask(0, 3, 5, 2));  // it has voted in this term
  CHECK(ask(2, 3, 1, 1));        // for the same one again
  CHECK_FALSE(ask(0, 2, 5, 2));  // of an earlier term
}

TEST_CASE("a write counts unless its entry was cut off while it was under way") {
  Replica log;
  for (const auto& e : {Replica::Entry{1, 1}, {2, 1}, {3, 1}}) log.append(e);
  const std::uint32_t before = log.cuts();
  CHECK(log.accept(2, {9, 2}));  // in the place of the third, whose write is under way
  log.written(0, {1, 1}, before);
  log.written(2, {3, 1}, before);
  CHECK(log.durable() == 1);
  log.written(1, {2, 1}, before);  // was left, so it counts
  CHECK(log.durable() == 2);
  log.written(2, {9, 2}, log.cuts());
  CHECK(log.durable() == 3);
}

TEST_CASE("a follower with entries of a leader that was gives them up") {
  cluster::Partition where{{0, 1, 2}, 0};
  Replica old_leader, log;
  for (const auto& e : {Replica::Entry{1, 1}, {2, 1}, {3, 1}}) {  // 2 and 3 got to nobody else
    old_leader.append(e);
    old_leader.written(old_leader.size() - 1, e, old_leader.cuts());
  }
  log.append({1, 1});
  log.written(0, {1, 1}, log.cuts());
  log.append({9, 2});
  log.written(1, {9, 2}, log.cuts());
  std::vector<MessagePtr> led, followed;
  Raft leader(1, 0, where, log, {2, -1}, false, led), follower(0, 0, where, old_leader, {1, 0}, false, followed);
  leader.campaign();  // term 3
  Message vote;
  vote.kind = Kind::vote;
  vote.from = 2, vote.to = 1, vote.term = 3, vote.data = 1;
  std::vector<Raft::Accepted> accepted;
  leader.handle(vote, accepted);
  REQUIRE(leader.leads());
  for (int turns = 0; turns < 10; ++turns) {
    for (const MessagePtr& m : std::exchange(led, {}))
      if (m->to == 0) follower.handle(*m, accepted);
    for (const MessagePtr& m : std::exchange(followed, {})) leader.handle(*m, accepted);
  }
  REQUIRE(old_leader.size() == 2);
  CHECK(old_leader[1] == Replica::Entry{9, 2});
  CHECK(old_leader.durable() == 1);  // the entry that replaced another one is to be written anew
}
