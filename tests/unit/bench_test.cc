// SPDX-License-Identifier: GPL-2.0-or-later
// The hold model does what it measures; no time is checked here.
#include "sim/engine/bench.h"

#include <stdexcept>

#include "tests/unit/catch.h"

using namespace wakepath::engine;

TEST_CASE("the hold model advances at the rate of its increments", "[engine]") {
  const int pending = GENERATE(1, 16, 256);
  const auto law = GENERATE(Increments::exponential, Increments::uniform);
  HoldModel model(pending, law);
  constexpr int steps = 100'000;
  for (int i = 0; i < steps; ++i) model.hold();
  // Each timer fires every 10 us on average.
  CHECK(static_cast<double>(model.now()) == Approx(10'000.0 * steps / pending).epsilon(0.05));
  const Time before = model.now();
  for (int i = 0; i < steps; ++i) model.hold_cancel();
  CHECK(model.now() > before);
}

TEST_CASE("the queue benchmark gives a figure for each part", "[engine]") {
  const QueueBench b = bench_queue(16, Increments::exponential, 3, 1000);
  CHECK(b.hold_ns > 0);
  CHECK(b.hold_cancel_ns > 0);
  CHECK_THROWS_AS(bench_queue(0), std::logic_error);
}
