// SPDX-License-Identifier: GPL-2.0-or-later
// Micro-benchmarks of the engine: the hold model at 16, 256 and 4,096 pending timers with and without cancels, the
// pattern of a simulated CPU, random draws, the histogram. Read the medians: --benchmark_repetitions=9 is the default
// of each.
#include <benchmark/benchmark.h>

#include "sim/engine/bench.h"
#include "sim/engine/random.h"
#include "sim/engine/sample.h"
#include "sim/engine/stats.h"

namespace {

using namespace wakepath::engine;

Increments law_of(const benchmark::State& state) {
  return state.range(1) == 0 ? Increments::exponential : Increments::uniform;
}

void hold(benchmark::State& state) {
  HoldModel model(static_cast<int>(state.range(0)), law_of(state));
  for (auto step : state) model.hold();
  state.SetItemsProcessed(state.iterations());
}

void hold_cancel(benchmark::State& state) {
  HoldModel model(static_cast<int>(state.range(0)), law_of(state));
  for (auto step : state) model.hold_cancel();
  state.SetItemsProcessed(state.iterations());
}

void sizes_and_laws(benchmark::internal::Benchmark* b) {
  b->ArgNames({"pending", "uniform"})->Repetitions(9)->ReportAggregatesOnly();
  for (const int law : {0, 1}) {
    for (const int pending : kBenchPending) b->Args({pending, law});
  }
}

BENCHMARK(hold)->Apply(sizes_and_laws);
BENCHMARK(hold_cancel)->Apply(sizes_and_laws);

// What a CPU does per event: looks at the next time twice, arms the end of its segment in front of the others, and on
// every second event moves that end (a preemption) before it fires.
void cpu_segments(benchmark::State& state) {
  EventQueue queue;
  std::vector<Timer> others(static_cast<std::size_t>(state.range(0)));
  for (std::size_t i = 0; i < others.size(); ++i) queue.arm(others[i], 1'000'000 + static_cast<Time>(i) * 50'000);
  Timer segment;
  bool preempted = false;
  for (auto step : state) {
    const Time start = queue.now();
    benchmark::DoNotOptimize(queue.next_time());
    queue.arm(segment, start + 2'000);
    if (preempted) queue.arm(segment, start + 700);
    preempted = !preempted;
    benchmark::DoNotOptimize(queue.next_time());
    Timer* t = queue.pop();
    if (t != &segment) queue.arm(*t, t->at + 4'000'000);
  }
  queue.clear();
}
BENCHMARK(cpu_segments)->ArgName("others")->Arg(3)->Arg(15)->Arg(64)->Arg(4096)->Repetitions(9)->ReportAggregatesOnly();

void random_u64(benchmark::State& state) {
  RandomStream s(1, "bench");
  for (auto step : state) benchmark::DoNotOptimize(s.next_u64());
}
BENCHMARK(random_u64);

void random_uniform(benchmark::State& state) {
  RandomStream s(1, "bench");
  for (auto step : state) benchmark::DoNotOptimize(s.uniform(1000));
}
BENCHMARK(random_uniform);

void exponential(benchmark::State& state) {
  RandomStream s(1, "bench");
  for (auto step : state) benchmark::DoNotOptimize(sample_exponential(s, 10'000));
}
BENCHMARK(exponential);

void histogram_record(benchmark::State& state) {
  RandomStream s(1, "bench");
  std::vector<Time> values(4096);
  for (Time& v : values) v = sample_exponential(s, 100'000);
  Histogram h;
  std::size_t i = 0;
  for (auto step : state) h.record(values[i++ % values.size()]);
  benchmark::DoNotOptimize(h.percentile(99, 100));
}
BENCHMARK(histogram_record);

}  // namespace
