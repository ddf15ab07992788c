// SPDX-License-Identifier: GPL-2.0-or-later
// cpu.max, events and sched features: read, refused where the kernel would, written back, and effective in a run.
#include <nlohmann/json.hpp>

#include "models/kernel/features.h"
#include "models/kernel/switches.h"
#include "models/kernel/versions.h"
#include "models/run/run.h"
#include "tests/unit/scenario_files.h"

namespace wakepath::tests {

using namespace scenario;

namespace {

constexpr const char* kTwoHogs = R"(
platform = "qemu-icount"
[kernel]
version = "6.12"
hz = 250
[cgroup.g]
cpu.weight = 100
[program.in]
kind = "hog"
cgroup = "g"
[program.out]
kind = "hog"
[run]
duration = "2s"
warmup = "0s"
)";

Result<Scenario> two_hogs(std::vector<std::string> sets) { return load_text(kTwoHogs, "two.toml", options(sets)); }

std::string error_of_set(const std::string& set) {
  const auto r = two_hogs({set});
  return r ? "no error" : to_string(r.error());
}

// Shares of the CPU: the hog in the group, the one outside.
std::pair<double, double> shares(const Scenario& s) {
  const auto json = nlohmann::json::parse(run::run(s).json);
  double in = 0, out = 0;
  for (const auto& t : json["tasks"]) {
    if (t["comm"] == "in") in = t["cpu_ns_per_s"].get<double>() / 1e9;
    if (t["comm"] == "out") out = t["cpu_ns_per_s"].get<double>() / 1e9;
  }
  return {in, out};
}

}  // namespace

TEST_CASE("cpu.max is read as the kernel reads it", "[scenario]") {
  const Cgroup g = good(two_hogs({"cgroup.g.cpu.max=20000 100000", "cgroup.g.cpu.max.burst=5000"})).cgroups[0];
  CHECK(*g.max.quota_us == 20000);
  CHECK(g.max.period_us == 100000);
  CHECK(g.max.burst_us == 5000);
  CHECK_FALSE(good(two_hogs({"cgroup.g.cpu.max=max"})).cgroups[0].max.quota_us);
  CHECK(*good(two_hogs({"cgroup.g.cpu.max=50000"})).cgroups[0].max.quota_us == 50000);
  CHECK(error_of_set("cgroup.g.cpu.max=900 100000").find("at least 1000 us") != std::string::npos);
  CHECK(error_of_set("cgroup.g.cpu.max=20000 100").find("1000 to 1000000") != std::string::npos);
  CHECK(error_of_set("cgroup.g.cpu.max=half").find("50000 100000") != std::string::npos);
  CHECK(error_of_set("cgroup.g.cpu.max_burst=10").find("a burst needs a quota") != std::string::npos);
}

TEST_CASE("events are checked when the scenario is read", "[scenario]") {
  const auto event = [](const std::string& set) {
    return two_hogs({"event.e.at=500ms", "event.e.set=\"" + set + "\""});
  };
  CHECK(*good(event("cgroup.g.cpu.weight=1000")).events[0].group.cpu_weight == 1000);
  CHECK(*good(event("task.in.nice=5")).events[0].task.nice == 5);
  CHECK(*good(event("task.in.slice=500us")).events[0].task.slice_ns == 500'000);
  CHECK(good(event("cgroup.g.weight=7")).events[0].at_ns == 500'000'000);
  const auto error = [&](const std::string& set) { return to_string(event(set).error()); };
  CHECK(error("cgroup.g.cpu.weight=0").find("must be 1 to 10000") != std::string::npos);
  CHECK(error("cgroup.h.cpu.weight=5").find("unknown cgroup 'h'") != std::string::npos);
  CHECK(error("cgroup.g.cpu.wait=5").find("did you mean 'cgroup.g.cpu.weight'") != std::string::npos);
  CHECK(error("run.seed=5").find("cannot set run.seed") != std::string::npos);
  CHECK(error("task.in.nice=40").find("nice is -20 to 19") != std::string::npos);
  CHECK(to_string(two_hogs({"event.e.at=1s"}).error()).find("changes nothing") != std::string::npos);
  const auto old = two_hogs({"event.e.at=1s", "event.e.set=\"task.in.slice=1ms\"", "kernel.version=6.1"});
  CHECK(to_string(old.error()).find("no slice of a task's own") != std::string::npos);
}

TEST_CASE("limits and events are written back", "[scenario]") {
  const Scenario s = good(two_hogs({"cgroup.g.cpu.max=20000 100000", "cgroup.g.cpu.max_burst=100",
                                    "cgroup.g.cpu.max_phase=3ms", "event.e.at=500ms", "task.in.policy=batch",
                                    "event.e.set=\"cgroup.g.cpu.max=max\"", "kernel.sched.features.PLACE_LAG=false"}));
  const std::string text = to_toml(s);
  const Scenario again = good(load_text(text, "again.toml", options()));
  CHECK(to_toml(again) == text);
  CHECK(again.events.size() == 1);
  CHECK(*again.cgroups[0].max.quota_us == 20000);
  CHECK_FALSE(again.kernel.switches->place_lag);
}

TEST_CASE("sched features are switches under their debugfs names", "[scenario]") {
  CHECK_FALSE(good(two_hogs({"kernel.sched.features.DELAY_DEQUEUE=false"})).kernel.switches->delay_dequeue);
  CHECK(good(two_hogs({"kernel.sched.features.NEXT_BUDDY=true"})).kernel.switches->next_buddy);
  const auto both = two_hogs({"kernel.sched.features.NEXT_BUDDY=true", "kernel.switches.next_buddy=false"});
  CHECK_FALSE(good(both).kernel.switches->next_buddy);
  CHECK(error_of_set("kernel.sched.features.START_DEBIT=true").find("has no feature START_DEBIT") != std::string::npos);
  CHECK(error_of_set("kernel.sched.features.DELAY_DEQUE=true").find("DELAY_DEQUEUE") != std::string::npos);
  for (const auto& f : kernel::features()) {
    CAPTURE(f.name);
    CHECK(kernel::has_switch(f.switch_name));
    CHECK(kernel::has_version(f.first));
    for (const auto& v : kernel::versions()) {  // a version without the feature has the switch off
      if (!kernel::version_has(f, v)) CHECK(kernel::cell(v, f.switch_name).value == 0);
    }
  }
}

TEST_CASE("a quota holds in a run", "[run]") {
  for (const char* version : {"6.1", "6.12", "6.18"}) {
    CAPTURE(version);
    const Scenario s = good(two_hogs({"cgroup.g.cpu.max=20000 100000", std::string("kernel.version=") + version}));
    const auto [in, out] = shares(s);
    CHECK(in == Approx(0.2).margin(0.01));
    CHECK(out == Approx(0.8).margin(0.02));
    const auto json = nlohmann::json::parse(run::run(s).json);
    CHECK(json["cgroups"][0]["path"] == "g");
    CHECK(json["cgroups"][0]["nr_throttled"].get<int>() >= 18);
  }
}

TEST_CASE("events change a run at their time", "[run]") {
  const auto [in, out] = shares(good(two_hogs({"event.e.at=1s", "event.e.set=\"cgroup.g.cpu.weight=300\""})));
  CHECK(in == Approx((0.5 + 0.75) / 2).margin(0.01));
  CHECK(out == Approx((0.5 + 0.25) / 2).margin(0.01));
  const auto idle = shares(good(two_hogs({"event.e.at=1s", "event.e.set=\"cgroup.g.cpu.idle=true\""})));
  CHECK(idle.first == Approx(0.25).margin(0.01));
  const auto nice = shares(good(two_hogs({"event.e.at=1s", "event.e.set=\"task.out.nice=5\""})));
  CHECK(nice.first == Approx((0.5 + 1024.0 / 1359) / 2).margin(0.01));
  const auto limited = shares(good(two_hogs({"event.e.at=1s", "event.e.set=\"cgroup.g.cpu.max=10000 100000\""})));
  CHECK(limited.first == Approx((0.5 + 0.1) / 2).margin(0.01));
  const auto freed = shares(
      good(two_hogs({"cgroup.g.cpu.max=10000 100000", "event.e.at=1s", "event.e.set=\"cgroup.g.cpu.max=max\""})));
  CHECK(freed.first == Approx((0.1 + 0.5) / 2).margin(0.01));
}

TEST_CASE("a program that yields leaves the CPU to the other", "[run]") {
  const auto root = shares(good(two_hogs({"program.in.kind=yield", "program.in.run=10us", "program.in.cgroup=''"})));
  CHECK(root.first > 0.0);
  CHECK(root.second > 0.9);
  // Alone in its group it yields to nobody: the group competes, not the task.
  const auto alone = shares(good(two_hogs({"program.in.kind=yield", "program.in.run=10us"})));
  CHECK(alone.first == Approx(0.5).margin(0.01));
}

}  // namespace wakepath::tests
