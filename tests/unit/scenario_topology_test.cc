// SPDX-License-Identifier: GPL-2.0-or-later
// machine.topology of a scenario: counts, lists, a real machine's files; and what cannot be.
#include <filesystem>

#include "models/scenario/topology_files.h"
#include "models/sched/domains.h"
#include "tests/unit/scenario_files.h"

namespace wakepath::tests {
using namespace scenario;

namespace {

constexpr const char* kHead =
    "platform = \"qemu-icount\"\nkernel.version = \"6.1\"\n[workload.fio]\niodepth = 1\n[machine]\n";

Result<Scenario> with(const std::string& body) { return load_text(kHead + body, "t.toml", options()); }
std::string levels_of(const Scenario& s) { return sched::Domains(s.machine.resolved).text(); }

const std::string kRows = R"({"cpus": [
 {"cpu": 0, "node": 0, "socket": 0, "core": 0, "l1d:l1i:l2:l3": "0:0:0:0", "online": true},
 {"cpu": 1, "node": 0, "socket": 0, "core": 1, "l1d:l1i:l2:l3": "1:1:1:0", "online": true},
 {"cpu": 2, "node": 1, "socket": 1, "core": 2, "l1d:l1i:l2:l3": "2:2:2:1", "online": true},
 {"cpu": 3, "node": 1, "socket": 1, "core": 3, "l1d:l1i:l2:l3": "3:3:3:1", "online": true}]})";

const std::string kSummary = R"x({"lscpu": [
 {"field": "CPU(s):", "data": "8"}, {"field": "Thread(s) per core:", "data": "2"},
 {"field": "Socket(s):", "data": "1", "children": [{"field": "L3 cache:", "data": "32 MiB (2 instances)"}]}]})x";

void put(const std::filesystem::path& file, const std::string& text) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file) << text << "\n";
}

// Two cores of two threads, one cache, two nodes would not nest: one node.
std::string sysfs_of_four() {
  const std::filesystem::path root = std::filesystem::path(wakepath::tests::binary_dir()) / "sysfs_of_four";
  std::filesystem::remove_all(root);
  for (int c = 0; c < 4; ++c) {
    const auto cpu = root / "cpu" / ("cpu" + std::to_string(c));
    put(cpu / "topology" / "core_cpus_list", c % 2 == 0 ? "0,2" : "1,3");
    put(cpu / "topology" / "package_cpus_list", "0-3");
    put(cpu / "cache" / "index0" / "level", "1");
    put(cpu / "cache" / "index0" / "shared_cpu_list", std::to_string(c));
    put(cpu / "cache" / "index1" / "level", "3");
    put(cpu / "cache" / "index1" / "shared_cpu_list", "0-3");
  }
  put(root / "node" / "node0" / "cpulist", "0-3");
  put(root / "node" / "node0" / "distance", "10");
  return root.string();
}

}  // namespace

TEST_CASE("topology: nothing said is one cache without threads", "[scenario][topology]") {
  CHECK(levels_of(good(with("cpus = 4\n"))) == "MC 0-3: [0] [1] [2] [3]\n");
}

TEST_CASE("topology: counts", "[scenario][topology]") {
  const auto s = good(with("cpus = 8\ntopology.threads_per_core = 2\ntopology.packages = 2\ntopology.nodes = 2\n"));
  CHECK(levels_of(s) ==
        "SMT 0,4: [0] [4]\nMC 0-1,4-5: [0,4] [1,5]\nNUMA(20) 0-7: [0-1,4-5] [2-3,6-7]\nSMT 1,5: [1] [5]\n"
        "SMT 2,6: [2] [6]\nMC 2-3,6-7: [2,6] [3,7]\nSMT 3,7: [3] [7]\n");
  const auto adjacent =
      good(with("cpus = 4\ntopology.threads_per_core = 2\ntopology.numbering = \"threads_adjacent\"\n"));
  CHECK(adjacent.machine.resolved.core == std::vector<int>{0, 0, 1, 1});
}

TEST_CASE("topology: lists, and the text of a result repeats them", "[scenario][topology]") {
  const auto s = good(with("cpus = 4\ntopology.llc = [0, 0, 1, 1]\ntopology.capacity = [1024, 1024, 512, 512]\n"));
  CHECK(s.machine.resolved.llc == std::vector<int>{0, 0, 1, 1});
  CHECK(s.machine.resolved.capacity[3] == 512);
  const auto again = good(load_text(to_toml(s), "again.toml", options()));
  CHECK(again.machine.resolved.llc == s.machine.resolved.llc);
}

TEST_CASE("topology: from sysfs and lscpu", "[scenario][topology]") {
  const auto s = good(with("topology.sysfs = \"" + sysfs_of_four() + "\"\ncpus = 4\n"));
  CHECK(levels_of(s) == "SMT 0,2: [0] [2]\nMC 0-3: [0,2] [1,3]\nSMT 1,3: [1] [3]\n");
  CHECK(good(load_text(to_toml(s), "again.toml", options())).machine.resolved.core == s.machine.resolved.core);
  const auto rows = topology_from_lscpu(kRows);
  REQUIRE(rows);
  CHECK(sched::Domains(*rows).text() == "MC 0-1: [0] [1]\nNUMA(20) 0-3: [0-1] [2-3]\nMC 2-3: [2] [3]\n");
  const auto summary = topology_from_lscpu(kSummary);
  REQUIRE(summary);
  CHECK(summary->llc == std::vector<int>{0, 0, 1, 1, 0, 0, 1, 1});
  CHECK_FALSE(topology_from_lscpu("{\"cpus\": [{\"cpu\": 1}]}"));
  CHECK_FALSE(topology_from_lscpu("not json"));
  CHECK_FALSE(topology_from_sysfs("/nonexistent"));
}

TEST_CASE("topology: what cannot be is one line", "[scenario][errors]") {
  CHECK(
      line_of(with("cpus = 7\ntopology.threads_per_core = 2\n")) ==
      "t.toml:7: machine.topology: 7 CPUs are no whole number of cores of 2 threads (machine.cpus = threads x cores x "
      "packages; or list core, llc, package, node)");
  CHECK(line_of(with("cpus = 4\ntopology.llc = [0, 0, 1]\n")) ==
        "t.toml:7: machine.topology.llc names 3 CPUs, the machine has 4 (give one number for each CPU, or set "
        "machine.cpus)");
  CHECK(line_of(with("cpus = 4\ntopology.core = [0, 0, 1, 1]\ntopology.llc = [0, 1, 0, 1]\n")) ==
        "t.toml:7: machine.topology: CPUs 0 and 1 share core 0 but not the last-level cache (such a machine cannot "
        "exist)");
  CHECK(line_of(with("cpus = 4\ntopology.nodes = 2\ntopology.core = [0, 1, 2, 3]\n")) ==
        "t.toml:8: machine.topology is given in two ways (give counts (threads_per_core, ...), lists (core, llc, ...), "
        "or one file (sysfs, lscpu))");
  CHECK(line_of(with("cpus = 4\ntopology.llc = [0, \"x\"]\n")).find("must be a list of numbers") != std::string::npos);
  CHECK(line_of(with("cpus = 2\ntopology.sysfs = \"/nonexistent\"\n"))
            .find("t.toml:7: machine.topology.sysfs: there is no cpu0 in") == 0);
}

TEST_CASE("queue maps: a CPU without a queue is one line", "[scenario][errors]") {
  CHECK(line_of(with("cpus = 4\n[block]\nhw_queues = 2\nqueue_map = [0, 1, 2, 0]\n")) ==
        "t.toml:9: block.queue_map: CPU 2 is mapped to queue 2, but there are queues 0 to 1 (give one queue from 0 to "
        "block.hw_queues - 1 for each CPU, or leave it out)");
  CHECK(line_of(with("cpus = 4\n[block]\nhw_queues = 2\nqueue_map = [0, 1]\n")).find("names 2 CPUs of 4") !=
        std::string::npos);
}

}  // namespace wakepath::tests
