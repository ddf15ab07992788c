// SPDX-License-Identifier: GPL-2.0-or-later
// Names and texts of the cost entries, and the mean of one. Drawing is the machine's.
#include "models/machine/costs.h"

namespace wakepath::machine {

const char* cost_name(CostId id) {
  switch (id) {
#define X(name, text) \
  case CostId::name:  \
    return #name;
    WAKEPATH_COSTS(X)
#undef X
    case CostId::count_:
      break;
  }
  return "?";
}

const char* cost_text(CostId id) {
  switch (id) {
#define X(name, text) \
  case CostId::name:  \
    return text;
    WAKEPATH_COSTS(X)
#undef X
    case CostId::count_:
      break;
  }
  return "?";
}

std::int64_t Cost::mean_ns() const {
  switch (kind) {
    case Kind::constant:
    case Kind::exponential:
      return ns;
    case Kind::uniform:
      return low + (high - low) / 2;
    case Kind::quantiles: {
      // Linear between equally spaced quantiles: the trapezium rule, exact up to the last division.
      std::int64_t twice = q.front() + q.back();
      for (std::size_t i = 1; i + 1 < q.size(); ++i) twice += 2 * q[i];
      return twice / static_cast<std::int64_t>(2 * (q.size() - 1));
    }
  }
  return 0;
}

}  // namespace wakepath::machine
