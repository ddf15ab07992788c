// SPDX-License-Identifier: GPL-2.0-or-later
// Common ground of the scenario tests: the tree's own scenarios as search folder, and small scenarios as text.
#pragma once

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "models/scenario/scenario_io.h"
#include "tests/unit/catch.h"
#include "tests/unit/tree.h"

namespace wakepath::tests {

inline scenario::LoadOptions options(std::vector<std::string> sets = {}) {
  scenario::LoadOptions o;
  o.search_dirs = {source_dir() + "/scenarios"};
  o.sets = std::move(sets);
  return o;
}

inline std::string text_of_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  REQUIRE(in);
  return text.str();
}

inline std::string fio_file(const std::string& name) { return source_dir() + "/tests/data/fio/" + name; }

// The scenario, or the test fails with its error.
inline scenario::Scenario good(const scenario::Result<scenario::Scenario>& r) {
  if (!r) FAIL(to_string(r.error()));
  return *r;
}

// The one line of an error, or the test fails.
inline std::string line_of(const scenario::Result<scenario::Scenario>& r) {
  REQUIRE_FALSE(r);
  const std::string line = to_string(r.error());
  CHECK(line.find('\n') == std::string::npos);
  return line;
}

inline const char* kPublished = "starved_completions";

// A scenario on the published platform whose text starts at line 3.
inline scenario::Result<scenario::Scenario> load_body(const std::string& body, std::vector<std::string> sets = {}) {
  return scenario::load_text("platform = \"i3en-3xlarge\"\nkernel.version = \"6.1\"\n" + body, "t.toml",
                             options(std::move(sets)));
}

}  // namespace wakepath::tests
