// SPDX-License-Identifier: GPL-2.0-or-later
// Threads that do jobs together: each job once a turn, nobody ahead of a turn, what is thrown arrives.
#include "models/cluster/crew.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <vector>

#include "models/cluster/message.h"
#include "tests/unit/catch.h"

using wakepath::cluster::Crew;

TEST_CASE("every job is done once a turn, by whichever member, and what a turn left the next one sees") {
  for (const std::size_t members : {1, 2, 5}) {
    constexpr std::size_t kJobs = 7;
    Crew crew(members, kJobs);
    std::vector<long> sums(kJobs), before(kJobs);
    for (long turn = 1; turn <= 2000; ++turn) {
      crew.run([&](std::size_t job, std::size_t member) {
        if (member >= members) throw std::logic_error("no such member");
        sums[job] += before[(job + 1) % kJobs] + 1;
      });
      for (const long s : sums) REQUIRE(s == sums[0]);
      before.assign(kJobs, turn % 3);
    }
    CHECK(sums[0] == 2000 + 666 * (1 + 2) + 1);
  }
}

TEST_CASE("a member that is late finds nothing to do") {
  Crew crew(2, 4);
  int done = 0;  // by the caller alone: the other one has a job that takes long
  for (int turn = 0; turn < 20; ++turn) {
    std::atomic<int> by_other = 0;
    crew.run([&](std::size_t, std::size_t member) {
      if (member == 0) {
        ++done;
      } else {
        ++by_other;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
    });
    CHECK(by_other <= 4);
    done += by_other;
  }
  CHECK(done == 80);
}

TEST_CASE("the first job's exception arrives, and the crew goes on") {
  Crew crew(3, 9);
  for (int turn = 0; turn < 50; ++turn) {
    std::vector<int> done(9);
    try {
      crew.run([&](std::size_t job, std::size_t) {
        ++done[job];
        if (job >= 4) throw std::runtime_error(std::to_string(job));
      });
      FAIL("nothing was thrown");
    } catch (const std::runtime_error& e) {
      CHECK(std::string(e.what()) == "4");
    }
    CHECK(std::count(done.begin(), done.end(), 1) == 9);
  }
}

TEST_CASE("messages may end on another thread than they were made on") {
  Crew crew(2, 2);
  std::vector<std::vector<wakepath::cluster::MessagePtr>> there(2);
  for (int turn = 0; turn < 300; ++turn) {
    crew.run([&](std::size_t job, std::size_t) {
      for (std::int64_t i = 0; i < 40; ++i) {
        there[job].push_back(std::make_unique<wakepath::cluster::Message>());
        there[job].back()->index = i;
      }
    });
    std::swap(there[0], there[1]);
    crew.run([&](std::size_t job, std::size_t) {
      if (turn % 2 == 0) return;
      std::int64_t sum = 0;
      for (const auto& m : there[job]) sum += m->index;
      if (sum != 2 * 780) throw std::logic_error("a message was overwritten");
      there[job].clear();
    });
  }
}
