// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/engine/sample.h"

#include <algorithm>
#include <bit>

#include "sim/engine/check.h"
#include "sim/engine/wide.h"

namespace wakepath::engine {

namespace {

constexpr unsigned kFractionBits = 40;  // fixed point of multiples of the mean
constexpr unsigned kTableBits = 8;
constexpr std::uint64_t kSegments = std::uint64_t{1} << kTableBits;

// 2^40 ln(512 / (512 - i)), rounded, from ln(a/b) = 2 artanh((a-b)/(a+b)) in 60-bit fixed point; i <= 256.
constexpr std::uint64_t log_entry(std::uint64_t i) {
  constexpr unsigned bits = 60;
  const Wide z = (Wide{i} << bits) / (4 * kSegments - i);
  const Wide square = z * z >> bits;
  Wide sum = 0, power = z;
  for (unsigned k = 1; power != 0; k += 2) {
    sum += power / k;
    power = power * square >> bits;
  }
  constexpr unsigned drop = bits - kFractionBits;
  return static_cast<std::uint64_t>((2 * sum + (Wide{1} << (drop - 1))) >> drop);
}

// Quantiles of the part of an exponential below its half-life: -ln(1 - u/2) at u = i/256. A chord of it is at most
// (1/256)^2 / 8 above the curve.
constexpr auto kBelowHalf = [] {
  std::array<std::uint64_t, kSegments + 1> table{};
  for (std::uint64_t i = 0; i <= kSegments; ++i) table[i] = log_entry(i);
  return table;
}();
constexpr std::uint64_t kHalfLife = kBelowHalf[kSegments];  // ln 2

// An exponential has no memory: it survives half-lives by tosses of a coin, and what follows is a draw below a
// half-life.
std::uint64_t exponential_multiple(RandomStream& stream) {
  constexpr unsigned tosses = 16;
  constexpr unsigned inside = 64 - tosses - kTableBits;  // bits of the place in a segment
  std::uint64_t multiple = 0, drawn = stream.next_u64();
  while (drawn >> (64 - tosses) == 0) {
    multiple += tosses * kHalfLife;
    drawn = stream.next_u64();
  }
  multiple += static_cast<std::uint64_t>(std::countl_zero(drawn)) * kHalfLife;
  const std::uint64_t segment = drawn >> inside & (kSegments - 1);
  const std::uint64_t place = drawn & ((std::uint64_t{1} << inside) - 1);
  const std::uint64_t rise = kBelowHalf[segment + 1] - kBelowHalf[segment];
  return multiple + kBelowHalf[segment] + static_cast<std::uint64_t>(Wide{rise} * place >> inside);
}

}  // namespace

Time sample_exponential(RandomStream& stream, Time mean) {
  WAKEPATH_CHECK(mean >= 0, "an exponential with a negative mean");
  const Wide product = Wide{exponential_multiple(stream)} * static_cast<std::uint64_t>(mean);
  const Wide rounded = (product + (Wide{1} << (kFractionBits - 1))) >> kFractionBits;
  return static_cast<Time>(std::min(rounded, static_cast<Wide>(kNever - 1)));
}

Time sample_quantiles(RandomStream& stream, const Quantiles& q) {
  constexpr unsigned segment_bits = 4, inside = 64 - segment_bits;
  const std::uint64_t drawn = stream.next_u64();
  const std::uint64_t segment = drawn >> inside;
  const std::uint64_t place = drawn & ((std::uint64_t{1} << inside) - 1);
  const Time low = q[segment], high = q[segment + 1];
  WAKEPATH_CHECK(low <= high, "quantiles decrease");
  const Wide rise = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  // Rounded, so that the mean is kept: (2^60 - 1) * 2^64 fits.
  const auto above = static_cast<std::uint64_t>((rise * place + (Wide{1} << (inside - 1))) >> inside);
  return static_cast<Time>(static_cast<std::uint64_t>(low) + above);
}

Time quantiles_mean(const Quantiles& q) {
  // Per segment the middle; 32 halves of sixteenths. Quotients and rests apart, for sums may pass 2^63.
  Time quotient = 0, rest = 0;
  for (std::size_t i = 0; i + 1 < q.size(); ++i) {
    for (const Time end : {q[i], q[i + 1]}) {
      quotient += end / 32;
      rest += end % 32;
    }
  }
  return quotient + (rest + 16) / 32;
}

}  // namespace wakepath::engine
