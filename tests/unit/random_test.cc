// SPDX-License-Identifier: GPL-2.0-or-later
// Random streams: the generator's published vectors, independence of streams, and means, variances and frequencies
// against their laws. Statistical limits are five standard errors; the numbers are fixed, so a test passes always or
// never.
#include "sim/engine/random.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "sim/engine/sample.h"
#include "tests/unit/catch.h"

using namespace wakepath::engine;

namespace {

struct Moments {
  double mean, variance;
};

template <class Draw>
Moments moments(int n, Draw&& draw) {
  double sum = 0, squares = 0;
  for (int i = 0; i < n; ++i) {
    const auto x = static_cast<double>(draw());
    sum += x;
    squares += x * x;
  }
  const double mean = sum / n;
  return {mean, squares / n - mean * mean};
}

std::vector<std::uint64_t> first_numbers(RandomStream s, int n) {
  std::vector<std::uint64_t> out;
  for (int i = 0; i < n; ++i) out.push_back(s.next_u64());
  return out;
}

}  // namespace

TEST_CASE("philox4x32-10 gives the published vectors", "[engine]") {
  // Random123, kat_vectors.
  constexpr std::uint32_t ones = 0xFFFFFFFF;
  CHECK(philox4x32_10({0, 0, 0, 0}, {0, 0}) == PhiloxBlock{0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8});
  CHECK(philox4x32_10({ones, ones, ones, ones}, {ones, ones}) ==
        PhiloxBlock{0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD});
  CHECK(philox4x32_10({0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344}, {0xA4093822, 0x299F31D0}) ==
        PhiloxBlock{0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1});
}

TEST_CASE("a stream is the generator's blocks, one after the other", "[engine]") {
  // The key is SplitMix64's first number for the seed.
  constexpr std::uint64_t seed = 12345;
  std::uint64_t key = seed + 0x9E3779B97F4A7C15ULL;
  key = (key ^ key >> 30) * 0xBF58476D1CE4E5B9ULL;
  key = (key ^ key >> 27) * 0x94D049BB133111EBULL;
  key ^= key >> 31;
  const auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
  const auto high = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
  const std::uint64_t id = stream_id("device.service", 3);
  RandomStream stream(seed, "device.service", 3);
  for (std::uint64_t block = 0; block < 1000; ++block) {
    const PhiloxBlock x = philox4x32_10({low(block), high(block), low(id), high(id)}, {low(key), high(key)});
    REQUIRE(stream.next_u64() == (std::uint64_t{x[1]} << 32 | x[0]));
    REQUIRE(stream.next_u64() == (std::uint64_t{x[3]} << 32 | x[2]));
  }
}

TEST_CASE("random streams are what they were", "[engine]") {
  // Recorded once: results of one version must not change with compiler, machine or a later edit.
  // The first two are also reckoned apart, from the papers' definitions.
  CHECK(first_numbers(RandomStream(1, "device.service", 0), 3) ==
        std::vector<std::uint64_t>{0xFBE4AAE1D159CE76, 0xFD1511C9B82D7456, 0xAE9FE845EA987290});
  CHECK(stream_id("device.service", 0) == 0x374457C4859E29AD);
  RandomStream s(42, "a");
  std::vector<Time> drawn;
  for (int i = 0; i < 4; ++i) drawn.push_back(sample_exponential(s, 10'000));
  CHECK(drawn == std::vector<Time>{912, 22744, 786, 11415});
}

TEST_CASE("random streams do not shift each other", "[engine]") {
  const auto alone = first_numbers(RandomStream(7, "device.service", 0), 64);
  RandomStream other(7, "cost.tick");
  for (int i = 0; i < 1000; ++i) other.next_u64();
  CHECK(first_numbers(RandomStream(7, "device.service", 0), 64) == alone);

  // Another seed, name or index is another stream; all numbers of all of them differ.
  std::set<std::uint64_t> seen(alone.begin(), alone.end());
  std::size_t total = alone.size();
  const auto add = [&](const RandomStream& s) {
    const auto numbers = first_numbers(s, 64);
    seen.insert(numbers.begin(), numbers.end());
    total += numbers.size();
  };
  add(RandomStream(8, "device.service", 0));
  add(RandomStream(7, "device.service", 1));
  add(RandomStream(7, "device.servicf", 0));
  add(RandomStream(7, "", 0));
  for (std::uint64_t i = 0; i < 200; ++i) add(RandomStream(7, "cost." + std::to_string(i), i));
  CHECK(seen.size() == total);
}

TEST_CASE("a copied random stream goes on alike", "[engine]") {
  RandomStream a(3, "x");
  a.next_u64();  // in the middle of a block
  RandomStream b = a;
  for (int i = 0; i < 10; ++i) CHECK(a.next_u64() == b.next_u64());
}

TEST_CASE("uniform integers are unbiased and in range", "[engine]") {
  RandomStream s(11, "uniform");
  const auto n = static_cast<std::uint64_t>(GENERATE(1, 2, 3, 10, 64, 97));
  constexpr int draws = 200'000;
  std::vector<int> counts(n);
  for (int i = 0; i < draws; ++i) {
    const std::uint64_t x = s.uniform(n);
    REQUIRE(x < n);
    ++counts[x];
  }
  const double expected = static_cast<double>(draws) / static_cast<double>(n);
  double chi_square = 0;
  for (const int c : counts) chi_square += (c - expected) * (c - expected) / expected;
  const double freedom = static_cast<double>(n) - 1;
  CHECK(chi_square <= freedom + 5 * std::sqrt(2 * freedom));
}

TEST_CASE("uniform integers of a huge range reject, not fold", "[engine]") {
  // Of 3 * 2^62 values a quarter of the words is drawn again; taking them modulo would favour the first third.
  RandomStream s(12, "huge");
  const std::uint64_t n = 3ULL << 62;
  int first_third = 0;
  for (int i = 0; i < 100'000; ++i) first_third += s.uniform(n) < n / 3;
  CHECK(std::abs(first_third - 100'000.0 / 3) < 5 * std::sqrt(100'000.0 * 2 / 9));
}

TEST_CASE("uniform over a range takes both ends", "[engine]") {
  RandomStream s(13, "range");
  std::set<std::int64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(s.uniform(-2, 2));
  CHECK(seen == std::set<std::int64_t>{-2, -1, 0, 1, 2});
  CHECK(s.uniform(5, 5) == 5);
  constexpr auto least = std::numeric_limits<std::int64_t>::min(), greatest = std::numeric_limits<std::int64_t>::max();
  int negative = 0;
  for (int i = 0; i < 10'000; ++i) negative += s.uniform(least, greatest) < 0;
  CHECK(std::abs(negative - 5000) < 250);
  const Moments m = moments(200'000, [&] { return s.uniform(1000, 3000); });
  CHECK(std::abs(m.mean - 2000) < 5 * 577.6 / std::sqrt(200'000));
  CHECK(m.variance == Approx(2001.0 * 2001.0 / 12).epsilon(0.01));
}

TEST_CASE("random draws refuse what has no answer", "[engine]") {
  RandomStream s(1, "x");
  CHECK_THROWS_AS(s.uniform(0), std::logic_error);
  CHECK_THROWS_AS(s.uniform(2, 1), std::logic_error);
  CHECK_THROWS_AS(s.chance(1, 0), std::logic_error);
  CHECK_THROWS_AS(sample_exponential(s, -1), std::logic_error);
  Quantiles q{};
  q.fill(10);
  q[16] = 5;
  CHECK_THROWS_AS(([&] {
                    for (int i = 0; i < 1000; ++i) (void)sample_quantiles(s, q);
                  })(),
                  std::logic_error);
}

TEST_CASE("unit interval and chance", "[engine]") {
  RandomStream s(14, "unit");
  double least = 1, greatest = 0;
  const Moments m = moments(200'000, [&] {
    const double x = s.unit();
    least = std::min(least, x);
    greatest = std::max(greatest, x);
    return x;
  });
  CHECK(least >= 0);
  CHECK(greatest < 1);
  CHECK(std::abs(m.mean - 0.5) < 5 * std::sqrt(1.0 / 12 / 200'000));
  CHECK(m.variance == Approx(1.0 / 12).epsilon(0.01));
  int yes = 0;
  for (int i = 0; i < 100'000; ++i) yes += s.chance(3, 10);
  CHECK(std::abs(yes - 30'000) < 5 * std::sqrt(100'000 * 0.21));
  CHECK_FALSE(s.chance(0, 1));
  CHECK(s.chance(1, 1));
}

TEST_CASE("exponential samples follow the law", "[engine]") {
  RandomStream s(15, "exponential");
  const Time mean = GENERATE(Time{20}, Time{10'000}, Time{1'000'000'000});
  CAPTURE(mean);
  constexpr int draws = 400'000;
  std::vector<int> beyond(12);  // how many pass k means
  const Moments m = moments(draws, [&] {
    const Time x = sample_exponential(s, mean);
    for (std::size_t k = 0; k < beyond.size() && x > static_cast<Time>(k) * mean; ++k) ++beyond[k];
    return x;
  });
  const auto exact = static_cast<double>(mean);
  CHECK(std::abs(m.mean - exact) < 5 * std::sqrt(exact * exact + 0.1) / std::sqrt(draws));
  CHECK(m.variance == Approx(exact * exact + 1.0 / 12).epsilon(0.03));
  if (mean < 1000) return;  // there rounding moves the counts
  for (std::size_t k = 1; k < beyond.size(); ++k) {
    const double p = std::exp(-static_cast<double>(k));
    CHECK(std::abs(beyond[k] - draws * p) < 5 * std::sqrt(draws * p * (1 - p)) + 1);
  }
}

TEST_CASE("exponential samples inside a half-life", "[engine]") {
  // Kolmogorov-Smirnov over the whole range: the table, its joints and the coin tosses.
  RandomStream s(16, "ks");
  std::vector<double> x(100'000);
  for (double& v : x) v = static_cast<double>(sample_exponential(s, 1'000'000'000)) / 1e9;
  std::sort(x.begin(), x.end());
  double distance = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double law = 1 - std::exp(-x[i]);
    distance = std::max(distance, std::abs(law - (static_cast<double>(i) + 0.5) / static_cast<double>(x.size())));
  }
  CHECK(distance < 1.95 / std::sqrt(static_cast<double>(x.size())));  // 0.1 %
}

TEST_CASE("exponential of nothing and of much", "[engine]") {
  RandomStream s(17, "edge");
  CHECK(sample_exponential(s, 0) == 0);
  for (int i = 0; i < 1000; ++i) {
    const Time x = sample_exponential(s, kNever);
    REQUIRE((x >= 0 && x < kNever));
  }
}

TEST_CASE("quantile tables are followed", "[engine]") {
  RandomStream s(18, "quantiles");
  Quantiles q{};
  for (std::size_t i = 0; i < q.size(); ++i) q[i] = static_cast<Time>(1000 + i * i * 100);
  CHECK(quantiles_mean(q) == 9550);  // 1000 + 100 (1^2 + ... + 15^2 + 16^2 / 2) / 16
  std::vector<int> segment(16);
  const Moments m = moments(200'000, [&] {
    const Time x = sample_quantiles(s, q);
    REQUIRE((x >= q[0] && x <= q[16]));
    std::size_t i = 0;
    while (i < 15 && x >= q[i + 1]) ++i;
    ++segment[i];
    return x;
  });
  CHECK(std::abs(m.mean - static_cast<double>(quantiles_mean(q))) < 5 * std::sqrt(m.variance / 200'000));
  for (const int count : segment) CHECK(std::abs(count - 12'500) < 5 * std::sqrt(200'000 * 15.0 / 256));
  q.fill(77);
  CHECK(sample_quantiles(s, q) == 77);
  CHECK(quantiles_mean(q) == 77);
  q.fill(0);
  q[16] = kNever;
  CHECK(sample_quantiles(s, q) >= 0);
  q.fill(kNever);
  CHECK(quantiles_mean(q) == kNever);
}
