// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/engine/random.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "sim/engine/check.h"
#include "sim/engine/wide.h"

namespace wakepath::engine {

namespace {

std::uint32_t low_half(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
std::uint32_t high_half(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }
std::uint64_t join(std::uint32_t low, std::uint32_t high) { return std::uint64_t{high} << 32 | low; }

// A bijection that spreads every bit over all (the finaliser of SplitMix64).
std::uint64_t mix(std::uint64_t x) {
  x ^= x >> 30;
  x *= 0xBF58476D1CE4E5B9ULL;
  x ^= x >> 27;
  x *= 0x94D049BB133111EBULL;
  return x ^ x >> 31;
}

constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15ULL;  // 2^64 / golden ratio, odd

}  // namespace

PhiloxBlock philox4x32_10(PhiloxBlock c, PhiloxKey k) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53U} * c[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57U} * c[2];
    c = {high_half(p1) ^ c[1] ^ k[0], low_half(p1), high_half(p0) ^ c[3] ^ k[1], low_half(p0)};
    k[0] += 0x9E3779B9U;
    k[1] += 0xBB67AE85U;
  }
  return c;
}

std::uint64_t stream_id(std::string_view name, std::uint64_t index) {
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  // Mixed before the index is added: indices of names whose hashes lie close must not meet.
  return mix(mix(hash) + index * kGolden);
}

RandomStream::RandomStream(std::uint64_t seed, std::string_view name, std::uint64_t index)
    : stream_(stream_id(name, index)) {
  const std::uint64_t mixed = mix(seed + kGolden);
  key_ = {low_half(mixed), high_half(mixed)};
}

#ifdef __SSE2__
// philox4x32_10 of four blocks, one in each half of two vectors: the rounds of the one go on while the products of the
// other are waited for. A word has the low half of its 64 bits; what is above it is anything, for the products do not
// look there.
void RandomStream::draw_ahead() {
  constexpr std::size_t kVectors = kBlocks / 2;
  struct Blocks {
    __m128i c0, c1, c2, c3;
  };
  const auto both = [](std::uint64_t x) { return _mm_set1_epi64x(static_cast<std::int64_t>(x)); };
  const auto high = [](__m128i x) { return _mm_srli_epi64(x, 32); };
  std::array<Blocks, kVectors> c;
  __m128i counter = _mm_add_epi64(both(block_), _mm_set_epi64x(1, 0));
  for (Blocks& b : c) {
    b = {counter, high(counter), both(stream_), both(stream_ >> 32)};
    counter = _mm_add_epi64(counter, both(2));
  }
  __m128i k0 = both(key_[0]), k1 = both(key_[1]);
  for (int round = 0; round < 10; ++round) {
    for (Blocks& b : c) {
      const __m128i p0 = _mm_mul_epu32(both(0xD2511F53U), b.c0);
      const __m128i p1 = _mm_mul_epu32(both(0xCD9E8D57U), b.c2);
      b = {_mm_xor_si128(_mm_xor_si128(high(p1), b.c1), k0), p1, _mm_xor_si128(_mm_xor_si128(high(p0), b.c3), k1), p0};
    }
    k0 = _mm_add_epi32(k0, both(0x9E3779B9U));
    k1 = _mm_add_epi32(k1, both(0xBB67AE85U));
  }
  const auto joined = [&](__m128i low, __m128i above) {
    return _mm_or_si128(_mm_and_si128(low, both(0xFFFFFFFFU)), _mm_slli_epi64(above, 32));
  };
  auto* out = reinterpret_cast<__m128i*>(ahead_.data());
  for (const Blocks& b : c) {
    const __m128i first = joined(b.c0, b.c1), second = joined(b.c2, b.c3);
    _mm_storeu_si128(out++, _mm_unpacklo_epi64(first, second));
    _mm_storeu_si128(out++, _mm_unpackhi_epi64(first, second));
  }
  block_ += kBlocks;
  taken_ = 0;
}
#else
void RandomStream::draw_ahead() {
  for (std::size_t i = 0; i < ahead_.size(); i += 2, ++block_) {
    const PhiloxBlock x =
        philox4x32_10({low_half(block_), high_half(block_), low_half(stream_), high_half(stream_)}, key_);
    ahead_[i] = join(x[0], x[1]);
    ahead_[i + 1] = join(x[2], x[3]);
  }
  taken_ = 0;
}
#endif

// The high word of n * 2^64-uniform, without its bias: the first 2^64 mod n products of each result are drawn again.
// Source: D. Lemire, "Fast random integer generation in an interval", ACM TOMACS 29 (2019).
std::uint64_t RandomStream::uniform(std::uint64_t n) {
  WAKEPATH_CHECK(n > 0, "a uniform draw from nothing");
  Wide product = Wide{next_u64()} * n;
  if (static_cast<std::uint64_t>(product) < n) {
    const std::uint64_t rejected = (0 - n) % n;
    while (static_cast<std::uint64_t>(product) < rejected) product = Wide{next_u64()} * n;
  }
  return static_cast<std::uint64_t>(product >> 64);
}

std::int64_t RandomStream::uniform(std::int64_t low, std::int64_t high) {
  WAKEPATH_CHECK(low <= high, "a uniform draw from an empty range");
  const std::uint64_t span = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  const std::uint64_t offset = span + 1 == 0 ? next_u64() : uniform(span + 1);
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + offset);
}

}  // namespace wakepath::engine
