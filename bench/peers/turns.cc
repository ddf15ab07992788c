// SPDX-License-Identifier: GPL-2.0-or-later
// Two simulations in one process, a slice of the one and a slice of the other in turns, so that what the machine's own
// speed does meanwhile is done to both: peers_turns kept|fresh SCENARIO OTHER SLICE_S GAP_S PAIRS. A line a pair:
// CPU time and events of the slice, then those of the other's. The first goes on by GAP_S after each pair, which is
// not measured. The other is kept and goes on too, or is made anew for each pair. All metrics are on; what making them
// and their first 10 ms cost is not measured.
#include <fmt/core.h>

#include <cmath>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include "bench/peers/measure.h"
#include "models/run/simulation.h"
#include "models/scenario/scenario_io.h"

using namespace wakepath;  // NOLINT(google-build-using-namespace)

namespace {

engine::Time ns_of(const char* seconds) { return static_cast<engine::Time>(std::llround(1e9 * std::atof(seconds))); }

scenario::Scenario loaded(const char* file) {
  scenario::LoadOptions o;
  o.search_dirs = {std::string(WAKEPATH_SOURCE_DIR) + "/scenarios"};
  auto s = scenario::load(file, o);
  if (!s) {
    fmt::print(stderr, "{}\n", scenario::to_string(s.error()));
    std::exit(2);
  }
  return std::move(*s);
}

struct Slice {
  double cpu_ns = 0;
  std::int64_t events = 0;
};

struct Node {
  explicit Node(const scenario::Scenario& s) : simulation(s, options) {
    simulation.start();
    go_on(10'000'000);
    simulation.begin_window();
  }
  Slice go_on(engine::Time ns) {
    const engine::Engine& e = simulation.machine().engine;
    const std::int64_t events = e.events() + e.steps();
    const double begin = peers::cpu_ns();
    simulation.advance(e.now() + ns);
    return {peers::cpu_ns() - begin, e.events() + e.steps() - events};
  }
  run::Options options;
  run::Simulation simulation;
};

}  // namespace

int main(int argc, char* argv[]) {
  if (argc != 7) return 2;
  const bool fresh = std::string(argv[1]) == "fresh";
  const scenario::Scenario one = loaded(argv[2]), other = loaded(argv[3]);
  const engine::Time slice = ns_of(argv[4]), gap = ns_of(argv[5]);
  Node first(one);
  std::optional<Node> second;
  for (int i = 0; i < std::atoi(argv[6]); ++i) {
    if (fresh || !second) second.emplace(other);
    Slice a, b;
    if (i % 2 == 0) a = first.go_on(slice);
    b = second->go_on(slice);
    if (i % 2 == 1) a = first.go_on(slice);
    fmt::print("{:.0f} {} {:.0f} {}\n", a.cpu_ns, a.events, b.cpu_ns, b.events);
    if (gap > 0) first.go_on(gap);
  }
  return 0;
}
