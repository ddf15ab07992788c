// SPDX-License-Identifier: GPL-2.0-or-later
// CPU-to-queue maps: completion-path spec 1.2, with its rules before and after 6.3.
#include "tests/unit/catch.h"

#include "models/block/queue_map.h"

using namespace wakepath;
using block::map_queues;
using machine::make_topology;
using Queues = std::vector<int>;

TEST_CASE("as many queues as CPUs: one each, in every map") {
  const auto t = make_topology({.cpus = 4});
  CHECK(map_queues(t, 4, true, false).queue_of == Queues{0, 1, 2, 3});
  CHECK(map_queues(t, 4, false, false).queue_of == Queues{0, 1, 2, 3});
  CHECK(map_queues(t, 4, false, true).queue_of == Queues{0, 1, 2, 3});
}

TEST_CASE("the old generic map: CPUs in turn, then threads with their first sibling") {
  const auto t = make_topology({.cpus = 8, .threads_per_core = 2});  // siblings n, n+4
  CHECK(map_queues(t, 4, false, false).queue_of == Queues{0, 1, 2, 3, 0, 1, 2, 3});
  CHECK(map_queues(t, 3, false, false).queue_of == Queues{0, 1, 2, 0, 0, 1, 2, 0});
  CHECK(map_queues(t, 1, false, false).queue_of == Queues(8, 0));
}

TEST_CASE("the even spread keeps threads of a core together") {
  const auto t = make_topology({.cpus = 8, .threads_per_core = 2});
  CHECK(map_queues(t, 4, true, false).queue_of == Queues{0, 1, 2, 3, 0, 1, 2, 3});
  CHECK(map_queues(t, 2, true, false).queue_of == Queues{0, 0, 1, 1, 0, 0, 1, 1});
  CHECK(map_queues(t, 3, false, true).queue_of == Queues{0, 0, 1, 1, 0, 2, 1, 2});  // {0,4,1} {2,6,3} {5,7}
}

TEST_CASE("the even spread gives nodes their share; fewer queues than nodes spread the nodes") {
  const auto t = make_topology({.cpus = 8, .packages = 2, .nodes = 2});
  const auto m = map_queues(t, 3, true, false);
  CHECK(m.queue_of == Queues{0, 0, 0, 0, 1, 1, 2, 2});
  CHECK(m.irq_cpu(2) == 7);  // the last of 6 and 7
  CHECK(map_queues(make_topology({.cpus = 8, .packages = 4, .nodes = 4}), 2, true, false).queue_of ==
        Queues{0, 0, 1, 1, 0, 0, 1, 1});
}

TEST_CASE("a map of the user's must give each CPU a queue that exists") {
  CHECK(queue_map_error(block::map_from_list({0, 1, 0, 1}, 2), 4).empty());
  CHECK(queue_map_error(block::map_from_list({0, 1}, 2), 4) == "the queue map names 2 CPUs of 4");
  CHECK(queue_map_error(block::map_from_list({0, 2, 0, 1}, 2), 4) ==
        "CPU 1 is mapped to queue 2, but there are queues 0 to 1");
  CHECK(queue_map_error(block::map_from_list({0, -1, 0, 1}, 2), 4) == "CPU 1 has no hardware queue");
}
