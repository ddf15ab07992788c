// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/verify/search.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace wakepath::verify {

namespace {

constexpr std::uint64_t kFirstStarts = 128;
constexpr std::size_t kFollowed = 96;
constexpr std::size_t kLeastStarts = 4;  // that agree, for a decision to be determined
constexpr int kTrialsToFillUp = 160;
constexpr int kRoundsAtADecision = 10;
constexpr int kStartsOver = 40;
constexpr int kBisections = 12;  // a round
constexpr int kHalvings = 20;
constexpr int kTrials = 24;  // a round
constexpr std::size_t kLeftKept = 96;

}  // namespace

std::vector<Present> present_at_start(const std::vector<Step>& steps) {
  using How = Present::How;
  std::vector<Present> out;
  std::unordered_set<std::int32_t> seen;
  std::unordered_map<int, std::size_t> running;  // by CPU, in `out`
  std::unordered_map<int, std::int64_t> first_ns;
  const auto meet = [&](const TaskName& t, int cpu, How how) {
    if (t.pid > 0 && t.prio >= 100 && seen.insert(t.pid).second) out.push_back({t, cpu, how});
  };
  for (const Step& s : steps) {  // who runs first; the first accounting of it tells since when
    first_ns.emplace(s.cpu, s.ts_ns);
    if (s.kind != StepKind::schedule || running.count(s.cpu) != 0) continue;
    running.emplace(s.cpu, out.size());
    out.push_back({s.prev, s.cpu, How::running, first_ns[s.cpu]});
    seen.insert(s.prev.pid);
  }
  std::unordered_set<int> told;
  for (const Step& s : steps) {
    const auto it = running.find(s.cpu);
    if (it != running.end() && s.print.seen && s.print.pid == out[it->second].name.pid && told.insert(s.cpu).second) {
      std::int64_t& since = out[it->second].since_ns;
      since = std::min(since, s.print.ts_ns - s.print.runtime_ns);
    }
    if (s.kind == StepKind::schedule) told.insert(s.cpu);
    const bool runs = s.kind == StepKind::schedule;
    meet(s.task, s.cpu, runs || s.kind == StepKind::migrate ? How::queued : How::asleep);
  }
  return out;
}

StartSearch::StartSearch(const Setting& setting, const trace::StringPool& pool, const std::vector<Step>& steps,
                         bool ends, std::uint64_t draw, std::int64_t& effort)
    : setting_(setting),
      pool_(&pool),
      steps_(steps),
      present_(present_at_start(steps)),
      ends_(ends),
      draw_(draw),
      effort_(&effort),
      dice_(steps.size() + (draw << 40)) {
  determined_.assign(steps.size(), false);
  diverges_.assign(steps.size(), false);
  any_agrees_.assign(steps.size(), false);
}

StartSearch::Model StartSearch::model_of(Start start) const {
  Model m;
  m.follower = std::make_unique<Follower>(setting_, *pool_, std::move(start), present_);
  m.outcomes = std::make_unique<std::vector<Outcome>>();
  m.follower->collect_outcomes(m.outcomes.get(), false);
  return m;
}

// By one step, or past the last one to the end.
void StartSearch::advance(Model& m, std::size_t at) const {
  m.outcomes->clear();
  if (at < steps_.size()) {
    m.follower->on_step(steps_[at]);
  } else {
    m.follower->finish();
  }
}

// Follows it from the beginning to behind step `at`; it joins the others when nothing spoke against it.
StartSearch::Fate StartSearch::try_start(Start start, std::size_t at, std::size_t frontier, Start* tried) {
  Model m = model_of(std::move(start));
  Fate fate = Fate::possible;
  for (std::size_t i = 0; i <= at && fate == Fate::possible; ++i) {
    advance(m, i);
    --*effort_;
    for (const Outcome& o : *m.outcomes) {
      const auto n = static_cast<std::size_t>(o.ordinal);
      if (!o.can || o.answers.trace == o.answers.model || diverges_[n]) continue;
      if (any_agrees_[n]) determined_[n] = false;  // here is one that would have said something else
      fate = n < frontier ? Fate::left_before : Fate::contradicts;
      break;
    }
  }
  if (tried != nullptr) *tried = m.follower->start();
  if (fate == Fate::possible) {
    models_.push_back(std::move(m));
  } else {
    left_.push_back(m.follower->start());
    if (left_.size() > kLeftKept) left_.pop_front();
  }
  return fate;
}

// The steps about which somebody says something now; one as a rule.
std::vector<std::int64_t> StartSearch::decisions() const {
  std::vector<std::int64_t> out;
  for (const Model& m : models_) {
    for (const Outcome& o : *m.outcomes) {
      if (o.can) out.push_back(o.ordinal);
    }
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

// True: some have left.
bool StartSearch::decide(std::size_t n, std::size_t at) {
  std::size_t agree = 0;
  std::size_t contradict = 0;
  const auto look = [&] {
    agree = contradict = 0;
    for (Model& m : models_) {
      m.wrong = false;
      for (const Outcome& o : *m.outcomes) {
        if (static_cast<std::size_t>(o.ordinal) != n || !o.can) continue;
        m.wrong = o.answers.trace != o.answers.model;
        ++(m.wrong ? contradict : agree);
      }
    }
  };
  look();
  const bool all_say = agree + contradict == models_.size() && models_.size() >= kLeastStarts;
  any_agrees_[n] = agree > 0;
  determined_[n] = all_say && (agree == 0 || contradict == 0);
  if (contradict == 0) return false;
  if (agree == 0) {
    if (!look_for_one(n, at)) {
      diverges_[n] = true;
      determined_[n] = all_say && can_try();
      return false;
    }
    any_agrees_[n] = true;
    determined_[n] = false;
    look();
  }
  leave();
  return true;
}

// Those that were wrong are not possible.
void StartSearch::leave() {
  const auto from = std::stable_partition(models_.begin(), models_.end(), [](const Model& m) { return !m.wrong; });
  for (auto it = from; it != models_.end(); ++it) left_.push_back(it->follower->start());
  models_.erase(from, models_.end());
  while (left_.size() > kLeftKept) left_.pop_front();
}

const Start& StartSearch::any_left() const {
  if (left_.empty()) return models_[dice_.below(models_.size())].follower->start();
  const std::uint64_t recent = dice_.below(2) == 0 ? std::max<std::size_t>(left_.size() / 4, 1) : left_.size();
  return left_[left_.size() - 1 - dice_.below(recent)];
}

Start StartSearch::child() {
  const Start& a = models_[dice_.below(models_.size())].follower->start();
  if (dice_.below(3) == 0) return Start::near(a, dice_);
  const Start& b = dice_.below(3) == 0 ? models_[dice_.below(models_.size())].follower->start() : any_left();
  return Start::between(a, b, dice_);
}

// All contradict at the decision `frontier`. Between one of them and one that left there may be, however narrow, what
// agrees; or the possible start is of another kind altogether. The more often that was looked for in vain, the less
// likely it is that only the start is wrong.
bool StartSearch::look_for_one(std::size_t frontier, std::size_t at) {
  const int rounds = std::max(kRoundsAtADecision >> std::min(in_vain_, 8), 1);
  const int starts_over = std::max(kStartsOver >> std::min(in_vain_, 8), 1);
  for (int round = 0; round < rounds && can_try(); ++round) {
    const std::size_t before = models_.size();
    for (int i = 0; i < kBisections && can_try(); ++i) {
      if (bisect(frontier, at)) return true;
    }
    for (int i = 0; i < kTrials && can_try(); ++i) try_start(child(), at, frontier, nullptr);
    if (models_.size() > before) return true;
  }
  for (int i = 0; i < starts_over && can_try(); ++i) {
    if (start_over(at)) return true;
  }
  ++in_vain_;
  return false;
}

bool StartSearch::bisect(std::size_t frontier, std::size_t at) {
  Start a = models_[dice_.below(models_.size())].follower->start();
  Start b = any_left();
  const std::uint64_t which = dice_.below(2 * a.values() + 1);
  for (int i = 0; i < kHalvings && can_try(); ++i) {
    Start middle = Start::middle(a, b, which, dice_);
    if (middle.same_values(a)) return false;
    Start tried;
    const Fate fate = try_start(std::move(middle), at, frontier, &tried);
    if (fate == Fate::possible) return true;
    (fate == Fate::contradicts ? a : b) = tried;
  }
  return false;
}

// Others from the beginning, up to behind step `at`. True: these are possible instead.
bool StartSearch::start_over(std::size_t at) {
  std::vector<Model> kept = std::exchange(models_, {});
  std::deque<Start> kept_left = std::exchange(left_, {});
  const auto back = [&] {
    models_ = std::move(kept);
    left_ = std::move(kept_left);
    return false;
  };
  for (std::uint64_t i = 0; i < kFirstStarts; ++i) models_.push_back(model_of(Start(dice_.next())));
  for (std::size_t i = 0; i <= at; ++i) {
    *effort_ -= static_cast<std::int64_t>(models_.size());
    std::size_t frontier = steps_.size();
    std::size_t wrong = 0;
    for (Model& m : models_) {
      advance(m, i);
      m.wrong = false;
      for (const Outcome& o : *m.outcomes) {
        const auto n = static_cast<std::size_t>(o.ordinal);
        if (!o.can || o.answers.trace == o.answers.model || diverges_[n]) continue;
        if (any_agrees_[n]) determined_[n] = false;
        m.wrong = true;
        frontier = std::min(frontier, n);
      }
      wrong += m.wrong;
    }
    if (wrong == 0) continue;
    bool found = wrong < models_.size();
    for (int k = 0; k < 3 * kBisections && !found && can_try(); ++k) {
      found = bisect(frontier, i) || try_start(child(), i, frontier, nullptr) == Fate::possible;
    }
    if (!found) return back();
    leave();
    if (models_.size() < kFollowed * 2 / 3) fill_up(i);
  }
  return true;
}

// So that the possible ones stay well covered.
void StartSearch::fill_up(std::size_t at) {
  for (int i = 0; i < kTrialsToFillUp && models_.size() < kFollowed && can_try(); ++i) {
    try_start(child(), at, 0, nullptr);
  }
}

void StartSearch::run() {
  const std::int64_t affordable = *effort_ / (2 * static_cast<std::int64_t>(steps_.size()) + 1);
  const std::int64_t first = std::clamp<std::int64_t>(affordable, kLeastStarts, kFirstStarts);
  for (std::int64_t seed = 0; seed < first; ++seed)
    models_.push_back(model_of(Start(static_cast<std::uint64_t>(seed) + (draw_ << 20))));
  const std::size_t end = steps_.size() + (ends_ ? 1 : 0);
  for (std::size_t at = 0; at < end; ++at) {
    for (Model& m : models_) advance(m, at);
    *effort_ -= static_cast<std::int64_t>(models_.size());
    bool some_left = false;
    for (const std::int64_t ordinal : decisions())
      some_left = decide(static_cast<std::size_t>(ordinal), at) || some_left;
    if (some_left && models_.size() < kFollowed * 2 / 3) fill_up(at);
  }
}

std::int64_t StartSearch::divergences() const { return std::count(diverges_.begin(), diverges_.end(), true); }

std::vector<Start> StartSearch::possible(std::size_t most) const {
  std::vector<Start> out;
  for (const Model& m : models_) {
    if (out.size() < most) out.push_back(m.follower->start());
  }
  return out;
}

}  // namespace wakepath::verify
