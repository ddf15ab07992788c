// SPDX-License-Identifier: GPL-2.0-or-later
// Scenario files: layers, units, spellings, round trips.
#include "models/kernel/switches.h"
#include "tests/unit/scenario_files.h"

namespace wakepath::tests {
using namespace scenario;

TEST_CASE("the published case is what the mail says", "[scenario]") {
  const Scenario s = good(load(kPublished, options()));
  CHECK(s.name == "starved_completions");
  CHECK(s.kernel.version == "6.1");
  CHECK(s.kernel.requested == "v6.1");
  CHECK_FALSE(s.kernel.switches->eevdf);
  CHECK(s.kernel.preempt == Preempt::none);
  CHECK(s.machine.platform == "i3en-3xlarge");
  CHECK(s.machine.cpus == 12);
  CHECK(s.block.hw_queues == 12);
  REQUIRE(s.cgroups.size() == 1);
  CHECK(s.cgroups[0].path == "kubepods");
  CHECK(s.cgroups[0].cpu_weight == 1000);
  REQUIRE(s.workloads.size() == 1);
  const FioJob& fio = s.workloads[0];
  CHECK(fio.name == "fio");
  CHECK(fio.cgroup == "kubepods");
  CHECK(fio.cpus_allowed == std::vector<int>{11});
  CHECK(fio.bs == 4096);
  CHECK(fio.iodepth == 128);
  CHECK(fio.iodepth_batch_submit == 128);
  CHECK(fio.iodepth_batch_complete_min == 1);
  CHECK(fio.iodepth_batch_complete_max == 128);
  CHECK(fio.iodepth_low == 128);
  CHECK(s.costs.name == "i3en-3xlarge");
  for (const auto& c : s.costs.entries) CHECK(c.set);
}

TEST_CASE("every scenario of the tree loads and its resolved text is stable", "[scenario]") {
  const auto names = list_scenarios(options().search_dirs);
  CHECK(names.size() >= 15);
  for (const auto& name : names) {
    CAPTURE(name);
    const Scenario s = good(load(name, options()));
    const std::string text = to_toml(s);
    const Scenario again = good(load_text(text, "again.toml"));  // needs no other file
    CHECK(to_toml(again) == text);
    CHECK(again.name == s.name);
    CHECK(again.notes == s.notes);
  }
}

TEST_CASE("variants differ from what they extend in the keys they give", "[scenario]") {
  CHECK(good(load("starved_completions/root", options())).workloads[0].cgroup.empty());
  CHECK(good(load("starved_completions/eevdf-6.8", options())).kernel.switches->aio_obey_min_nr);
  const Scenario renice = good(load("starved_completions/renice", options()));
  REQUIRE(renice.task_rules.size() == 1);
  CHECK(renice.task_rules[0].glob == "kworker");
  CHECK(renice.task_rules[0].nice == -10);
  CHECK(good(load("starved_completions/min_nr-patch", options())).kernel.changed ==
        std::vector<std::string>{"aio_obey_min_nr=true"});
  CHECK(good(load("starved_completions/qemu-6.12", options())).costs.name == "qemu-icount-6.12");
}

TEST_CASE("--set reaches keys in every spelling", "[scenario][set]") {
  const Scenario s =
      good(load(kPublished, options({"kernel.version=v6.12", "cgroup.kubepods.weight=200", "workload.fio.iodepth=32",
                                     "workload.fio.blocksize=8k", "task.kworker.nice=-10", "device.latency=60us",
                                     "device.coalesce_ns=\"20us\"", "run.duration=2s", "costs.cqe=1.2us",
                                     "costs.tick={low=1000,high=3000,source=\"guess\"}",
                                     "kernel.switches.dio_write_complete_inline=true"})));
  CHECK(s.kernel.version == "6.12");
  CHECK(s.cgroups[0].cpu_weight == 200);
  CHECK(s.workloads[0].iodepth == 32);
  CHECK(s.workloads[0].iodepth_batch_submit == 32);  // fio clips it to the depth
  CHECK(s.workloads[0].bs == 8192);
  CHECK(s.task_rules[0].nice == -10);
  CHECK(s.device.latency_ns.ns == 60'000);
  CHECK(s.device.coalesce_ns == 20'000);
  CHECK(s.run.duration_ns == 2'000'000'000);
  CHECK(s.costs[machine::CostId::cqe].ns == 1'200);
  CHECK(s.costs[machine::CostId::tick].kind == machine::Cost::Kind::uniform);
  CHECK(s.kernel.changed == std::vector<std::string>{"dio_write_complete_inline=true"});
}

TEST_CASE("a number on the command line is a version; the text counts, not the number", "[scenario][set]") {
  CHECK(good(load(kPublished, options({"kernel.version=6.12"}))).kernel.requested == "6.12");
  LoadOptions o = options();
  o.kernel = "6.8.0-1015-aws";
  o.duration = "500ms";
  o.seed = "42";
  const Scenario s = good(load(kPublished, o));
  CHECK(s.kernel.version == "6.8");
  CHECK(s.run.duration_ns == 500'000'000);
  CHECK(s.run.seed == 42);
}

TEST_CASE("shares replace a weight of a lower layer and the reverse", "[scenario][set]") {
  const Scenario s = good(load(kPublished, options({"cgroup.kubepods.shares=10240"})));
  CHECK_FALSE(s.cgroups[0].cpu_weight);
  CHECK(s.cgroups[0].cpu_shares == 10240);
  const Scenario t =
      good(load(kPublished, options({"cgroup.kubepods.shares=10240", "cgroup.kubepods.cpu.weight=500"})));
  CHECK(t.cgroups[0].cpu_weight == 500);
  CHECK_FALSE(t.cgroups[0].cpu_shares);
}

TEST_CASE("groups come in tree order and paths imply parents", "[scenario][cgroup]") {
  const Scenario s =
      good(load_body("cgroup.\"kubepods/pod1/c\".weight = 10\ncgroup.b.parent = \"a\"\n[cgroup.a]\n"
                     "[workload.fio]\ncgroup = \"/kubepods/pod1/c\"\n"));
  std::vector<std::string> paths;
  for (const auto& g : s.cgroups) paths.push_back(g.parent + ">" + g.path);
  CHECK(paths ==
        std::vector<std::string>{">a", ">kubepods", "a>b", "kubepods>kubepods/pod1", "kubepods/pod1>kubepods/pod1/c"});
  CHECK(s.workloads[0].cgroup == "kubepods/pod1/c");
  const std::string text = to_toml(s);
  CHECK(to_toml(good(load_text(text, "again.toml"))) == text);
}

TEST_CASE("workloads and programs keep the order of the file", "[scenario]") {
  const Scenario s = good(
      load_body("[workload.zebra]\niodepth = 1\n[workload.ant]\niodepth = 1\n"
                "[program.z]\nkind = \"hog\"\n[program.a]\nkind = \"duty\"\nrun = \"300us\"\nsleep = \"700us\"\n"));
  CHECK(s.workloads[0].name == "zebra");
  CHECK(s.workloads[1].name == "ant");
  CHECK(s.programs[0].name == "z");
  CHECK(s.programs[1].run_ns == 300'000);
}

TEST_CASE("fio's options under fio's names and units", "[scenario][workload]") {
  const Scenario s = good(
      load_body("[workload.w]\nreadwrite = \"randrw\"\nrwmixwrite = 30\nblocksize = \"16k\"\niodepth = 16\n"
                "iodepth_batch = 0\niodepth_batch_complete = 8\nthinktime = 14\nthinktime_blocks = 4\n"
                "rate_iops = \"10k\"\ncpumask = 6\nstartdelay = 2\nnumjobs = 3\ndirectory = \"/mnt\"\nverify = 0\n"));
  const FioJob& w = s.workloads[0];
  CHECK(w.rw == "randrw");
  CHECK(w.rwmixread == 70);
  CHECK(w.bs == 16384);
  CHECK(w.iodepth_batch_submit == 16);
  CHECK(w.iodepth_batch_complete_min == 8);
  CHECK(w.iodepth_batch_complete_max == 8);
  CHECK(w.thinktime_ns == 14'000);
  CHECK(w.rate_iops == 10'240);
  CHECK(w.cpus_allowed == std::vector<int>{1, 2});
  CHECK(w.startdelay_ns == 2'000'000'000);
  CHECK(w.numjobs == 3);
}

TEST_CASE("an assumed kernel marks the scenario and survives the round trip", "[scenario][kernel]") {
  const Scenario s = good(load(kPublished, options({"kernel.version=6.9.1", "kernel.assume=6.8"})));
  CHECK(s.kernel.version == "6.8");
  CHECK(s.kernel.assumed == "6.8");
  CHECK(s.notes.size() == 1);
  const std::string text = to_toml(s);
  CHECK(to_toml(good(load_text(text, "again.toml"))) == text);
}

TEST_CASE("distributions: 17 quantiles from any number, and all kinds round trip", "[scenario][costs]") {
  const Scenario s =
      good(load_body("workload.fio.iodepth = 1\ndevice.latency_ns = {mean = \"80us\", kind = \"exponential\"}\n"
                     "device.service_ns = {quantiles = [0, 160, 320], source = \"probe\", estimate = false}\n"
                     "device.law = \"serial\"\n"));
  CHECK(s.device.latency_ns.kind == Dist::Kind::exponential);
  CHECK(s.device.latency_ns.ns == 80'000);
  CHECK(s.device.service_ns.q[1] == 20);
  CHECK(s.device.service_ns.q[8] == 160);
  CHECK(s.device.service_ns.q[16] == 320);
  CHECK(s.device.service_ns.mean_ns() == 160);
  CHECK_FALSE(s.device.service_ns.estimate);
  const std::string text = to_toml(s);
  CHECK(to_toml(good(load_text(text, "again.toml"))) == text);
}

TEST_CASE("a scenario without a machine runs on the stand-in, and says so", "[scenario]") {
  const Scenario s = good(load_text("[workload.w]\niodepth = 4\n", "t.toml", options()));
  CHECK(s.machine.platform == "server");
  REQUIRE_FALSE(s.notes.empty());
  CHECK(s.notes[0].find("platform server is used") != std::string::npos);
}

TEST_CASE("a machine file replaces machine, device and costs, and nothing else", "[scenario][machine]") {
  LoadOptions o = options({"workload.fio.cpus_allowed=1"});
  o.machine_file = source_dir() + "/scenarios/platforms/vm-2cpu-6.18.toml";
  const Scenario s = good(load(kPublished, o));
  CHECK(s.machine.cpus == 2);
  CHECK(s.machine.platform == "vm-2cpu-6.18");
  CHECK(s.block.driver == "virtio_blk");
  CHECK(s.device.iops_cap == 0);
  CHECK(s.kernel.version == "6.1");
  CHECK(s.cgroups[0].cpu_weight == 1000);
}

TEST_CASE("every key can be explained, and its default is the struct's", "[scenario][explain]") {
  for (const KeyInfo& k : list_keys()) {
    CAPTURE(k.key);
    CHECK_FALSE(k.doc.empty());
    CHECK(explain(k.key));
  }
  CHECK(explain("workload.fio.iodepth")->find("default: 1") != std::string::npos);
  CHECK(explain("run.duration")->find("default: \"1s\"") != std::string::npos);
  CHECK(explain("kernel.switches.aio_obey_min_nr")->find("6.8   true") != std::string::npos);
  CHECK(to_string(explain("run.duratoin").error()) == "unknown key 'run.duratoin' (did you mean 'run.duration'?)");
}

}  // namespace wakepath::tests
