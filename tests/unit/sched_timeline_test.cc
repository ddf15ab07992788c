// SPDX-License-Identifier: GPL-2.0-or-later
// The timeline beside a list that is kept in order.
#include "models/sched/timeline.h"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <vector>

#include "models/machine/task.h"
#include "models/sched/entity.h"
#include "tests/unit/catch.h"
#include "tests/unit/sched_random.h"

using namespace wakepath::sched;
using namespace wakepath::sched_test;

namespace {

bool before(std::uint64_t a, std::uint64_t b) { return static_cast<std::int64_t>(a - b) < 0; }

struct Both {
  std::vector<Entity*> plain;
  Timeline timeline;

  void insert(Entity& e) {
    const auto at = std::upper_bound(plain.begin(), plain.end(), &e,
                                     [](const Entity* a, const Entity* b) { return before(a->deadline, b->deadline); });
    plain.insert(at, &e);
    timeline.insert(e, e.deadline);
  }
  void erase(std::size_t i) {
    timeline.erase(*plain[i]);
    plain.erase(plain.begin() + static_cast<std::ptrdiff_t>(i));
  }

  // What is asked at each step.
  void check_ends() const {
    REQUIRE(timeline.empty() == plain.empty());
    REQUIRE(timeline.first() == (plain.empty() ? nullptr : plain.front()));
    REQUIRE(timeline.second() == (plain.size() < 2 ? nullptr : plain[1]));
    if (plain.empty()) return;
    const auto shorter = [](const Entity* a, const Entity* b) { return a->slice < b->slice; };
    REQUIRE(timeline.min_slice() == (*std::min_element(plain.begin(), plain.end(), shorter))->slice);
    REQUIRE(timeline.max_slice() == (*std::max_element(plain.begin(), plain.end(), shorter))->slice);
  }
  void check_search(std::uint64_t v) const {
    const auto eligible = [v](std::uint64_t vruntime) { return !before(v, vruntime); };
    const auto found = std::find_if(plain.begin(), plain.end(), [&](const Entity* e) { return eligible(e->vruntime); });
    REQUIRE(timeline.first_eligible(eligible) == (found == plain.end() ? nullptr : *found));
  }
  void check_order() const {
    std::vector<Entity*> seen;
    timeline.for_each([&](Entity& e) { seen.push_back(&e); });
    REQUIRE(seen == plain);
  }
};

}  // namespace

TEST_CASE("a timeline beside an ordered list: order, ends, slices and the first eligible one", "[sched]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(1, 25)));
  const std::size_t most = GENERATE(std::size_t{3}, std::size_t{40}, std::size_t{1500});
  CAPTURE(seed, most);
  Random random{seed};
  const std::uint64_t origin = random.below(2) == 0 ? 0ull - 50'000 : random.next();  // around where 64 bits wrap
  const int spread = random.below(3) == 0 ? 4 : 100'000;                              // many equal keys
  const std::uint64_t slices[] = {700'000, 2'800'000, 3'000'000};
  std::deque<Entity> all(most);
  std::vector<Entity*> out;
  for (Entity& e : all) out.push_back(&e);
  Both x;
  bool grow = true;
  for (int step = 0; step < 6000; ++step) {
    if (out.empty()) grow = false;
    if (x.plain.empty()) grow = true;
    if (random.below(4) == 0 ? !grow : grow) {
      if (out.empty()) continue;
      const auto i = static_cast<std::size_t>(random.below(static_cast<int>(out.size())));
      Entity& e = *out[i];
      out[i] = out.back(), out.pop_back();
      e.vruntime = origin + static_cast<std::uint64_t>(random.below(spread));
      e.deadline = e.vruntime + static_cast<std::uint64_t>(random.below(spread));
      e.slice = slices[random.below(3)];
      x.insert(e);
    } else if (!x.plain.empty()) {
      const auto n = static_cast<int>(x.plain.size());
      const int i = random.below(2) == 0 ? random.below(n) : random.below(std::min(n, 4));  // mostly what comes first
      out.push_back(x.plain[static_cast<std::size_t>(i)]);
      x.erase(static_cast<std::size_t>(i));
    }
    if (!x.plain.empty() && random.below(8) == 0) {
      Entity& e = *x.plain[static_cast<std::size_t>(random.below(static_cast<int>(x.plain.size())))];
      const std::uint64_t was = e.slice;
      e.slice = slices[random.below(3)];
      x.timeline.slice_changed(e, was);
    }
    x.check_search(origin + static_cast<std::uint64_t>(random.below(spread)));
    if (step % 16 == 0) x.check_ends();
    if (step % 256 == 0) x.check_order();
  }
  while (!x.plain.empty()) {
    x.erase(static_cast<std::size_t>(random.below(static_cast<int>(x.plain.size()))));
    x.check_ends();
  }
  x.check_search(origin + 100'000);
}

TEST_CASE("who is not in a timeline cannot leave it", "[sched]") {
  const int n = GENERATE(0, 1, 2, 3, 40);
  std::deque<Entity> all(40);
  Entity other;
  Timeline timeline;
  for (int i = 0; i < n; ++i) timeline.insert(all[static_cast<std::size_t>(i)], 0);
  CHECK_THROWS(timeline.erase(other));
}

TEST_CASE("what is asked of the caches for a task reaches to where it begins", "[sched]") {
  using wakepath::machine::KTask;
  KTask t(*std::pmr::new_delete_resource());
  const auto distance = reinterpret_cast<const char*>(&t.st.se) - reinterpret_cast<const char*>(&t);
  CHECK(distance == kLinesInFront * kCacheLine);
}
