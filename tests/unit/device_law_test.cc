// SPDX-License-Identifier: GPL-2.0-or-later
// When a device is done with a request, against the law put down as a list.
#include "models/block/device.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "models/block/queue.h"
#include "sim/engine/random.h"
#include "tests/unit/catch.h"

using namespace wakepath;  // NOLINT(google-build-using-namespace)
using engine::Time;

namespace {

struct AnyBio final : block::Bio {
  block::Call<void> end_io(block::ExecContext&) override { return {}; }
};

scenario::Device device(int servers) {
  scenario::Device d;
  d.law = servers == 1 ? "serial" : "parallel";
  d.servers = servers;
  d.service_ns.kind = machine::Cost::Kind::uniform;
  d.service_ns.low = 1'000;
  d.service_ns.high = 90'000;
  return d;
}

}  // namespace

TEST_CASE("a request is served by the server that is free first") {
  const int servers = GENERATE(1, 2, 3, 8, 64);
  const scenario::Device d = device(servers);
  block::DeviceLaw law(d, 7), same_draws(d, 7);
  engine::RandomStream gaps(7, "gaps");
  std::vector<Time> free_at(static_cast<std::size_t>(servers), 0);
  const AnyBio bio;
  Time now = 0;
  int waited = 0;
  for (int i = 0; i < 5'000; ++i) {
    now += gaps.uniform(std::int64_t{0}, 100'000 / servers);  // most are busy
    Time& server = *std::min_element(free_at.begin(), free_at.end());
    waited += server > now;
    server = std::max(now, server) + same_draws.service_time(bio);
    REQUIRE(law.completion_time(now, bio) == server);
  }
  CHECK(waited > 100);  // some find all of them busy, some do not
  CHECK(waited < 4'900);
}

TEST_CASE("a flush that is alone begins after what is in the device, and nothing runs beside it") {
  scenario::Device d = device(2);
  d.service_ns = {};
  d.service_ns.ns = 10;
  d.flush_ns.ns = 100;
  AnyBio write, flush;
  flush.flush = true;
  for (const bool alone : {false, true}) {
    d.flush_alone = alone;
    block::DeviceLaw law(d, 7);
    REQUIRE(law.completion_time(0, write) == 10);
    CHECK(law.completion_time(5, flush) == (alone ? 110 : 105));
    CHECK(law.completion_time(6, write) == (alone ? 120 : 16));
  }
}
