// SPDX-License-Identifier: GPL-2.0-or-later
// The records of one file, whatever its format: what stands behind a Reader. Each format is one file that implements
// it.
#pragma once

#include <tl/expected.hpp>
#include <vector>

#include "sim/trace/error.h"
#include "sim/trace/event.h"
#include "sim/trace/report.h"

namespace wakepath::trace {

struct ReadOptions {
  bool keep_call_chains = false;
};

class Source {
 public:
  virtual ~Source() = default;
  // The next record: true, or false at the end. After an error or the end every call gives the same again.
  virtual tl::expected<bool, Error> next(Event& e) = 0;
  // The frames under the record that next() gave last, innermost first; empty unless they are kept.
  [[nodiscard]] virtual const std::vector<StringId>& call_chain() const { return no_chain_; }
  [[nodiscard]] virtual Report& report() { return report_; }

 protected:
  Report report_;  // records and by_type are counted by the Reader

 private:
  std::vector<StringId> no_chain_;
};

}  // namespace wakepath::trace
