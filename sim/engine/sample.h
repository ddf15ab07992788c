// SPDX-License-Identifier: GPL-2.0-or-later
// Draws of times from distributions, with integer arithmetic only: the same on every machine.
#pragma once

#include <array>

#include "sim/engine/random.h"
#include "sim/engine/time.h"

namespace wakepath::engine {

// Exponential with this mean, rounded to ns; mean >= 0. Error of the quantile function: below 2e-6 of the mean.
// Rounding takes 1/(24 mean^2) of the mean, 0.04 % at 10 ns.
[[nodiscard]] Time sample_exponential(RandomStream& stream, Time mean);

// Quantiles at 0, 1/16, ... 1, never decreasing; linear between them.
using Quantiles = std::array<Time, 17>;
[[nodiscard]] Time sample_quantiles(RandomStream& stream, const Quantiles& q);
// The mean of what sample_quantiles draws, rounded to ns.
[[nodiscard]] Time quantiles_mean(const Quantiles& q);

}  // namespace wakepath::engine
