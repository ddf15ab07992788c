// SPDX-License-Identifier: GPL-2.0-or-later
// One draw of a cost or device quantity, in ns: integers and IEEE + - * / only, so every machine draws the same.
#pragma once

#include "models/machine/costs.h"
#include "sim/engine/random.h"
#include "sim/engine/sample.h"

namespace wakepath::machine {

inline std::int64_t draw_ns(const Cost& c, engine::RandomStream& r) {
  switch (c.kind) {
    case Cost::Kind::constant:
      return c.ns;
    case Cost::Kind::uniform:
      return r.uniform(c.low, c.high);
    case Cost::Kind::exponential:
      return engine::sample_exponential(r, c.ns);
    case Cost::Kind::quantiles:
      return engine::sample_quantiles(r, c.q);
  }
  return 0;
}

}  // namespace wakepath::machine
