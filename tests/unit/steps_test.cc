// SPDX-License-Identifier: GPL-2.0-or-later
// The steps of a program: what is read, and what is refused with its text.
#include "models/scenario/steps.h"
#include "models/machine/clock.h"

#include "tests/unit/catch.h"

using namespace wakepath::scenario;

namespace {

std::string refused(const std::vector<std::string>& texts) {
  const auto steps = parse_steps(texts);
  return steps ? "" : steps.error().message;
}

}  // namespace

TEST_CASE("steps: loops are closed and know each other") {
  const auto steps = parse_steps({"loop 3", "run 10us", "loop 2", "sleep 1ms", "end", "end", "timer t 4ms"});
  REQUIRE(steps);
  REQUIRE(steps->size() == 7);
  CHECK((*steps)[0].count == 3);
  CHECK((*steps)[0].other == 5);
  CHECK((*steps)[5].other == 0);
  CHECK((*steps)[2].other == 4);
  CHECK((*steps)[1].time_ns == 10000);
  CHECK((*steps)[6].name == "t");
  CHECK((*steps)[6].time_ns == 4000000);
}

TEST_CASE("steps: names of what is shared") {
  const auto steps = parse_steps({"lock m", "wait c m", "unlock m", "resume other"});
  REQUIRE(steps);
  CHECK((*steps)[1].name == "c");
  CHECK((*steps)[1].mutex == "m");
  CHECK((*steps)[3].name == "other");
}

TEST_CASE("steps: what is none is refused") {
  CHECK(refused({"runn 10us"}) == "'runn 10us' is no step");
  CHECK(refused({"run"}) == "'run' lacks something");
  CHECK(refused({"run 10us 20us"}) == "'run 10us 20us' has more than it takes");
  CHECK(refused({"run 10"}).find("10") != std::string::npos);  // a time has its unit
  CHECK(refused({"loop 0", "run 1us", "end"}).find("1 or more") != std::string::npos);
  CHECK(refused({"run 1us", "end"}) == "'end' ends no loop");
  CHECK(refused({"loop 2", "run 1us"}) == "'loop 2' has no end");
  CHECK(refused({"lock m", "unlock m"}).find("takes no time") != std::string::npos);
  CHECK_FALSE(refused({}).empty());
}

TEST_CASE("steps: time that passes by the clock") {
  const auto steps = parse_steps({"spin 5ms", "stop"});
  REQUIRE(steps);
  CHECK((*steps)[0].kind == Step::Kind::spin);
  CHECK((*steps)[0].time_ns == 5'000'000);
  CHECK(refused({"spin"}) == "'spin' lacks something");
}

TEST_CASE("steps: files") {
  const auto steps = parse_steps({"run 1us", "create f", "write f 0 4096", "touch f", "fsync f"});
  REQUIRE(steps);
  CHECK((*steps)[2].name == "f");
  CHECK((*steps)[2].offset == 0);
  CHECK((*steps)[2].count == 4096);
  CHECK_FALSE(is_of_file((*steps)[0]));
  for (std::size_t i = 1; i < 5; ++i) CHECK(is_of_file((*steps)[i]));
  CHECK(refused({"run 1us", "write f 0"}) == "'write f 0' lacks something");
  CHECK(refused({"run 1us", "write f -1 10"}).find("0 or more") != std::string::npos);
  CHECK(refused({"run 1us", "write f 0 0"}).find("1 or more") != std::string::npos);
}

TEST_CASE("steps: CPUs that it may use") {
  const auto steps = parse_steps({"run 1us", "cpus 3,0-1", "cpus all", "exec"});
  REQUIRE(steps);
  CHECK((*steps)[1].cpus == std::vector{0, 1, 3});
  CHECK((*steps)[2].cpus.empty());
  CHECK((*steps)[3].kind == Step::Kind::exec);
  CHECK(refused({"run 1us", "cpus"}) == "'cpus' lacks something");
  CHECK_FALSE(refused({"run 1us", "cpus some"}).empty());
}

TEST_CASE("ten years of work are no less on a slow clock") {
  wakepath::machine::Clock clock;
  constexpr wakepath::engine::Time kTenYears = 10LL * 365 * 86400 * 1'000'000'000;
  CHECK(clock.stretch(kTenYears, 5'000'000, 5'000'000, 40) == kTenYears);  // not sampled yet
  const auto slow = clock.stretch(kTenYears, 20'000'000, 20'000'000, 40);
  CHECK(slow > kTenYears);
  CHECK(slow < 3 * kTenYears);
}
