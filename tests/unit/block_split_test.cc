// SPDX-License-Identifier: GPL-2.0-or-later
// A bio larger than the device takes in one request.
#include "tests/unit/catch.h"
#include "tests/unit/path_fixture.h"

using namespace path_test;

TEST_CASE("a bio that is too large is split off at its front and ends with its last piece", "[block]") {
  auto s = small_machine("6.12", 1);
  s.workloads[0].bs = 128 * 1024;
  s.block.max_sectors = 255;  // as null_blk
  s.device.coalesce_n = 2;
  Record r;
  record(r, s);
  std::vector<std::uint32_t> sizes;
  for (const auto& e : r.events)
    if (e.type == EventType::block_rq_issue) sizes.push_back(e.u.rq.bytes / 512);
  REQUIRE(sizes.size() > 100);
  const std::size_t begin = sizes.front() == 255 ? 0 : 1;
  for (std::size_t i = begin; i + 1 < sizes.size(); i += 2) {
    CHECK(sizes[i] == 255);
    CHECK(sizes[i + 1] == 1);
  }
  CHECK(about(r.count(EventType::block_rq_complete), 2 * r.result["io"]["completed"].get<long>(), 4));
  CHECK(r.result["block"]["requests_per_s"].get<double>() ==
        Approx(2 * r.result["io"]["iops"].get<double>()).epsilon(0.02));
}

TEST_CASE("in whole KiB where no number of sectors is given", "[block]") {
  auto s = small_machine("6.12", 1);
  s.workloads[0].bs = 128 * 1024;
  s.block.max_sectors_kb = 64;
  Record r;
  record(r, s);
  const long ios = r.result["io"]["completed"].get<long>();
  REQUIRE(ios > 50);
  CHECK(about(r.count(EventType::block_rq_issue), 2 * ios, 4));
}
