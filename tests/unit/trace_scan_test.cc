// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/engine/random.h"
#include "sim/trace/scan.h"
#include "tests/unit/catch.h"

using namespace wakepath;

TEST_CASE("the last place of a word is rfind's", "[trace]") {
  using trace::scan::last;
  CHECK(last("a pid=1 pid=2", " pid=") == 7);
  CHECK(last("pid=1", " pid=") == std::string_view::npos);
  CHECK(last("", " pid=") == std::string_view::npos);
  CHECK(last(" pid=", " pid=") == 0);
  engine::RandomStream r(1, "scan", 0);
  for (int i = 0; i < 20'000; ++i) {
    std::string text(r.uniform(12), ' '), what(1 + r.uniform(3), ' ');
    for (char& c : text) c = "ab="[r.uniform(3)];
    for (char& c : what) c = "ab="[r.uniform(3)];
    INFO("'" << text << "' '" << what << "'");
    REQUIRE(last(text, what) == std::string_view(text).rfind(what));
  }
}
