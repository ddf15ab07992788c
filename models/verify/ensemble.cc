// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/verify/ensemble.h"

#include <algorithm>

namespace wakepath::verify {

namespace {
constexpr int kStartStates = 12;
}

Ensemble::Ensemble(const Setting& setting, const trace::StringPool& pool) {
  const int n = setting.switches.eevdf ? kStartStates : 1;
  outcomes_.resize(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) {
    followers_.push_back(std::make_unique<Follower>(setting, pool, i));
    if (n > 1) followers_.back()->collect_outcomes(&outcomes_[static_cast<std::size_t>(i)], i == 0);
  }
}

void Ensemble::collect_decisions(std::vector<Decision>* into) {
  decisions_ = into;
  if (alone()) followers_.front()->collect_decisions(into);
}

void Ensemble::on_step(const Step& s) {
  for (auto& f : followers_) f->on_step(s);
  merge();
}

void Ensemble::finish() {
  for (auto& f : followers_) f->finish();
  merge();
}

// The first one's outcomes; judged where each of the others came to the same.
void Ensemble::merge() {
  if (outcomes_.front().empty()) {
    for (auto& o : outcomes_) o.clear();
    return;
  }
  for (Outcome& o : outcomes_.front()) {
    const auto agrees = [&o](const Outcome& other) {
      return other.kind == o.kind && other.line == o.line && other.can && other.answers.model == o.answers.model;
    };
    for (std::size_t i = 1; i < outcomes_.size() && o.can; ++i) {
      o.can = std::any_of(outcomes_[i].begin(), outcomes_[i].end(), agrees);
    }
    count(judge_, o, decisions_);
  }
  for (auto& o : outcomes_) o.clear();
}

}  // namespace wakepath::verify
