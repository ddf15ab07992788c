// SPDX-License-Identifier: GPL-2.0-or-later
// One model beside a trace, whatever its class. On CFS a single follower, which knows what it does not know (bounds.h).
// On EEVDF nothing is printed, and a lag from before the recording may live on: the trace's first stretch is kept, the
// starts that it leaves possible are looked for (search.h), and from its end on those are followed side by side.
//
// Invariants: a stretch is bounded, and so is what is kept; after a gap all begins anew; every decision is counted
// once, by the first of the possible starts, as judged where all possible ones come to the same.
#pragma once

#include <memory>
#include <vector>

#include "models/verify/follower.h"

namespace wakepath::verify {

class Ensemble final : public StepSink {
 public:
  // With a leader, its starts are taken over instead of looked for: the same kernel with something changed, which is
  // not asked to agree with the trace. The leader sees each step first.
  Ensemble(const Setting& setting, const trace::StringPool& pool, const Ensemble* leader = nullptr);

  void on_step(const Step& s) override;
  void finish();

  [[nodiscard]] const Judge& judge() const { return alone() ? first().judge() : judge_; }
  [[nodiscard]] const Follower& first() const { return *followers_.front(); }
  [[nodiscard]] std::int64_t assumed_tasks() const { return assumed_ + first().assumed_tasks(); }
  [[nodiscard]] std::int64_t resyncs() const { return resyncs_ + first().resyncs(); }
  void collect_decisions(std::vector<Decision>* into);

 private:
  [[nodiscard]] bool alone() const { return !setting_.switches.eevdf; }
  void close_stretch(bool ends);
  void follow_stretch(const std::vector<bool>* determined, bool ends);
  void merge();

  const Setting setting_;
  const trace::StringPool* pool_;
  const Ensemble* const leader_;
  std::vector<Step> stretch_;
  bool streaming_ = false;  // past the stretch
  std::vector<Start> starts_;
  std::vector<std::unique_ptr<Follower>> followers_;
  std::vector<std::unique_ptr<std::vector<Outcome>>> outcomes_;  // of each, since the last step
  Judge judge_;
  std::vector<Decision>* decisions_ = nullptr;
  std::int64_t effort_, retries_;           // steps that searches may still take: first ones, those made again
  std::int64_t assumed_ = 0, resyncs_ = 0;  // of followers that are gone
};

}  // namespace wakepath::verify
