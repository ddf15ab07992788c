// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/engine/fifo.h"

#include <cstdint>
#include <deque>
#include <stdexcept>

#include "tests/unit/catch.h"

using wakepath::engine::Fifo;

TEST_CASE("a queue gives back what it was given, in order, however it grows and wraps", "[engine]") {
  Fifo<int> queue;
  std::deque<int> plain;
  std::uint64_t dice = 1;
  for (int i = 0; i < 20000; ++i) {
    dice = dice * 6364136223846793005ull + 1442695040888963407ull;
    const bool filling = (i / 700) % 2 == 0;
    if ((dice >> 33) % 10 < (filling ? 7u : 3u)) {
      queue.push_back(i);
      plain.push_back(i);
    } else if (!plain.empty()) {
      REQUIRE(queue.front() == plain.front());
      queue.pop_front();
      plain.pop_front();
    }
    REQUIRE(queue.size() == plain.size());
    for (std::size_t k = 0; k < plain.size(); k += 97) REQUIRE(queue[k] == plain[k]);
    REQUIRE(queue.empty() == plain.empty());
  }
}

TEST_CASE("an empty queue has no first", "[engine]") {
  Fifo<int> queue;
  CHECK_THROWS_AS(queue.front(), std::logic_error);
  CHECK_THROWS_AS(queue.pop_front(), std::logic_error);
  CHECK_THROWS_AS(queue[0], std::logic_error);
}
