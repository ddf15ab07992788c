// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/verify/ensemble.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "models/verify/search.h"

namespace wakepath::verify {

namespace {
constexpr std::size_t kStretch = 20000;  // steps
constexpr std::uint64_t kSearches = 4;   // one that found a divergence is made again with other draws
constexpr std::size_t kFollowed = 8;     // possible starts that are followed past it
// Steps that may be taken in trials: at once, and more for each step seen, so that a trace full of gaps is read at a
// bounded speed.
constexpr std::int64_t kEffort = 15'000'000;
constexpr std::int64_t kEffortOfAStep = 4;
// For searches that are made again, in the whole trace: what the first one leaves over may be next to nothing.
constexpr std::int64_t kEffortOfRetries = 15'000'000;
}  // namespace

Ensemble::Ensemble(const Setting& setting, const trace::StringPool& pool, const Ensemble* leader)
    : setting_(setting), pool_(&pool), leader_(leader), effort_(kEffort), retries_(kEffortOfRetries) {
  followers_.push_back(std::make_unique<Follower>(setting_, pool));
}

void Ensemble::collect_decisions(std::vector<Decision>* into) {
  decisions_ = into;
  if (alone()) followers_.front()->collect_decisions(into);
}

void Ensemble::on_step(const Step& s) {
  if (alone()) {
    followers_.front()->on_step(s);
    return;
  }
  if (s.kind == StepKind::gap) {
    finish();
    ++resyncs_;
    return;
  }
  if (streaming_) {
    for (auto& f : followers_) f->on_step(s);
    merge();
    return;
  }
  stretch_.push_back(s);
  stretch_.back().ordinal = static_cast<std::int64_t>(stretch_.size()) - 1;
  if (stretch_.size() == kStretch) close_stretch(false);
}

// The end, of the trace or before a gap.
void Ensemble::finish() {
  if (alone()) {
    followers_.front()->finish();
  } else if (streaming_) {
    for (auto& f : followers_) f->finish();
    merge();
    streaming_ = false;
  } else {
    close_stretch(true);
  }
}

void Ensemble::close_stretch(bool ends) {
  if (stretch_.empty()) return;
  if (leader_ != nullptr) {
    starts_ = leader_->starts_.empty() ? std::vector<Start>(1) : leader_->starts_;
    follow_stretch(nullptr, ends);
  } else {
    effort_ = std::min(effort_ + kEffortOfAStep * static_cast<std::int64_t>(stretch_.size()), kEffort);
    std::vector<bool> determined;
    std::int64_t least = std::numeric_limits<std::int64_t>::max();
    for (std::uint64_t draw = 0; draw < kSearches && least > 0 && (draw == 0 || retries_ > 0); ++draw) {
      StartSearch search(setting_, *pool_, stretch_, ends, draw, draw == 0 ? effort_ : retries_);
      search.run();
      if (search.divergences() >= least) continue;
      least = search.divergences();
      determined = search.determined();
      starts_ = search.possible(kFollowed);
    }
    follow_stretch(&determined, ends);
  }
  stretch_.clear();
  streaming_ = !ends;
}

// Goes through the stretch with the starts that were found; those found determined are judged.
void Ensemble::follow_stretch(const std::vector<bool>* determined, bool ends) {
  const std::vector<Present> present = present_at_start(stretch_);
  assumed_ += first().assumed_tasks();
  resyncs_ += first().resyncs();
  followers_.clear();
  outcomes_.clear();
  for (const Start& start : starts_) {
    outcomes_.push_back(std::make_unique<std::vector<Outcome>>());
    followers_.push_back(std::make_unique<Follower>(setting_, *pool_, start, present));
    followers_.back()->collect_outcomes(outcomes_.back().get(), true);
    if (ends && determined != nullptr) break;  // the first one tells it all
  }
  for (const Step& s : stretch_) {
    for (auto& f : followers_) f->on_step(s);
    if (determined == nullptr) merge();
  }
  if (ends) {
    for (auto& f : followers_) f->finish();
    if (determined == nullptr) merge();
  }
  if (determined == nullptr) return;
  for (Outcome& o : *outcomes_.front()) {
    o.can = o.can && (*determined)[static_cast<std::size_t>(o.ordinal)];
    count(judge_, o, decisions_);
  }
  for (auto& o : outcomes_) o->clear();
}

// The first one's outcomes; judged where each of the others came to the same. Past the stretch a follower that
// contradicts the trace where another agrees is left behind.
void Ensemble::merge() {
  std::vector<bool> left(outcomes_.size(), false);
  for (Outcome& o : *outcomes_.front()) {
    std::vector<const Outcome*> said(outcomes_.size(), nullptr);
    std::size_t agree = 0;
    for (std::size_t i = 0; i < outcomes_.size(); ++i) {
      const auto it = std::find_if(outcomes_[i]->begin(), outcomes_[i]->end(), [&o](const Outcome& other) {
        return other.kind == o.kind && other.line == o.line && other.can;
      });
      if (it != outcomes_[i]->end()) said[i] = &*it;
      agree += said[i] != nullptr && said[i]->answers.model == o.answers.trace;
    }
    for (std::size_t i = 0; i < said.size(); ++i) {
      o.can = o.can && said[i] != nullptr && said[i]->answers.model == o.answers.model;
      if (agree > 0 && said[i] != nullptr && said[i]->answers.model != o.answers.trace) left[i] = true;
    }
    count(judge_, o, decisions_);
  }
  for (auto& o : outcomes_) o->clear();
  if (leader_ != nullptr || !streaming_) return;
  for (std::size_t i = left.size(); i-- > 0 && followers_.size() > 1;) {
    if (!left[i]) continue;
    followers_.erase(followers_.begin() + static_cast<std::ptrdiff_t>(i));
    outcomes_.erase(outcomes_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

}  // namespace wakepath::verify
