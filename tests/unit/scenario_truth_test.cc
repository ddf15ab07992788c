// SPDX-License-Identifier: GPL-2.0-or-later
// Truth cases become the scenario of their setting, all of them, and nothing in a setting is passed over.
#include <algorithm>

#include "tests/unit/scenario_files.h"

namespace wakepath::tests {
using namespace scenario;

namespace {

std::vector<std::string> lines_of(const std::string& name) {
  std::ifstream in(source_dir() + "/tests/truth/" + name);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string find_case(const std::string& file, const std::string& id) {
  for (const auto& line : lines_of(file)) {
    if (line.find("\"id\": \"" + id + "\"") != std::string::npos) return line;
  }
  FAIL("no case " + id);
  return {};
}

}  // namespace

TEST_CASE("every case of the direct-I/O and scheduler files loads and round trips", "[truth]") {
  for (const char* file : {"qemu.jsonl", "host.jsonl", "sched.jsonl"}) {
    for (const auto& line : lines_of(file)) {
      const Scenario s = good(from_truth_case(line, options()));
      CAPTURE(s.name);
      const std::string text = to_toml(s);
      CHECK(to_toml(good(load_text(text, "again.toml"))) == text);
    }
  }
}

TEST_CASE("an emulated case", "[truth]") {
  const Scenario s =
      good(from_truth_case(find_case("qemu.jsonl", "qemu-A-6.1-d71k-q128-m1-w1000-kwnice-10"), options()));
  CHECK(s.kernel.version == "6.1");
  CHECK(s.kernel.hz == 250);
  CHECK(s.kernel.preempt == Preempt::voluntary);
  CHECK(s.kernel.latency_ns == 6'000'000);
  CHECK(s.machine.cpus == 1);
  CHECK(s.block.driver == "null_blk");
  CHECK(s.block.virtual_timer_completion);
  CHECK(s.block.queue_depth == 1024);
  CHECK(s.device.service_ns.ns == 14'000);
  CHECK(s.device.grid_ns == 112'000);
  CHECK(s.cgroups[0].cpu_weight == 1000);
  CHECK(s.workloads[0].cgroup == "g");
  CHECK(s.workloads[0].cpus_allowed == std::vector<int>{0});
  CHECK(s.task_rules[0].nice == -10);
  CHECK(s.costs.name == "qemu-icount-6.1");
  CHECK(s.fs.type == "xfs");
}

TEST_CASE("tags, delay law and copying", "[truth]") {
  CHECK(good(from_truth_case(find_case("qemu.jsonl", "qemu-A-6.1-hwq8-q128-m1-wroot"), options())).block.queue_depth ==
        8);
  const Scenario s = good(from_truth_case(find_case("qemu.jsonl", "qemu-A-6.12-stock-q128-m1-wroot"), options()));
  CHECK(s.device.law == "delay");
  CHECK(s.device.copies_data);
  CHECK(s.costs.name == "qemu-icount-6.12");
  CHECK(s.cgroups.empty());
}

TEST_CASE("a case of this kind of machine", "[truth]") {
  const Scenario s = good(from_truth_case(find_case("host.jsonl", "host-libaio-randwrite-qd32-b32-s10240"), options()));
  CHECK(s.kernel.version == "6.18");
  CHECK(s.kernel.preempt == Preempt::none);
  CHECK(s.kernel.base_slice_ns == 1'400'000);
  CHECK(s.machine.cpus == 2);
  CHECK(s.block.driver == "virtio_blk");
  CHECK(s.block.irq_cpus == std::vector<int>{1});
  CHECK(s.fs.type == "ext4");
  CHECK(s.cgroups[0].cpu_shares == 10240);
  CHECK(s.workloads[0].cpus_allowed == std::vector<int>{1});
}

TEST_CASE("a scheduler case", "[truth]") {
  const Scenario s = good(from_truth_case(find_case("sched.jsonl", "qemu-B-6.1-ping-cg1000_root"), options()));
  // The platform may bring background programs of its own: look the case's up by name.
  const auto a = std::find_if(s.programs.begin(), s.programs.end(), [](const Program& p) { return p.name == "a"; });
  REQUIRE(a != s.programs.end());
  CHECK(a->kind == "ping");
  CHECK(a->run_ns == 2'000);
  CHECK(a->in == 0);
  CHECK(a->out == 1);
  CHECK(a->cgroup == "c");
  CHECK(s.cgroups[0].path == "c");
}

// Their traces: requests end in rounds of 16, or of two that sum to 16, while 128 events wait. One CPU's traces have
// calls that return 128.
TEST_CASE("fio of the emulated cases with several CPUs has batches of 16", "[truth]") {
  const Scenario two = good(from_truth_case(find_case("qemu-smp.jsonl", "qemu-C-6.1-lat20-bs4k-smp2"), options()));
  REQUIRE(two.workloads.size() == 1);
  CHECK(two.workloads[0].iodepth_batch_complete_max == 16);
  CHECK(two.workloads[0].iodepth_batch_submit == 16);
  for (const char* option : {"iodepth_batch_submit", "iodepth_batch_complete_max"}) {
    INFO(option);
    CHECK(std::any_of(two.notes.begin(), two.notes.end(), [&](const std::string& n) {
      return n.rfind(std::string("fio's ") + option + " is 16", 0) == 0;
    }));
  }
  const Scenario one = good(from_truth_case(find_case("qemu.jsonl", "qemu-A-6.1-lat60-q128-m1-wroot"), options()));
  CHECK(one.workloads[0].iodepth_batch_complete_max == 128);
  CHECK(one.workloads[0].iodepth_batch_submit == 128);
}

// It begins 5.2 ms before the window does and is on the last CPU, beside fio's main thread, which is in fio's group.
TEST_CASE("who samples the emulated cases is there when the window begins", "[truth]") {
  const auto named = [](const Scenario& s, const std::string& name) {
    return std::find_if(s.programs.begin(), s.programs.end(), [&](const Program& p) { return p.name == name; });
  };
  const auto with = [](const std::string& file, const std::string& id, const std::string& warmup) {
    auto o = options();
    if (!warmup.empty()) o.warmup = warmup;
    return good(from_truth_case(find_case(file, id), o));
  };
  const Scenario grouped = with("qemu.jsonl", "qemu-A-6.1-d71k-q128-m1-w1000", "");
  REQUIRE(named(grouped, "meter") != grouped.programs.end());
  CHECK(named(grouped, "meter")->startdelay_ns == 194'850'000);
  CHECK(named(grouped, "meter")->cpu == 0);
  CHECK(named(grouped, "meter")->cgroup.empty());
  REQUIRE(named(grouped, "fio_main") != grouped.programs.end());
  CHECK(named(grouped, "fio_main")->cgroup == "g");
  const Scenario four = with("qemu-smp.jsonl", "qemu-C-6.1-lat20-bs4k-smp4", "1s");
  CHECK(named(four, "meter")->startdelay_ns == 994'850'000);
  CHECK(named(four, "meter")->cpu == 3);
  // Writers through io-wq on one CPU have neither, a scheduler case its own tasks alone.
  const Scenario io_wq = with("qemu-iouring.jsonl", "qemu-D-6.1-iowq-nf1-fsync1", "");
  CHECK(named(io_wq, "meter") == io_wq.programs.end());
  CHECK(named(io_wq, "fio_main") == io_wq.programs.end());
  const Scenario tasks = with("sched.jsonl", "qemu-B-6.1-ping-cg1000_root", "");
  CHECK(named(tasks, "meter") == tasks.programs.end());
  // Of what a recording replays its trace says who else ran.
  std::string replay = find_case("qemu.jsonl", "qemu-A-6.1-d71k-q128-m1-w1000");
  const std::string role = "\"role\": \"predict\"";
  REQUIRE(replay.find(role) != std::string::npos);
  replay.replace(replay.find(role), role.size(), "\"role\": \"replay\"");
  const Scenario seen = good(from_truth_case(replay, options()));
  CHECK(named(seen, "meter") == seen.programs.end());
  CHECK(named(seen, "fio_main") == seen.programs.end());
  CHECK(named(seen, "rcu_preempt") != seen.programs.end());
}

TEST_CASE("a setting that is not understood is an error", "[truth][errors]") {
  const std::string head =
      R"({"schema": "wakepath.truth/1", "id": "x", "platform": "qemu-icount", "kernel": "6.1", "setting": )";
  CHECK(line_of(from_truth_case(head + R"({"cpus": 1, "moon": "full"}})", options()))
            .rfind("truth case x: setting 'moon' is not understood", 0) == 0);
  CHECK(line_of(from_truth_case(head + R"({"workload": {"engine": "libaio", "zonemode": 1}}})", options()))
            .rfind("truth case x: setting 'workload.zonemode' is not understood", 0) == 0);
  CHECK(line_of(from_truth_case("nonsense", options())) ==
        "truth case: not a JSON object (give one line of a case file)");
}

}  // namespace wakepath::tests
