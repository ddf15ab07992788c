// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/engine/bench.h"

#include <time.h>

#include <algorithm>

#include "sim/engine/check.h"
#include "sim/engine/random.h"
#include "sim/engine/sample.h"

namespace wakepath::engine {

namespace {

constexpr Time kMeanIncrement = 10'000;

// The CPU time of this thread: what else runs on the machine still costs it caches and clock, but not its turns.
double cpu_ns() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

// ns per step; the first run warms up and is left out.
template <class Step>
double median_ns(int repetitions, int steps, Step&& step) {
  std::vector<double> runs;
  for (int r = -1; r < repetitions; ++r) {
    const double start = cpu_ns();
    for (int i = 0; i < steps; ++i) step();
    if (r >= 0) runs.push_back((cpu_ns() - start) / steps);
  }
  const auto middle = runs.begin() + repetitions / 2;
  std::nth_element(runs.begin(), middle, runs.end());
  return *middle;
}

}  // namespace

HoldModel::HoldModel(int pending, Increments law, std::uint64_t seed)
    : timers_(static_cast<std::size_t>(pending)), draws_(kDraws) {
  RandomStream increments(seed, "bench.increment"), choices(seed, "bench.choice");
  for (Draw& d : draws_) {
    d.increment = law == Increments::exponential ? sample_exponential(increments, kMeanIncrement)
                                                 : increments.uniform(0, 2 * kMeanIncrement);
    d.choice = static_cast<std::uint32_t>(choices.uniform(timers_.size()));
  }
  for (Timer& t : timers_) queue_.arm(t, next().increment);
}

QueueBench bench_queue(int pending, Increments law, int repetitions, int steps) {
  WAKEPATH_CHECK(pending > 0 && repetitions > 0 && steps > 0, "a benchmark of nothing");
  HoldModel model(pending, law);
  QueueBench result;
  result.hold_ns = median_ns(repetitions, steps, [&] { model.hold(); });
  result.hold_cancel_ns = median_ns(repetitions, steps, [&] { model.hold_cancel(); });
  return result;
}

}  // namespace wakepath::engine
