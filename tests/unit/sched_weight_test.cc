// SPDX-License-Identifier: GPL-2.0-or-later
// Weights, shares and PELT: scheduler spec §12, E1-E8.
#include "tests/unit/catch.h"

#include "models/kernel/versions.h"
#include "models/sched/fair/cfs.h"
#include "models/sched/sched.h"

using namespace wakepath;
using namespace wakepath::sched;

namespace {

std::uint64_t one_ms_at(LoadWeight lw) { return calc_delta_fair(1'000'000, lw); }

LoadWeight group_weight(std::uint64_t w) {
  LoadWeight lw;
  lw.set(w);
  return lw;
}

// One group queue with made-up averages.
struct GroupQueue {
  TaskGroup root, tg;
  Rq rq;
  CfsRq grq;
  GroupQueue(std::uint64_t shares, std::uint64_t weight, std::uint64_t load_avg, std::int64_t tg_load_avg) {
    tg.parent = &root;
    tg.shares = shares;
    tg.load_avg = tg_load_avg;
    grq.tg = &tg;
    grq.rq = &rq;
    grq.load.set(weight);
    grq.avg.load_avg = grq.tg_load_avg_contrib = load_avg;
  }
  [[nodiscard]] std::uint64_t weight() const { return Fair::calc_group_shares(grq); }
};

}  // namespace

TEST_CASE("E1: virtual time of tasks") {
  CHECK(one_ms_at(load_of_nice(0)) == 1000000);
  CHECK(one_ms_at(load_of_nice(5)) == 3056716);
  CHECK(one_ms_at(load_of_nice(-5)) == 328099);
  CHECK(one_ms_at(load_of_nice(19)) == 68266666);
  CHECK(one_ms_at(load_of_nice(-20)) == 11536);
  CHECK(one_ms_at(load_of_idle_policy()) == 341333333);
  CHECK_THROWS_AS(weight_of_nice(20), std::out_of_range);
}

TEST_CASE("the table of virtual time per nice level") {
  const std::uint64_t per_ms[40] = {11536,    14270,    18129,    22129,    28216,    35123,    44035,    54744,
                                    68499,    85934,    107247,   134383,   167868,   208809,   262160,   328099,
                                    409436,   514314,   645649,   801879,   1000000,  1248780,  1563358,  1946768,
                                    2420803,  3056716,  3764705,  4762790,  5953488,  7474452,  9309090,  11770114,
                                    14628571, 18285714, 22755555, 28444444, 35310344, 44521739, 56888888, 68266666};
  for (int nice = -20; nice <= 19; ++nice) {
    CAPTURE(nice);
    CHECK(one_ms_at(load_of_nice(nice)) == per_ms[nice + 20]);
  }
}

TEST_CASE("E2: virtual time of group entities") {
  CHECK(one_ms_at(group_weight(10485760)) == 99999);
  CHECK(one_ms_at(group_weight(10240)) == 102399999);
  CHECK(one_ms_at(group_weight(1280)) == 511999999);
  CHECK(one_ms_at(group_weight(2)) == 511999999);
  CHECK(one_ms_at(group_weight(1u << 28)) == 3906);
  LoadWeight lw = group_weight(10485760);
  one_ms_at(lw);
  calc_delta_fair(1, lw);
  CHECK(lw.inv_weight == 419430);
}

TEST_CASE("E3: cgroup knobs to shares") {
  CHECK(shares_of_cpu_weight(3) == 31744);
  CHECK(shares_of_cpu_weight(1000) == 10485760);
  const std::pair<std::uint64_t, std::uint64_t> table[] = {{1, 10},       {2, 20},       {3, 31},        {10, 102},
                                                           {50, 512},     {100, 1024},   {200, 2048},    {500, 5120},
                                                           {1000, 10240}, {5000, 51200}, {10000, 102400}};
  for (const auto& [weight, shares] : table) CHECK(shares_of_cpu_weight(weight) >> 10 == shares);
  CHECK(shares_of_cpu_shares(2) == 2048);
  CHECK(shares_of_cpu_shares(0) == 2048);
  CHECK(shares_of_cpu_shares(10240) == 10485760);
  CHECK(shares_of_cpu_shares(~0ull) == 1u << 28);
  CHECK_THROWS_AS(shares_of_cpu_weight(0), std::out_of_range);
  CHECK_THROWS_AS(shares_of_cpu_weight(10001), std::out_of_range);
}

TEST_CASE("E3: cgroup knobs read back") {
  CHECK(cpu_weight_of_shares(2048, false) == 0);
  CHECK(cpu_weight_of_shares(2048, true) == 1);
  CHECK(cpu_weight_of_shares(scale_load(kIdlePolicyWeight), false) == 0);
  for (std::uint64_t w = 1; w <= 10000; ++w) CHECK(cpu_weight_of_shares(shares_of_cpu_weight(w), false) == w);
  for (int nice = -20; nice <= 19; ++nice) CHECK(cpu_weight_nice_of_shares(scale_load(weight_of_nice(nice))) == nice);
  CHECK(cpu_weight_nice_of_shares(10485760) == -10);  // 9548 is closer to 10240 than 11916
  CHECK(cpu_weight_nice_of_shares(2048) == 19);
}

TEST_CASE("E4: weight of a group entity on one CPU") {
  CHECK(GroupQueue(1048576, 1048576, 1024, 4096).weight() == 262144);
  CHECK(GroupQueue(10485760, 1048576, 1024, 10240).weight() == 1048576);
  CHECK(GroupQueue(10485760, 1048576, 0, 3072).weight() == 2621440);
  CHECK(GroupQueue(10485760, 0, 0, 10240).weight() == 2);
  CHECK(GroupQueue(10485760, 1048576, 1024, 1224).weight() == 8772400);
  CHECK(GroupQueue(1048576, 2097152, 2048, 3072).weight() == 699050);
  CHECK(GroupQueue(1048576, 1048576, 1024, 3072).weight() == 349525);
}

TEST_CASE("E5: a group's load_avg moves only by more than a 64th") {
  const kernel::Switches k = kernel::switches_of("6.1");
  const Cfs fair(k, Tunables::defaults(k, 8, 250));
  const auto updates = [&](std::uint64_t contrib, int delta) {
    GroupQueue q(1048576, 1048576, contrib, 5000);
    q.grq.avg.load_avg = contrib + static_cast<std::uint64_t>(static_cast<std::int64_t>(delta));
    fair.update_tg_load_avg(q.grq);
    return q.tg.load_avg == 5000 + delta;
  };
  CHECK_FALSE(updates(1024, 16));
  CHECK_FALSE(updates(1024, -16));
  CHECK(updates(1024, 17));
  CHECK(updates(1024, -17));
  CHECK(updates(63, 1));
  CHECK_FALSE(updates(10000, 156));
  CHECK(updates(10000, 157));
}

TEST_CASE("the rate limit of a group's load_avg") {
  for (const bool limited : {false, true}) {
    kernel::Switches k = kernel::switches_of("6.1");
    k.tg_load_avg_ratelimit = limited;
    const Cfs fair(k, Tunables::defaults(k, 8, 250));
    GroupQueue q(1048576, 1048576, 0, 0);
    q.grq.avg.load_avg = 100;
    fair.update_tg_load_avg(q.grq);
    CHECK(q.tg.load_avg == 100);
    q.grq.avg.load_avg = 200;
    q.rq.now = 999'999;
    fair.update_tg_load_avg(q.grq);
    CHECK(q.tg.load_avg == (limited ? 100 : 200));
    q.rq.now = 1'000'000;
    fair.update_tg_load_avg(q.grq);
    CHECK(q.tg.load_avg == 200);
  }
}

namespace {

void run_pelt(Pelt& p, std::uint64_t now, bool running) {
  if (pelt_update_sums(p, now, running ? 1 : 0, running ? 1 : 0, running)) pelt_update_averages(p, 1024);
}

}  // namespace

TEST_CASE("E6: PELT of an always running task") {
  struct Row {
    std::uint64_t n, avg_once, sum_once;
  };
  const Row rows[] = {{1, 21, 1002},    {2, 43, 1981},    {4, 85, 3878},     {8, 162, 7433},    {16, 299, 13684},
                      {32, 512, 23359}, {64, 768, 35039}, {128, 960, 43799}, {345, 1023, 46692}};
  for (const Row& row : rows) {
    Pelt p;
    run_pelt(p, row.n << 20, true);
    CAPTURE(row.n);
    CHECK(p.util_avg == row.avg_once);
    CHECK(p.util_sum >> 10 == row.sum_once);
  }
  const Row steps[] = {{1, 21, 1002},    {2, 43, 1982},    {4, 85, 3881},     {8, 163, 7439},    {16, 300, 13696},
                       {32, 512, 23380}, {64, 768, 35071}, {128, 960, 43838}, {345, 1024, 46734}};
  Pelt p;
  std::uint64_t n = 0;
  for (const Row& row : steps) {
    while (n < row.n) run_pelt(p, ++n << 20, true);
    CAPTURE(row.n);
    CHECK(p.util_avg == row.avg_once);
    CHECK(p.util_sum >> 10 == row.sum_once);
  }
}

TEST_CASE("E7: PELT decay in sleep") {
  const std::pair<std::uint64_t, std::uint64_t> rows[] = {{1, 1001}, {16, 723}, {32, 511}, {64, 255}};
  for (const auto& [n, util] : rows) {
    Pelt p;
    run_pelt(p, 400ull << 20, true);
    CHECK(p.util_avg == 1023);
    CHECK(p.load_avg == 1023);
    run_pelt(p, (400 + n) << 20, false);
    CAPTURE(n);
    CHECK(p.util_avg == util);
  }
}

TEST_CASE("E8: PELT at ticks") {
  const std::uint64_t at_4ms[] = {81, 156, 224, 288, 346, 400, 449, 495, 537, 575, 611, 644, 674, 701, 727};
  Pelt p;
  std::uint64_t now = 0;
  for (const std::uint64_t util : at_4ms) {
    run_pelt(p, now += 4'000'000, true);
    CHECK(p.util_avg == util);
  }
  for (int tick = 16; tick <= 25; ++tick) run_pelt(p, now += 4'000'000, true);
  CHECK(p.util_avg == 894);

  const std::pair<std::uint64_t, std::uint32_t> at_1ms[] = {{0, 976}, {41, 929}, {61, 881}, {81, 834}, {100, 786}};
  Pelt q;
  now = 0;
  // The second entry is period_contrib; the first update only begins a period.
  bool first = true;
  for (const auto& [util, contrib] : at_1ms) {
    run_pelt(q, now += 1'000'000, true);
    CHECK(q.period_contrib == contrib);
    CHECK(q.util_avg == (first ? 0 : util));
    first = false;
  }
}
