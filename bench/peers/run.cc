// SPDX-License-Identifier: GPL-2.0-or-later
// A scenario with all metrics on: peers_run io|events SCENARIO SECONDS [KEY=VALUE...], CPU time per completed I/O or
// per event and step of the engine; the check is IOPS. Reading the scenario is not counted.
#include <fmt/core.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "bench/peers/measure.h"
#include "models/run/run.h"
#include "models/scenario/scenario_io.h"

using namespace wakepath;  // NOLINT(google-build-using-namespace)

int main(int argc, char* argv[]) {
  if (argc < 4) return 2;
  scenario::LoadOptions o;
  o.search_dirs = {std::string(WAKEPATH_SOURCE_DIR) + "/scenarios"};
  o.duration = fmt::format("{}ms", static_cast<long>(std::atof(argv[3]) * 1000));
  o.warmup = "10ms";
  for (int i = 4; i < argc; ++i) o.sets.emplace_back(argv[i]);
  const auto s = scenario::load(argv[2], o);
  if (!s) {
    fmt::print(stderr, "{}\n", scenario::to_string(s.error()));
    return 2;
  }
  const double begin = peers::cpu_ns();
  const auto json = nlohmann::json::parse(run::run(*s).json);
  const double spent = peers::cpu_ns() - begin;
  const bool by_io = std::string(argv[1]) == "io";
  const auto n = by_io ? json["io"]["completed"].get<double>() : json["engine"]["events"].get<double>();
  peers::print(spent, n, json["io"].value("iops", 0.0));
  return 0;
}
