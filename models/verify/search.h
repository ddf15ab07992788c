// SPDX-License-Identifier: GPL-2.0-or-later
// Which starts (start.h) a stretch of a recording leaves possible, and so which of its decisions are determined.
//
// Some dozens of starts are followed side by side. One that contradicts a decision of the trace is not possible and
// leaves, as long as another agrees; its place is taken by new ones from around those that stay and between them and
// those that left, followed from the beginning. A decision is determined where all that are possible there come to the
// same answer: then the rules and what was seen before force it, and it can be judged. Where all contradict the trace,
// more are looked for, by halving between them and those that left last; only when none is found it is a divergence.
//
// So a wrong rule is not hidden by the search: it has a handful of numbers to choose, and thousands of decisions to
// meet with them. What the search can miss is a possible start that it did not try.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "models/verify/follower.h"
#include "models/verify/start.h"
#include "models/verify/step.h"

namespace wakepath::verify {

class StartSearch {
 public:
  // `steps` have ordinals 0, 1, 2 ...; `ends`: nothing follows, so that steps whose clock was not told are taken.
  // `draw`: which of the possible searches. `effort`: how many steps may still be taken by new starts; what cannot be
  // looked into any more is not determined.
  StartSearch(const Setting& setting, const trace::StringPool& pool, const std::vector<Step>& steps, bool ends,
              std::uint64_t draw, std::int64_t& effort);

  void run();
  // By ordinal of the step.
  [[nodiscard]] const std::vector<bool>& determined() const { return determined_; }
  [[nodiscard]] std::int64_t divergences() const;
  [[nodiscard]] std::vector<Start> possible(std::size_t most) const;  // at the end; never empty

 private:
  struct Model {
    std::unique_ptr<Follower> follower;
    std::unique_ptr<std::vector<Outcome>> outcomes;  // of the last step
    bool wrong = false;                              // about the decision that is looked at
  };
  enum class Fate : std::uint8_t { possible, left_before, contradicts };

  [[nodiscard]] bool can_try() const { return *effort_ > 0; }
  [[nodiscard]] Model model_of(Start start) const;
  void advance(Model& m, std::size_t at) const;
  Fate try_start(Start start, std::size_t at, std::size_t frontier, Start* tried);
  [[nodiscard]] std::vector<std::int64_t> decisions() const;
  bool decide(std::size_t n, std::size_t at);
  bool look_for_one(std::size_t frontier, std::size_t at);
  bool bisect(std::size_t frontier, std::size_t at);
  bool start_over(std::size_t at);
  [[nodiscard]] Start child();
  void leave();
  void fill_up(std::size_t at);
  [[nodiscard]] const Start& any_left() const;

  const Setting& setting_;
  const trace::StringPool* pool_;
  const std::vector<Step>& steps_;
  const std::vector<Present> present_;
  const bool ends_;
  const std::uint64_t draw_;
  std::int64_t* effort_;
  int in_vain_ = 0;
  std::vector<Model> models_;
  std::deque<Start> left_;  // the last ones
  std::vector<bool> determined_, diverges_, any_agrees_;
  mutable Dice dice_;
};

// Who ran before the first step, who was queued (not woken before it is seen to run), who slept.
[[nodiscard]] std::vector<Present> present_at_start(const std::vector<Step>& steps);

}  // namespace wakepath::verify
