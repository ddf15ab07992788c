// SPDX-License-Identifier: GPL-2.0-or-later
// Followers of one setting that differ in the state they assume at the trace's start. On EEVDF no vruntime is printed,
// and a lag from before may live on for the whole trace: a decision is judged where every assumed start gives the same
// answer. On CFS one is enough (bounds.h).
//
// Invariant: all have taken the same steps.
#pragma once

#include <memory>
#include <vector>

#include "models/verify/follower.h"

namespace wakepath::verify {

class Ensemble final : public StepSink {
 public:
  Ensemble(const Setting& setting, const trace::StringPool& pool);

  void on_step(const Step& s) override;
  void finish();

  [[nodiscard]] const Judge& judge() const { return alone() ? first().judge() : judge_; }
  [[nodiscard]] const Follower& first() const { return *followers_.front(); }
  void collect_decisions(std::vector<Decision>* into);

 private:
  [[nodiscard]] bool alone() const { return followers_.size() == 1; }
  void merge();

  std::vector<std::unique_ptr<Follower>> followers_;
  std::vector<std::vector<Outcome>> outcomes_;  // of each, since the last step
  Judge judge_;
  std::vector<Decision>* decisions_ = nullptr;
};

}  // namespace wakepath::verify
