// SPDX-License-Identifier: GPL-2.0-or-later
// Fixed pieces of work whose instructions are counted (bench/ratchet/count.py): wakepath_ratchet NAME. Each prints
// something that depends on all of it, so that nothing is optimised away.
#include <cstdio>
#include <string>

#include "models/run/run.h"
#include "models/scenario/scenario_io.h"
#include "models/verify/verify.h"
#include "sim/engine/bench.h"
#include "sim/trace/reader.h"

#include <nlohmann/json.hpp>

using namespace wakepath;  // NOLINT(google-build-using-namespace)

namespace {

const std::string kSource = WAKEPATH_SOURCE_DIR;

int queue(bool cancels) {
  engine::HoldModel model(256, engine::Increments::exponential);
  for (int i = 0; i < 300'000; ++i) cancels ? model.hold_cancel() : model.hold();
  std::printf("%lld\n", static_cast<long long>(model.now()));
  return 0;
}

int simulation(const std::string& name, const std::string& duration) {
  scenario::LoadOptions o;
  o.search_dirs = {kSource + "/scenarios"};
  o.duration = duration;
  o.warmup = "20ms";
  const auto s = scenario::load(name, o);
  if (!s) {
    std::fprintf(stderr, "%s\n", scenario::to_string(s.error()).c_str());
    return 2;
  }
  const auto json = nlohmann::json::parse(run::run(*s).json);
  std::printf("%s\n", json["engine"]["events"].dump().c_str());
  return 0;
}

int lockstep(const std::string& trace, const std::string& setting) {
  const auto out = verify::verify_file(kSource + "/tests/truth/traces/" + trace, setting);
  if (!out) return 2;
  std::printf("%s\n", (*out)["judged"].dump().c_str());
  return 0;
}

int records(const std::string& file) {
  trace::StringPool pool;
  auto reader = trace::Reader::open(kSource + file, pool);
  if (!reader) return 2;
  trace::Event e;
  std::int64_t sum = 0;
  while (reader->next(e).value_or(false)) sum += e.ts_ns;
  std::printf("%lld\n", static_cast<long long>(sum));
  return 0;
}

}  // namespace

int main(int argc, char* argv[]) {
  const std::string name = argc == 2 ? argv[1] : "";
  if (name == "queue") return queue(false);
  if (name == "queue-cancels") return queue(true);
  if (name == "run-6.1") return simulation("starved_completions/qemu-6.1", "100ms");
  if (name == "run-6.12") return simulation("starved_completions/qemu-6.12", "100ms");
  if (name == "run-hogs") return simulation("base_slice", "5s");
  if (name == "read-ftrace") return records("/tests/truth/traces/A-6.1-d71k-q128-m1-w1000.txt.xz");
  if (name == "read-perf") return records("/tests/data/traces/perf-w10240.txt.xz");
  if (name == "verify-6.1") return lockstep("B-6.1-per50_200-hogcg1000.txt.xz", R"({"kernel": "6.1"})");
  if (name == "verify-6.12") return lockstep("B-6.12-pipe3-root.txt.xz", R"({"kernel": "6.12"})");
  std::fputs("queue queue-cancels run-6.1 run-6.12 run-hogs read-ftrace read-perf verify-6.1 verify-6.12\n", stderr);
  return argc == 1 ? 0 : 2;
}
