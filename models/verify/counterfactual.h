// SPDX-License-Identifier: GPL-2.0-or-later
// Two models over the same steps, one with something changed: which decisions of the recorded kernel would have been
// others. Both follow the trace's decisions, so each difference is one of the first order: what would have followed
// from it is a question for `wakepath replay`.
//
// Invariant: what is kept between two comparisons is what one model has decided and the other not yet.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "models/verify/judge.h"

namespace wakepath::verify {

class Difference {
 public:
  static constexpr std::size_t kLinesKept = 20;  // of each kind and task

  std::vector<Decision> base, changed;  // decided since the last comparison, in order

  void compare(bool at_end);
  // `name_of_pid` gives a task's last name.
  [[nodiscard]] nlohmann::json to_json(const Judge& of_changed,
                                       const std::function<std::string(std::int32_t)>& name_of_pid) const;

 private:
  struct Change {
    std::int64_t line, before, after;
  };
  struct Row {
    std::int64_t n = 0;
    std::vector<Change> first;
  };
  std::array<std::int64_t, kKinds> both_{}, differ_{}, only_one_{};
  std::map<std::pair<Kind, std::int32_t>, Row> rows_;
};

}  // namespace wakepath::verify
