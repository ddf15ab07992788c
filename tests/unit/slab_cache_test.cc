// SPDX-License-Identifier: GPL-2.0-or-later
// SLUB's lists: sizes as /proc/slabinfo and /sys/kernel/slab of a 2-CPU 6.18 have them, and when slabs are given back.
#include "models/block/slab_cache.h"

#include <deque>
#include <vector>

#include "sim/engine/random.h"
#include "tests/unit/catch.h"

using wakepath::block::SlabCache;

namespace {

// `depth` objects taken on one CPU and freed on another, oldest first, so many times. How many slabs were given back.
int given_back(SlabCache& cache, int taker, int freer, int depth, int rounds) {
  int given = 0;
  for (int r = 0; r < rounds; ++r) {
    std::vector<SlabCache::Slab*> taken;
    for (int i = 0; i < depth; ++i) taken.push_back(&cache.take(taker));
    for (SlabCache::Slab* slab : taken) given += cache.give_back(freer, *slab);
  }
  return given;
}

}  // namespace

TEST_CASE("objects of a slab and slabs of a CPU's list") {
  struct Size {
    int bytes, objects, on_cpu;
  };
  // bio-120, bio-184, bio-248, bio-312, bio-376, bio-392 and bio-448 with their alignment.
  for (const Size& s :
       {Size{128, 32, 8}, {192, 21, 12}, {256, 16, 7}, {320, 12, 9}, {384, 21, 5}, {448, 18, 6}, {512, 16, 7}}) {
    CAPTURE(s.bytes);
    const SlabCache cache(s.bytes, {0, 0});
    CHECK(cache.objects() == s.objects);
    CHECK(cache.most_on_cpu() == s.on_cpu);
  }
  CHECK(SlabCache(256, std::vector<int>(64, 0)).objects() == 32);  // 4 * (fls(64) + 1): two pages
}

TEST_CASE("what one CPU takes and frees stays on its list") {
  SlabCache cache(192, {0, 0});
  CHECK(given_back(cache, 1, 1, 128, 1000) == 0);  // seven slabs, twelve may wait
  CHECK(given_back(cache, 1, 1, 1, 1000) == 0);
}

TEST_CASE("what is freed on another CPU goes to the node when that CPU's list is full, where five are kept") {
  SlabCache cache(192, {0, 0});
  // Of two slabs a round the second is still its CPU's: one a round goes on the other CPU's list. The thirteenth finds
  // twelve there, all empty.
  CHECK(given_back(cache, 0, 1, 42, 12) == 0);
  CHECK(given_back(cache, 0, 1, 42, 1) == 12 - 5);
  // By the next time the five are in use again.
  CHECK(given_back(cache, 0, 1, 42, 1200) == 100 * (12 - 5));
}

TEST_CASE("what goes round within one slab never leaves its CPU, whoever frees it") {
  SlabCache cache(192, {0, 0});
  CHECK(given_back(cache, 0, 1, 21, 1000) == 0);
}

TEST_CASE("a slab of the node's list that becomes empty is given back while five are there") {
  SlabCache cache(512, {0, 0});  // 16 objects, lists of 7
  std::vector<SlabCache::Slab*> taken;
  for (int i = 0; i < 16 * 9; ++i) taken.push_back(&cache.take(0));
  // One object of each slab: the eighth makes CPU 1 put seven slabs, none of them empty, on the node's list.
  for (std::size_t i = 0; i < 8; ++i) CHECK(cache.give_back(1, *taken[16 * i]) == 0);
  for (std::size_t slab = 0; slab < 4; ++slab) {
    int given = 0;
    for (std::size_t i = 1; i < 16; ++i) given += cache.give_back(1, *taken[16 * slab + i]);
    CHECK(given == (slab < 3 ? 1 : 0));
  }
}

TEST_CASE("a slab is used by one CPU at a time, and holds what it has room for") {
  wakepath::engine::RandomStream dice(7, "slab");
  const std::vector<int> node_of_cpu{0, 0, 1, 1};
  SlabCache cache(256, node_of_cpu);
  std::deque<SlabCache::Slab*> taken;
  int given = 0;
  for (int i = 0; i < 200'000; ++i) {
    const int cpu = static_cast<int>(dice.uniform(4));
    const bool takes = taken.size() < 2 || (taken.size() < 600 && dice.uniform(100) < 55);
    if (takes) {
      SlabCache::Slab& slab = cache.take(cpu);
      REQUIRE(slab.free >= 0);
      REQUIRE(slab.place == SlabCache::Slab::Place::active);
      taken.push_back(&slab);
    } else {
      const std::size_t which = dice.uniform(taken.size());
      SlabCache::Slab* slab = taken[which];
      taken.erase(taken.begin() + static_cast<std::ptrdiff_t>(which));
      given += cache.give_back(cpu, *slab);
      REQUIRE(slab->free <= cache.objects());
      REQUIRE(slab->place != SlabCache::Slab::Place::none);
    }
  }
  CHECK(given > 0);
}
