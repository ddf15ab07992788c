// SPDX-License-Identifier: GPL-2.0-or-later
// Flows that share links: what a few hand-made cases must be, and what max-min fairness demands of any. That the rates
// are SimGrid's own is held by test_cluster.py, against SimGrid.
#include <algorithm>
#include <optional>
#include <vector>

#include "models/cluster/sharing.h"
#include "sim/engine/random.h"
#include "tests/unit/catch.h"

using wakepath::cluster::Sharing;
using wakepath::engine::RandomStream;

namespace {

Sharing::Demand demand(std::vector<std::size_t> links, double bound, double penalty = 1) {
  Sharing::Demand d;
  for (const std::size_t l : links) d.uses.push_back({l, 1.0});
  d.bound = bound, d.penalty = penalty;
  return d;
}

std::vector<int> sorted(std::vector<int> v) {
  std::sort(v.begin(), v.end());
  return v;
}

}  // namespace

TEST_CASE("flows that ask for no more than a link carries have their bounds") {
  Sharing s;
  s.set_link(0, 10, true);
  std::vector<int> changed;
  const auto d = demand({0}, 5);
  s.join(0, d, changed);
  s.join(1, d, changed);
  CHECK(changed == std::vector<int>{0, 1});
  CHECK(s.rate(0) == 5);
  CHECK(s.rate(1) == 5);
  CHECK(s.met() == 0);
}

TEST_CASE("who would be alone on links that carry it has all it asks for, and nobody else") {
  Sharing s;
  s.set_link(0, 10, true);
  s.set_link(1, 100, false);
  std::vector<int> changed;
  const auto fits = demand({0, 1}, 10), beside = demand({1}, 50), too_much = demand({0}, 20);
  CHECK(s.has_all(fits));
  CHECK_FALSE(s.has_all(too_much));
  s.join(0, fits, changed);
  CHECK(s.rate(0) == 10);
  CHECK_FALSE(s.has_all(fits));
  CHECK_FALSE(s.has_all(beside));
  s.leave(0, changed);
  CHECK(s.has_all(fits));
  CHECK(s.has_all(beside));
}

TEST_CASE("a full link is shared by penalty, and what one does not take the others have") {
  Sharing s;
  s.set_link(0, 12, true);
  s.set_link(1, 100, false);
  std::vector<int> changed;
  const auto slow = demand({0, 1}, 2), one = demand({0, 1}, 12), far = demand({0, 1}, 12, 4);
  s.join(0, slow, changed);
  s.join(1, one, changed);
  CHECK(s.rate(0) == 2);
  CHECK(s.rate(1) == 10);
  s.join(2, far, changed);
  CHECK(s.rate(1) == Approx(8));
  CHECK(s.rate(2) == Approx(2));
  CHECK(s.met() == 3);
  changed.clear();
  s.leave(1, changed);
  CHECK(sorted(changed) == std::vector<int>{2});
  CHECK(s.rate(2) == 10);
}

TEST_CASE("a change reaches what is connected by full links, and nothing else") {
  Sharing s;
  for (std::size_t l = 0; l < 4; ++l) s.set_link(l, 10, true);
  std::vector<int> changed;
  const auto both = demand({0, 1}, 10), first = demand({0}, 10), second = demand({1}, 10), elsewhere = demand({2}, 10);
  s.join(0, both, changed);
  s.join(1, second, changed);
  s.join(2, elsewhere, changed);
  CHECK(s.rate(0) == 5);
  changed.clear();
  s.join(3, first, changed);
  CHECK(changed == std::vector<int>{3});  // 0 has its half of link 1 as before
  CHECK(s.rate(3) == 5);
  changed.clear();
  s.set_link(1, 4, true);
  s.share_all(changed);
  CHECK(sorted(changed) == std::vector<int>{0, 1, 3});
  CHECK(s.rate(0) == 2);
  CHECK(s.rate(3) == 8);
  CHECK(s.rate(2) == 10);
  changed.clear();
  s.set_link(0, 0, true);
  s.share_all(changed);
  CHECK(s.rate(3) == 0);
  CHECK(s.rate(1) == 4);
}

TEST_CASE("every flow is at its bound, or on a full link where none has more for its penalty") {
  constexpr std::size_t kLinks = 8, kFlows = 40;
  RandomStream draw(7, "sharing");
  Sharing s;
  std::vector<double> capacity;
  for (std::size_t l = 0; l < kLinks; ++l) {
    capacity.push_back(static_cast<double>(draw.uniform(1'000'000, 9'000'000)));
    s.set_link(l, capacity[l], true);
  }
  std::vector<std::optional<Sharing::Demand>> flows(kFlows);
  std::vector<int> changed;
  std::size_t full_seen = 0;
  for (int step = 0; step < 3000; ++step) {
    const auto i = static_cast<std::size_t>(draw.uniform(kFlows));
    if (flows[i]) {
      s.leave(static_cast<int>(i), changed);
      flows[i].reset();
    } else {
      Sharing::Demand d;
      for (std::size_t l = 0; l < kLinks; ++l)
        if (draw.uniform(4) == 0) d.uses.push_back({l, draw.uniform(3) == 0 ? 0.05 : 1.0});
      if (d.uses.empty()) continue;
      d.bound = static_cast<double>(draw.uniform(100'000, 9'000'000));
      d.penalty = 1e-6 * static_cast<double>(draw.uniform(1, 50));
      flows[i] = d;
      s.join(static_cast<int>(i), *flows[i], changed);
    }
    std::vector<double> taken(kLinks), most(kLinks);
    for (std::size_t f = 0; f < kFlows; ++f)
      for (const auto& u : flows[f] ? flows[f]->uses : std::vector<Sharing::Use>{}) {
        const double rate = s.rate(static_cast<int>(f));
        taken[u.link] += rate * u.weight;
        most[u.link] = std::max(most[u.link], rate * flows[f]->penalty);
      }
    bool fits = true, fair = true;
    for (std::size_t l = 0; l < kLinks; ++l) fits = fits && taken[l] <= capacity[l] * (1 + 1e-9);
    for (std::size_t f = 0; f < kFlows; ++f) {
      if (!flows[f]) continue;
      const double rate = s.rate(static_cast<int>(f));
      if (rate >= flows[f]->bound * (1 - 1e-9)) continue;
      ++full_seen;
      fair = fair && std::any_of(flows[f]->uses.begin(), flows[f]->uses.end(), [&](const auto& u) {
               return taken[u.link] >= capacity[u.link] * (1 - 1e-6) &&
                      rate * flows[f]->penalty >= most[u.link] * (1 - 1e-6);
             });
    }
    REQUIRE(fits);
    REQUIRE(fair);
  }
  CHECK(full_seen > 1000);
}
