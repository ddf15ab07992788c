// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/engine/arena.h"

#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "tests/unit/catch.h"

using wakepath::engine::Arena;

TEST_CASE("what an arena hands out is aligned and nobody else's", "[engine]") {
  Arena arena;
  std::vector<std::pair<unsigned char*, std::size_t>> got;
  std::size_t sum = 0;
  for (std::size_t i = 0; sum < 20'000'000; ++i) {  // far into the pieces of large pages
    const std::size_t bytes = i % 97 == 0 ? 3'000'000 : 1 + i % 5000;
    const std::size_t align = std::size_t{1} << (i % 8);
    auto* p = static_cast<unsigned char*>(arena.memory().allocate(bytes, align));
    REQUIRE(reinterpret_cast<std::uintptr_t>(p) % align == 0);
    std::memset(p, static_cast<int>(i % 251), bytes);
    got.emplace_back(p, bytes);
    sum += bytes;
  }
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < got.size(); ++i)
    for (const std::size_t at : {std::size_t{0}, got[i].second / 2, got[i].second - 1})
      wrong += got[i].first[at] != i % 251;
  CHECK(wrong == 0);
}
