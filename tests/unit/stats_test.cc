// SPDX-License-Identifier: GPL-2.0-or-later
// The histogram against the sorted values themselves.
#include "sim/engine/stats.h"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "sim/engine/random.h"
#include "sim/engine/sample.h"
#include "tests/unit/catch.h"

using namespace wakepath::engine;

namespace {

Time nearest_rank(const std::vector<Time>& sorted, std::int64_t numerator, std::int64_t denominator) {
  const auto n = static_cast<std::int64_t>(sorted.size());
  const std::int64_t rank = std::max<std::int64_t>(1, (n * numerator + denominator - 1) / denominator);
  return sorted[static_cast<std::size_t>(rank - 1)];
}

}  // namespace

TEST_CASE("an empty histogram is all zero", "[engine]") {
  const Histogram h;
  CHECK(h.count() == 0);
  CHECK(h.sum() == 0);
  CHECK(h.min() == 0);
  CHECK(h.max() == 0);
  CHECK(h.mean() == 0);
  CHECK(h.percentile(99, 100) == 0);
}

TEST_CASE("histogram counts, sums and ends are exact", "[engine]") {
  Histogram h;
  for (const Time v : {Time{5}, Time{1'000'003}, Time{0}, Time{77'777'777'777}, Time{5}}) h.record(v);
  CHECK(h.count() == 5);
  CHECK(h.sum() == 77'778'777'790);
  CHECK(h.min() == 0);
  CHECK(h.max() == 77'777'777'777);
  CHECK(h.mean() == 15'555'755'558);
  CHECK(h.percentile(0, 1) == 0);
  CHECK(h.percentile(1, 1) == 77'777'777'777);
  CHECK(h.percentile(50, 100) == 5);
}

TEST_CASE("histogram percentiles are exact below 128 ns", "[engine]") {
  Histogram h;
  for (Time v = 1; v <= 100; ++v) h.record(v);
  for (std::int64_t p = 1; p <= 100; ++p) CHECK(h.percentile(p, 100) == p);
  CHECK(h.percentile(505, 1000) == 51);  // nearest rank: 50.5 rounds up
}

TEST_CASE("histogram percentiles are within a bucket of the sorted values", "[engine]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(1, 2, 3));
  const Time mean = GENERATE(Time{300}, Time{25'000}, Time{3'000'000'000});
  CAPTURE(seed, mean);
  RandomStream s(seed, "histogram");
  Histogram h;
  std::vector<Time> values(20'000);
  for (Time& v : values) {
    v = 10 + sample_exponential(s, mean);
    h.record(v);
  }
  std::sort(values.begin(), values.end());
  for (const std::int64_t p : {1, 10, 100, 500, 900, 990, 999}) {
    const Time exact = nearest_rank(values, p, 1000);
    CHECK(std::abs(h.percentile(p, 1000) - exact) <= exact / 64 + 1);
  }
  // Where many values share a bucket the interpolation is far closer than its width.
  const Time median = nearest_rank(values, 1, 2);
  CHECK(std::abs(h.percentile(1, 2) - median) <= median / 400 + 1);
  CHECK(h.min() == values.front());
  CHECK(h.percentile(1, 1) == values.back());
}

TEST_CASE("a histogram of one value says that value", "[engine]") {
  Histogram h;
  for (int i = 0; i < 10; ++i) h.record(123'456'789);
  for (const std::int64_t p : {0, 1, 50, 99, 100}) CHECK(h.percentile(p, 100) == 123'456'789);
}

TEST_CASE("histogram takes every bucket border and the end of time", "[engine]") {
  Histogram h;
  for (int bit = 0; bit < 61; ++bit) {
    for (const Time off : {Time{-1}, Time{0}, Time{1}}) {
      Histogram one;
      const Time v = (Time{1} << bit) + off;
      one.record(v);
      one.record(v);
      one.record(v);
      CHECK(one.percentile(1, 2) == v);
    }
  }
  h.record(kNever);
  CHECK(h.max() == kNever);
  CHECK_THROWS_AS(h.record(1), std::logic_error);  // the sum would pass 2^63
}

TEST_CASE("merged histograms are one", "[engine]") {
  RandomStream s(4, "merge");
  Histogram a, b, both;
  for (int i = 0; i < 5000; ++i) {
    const Time v = sample_exponential(s, 40'000);
    (i % 3 == 0 ? a : b).record(v);
    both.record(v);
  }
  b.record(9'000'000'000);  // one side has more buckets
  both.record(9'000'000'000);
  a.merge(b);
  a.merge(Histogram());
  CHECK(a.count() == both.count());
  CHECK(a.sum() == both.sum());
  CHECK(a.min() == both.min());
  CHECK(a.max() == both.max());
  for (std::int64_t p = 0; p <= 1000; ++p) CHECK(a.percentile(p, 1000) == both.percentile(p, 1000));
}

TEST_CASE("histogram refuses negative times and odd percentiles", "[engine]") {
  Histogram h;
  CHECK_THROWS_AS(h.record(-1), std::logic_error);
  CHECK(h.count() == 0);
  CHECK_THROWS_AS(h.percentile(101, 100), std::logic_error);
  CHECK_THROWS_AS(h.percentile(1, 0), std::logic_error);
}

TEST_CASE("what falls into powers of two far apart, in any order, is counted there", "[engine]") {
  std::vector<Time> values;
  for (const int bit : {40, 3, 20, 50, 7, 21}) {
    for (int i = 0; i < 50; ++i) values.push_back((Time{1} << bit) + i % 2);
  }
  Histogram all, odd, even;
  for (std::size_t i = 0; i < values.size(); ++i) {
    all.record(values[i]);
    (i % 3 == 0 ? odd : even).record(values[values.size() - 1 - i]);
  }
  odd.merge(even);
  std::sort(values.begin(), values.end());
  for (std::int64_t p = 0; p <= 100; ++p) {
    const Time exact = nearest_rank(values, p, 100);
    CHECK(std::abs(all.percentile(p, 100) - exact) <= exact / 64 + 1);
    CHECK(odd.percentile(p, 100) == all.percentile(p, 100));
  }
}
