// SPDX-License-Identifier: GPL-2.0-or-later
// The production pick, eligibility, average and placement beside the plain reference, on random queues.
#include "tests/unit/catch.h"

#include <algorithm>
#include <deque>

#include "models/sched/fair/cfs.h"
#include "models/sched/fair/eevdf.h"
#include "tests/unit/sched_driver.h"
#include "tests/unit/sched_random.h"
#include "tests/unit/sched_reference.h"

using namespace wakepath;
using namespace wakepath::sched;
using namespace wakepath::sched_test;

namespace {

// A queue in both forms. Virtual times lie around an origin that may be close to where 64 bits wrap.
struct Both {
  explicit Both(Random& random, bool eevdf) : timeline_by_deadline(eevdf) {
    origin = random.below(3) == 0 ? 0ull - static_cast<std::uint64_t>(random.below(1 << 30)) : random.next() >> 1;
    q.zero_vruntime = origin + static_cast<std::uint64_t>(random.below(1 << 20)) - (1u << 19);
    q.min_vruntime = origin;
    const int n = 1 + random.below(12);
    const int spread = 1 << (4 + random.below(26));
    for (int i = 0; i < n; ++i) add(random, spread);
    if (random.below(4) != 0) {  // one of them runs
      const auto i = static_cast<std::size_t>(random.below(n));
      Entity& e = entities[i];
      remove(e);
      q.curr = &e;
      const auto at = static_cast<std::ptrdiff_t>(i);  // it loses ties against the waiting ones
      std::rotate(plain.begin() + at, plain.begin() + at + 1, plain.end());
      std::rotate(order.begin() + at, order.begin() + at + 1, order.end());
    }
    if (random.below(5) == 0) Eevdf::avg_vruntime(q);  // moves the origin
  }

  void add(Random& random, int spread) {
    Entity& e = entities.emplace_back();
    if (random.below(2) == 0) {
      e.load = load_of_nice(random.below(40) - 20);
    } else {
      e.load.set(static_cast<std::uint64_t>(2 + random.below(1 << random.between(2, 28))));
    }
    e.slice = 2'800'000;
    const std::int64_t v = random.below(2 * spread) - spread;
    const std::int64_t deadline = v + random.below(spread) / (random.below(3) == 0 ? spread / 4 + 1 : 1);
    e.vruntime = origin + static_cast<std::uint64_t>(v);
    e.deadline = origin + static_cast<std::uint64_t>(deadline);
    e.on_rq = true;
    e.cfs_rq = &q;
    ++q.nr_running;
    q.load.add(e.load.weight);
    if (timeline_by_deadline) {
      Eevdf::enqueue_in_timeline(q, e);
    } else {
      q.timeline.insert(e, e.vruntime);
    }
    plain.push_back({v, deadline, static_cast<reference::Int>(scale_load_down(e.load.weight))});
    order.push_back(&e);
  }

  void remove(Entity& e) {
    if (timeline_by_deadline) {
      Eevdf::dequeue_from_timeline(q, e);
    } else {
      q.timeline.erase(e);
    }
  }

  [[nodiscard]] Entity* reference_pick() const {
    const auto i = timeline_by_deadline ? reference::pick_eevdf(plain) : reference::pick_cfs(plain);
    return i ? order[*i] : nullptr;
  }

  bool timeline_by_deadline;
  std::uint64_t origin = 0;
  Rq rq;
  CfsRq& q = rq.cfs;
  std::deque<Entity> entities;
  std::vector<reference::Entity> plain;  // in order of insertion, the running one last
  std::vector<Entity*> order;
};

}  // namespace

TEST_CASE("EEVDF beside the reference: who is eligible, the average, the pick") {
  const kernel::Switches k = kernel::switches_of("6.12");
  const Eevdf eevdf(k, Tunables::defaults(k, 8, 250));
  Random random{20240601};
  for (int round = 0; round < 30'000; ++round) {
    Both x(random, true);
    bool same = true;
    for (std::size_t i = 0; i < x.order.size(); ++i) {
      same = same && Eevdf::entity_eligible(x.q, *x.order[i]) == reference::eligible(x.plain, i);
    }
    const bool same_pick = x.q.nr_running == 1 || eevdf.pick_eevdf(x.q, false) == x.reference_pick();
    const auto v = static_cast<std::int64_t>(Eevdf::avg_vruntime(x.q) - x.origin);
    if (same && same_pick && v == static_cast<std::int64_t>(reference::average(x.plain))) continue;
    CAPTURE(round, x.q.nr_running);
    CHECK(same);
    CHECK(same_pick);
    CHECK(v == static_cast<std::int64_t>(reference::average(x.plain)));
  }
}

TEST_CASE("EEVDF placement keeps the lag that was brought, whatever the queue") {
  const kernel::Switches k = kernel::switches_of("6.12");
  const Eevdf eevdf(k, Tunables::defaults(k, 8, 250));
  Random random{20240602};
  for (int round = 0; round < 20'000; ++round) {
    Both x(random, true);
    Entity e;
    e.load = load_of_nice(random.below(20) - 10);
    e.cfs_rq = &x.q;
    e.vlag = random.below(4'000'000) - 2'000'000;
    const std::int64_t brought = e.vlag;
    eevdf.place_entity(x.q, e, enqueue::kWakeup);
    e.on_rq = true;
    x.plain.push_back({static_cast<std::int64_t>(e.vruntime - x.origin), 0,
                       static_cast<reference::Int>(scale_load_down(e.load.weight))});
    const auto lag = static_cast<std::int64_t>(reference::average(x.plain) - x.plain.back().v);
    // V is rounded down before and after; the inflation multiplies the first error by (W + w) / W.
    reference::Int others = 0;
    for (std::size_t i = 0; i + 1 < x.plain.size(); ++i) others += x.plain[i].weight;
    const auto tolerance = static_cast<std::int64_t>(2 + x.plain.back().weight / others);
    if (std::abs(lag - brought) <= tolerance) continue;
    CAPTURE(round, lag, brought, tolerance);
    CHECK(std::abs(lag - brought) <= tolerance);
  }
}

TEST_CASE("CFS beside the reference: the pick is the least vruntime, the first that came") {
  Random random{20240603};
  for (int round = 0; round < 20'000; ++round) {
    Both x(random, false);
    const Entity* left = x.q.timeline.first();
    const Entity* curr = x.q.curr;
    // As the kernel does: the running one only when it is strictly before.
    const Entity* pick = left == nullptr || (curr != nullptr && before(curr->vruntime, left->vruntime)) ? curr : left;
    if (pick == x.reference_pick()) continue;
    CAPTURE(round);
    CHECK(pick == x.reference_pick());
  }
}

TEST_CASE("CFS beside the reference: min_vruntime and the placement of a wakee") {
  const kernel::Switches k = kernel::switches_of("6.1");
  const Tunables t = Tunables::defaults(k, 8, 250);
  const Cfs cfs(k, t);
  Random random{20240604};
  for (int round = 0; round < 20'000; ++round) {
    Both x(random, false);
    const auto old = static_cast<std::int64_t>(x.q.min_vruntime - x.origin);
    Cfs::update_min_vruntime(x.q);
    reference::Int least = x.plain.front().v;
    for (const auto& e : x.plain) least = e.v < least ? e.v : least;
    if (least < old) least = old;
    const auto min_vruntime = static_cast<std::int64_t>(x.q.min_vruntime - x.origin);
    Entity e;
    Task task;
    e.task = &task;
    e.load = load_of_nice(0);
    const std::int64_t v = random.below(60'000'000) - 30'000'000 + min_vruntime;
    e.vruntime = x.origin + static_cast<std::uint64_t>(v);
    cfs.place_entity(x.q, e, false);
    const auto placed = static_cast<std::int64_t>(e.vruntime - x.origin);
    const auto expected = static_cast<std::int64_t>(reference::place_cfs(v, least, t.latency_ns / 2));
    if (min_vruntime == static_cast<std::int64_t>(least) && placed == expected) continue;
    CAPTURE(round);
    CHECK(min_vruntime == static_cast<std::int64_t>(least));
    CHECK(placed == expected);
  }
}
