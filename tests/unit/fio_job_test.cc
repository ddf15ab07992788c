// SPDX-License-Identifier: GPL-2.0-or-later
// fio job files, fio command lines and the shell lines around them.
#include "tests/unit/scenario_files.h"

namespace wakepath::tests {
using namespace scenario;

namespace {

Scenario from_file(const std::string& name, std::vector<std::string> sets = {}) {
  return good(load(fio_file(name), options(std::move(sets))));
}

bool noted(const Scenario& s, const std::string& part) {
  for (const auto& n : s.notes) {
    if (n.find(part) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("the mystery's job file", "[fio]") {
  const Scenario s = from_file("mystery.fio");
  REQUIRE(s.workloads.size() == 1);
  const FioJob& w = s.workloads[0];
  CHECK(w.name == "write_iops");
  CHECK(w.rw == "randwrite");
  CHECK(w.bs == 4096);
  CHECK(w.size == 10LL << 30);
  CHECK(w.iodepth == 128);
  CHECK(w.iodepth_batch_submit == 128);
  CHECK(w.iodepth_batch_complete_min == 1);
  CHECK(w.iodepth_batch_complete_max == 128);
  CHECK(w.cpus_allowed == std::vector<int>{11});
  CHECK(s.machine.platform == "server");
  CHECK(noted(s, "platform server is used"));
  CHECK(noted(s, "accepted without effect on the model: time_based, group_reporting, directory"));
  CHECK(noted(s, "runtime = 60s does not set the simulated window"));
}

TEST_CASE("sections, aliases, masks and rates", "[fio]") {
  const Scenario s = from_file("mixed.fio");
  REQUIRE(s.workloads.size() == 2);
  const FioJob &readers = s.workloads[0], &log = s.workloads[1];
  CHECK(readers.name == "readers");
  CHECK(readers.rwmixread == 70);
  CHECK(readers.bs == 8192);
  CHECK(readers.numjobs == 2);
  CHECK(readers.cpus_allowed == std::vector<int>{2, 3});
  CHECK(readers.thinktime_ns == 100'000);
  CHECK(readers.thinktime_blocks == 8);
  CHECK(readers.iodepth_batch_submit == 1);
  CHECK(log.rw == "write");
  CHECK(log.iodepth_batch_submit == 4);  // 0 is the whole depth
  CHECK(log.rate_iops == 5000);
  CHECK(log.nice == -5);
  CHECK(log.startdelay_ns == 500'000'000);
  CHECK(s.fs.type == "none");
  CHECK(noted(s, "/dev/nvme0n1 is taken as a block device"));
}

TEST_CASE("include, and completion batches", "[fio]") {
  const Scenario s = from_file("included.fio");
  CHECK(s.workloads[0].bs == 4096);
  CHECK(s.workloads[0].rw == "randread");
  CHECK(s.workloads[0].iodepth_batch_complete_min == 8);
  CHECK(s.workloads[0].iodepth_batch_complete_max == 8);
  CHECK(s.workloads[0].iodepth_low == 4);
}

TEST_CASE("a fio job takes --set and --kernel like any scenario", "[fio]") {
  const Scenario s = from_file("mystery.fio", {"platform=i3en-3xlarge", "kernel.version=v6.1",
                                               "cgroup.kubepods.weight=1000", "workload.write_iops.cgroup=kubepods"});
  CHECK(s.machine.platform == "i3en-3xlarge");
  CHECK(s.workloads[0].cgroup == "kubepods");
  CHECK_FALSE(noted(s, "platform server"));
}

TEST_CASE("what the model lacks is named with its line", "[fio][errors]") {
  const auto line = [](const std::string& name) {
    const std::string text = line_of(load(fio_file(name), options()));
    return text.substr(text.find(name));
  };
  CHECK(line("zoned.fio") == "zoned.fio:7: option 'zonemode=zbd' is not modelled (remove it or write zonemode=none)");
  CHECK(line("typo.fio") == "typo.fio:4: unknown key 'workload.a.iodpeth' (did you mean 'workload.a.iodepth'?)");
  CHECK(line_of(from_fio("[a]\nioengine=libaio\nbssplit=4k/50:8k/50\n", "x.fio", options())) ==
        "x.fio:3: option 'bssplit' is not modelled (remove it or use one bs)");
  CHECK(line_of(from_fio("rw=randwrite\n", "x.fio", options())) ==
        "x.fio:1: 'rw=randwrite' stands before the first section (begin with [global] or [NAME])");
  CHECK(line_of(from_fio("[global]\nrw=read\n", "x.fio", options())) ==
        "x.fio: the fio job file has no job section (add a section: [NAME])");
  CHECK(line_of(from_fio("[a]\ndirect=1\nioengine=libaio\nsync=1\nrw=randwrite\n", "x.fio", options())) ==
        "x.fio:4: workload a: sync=sync with libaio and direct=1 is not modelled (use ioengine=psync, or fsync=1)");
  CHECK(line_of(from_fio("[a]\nioengine=libaio\nuserspace_reap=1\n", "x.fio", options())) ==
        "x.fio:3: workload a: userspace_reap has an effect only with iodepth_batch_complete_min=0 (add "
        "iodepth_batch_complete_min=0, or remove it)");
  CHECK(
      line_of(from_fio("[a]\ncpus_allowed_policy=spread\n", "x.fio", options())).find("it is one of: shared, split") !=
      std::string::npos);
  CHECK(line_of(from_fio("[a]\nioengine=libaio\niodepth=0\n", "x.fio", options())) ==
        "x.fio:3: workload.a.iodepth must be 1 to 65536, not 0 (write 1 or more)");
}

TEST_CASE("lines are read as fio reads them", "[fio]") {
  const Scenario s =
      good(from_fio("[global] ; of all\nioengine=libaio # async\ndirect=1;\nfilename=/dev/sda\n"
                    "overwrite=1\nrate=1m\n[globals]\niodepth=4\n"
                    "[a]\nfilename=/mnt/x:/mnt/y\\:z\noverwrite=0\nrate=0\nbs=4ki\n"
                    "[b]\nfilename=/mnt/x\nrate=0\nbs=8k\nbs=4kib\nsize=50%\nstonewall=0\n",
                    "x.fio", options()));
  REQUIRE(s.workloads.size() == 2);
  CHECK(s.workloads[0].name == "a");
  CHECK(s.workloads[0].ioengine == "libaio");
  CHECK(s.workloads[0].iodepth == 4);  // fio takes each section whose name begins with global
  CHECK(s.workloads[0].bs == 4096);
  CHECK(s.workloads[0].nrfiles == 2);
  CHECK(s.workloads[1].bs == 4000);
  CHECK(s.workloads[1].nrfiles == 1);
  CHECK(s.fs.type == "xfs");  // the last value holds, also of what does not become a key of the job
  CHECK(noted(s, "workload b: size=50%"));
}

TEST_CASE("one disk is modelled: jobs on several are refused", "[fio][errors]") {
  const auto jobs = [](const std::string& a, const std::string& b) {
    return from_fio("[global]\ndirect=1\nioengine=libaio\n[a]\n" + a + "\n[b]\n" + b + "\n", "x.fio", options());
  };
  const auto refused = [&](const std::string& a, const std::string& b) { return line_of(jobs(a, b)); };
  CHECK(good(jobs("filename=/dev/sda", "filename=/dev/sda")).fs.type == "none");
  CHECK(good(jobs("filename=/mnt/a", "directory=/mnt")).fs.type == "xfs");
  CHECK(
      refused("filename=/dev/sda", "filename=/dev/sdb") ==
      "x.fio:7: job b uses /dev/sdb, another one /dev/sda: one disk is modelled, with a filesystem or without (put the "
      "jobs of each disk into a file of their own)");
  CHECK(refused("filename=/dev/sda", "directory=/mnt") ==
        "x.fio:6: job b uses files of a filesystem, another one /dev/sda: one disk is modelled, with a filesystem or "
        "without (put the jobs of each disk into a file of their own)");
  CHECK(refused("filename=/dev/sda:/dev/sdb", "") ==
        "x.fio:5: filename=/dev/sda:/dev/sdb: several devices are not modelled (name one of them)");
  CHECK(refused("filename=/dev/shm/x", "") == "x.fio:5: filename=/dev/shm/x is no disk (name a file on one)");
  CHECK(
      refused("stonewall", "stonewall") ==
      "x.fio:5: option 'stonewall=1' is not modelled (the jobs would run one after the other: put each into a file of "
      "its own)");
  CHECK(refused("rw_sequencer=identical", "") == "x.fio:5: option 'rw_sequencer' is not modelled (remove it)");
}

TEST_CASE("an included file has no sections", "[fio][errors]") {
  const std::string text = line_of(load(fio_file("includes_sections.fio"), options()));
  CHECK(text.find("mystery.fio:2: a file that is included has no sections") != std::string::npos);
}

TEST_CASE("a reap_thread is refused where it would not work", "[fio][errors]") {
  const auto job = [](const std::string& rest) {
    return from_fio("[a]\ndirect=1\nrw=randwrite\niodepth=8\nreap_thread=1\n" + rest, "x.fio", options());
  };
  const auto refused = [&](const std::string& rest) { return line_of(job(rest)); };
  CHECK(good(job("ioengine=libaio\niodepth_batch_complete_min=8\n")).workloads[0].reap_thread);
  CHECK(refused("").find("x.fio:5: workload a: reap_thread is modelled with ioengine=libaio only, not psync") == 0);
  CHECK(refused("ioengine=io_uring\n").find("ioengine=libaio only, not io_uring") != std::string::npos);
  CHECK(
      refused("ioengine=libaio\nuserspace_reap=1\niodepth_batch_complete_min=0\n") ==
      "x.fio:7: workload a: reap_thread sleeps in io_getevents, userspace_reap never calls it (remove one of the two)");
  CHECK(refused("ioengine=libaio\niodepth_batch_complete_min=0\n") ==
        "x.fio:7: workload a: reap_thread waits for events, iodepth_batch_complete_min=0 polls (write 1 or more, or "
        "remove reap_thread)");
  CHECK(refused("ioengine=libaio\niodepth_low=4\niodepth_batch_complete_min=6\n") ==
        "x.fio:8: workload a: reap_thread would wait for 6 events while the job waits until 4 are in flight "
        "(iodepth_batch_complete_min is at most 5 here)");
  CHECK(refused("ioengine=libaio\nnrfiles=2\niodepth_batch_complete_min=2\n").find("at most 1 here") !=
        std::string::npos);
}

TEST_CASE("fio's own defaults: psync through the page cache", "[fio]") {
  CHECK_FALSE(good(load(fio_file("buffered.fio"), options())).workloads[0].direct);
  const Scenario s = good(from_fio("[a]\nrw=randwrite\niodepth=16\n", "x.fio", options()));
  CHECK(s.workloads[0].ioengine == "psync");
  CHECK_FALSE(s.workloads[0].direct);
  CHECK(s.workloads[0].iodepth == 1);
}

TEST_CASE("several jobs, clones and their CPUs", "[fio]") {
  const Scenario s =
      good(from_fio("[global]\nioengine=libaio\ndirect=1\ncpus_allowed=0-3\n[log]\nrw=write\nfsync=8\ncpus_allowed=2\n"
                    "[data]\nrw=randwrite\nnumjobs=4\ncpus_allowed_policy=split\nfdatasync=1\nsync=0\n",
                    "x.fio", options()));
  REQUIRE(s.workloads.size() == 2);
  CHECK(s.workloads[0].cpus_allowed == std::vector<int>{2});
  CHECK(s.workloads[0].fsync == 8);
  CHECK(s.workloads[1].cpus_allowed == std::vector<int>{0, 1, 2, 3});
  CHECK(s.workloads[1].cpus_allowed_policy == "split");
  CHECK(s.workloads[1].numjobs == 4);
  CHECK(s.workloads[1].fdatasync == 1);
  CHECK(s.workloads[1].sync == "none");
  CHECK(to_toml(good(load_text(to_toml(s), "again.toml"))) == to_toml(s));
}

TEST_CASE("bytes that are no text are refused, other names survive the round trip", "[fio]") {
  CHECK(line_of(from_fio("[a]\n# x\n\xff\n", "x.fio", options())) ==
        "x.fio:3: not plain text (UTF-8) (remove the byte, or convert the file)");
  const Scenario s = good(from_fio("[\"\xc3\xa4 \\]\nioengine=libaio\ndirect=1\n", "x.fio", options()));
  CHECK(s.workloads[0].name == "\"\xc3\xa4 \\");
  CHECK(good(load_text(to_toml(s), "again.toml")).workloads[0].name == s.workloads[0].name);
}

TEST_CASE("a command line", "[fio]") {
  const Scenario s = good(from_fio(
      "fio --ioengine=libaio --direct=1 --name=a --rw=randwrite --iodepth 8 --time_based --name=b --rw=randread",
      "--fio", options()));
  REQUIRE(s.workloads.size() == 2);
  CHECK(s.workloads[0].name == "a");
  CHECK(s.workloads[0].iodepth == 8);
  CHECK(s.workloads[1].rw == "randread");
  CHECK(s.workloads[1].iodepth == 1);
  CHECK(good(from_fio("--name=x --ioengine=libaio --direct=1 --rw=write", "--fio", options())).workloads[0].name ==
        "x");
  CHECK(line_of(from_fio("fio --rw=randwrite", "--fio", options())) ==
        "--fio:1: the fio command line has no job (add --name=NAME before the job's options)");
}

TEST_CASE("the mail's lines, pasted as they are", "[fio][shell]") {
  const Scenario s = good(from_shell(text_of_file(fio_file("mail.sh")), "mail.sh",
                                     options({"platform=i3en-3xlarge", "kernel.version=v6.1"})));
  REQUIRE(s.cgroups.size() == 1);
  CHECK(s.cgroups[0].path == "kubepods");
  CHECK(s.cgroups[0].cpu_weight == 1000);
  CHECK(s.workloads[0].cgroup == "kubepods");
  CHECK(s.workloads[0].cpus_allowed == std::vector<int>{11});
  CHECK(s.workloads[0].iodepth_batch_complete_max == 128);
  REQUIRE(s.task_rules.size() == 1);
  CHECK(s.task_rules[0].glob == "kworker");
  CHECK(s.task_rules[0].nice == -10);
}

TEST_CASE("cgroup v1 by hand, fio inside a shell, output piped away", "[fio][shell]") {
  const Scenario s =
      good(from_fio(text_of_file(fio_file("shares.sh")), "shares.sh", options({"platform=vm-2cpu-6.18"})));
  REQUIRE(s.cgroups.size() == 1);
  CHECK(s.cgroups[0].path == "g");
  CHECK(s.cgroups[0].cpu_shares == 10240);
  CHECK(s.workloads[0].cgroup == "g");
  CHECK(s.workloads[0].cpus_allowed == std::vector<int>{1});
  CHECK(s.block.rq_affinity == 2);
}

TEST_CASE("other spellings of the same lines", "[fio][shell]") {
  const std::string job = "fio --name=w --ioengine=libaio --direct=1 --rw=randwrite\n";
  const auto run = [&](const std::string& text) { return good(from_shell(text, "sh", options())); };
  CHECK(run("mkdir -p /sys/fs/cgroup/kubepods\necho 1000 > /sys/fs/cgroup/kubepods/cpu.weight\n"
            "echo $$ > /sys/fs/cgroup/kubepods/cgroup.procs\n" +
            job)
            .workloads[0]
            .cgroup == "kubepods");
  CHECK(run("taskset 0xc " + job).workloads[0].cpus_allowed == std::vector<int>{2, 3});
  CHECK(run("nice -n 5 taskset -c 1-2 " + job).workloads[0].nice == 5);
  CHECK(run("chrt -b 0 " + job).workloads[0].policy == "batch");
  CHECK(run("pgrep kworker | xargs renice -n -5 -p\n" + job).task_rules[0].nice == -5);
  CHECK(run("echo NO_RUN_TO_PARITY > /sys/kernel/debug/sched/features\n" + job).kernel.changed ==
        std::vector<std::string>{"run_to_parity=false"});
  CHECK(run("echo 3000000 > /sys/kernel/debug/sched/base_slice_ns && " + job).kernel.base_slice_ns == 3'000'000);
  CHECK(run("systemd-run --scope -p CPUWeight=500 " + job).cgroups[0].cpu_weight == 500);
}

TEST_CASE("a line that is not understood is not left out", "[fio][shell][errors]") {
  const std::string job = "\nfio --name=w --ioengine=libaio --direct=1 --rw=randwrite";
  const auto line = [&](const std::string& text) { return line_of(from_shell(text + job, "sh", options())); };
  CHECK(line("ionice -c 1 x") ==
        "sh:1: command 'ionice' is not understood (remove the line, or write what it sets as a scenario key)");
  CHECK(line("cgset -r cpu.max=100 g") ==
        "sh:1: cgroup file 'cpu.max' is not modelled (modelled are cpu.weight, cpu.shares and cpu.idle)");
  CHECK(line("cgcreate -g cpu:g\ncgset -r cpu.weight=0 g") ==
        "sh:2: cgroup.g.cpu.weight must be 1 to 10000, not 0 (cpu.weight is 1 to 10000, 100 by default)");
  CHECK(line("renice -n -10 -p 4711") ==
        "sh:1: cannot tell which task '4711' is (write it as a key: task.kworker.nice = -10)");
  CHECK(line_of(from_shell("cgcreate -g cpu:g", "sh", options())) == "sh: no line runs fio (add the fio command line)");
  CHECK(line_of(from_shell("fio --name='w", "sh", options())) ==
        "sh:1: a quote or $( is not closed (check the pasted lines)");
  CHECK(line_of(from_shell("cgexec -g cpu:g" + job.substr(1), "sh", options())).find("unknown cgroup") ==
        std::string::npos);
}

}  // namespace wakepath::tests
