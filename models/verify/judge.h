// SPDX-License-Identifier: GPL-2.0-or-later
// Counts agreement by kind of decision, beside what a naive rule would have reached, and keeps the first divergences.
//
// Naive rules. vruntime: the task's last printed one plus the printed runtime (right for every nice 0 task that was not
// placed in between). Yes-or-no decisions: the answer the trace gives more often, always. Picks: the task that has
// waited longest. The rarer answer: of a yes-or-no decision, the cases in which the trace gave the answer that is less
// frequent in it; the naive rule has none of them right.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace wakepath::verify {

enum class Kind : std::uint8_t { vruntime, wakeup_preemption, pick, tick_preemption, placement, count_ };
inline constexpr std::size_t kKinds = static_cast<std::size_t>(Kind::count_);
const char* name_of(Kind k);

struct Tally {
  std::int64_t n = 0, equal = 0, naive = 0;
  void add(bool is_equal, bool naive_equal) {
    ++n;
    if (is_equal) ++equal;
    if (naive_equal) ++naive;
  }
};

struct Divergence {
  Kind kind = Kind::vruntime;
  std::int64_t line = 0, ts_ns = 0;
  int cpu = 0;
  std::string task, trace, model;
  std::vector<std::string> state;  // of the model: the running task, the other one, their queue
};

// What of the model's decisions two models over the same steps are compared by.
struct Decision {
  Kind kind = Kind::vruntime;
  std::int64_t line = 0;
  std::int64_t answer = 0;  // yes/no, pid, vruntime
  bool equal = true;        // to the trace's
  std::int32_t pid = 0;     // the task it is about
};

class Judge {
 public:
  static constexpr std::size_t kKept = 20;  // divergences kept of each kind

  void vruntime(bool equal, bool naive, bool after_placement, bool niced);
  void yes_no(Kind k, bool trace, bool model);
  void pick(bool equal, bool naive);
  void not_judged(Kind k) { ++not_judged_[static_cast<std::size_t>(k)]; }
  [[nodiscard]] bool wants(Kind k) const { return kept_[static_cast<std::size_t>(k)] < kKept; }
  void keep(Divergence d);

  [[nodiscard]] const std::vector<Divergence>& divergences() const { return divergences_; }
  [[nodiscard]] nlohmann::json agreement() const;
  // The kinds whose share is below its bar, as words; empty: all hold.
  [[nodiscard]] std::vector<std::string> below_bars() const;
  [[nodiscard]] std::int64_t judged() const;

 private:
  struct YesNo {
    Tally yes, no;
  };
  [[nodiscard]] nlohmann::json yes_no_json(const YesNo& t) const;

  Tally vruntime_, after_placement_, niced_, pick_;
  YesNo wakeup_, tick_;
  std::array<std::int64_t, kKinds> not_judged_{};
  std::array<std::size_t, kKinds> kept_{};
  std::vector<Divergence> divergences_;
};

}  // namespace wakepath::verify
