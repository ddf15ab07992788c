// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/cluster/raft.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace wakepath::cluster {

namespace {
constexpr std::int64_t kCatchUp = 32;  // entries on their way to a follower that lags
}  // namespace

Raft::Raft(int self, int partition, const Partition& where, Replica& log, const Vote& durable, bool first_boot,
           std::vector<MessagePtr>& out)
    : out_(out),
      log_(log),
      term_(std::max(durable.term, log.last_durable_term())),
      self_(self),
      partition_(partition),
      others_(static_cast<std::uint8_t>(where.replicas.size() - 1)),
      where_(where),
      voted_for_(term_ == durable.term ? durable.voted_for : -1) {
  if (!first_boot) return;
  leader_ = where.first_leader;
  if (leader_ != self) return;
  role_ = Role::leader;
  begin_leading(0);
}

MessagePtr Raft::to(int node, Kind kind) const {
  auto m = std::make_unique<Message>();
  m->kind = kind;
  m->from = self_, m->to = node;
  m->partition = partition_, m->term = term_;
  m->bytes = kSmallMessage;
  return m;
}

// ---- the log -------------------------------------------------------------------------------------------------------

std::int64_t Raft::produce(std::uint64_t record) {
  const std::int64_t index = log_.append({record, term_});
  for (Follower& f : followers())
    if (f.next == index) replicate(f);
  return index;
}

// The next entry that the follower lacks.
void Raft::replicate(Follower& f) {
  MessagePtr m = to(f.node, Kind::replicate);
  m->index = f.next;
  m->record = log_[f.next].record;
  m->entry_term = log_[f.next].term;
  ++f.next;
  out_.push_back(std::move(m));
}

void Raft::durable(const Steps& steps, std::uint64_t record, Time replicated) {
  if (leads())
    commit();
  else
    acknowledge(steps, record, replicated);
}

void Raft::acknowledge(const Steps& steps, std::uint64_t record, Time replicated) {
  const std::int64_t upto = std::min(log_.durable(), verified_);
  if (leader_ < 0 || upto <= told_) return;
  told_ = upto;
  MessagePtr m = to(leader_, Kind::ack);
  m->index = upto - 1;
  m->record = record;
  std::construct_at(&m->steps, steps);
  m->replicated = replicated;
  out_.push_back(std::move(m));
}

void Raft::commit() {
  const auto on_majority = [&](std::int64_t upto) {
    std::size_t copies = log_.durable() >= upto ? 1 : 0;
    for (const Follower& f : followers()) copies += f.match >= upto ? 1 : 0;
    return copies > (others_ + std::size_t{1}) / 2;
  };
  std::int64_t most = committed_;
  if (log_.durable() > most && on_majority(log_.durable())) most = log_.durable();
  for (const Follower& f : followers())
    if (f.match > most && on_majority(f.match)) most = f.match;
  // Raft 5.4.2: what an earlier term left is committed with the first entry of this one.
  if (most > led_from_) committed_ = most;
}

void Raft::on_entry(const Message& m, std::vector<Accepted>& accepted) {
  const Early entry{m.index, {m.record, m.entry_term}, {m.sent, m.arrived}};
  if (m.index > verified_) {
    const auto place = std::lower_bound(early_.begin(), early_.end(), m.index,
                                        [](const Early& e, std::int64_t index) { return e.index < index; });
    if (place != early_.end() && place->index == m.index)
      *place = entry;
    else
      early_.insert(place, entry);
    return;
  }
  const auto take = [&](const Early& e) {
    if (log_.accept(verified_, e.entry)) accepted.push_back({verified_, e.cause});
    ++verified_;
  };
  if (m.index == verified_) take(entry);
  auto e = early_.begin();
  for (; e != early_.end() && e->index <= verified_; ++e)
    if (e->index == verified_) take(*e);
  early_.erase(early_.begin(), e);
  acknowledge({}, m.record, 0);  // what was durable here before it was known to be the leader's
}

// ---- finding where two logs agree ----------------------------------------------------------------------------------

void Raft::probe(Follower& f, std::int64_t index) {
  f.next = -1;
  MessagePtr m = to(f.node, Kind::probe);
  m->index = index;
  m->entry_term = log_.term_before(index);
  out_.push_back(std::move(m));
}

void Raft::on_probe(const Message& m) {
  const bool here = m.index <= log_.size() && log_.term_before(m.index) == m.entry_term;
  MessagePtr answer = to(m.from, here ? Kind::match : Kind::lack);
  answer->index = m.index;
  if (here) {
    verified_ = std::max(verified_, m.index);
    answer->data = told_ = std::min(log_.durable(), m.index);
  } else if (log_.size() < m.index) {
    answer->index = log_.size();
  } else {  // the first entry of the term that is wrong there
    const std::int64_t wrong = log_.term_before(m.index);
    while (answer->index > 0 && log_.term_before(answer->index) == wrong) --answer->index;
  }
  out_.push_back(std::move(answer));
}

// ---- elections -----------------------------------------------------------------------------------------------------

void Raft::campaign() {
  role_ = Role::candidate;
  leader_ = -1;
  ++term_;
  voted_for_ = self_;
  votes_ = 1;
  to_persist = std::make_unique<Vote>(Vote{term_, self_});
  after_persist.clear();
  for (const int n : where_.replicas) {
    if (n == self_) continue;
    MessagePtr m = to(n, Kind::request_vote);
    m->index = log_.durable();
    m->entry_term = log_.last_durable_term();
    after_persist.push_back(std::move(m));
  }
  if (where_.replicas.size() == 1) lead();
}

void Raft::on_request_vote(const Message& m) {
  const bool up_to_date = std::pair(m.entry_term, m.index) >= std::pair(log_.last_durable_term(), log_.durable());
  const bool grant =
      m.term == term_ && role_ == Role::follower && up_to_date && (voted_for_ == -1 || voted_for_ == m.from);
  MessagePtr answer = to(m.from, Kind::vote);
  answer->data = grant ? 1 : 0;
  if (!grant) {
    out_.push_back(std::move(answer));
    return;
  }
  heard = true;
  voted_for_ = m.from;
  to_persist = std::make_unique<Vote>(Vote{term_, voted_for_});
  after_persist.clear();
  after_persist.push_back(std::move(answer));
}

void Raft::on_vote(const Message& m) {
  if (role_ != Role::candidate || m.term != term_ || m.data != 1) return;
  if (++votes_ > static_cast<int>(where_.replicas.size()) / 2) lead();
}

void Raft::lead() {
  role_ = Role::leader;
  leader_ = self_;
  committed_ = 0;
  led_from_ = log_.size();
  early_.clear();
  begin_leading(-1);
  for (const int n : where_.replicas)
    if (Follower* f = follower(n)) probe(*f, log_.size());
}

void Raft::begin_leading(std::int64_t next) {
  auto f = followers_.begin();
  for (const int n : where_.replicas)
    if (n != self_) *f++ = {n, 0, next};
  std::ranges::sort(followers(), {}, &Follower::node);
}

Raft::Follower* Raft::follower(int node) {
  const auto f = std::ranges::find(followers(), node, &Follower::node);
  return f == followers().end() ? nullptr : &*f;
}

// Somebody is further: whatever this copy was, it follows.
bool Raft::newer_term(std::int64_t term) {
  if (term <= term_) return term == term_;
  role_ = Role::follower;
  term_ = term;
  voted_for_ = -1, leader_ = -1;
  verified_ = told_ = 0;
  early_.clear();
  to_persist.reset();
  after_persist.clear();
  return true;
}

void Raft::adopt(int leader, std::int64_t term) {
  heard = true;
  if (leader_ == leader && term == term_ && role_ == Role::follower) return;
  role_ = Role::follower;
  leader_ = leader;
  verified_ = told_ = 0;
  early_.clear();
}

void Raft::heard_beat(int from, std::int64_t term) {
  if (!newer_term(term)) return;
  const bool known = leader_ == from;
  adopt(from, term);
  if (known) return;
  MessagePtr hello = to(from, Kind::hello);
  hello->index = log_.size();
  out_.push_back(std::move(hello));
}

void Raft::handle(const Message& m, std::vector<Accepted>& accepted) {
  if (!newer_term(m.term)) {
    if (m.kind != Kind::request_vote) return;
    MessagePtr answer = to(m.from, Kind::vote);  // tells our term
    answer->data = 0;
    out_.push_back(std::move(answer));
    return;
  }
  Follower* f = leads() ? follower(m.from) : nullptr;
  switch (m.kind) {
    case Kind::replicate:
      if (leader_ != m.from) heard_beat(m.from, m.term);
      heard = true;
      return on_entry(m, accepted);
    case Kind::probe:
      adopt(m.from, m.term);
      return on_probe(m);
    case Kind::request_vote:
      return on_request_vote(m);
    case Kind::vote:
      return on_vote(m);
    case Kind::hello:
      if (f != nullptr) probe(*f, std::min(m.index, log_.size()));
      return;
    case Kind::lack:
      if (f != nullptr && f->next < 0) probe(*f, std::min(m.index, log_.size()));
      return;
    case Kind::match:
      if (f == nullptr || f->next >= 0) return;
      f->match = std::max(f->match, m.data);
      f->next = m.index;
      break;
    case Kind::ack:
      if (f == nullptr || m.index + 1 <= f->match) return;
      f->match = m.index + 1;
      break;
    default:
      return;
  }
  while (f->next >= 0 && f->next < log_.size() && f->next - f->match < kCatchUp) replicate(*f);
  commit();
}

}  // namespace wakepath::cluster
