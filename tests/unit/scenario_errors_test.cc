// SPDX-License-Identifier: GPL-2.0-or-later
// Bad input: one line with file, line and what to write instead. The lines are compared whole: they are what users see.
#include "tests/unit/scenario_files.h"

namespace wakepath::tests {
using namespace scenario;

namespace {

std::string with_body(const std::string& body) { return line_of(load_body(body)); }
std::string with_set(const std::string& set) { return line_of(load(kPublished, options({set}))); }
std::string with_text(const std::string& text) { return line_of(load_text(text, "t.toml", options())); }

}  // namespace

TEST_CASE("bad keys", "[scenario][errors]") {
  CHECK(with_body("[workload.fio]\niodpeth = 1\n") ==
        "t.toml:4: unknown key 'workload.fio.iodpeth' (did you mean 'workload.fio.iodepth'?)");
  CHECK(with_body("[kernl]\nhz = 250\n") == "t.toml:3: unknown key 'kernl' (did you mean 'kernel'?)");
  CHECK(with_set("io.in_flight_at_end=1") ==
        "--set io.in_flight_at_end=1: unknown key 'io.in_flight_at_end' (wakepath explain lists the keys)");
  CHECK(with_body("kernel.switches.nonsense = true\n") ==
        "t.toml:3: unknown key 'kernel.switches.nonsense' (wakepath explain lists the keys)");
  CHECK(with_body("block.rq_afinity = 1\n") ==
        "t.toml:3: unknown key 'block.rq_afinity' (did you mean 'block.rq_affinity'?)");
  CHECK(with_body("kernel.sched.latency = 6000000\n") ==
        "t.toml:3: kernel.sched.latency_ns: '6000000' has no unit (write \"6000000us\" or \"6000000ns\")");
  CHECK(with_body("run = 5\n") == "t.toml:3: 'run' is a section, not a value (write its keys under [run])");
  CHECK(with_body("workload.fio.zonesize = \"1m\"\n") == "t.toml:3: option 'zonesize' is not modelled (remove it)");
  CHECK(with_body("workload.fio.thinktime_spin = 5\n") ==
        "t.toml:3: option 'thinktime_spin=5' is not modelled (only sleeping thinktime is modelled)");
}

TEST_CASE("bad values", "[scenario][errors]") {
  CHECK(with_body("cgroup.g.weight = 0\n") ==
        "t.toml:3: cgroup.g.cpu.weight must be 1 to 10000, not 0 (cpu.weight is 1 to 10000, 100 by default)");
  CHECK(with_body("cgroup.g.cpu.weight = 10001\n") ==
        "t.toml:3: cgroup.g.cpu.weight must be 1 to 10000, not 10001 (cpu.weight is 1 to 10000, 100 by default)");
  CHECK(with_body("cgroup.g.shares = 1\n") ==
        "t.toml:3: cgroup.g.cpu.shares must be 2 to 262144, not 1 (cpu.shares is 2 to 262144, 1024 by default)");
  CHECK(with_body("workload.fio.iodepth = 0\n") ==
        "t.toml:3: workload.fio.iodepth must be 1 to 65536, not 0 (write 1 or more)");
  CHECK(with_body("workload.fio.rw = \"randwrit\"\n") ==
        "t.toml:3: workload.fio.rw: 'randwrit' is not modelled (did you mean 'randwrite'? it is one of: read, write, "
        "randread, "
        "randwrite, readwrite, rw, randrw)");
  CHECK(with_body("kernel.hz = \"250\"\n") ==
        "t.toml:3: kernel.hz must be an integer, not the string \"250\" (write 250 without quotes)");
  CHECK(with_body("workload.fio.cpus_allowed = \"0,12\"\n") ==
        "t.toml:3: workload.fio.cpus_allowed: there is no CPU 12 (machine i3en-3xlarge has CPUs 0-11)");
  CHECK(with_body("machine.first_cpu = 12\n") ==
        "t.toml:3: machine.first_cpu: there is no CPU 12 (machine i3en-3xlarge has CPUs 0-11)");
  CHECK(
      with_body("fs.type = \"none\"\nworkload.fio.direct = 0\n") ==
      "t.toml:4: workload fio: buffered I/O (fio's default, direct=0) on a block device is not modelled (add direct=1, "
      "or a filesystem: fs.type = \"xfs\")");
  CHECK(with_body("block.irqmode = 1\n") ==
        "t.toml:3: block.irqmode is an option of null_blk (set block.driver = \"null_blk\")");
  CHECK(with_body("dio_wq.affinity_scope = \"smt\"\n")
            .find("kernel 6.1 has no affinity scopes of workqueues (they came with 6.6") != std::string::npos);
  CHECK(with_body("fs.type = \"xfs\"\nfs.journal = false\n") ==
        "t.toml:4: a filesystem of type xfs cannot be without its journal (set fs.type = \"ext4\")");
  CHECK(with_body("cgroup.g.weight = 5\ncgroup.g.shares = 5\n") ==
        "t.toml:4: cgroup.g.cpu.shares and cgroup.g.cpu.weight are both given (keep one of them)");
}

TEST_CASE("bad units", "[scenario][errors]") {
  CHECK(with_body("run.duration = 5\n") ==
        "t.toml:3: run.duration: '5' has no unit (write \"5s\" for seconds, or ms, us, ns)");
  CHECK(with_body("run.warmup = \"5sx\"\n") ==
        "t.toml:3: run.warmup: unknown unit 'sx' in '5sx' (units of time are ns, us, ms, s, m, h)");
  CHECK(with_body("device.latency = 60\n") ==
        "t.toml:3: device.latency_ns: '60' has no unit (write \"60us\" or \"60ns\")");
  CHECK(with_body("workload.fio.bs = \"4q\"\n") ==
        "t.toml:3: workload.fio.bs: unknown unit 'q' in '4q' (fio has k, m, g, t, p (4k = 4096))");
  CHECK(with_body("run.duration = \"1.0000000001s\"\n") ==
        "t.toml:3: run.duration: '1.0000000001s' is not a whole number of the smallest unit");
  CHECK(with_body("run.duration = \"3651d\"\n") ==
        "t.toml:3: run.duration: '3651d' is too large (ten years are the longest time)");
  CHECK(with_body("device.latency_ns = 9223372036854775807\n") ==
        "t.toml:3: device.latency_ns: '9223372036854775807' is too large (ten years are the longest time)");
  CHECK(with_body("machine.deep_idle_wake_ns = 9223372036854775807\n") ==
        "t.toml:3: machine.deep_idle_wake_ns: '9223372036854775807' is too large (ten years are the longest time)");
  CHECK(with_body("workload.fio.thinktime = 9223372036854775\n") ==
        "t.toml:3: workload.fio.thinktime: '9223372036854775' is too large (ten years are the longest time)");
  CHECK(with_body("kernel.sched.wakeup_granularity_ns = 4294967296\n") ==
        "t.toml:3: kernel.sched.wakeup_granularity_ns must be at most 4294967295 ns, not 4294967296");
  CHECK(with_body("workload.fio.bs = \"1t\"\n") ==
        "t.toml:3: workload.fio.bs must be 512 to 1073741824, not 1t (use 1073741824)");
  LoadOptions o = options();
  o.duration = "5";
  CHECK(line_of(load(kPublished, o)) ==
        "--duration 5: run.duration: '5' has no unit (write \"5s\" for seconds, or ms, us, ns)");
}

TEST_CASE("bad kernels", "[scenario][errors]") {
  CHECK(with_text("platform = \"i3en-3xlarge\"\n[kernel]\nversion = 6.1\n") ==
        "t.toml:3: kernel.version must be a string (write version = \"6.1\")");
  CHECK(with_text("platform = \"i3en-3xlarge\"\n[kernel]\nversion = 6.10\n") ==
        "t.toml:3: kernel.version must be a string (write version = \"6.10\")");
  CHECK(with_text("platform = \"i3en-3xlarge\"\nworkload.fio.iodepth = 1\n") ==
        "t.toml: kernel.version is missing (add [kernel] version = \"6.12\", or give --kernel)");
}

TEST_CASE("a kernel without a table", "[scenario][errors]") {
  const std::string line = with_set("kernel.version=v6.9");
  CHECK(line.rfind(
            "--set kernel.version=v6.9: kernel.version: no table for kernel 'v6.9'; the nearest are 6.8 and 6.12", 0) ==
        0);
  CHECK(line.find("(choose with kernel.assume = \"6.8\" or kernel.assume = \"6.12\")") != std::string::npos);
  CHECK(with_set("kernel.preempt=lazy") ==
        "--set kernel.preempt=lazy: kernel 6.1 has no lazy preemption (it came with 6.13; write none, voluntary or "
        "full)");
  CHECK(with_set("kernel.sched.base_slice_ns=700000") ==
        "--set kernel.sched.base_slice_ns=700000: kernel 6.1 is CFS and has no base_slice_ns (its tunables are "
        "latency_ns, "
        "min_granularity_ns and wakeup_granularity_ns)");
}

TEST_CASE("bad groups", "[scenario][errors]") {
  CHECK(with_body("cgroup.a.parent = \"b\"\ncgroup.b.parent = \"a\"\nworkload.fio.iodepth = 1\n") ==
        "t.toml:3: the parents of cgroup 'a' form a cycle (remove one parent key of the cycle)");
  CHECK(with_body("workload.fio.cgroup = \"kubpods\"\ncgroup.kubepods.weight = 10\n") ==
        "t.toml:3: workload.fio.cgroup: unknown cgroup 'kubpods' (did you mean 'kubepods'?)");
  CHECK(with_body("workload.fio.cgroup = \"g\"\n") ==
        "t.toml:3: workload.fio.cgroup: unknown cgroup 'g' (declare it with cgroup.g.cpu.weight = 100)");
  CHECK(with_body("cgroup.b.parent = \"x\"\nworkload.fio.iodepth = 1\n") ==
        "t.toml:3: cgroup 'b' has the unknown parent 'x' (declare it: [cgroup.\"x\"])");
}

TEST_CASE("missing files", "[scenario][errors]") {
  CHECK(line_of(load("no/such.toml", options())) ==
        "no/such.toml: no such file or scenario (wakepath scenarios lists the names)");
  CHECK(line_of(load("starved_completion", options())) ==
        "starved_completion: no such file or scenario (did you mean 'starved_completions'?)");
  CHECK(with_text("platform = \"i3en-4xlarge\"\nkernel.version = \"6.1\"\n") ==
        "t.toml:1: no platforms/i3en-4xlarge.toml (did you mean 'i3en-3xlarge'?)");
  CHECK(with_text("name = \"x\"\nextends = \"no-such-base.toml\"\n")
            .rfind("t.toml:2: no such file: no-such-base.toml", 0) == 0);
  CHECK(with_body("costs = \"server-4ghz\"\nworkload.fio.iodepth = 1\n") ==
        "t.toml:3: no costs/server-4ghz.toml (did you mean 'server-3ghz'?)");
  LoadOptions o = options();
  o.machine_file = "no-such-machine.toml";
  CHECK(line_of(load(kPublished, o)).rfind("--machine no-such-machine.toml: no such file: no-such-machine.toml", 0) ==
        0);
}

TEST_CASE("a cost table that lacks an entry names it and its place", "[scenario][errors]") {
  std::string text = to_toml(good(load(kPublished, options())));
  const auto at = text.find("\ncqe = ");
  REQUIRE(at != std::string::npos);
  text.erase(at + 1, text.find('\n', at + 1) - at);
  const std::string line = line_of(load_text(text, "t.toml", options()));
  CHECK(line.find(
            "the cost table lacks 1 entry: cqe (add cqe = { ns = 0, source = \"...\" } under [costs]; 0 is allowed)") !=
        std::string::npos);
  CHECK(line.rfind("t.toml:", 0) == 0);
  CHECK(with_body("costs.cqe = {low = 5}\nworkload.fio.iodepth = 1\n")
            .rfind("t.toml:3: costs.cqe: low and high come together", 0) == 0);
  CHECK(with_body("costs.cqee = 5\n") == "t.toml:3: unknown key 'costs.cqee' (did you mean 'costs.cqe'?)");
}

TEST_CASE("bad --set lines name themselves", "[scenario][errors][set]") {
  CHECK(with_set("workload.fio.iodepth") == "--set workload.fio.iodepth: there is no '=' (write --set KEY=VALUE)");
  CHECK(with_set("workload.fio.iodepth=0") ==
        "--set workload.fio.iodepth=0: workload.fio.iodepth must be 1 to 65536, not 0 (write 1 or more)");
  CHECK(with_set("run.duration=5") ==
        "--set run.duration=5: run.duration: '5' has no unit (write \"5s\" for seconds, or ms, us, ns)");
  CHECK(with_set("task.kworker.nice=-21") ==
        "--set task.kworker.nice=-21: task.kworker.nice must be -20 to 19, not -21 (nice is -20 to 19)");
  CHECK(with_set("kernel.switches.aio_obey_min=true") ==
        "--set kernel.switches.aio_obey_min=true: unknown key 'kernel.switches.aio_obey_min' (did you mean "
        "'kernel.switches.aio_obey_min_nr'?)");
  CHECK(with_set("a..b=1").rfind("--set a..b=1: 'a..b' is not a key: a part is empty", 0) == 0);
  CHECK(with_set("cgroup.\"kube=1").rfind("--set cgroup.\"kube=1: there is no '='", 0) == 0);
}

TEST_CASE("broken TOML keeps its line", "[scenario][errors]") {
  CHECK(with_text("name = \"x\"\n\n[.a]\nb = 1\n") == "t.toml:3: not a table header (write [NAME] or [a.b])");
  CHECK(with_text("a = 1\nplatform = \"x\n").rfind("t.toml:2: ", 0) == 0);
  CHECK(with_text("[kernel]\nhz = 1\nhz = 2\n").rfind("t.toml:3: ", 0) == 0);
  CHECK(with_text("") ==
        "t.toml: the scenario has neither a workload nor a program (add [workload.fio] or [program.NAME])");
}

TEST_CASE("letters outside ASCII stand in quotes and comments, and nowhere else") {
  const std::string wrong =
      "a character outside ASCII that is not in quotes, or follows a backslash (text is quoted, and units are ASCII: "
      "30us)";
  CHECK(with_text("# 30 µs\ntitle = \"µ\"\n[run]\nduration = 30µs\n") == "t.toml:4: " + wrong);
  CHECK(with_text("title = 'µ' # µ\nä = 1\n") == "t.toml:2: " + wrong);
  CHECK(with_text("title = \"\"\"µ\n\"\" µ\n\"\"\"\n[run]\nseed = 1˾\n") == "t.toml:5: " + wrong);
  // The parser takes what follows a backslash for a blank, or knows not what it is.
  CHECK(with_text("title = \"\\µ\"\n") == "t.toml:1: " + wrong);
  CHECK(with_text("title = \"\"\"a\\ \n µ\"\"\"\n") == "t.toml:2: " + wrong);
  CHECK(with_text("title = \"\"\"a\\\n b µ \\\\ µ\"\"\"\n") != "t.toml:2: " + wrong);
  // A quote within something else begins no string.
  for (const char* value :
       {"2\"16.\"µ", "2.\"µ\"", "2=\"µ\"", "[1, 2.\"µ\"]", "[2=\"µ\"]", "2[\"µ\"]", "{a = 2.\"µ\"}"})
    CHECK(with_text(std::string("a = ") + value + "\n") == "t.toml:1: " + wrong);
  // These are TOML, and some other error.
  for (const char* line : {"a.\"µ\" = 1", "a = [1, \"µ\"]", "a = [\n\"µ\",\n{b = \"µ\", \"µ\" = 1, c.\"µ\" = 2}]",
                           "[\"µ\".\"µ\"]", "[[a.'µ']]", "a = {b = {c = 1}, d = 'µ'}"})
    CHECK(with_text(std::string(line) + "\n").find(wrong) == std::string::npos);
}

TEST_CASE("programs say what they need", "[scenario][errors]") {
  CHECK(
      with_body("[program.a]\nkind = \"src\"\nrun = \"1us\"\nout = 1\nmessage_bytes = 100\n"
                "[program.b]\nkind = \"sink\"\nrun = \"1us\"\nin = 1\n") ==
      "t.toml:8: program b: another program uses the same pipe with messages of another length (give all programs of a "
      "pipe the same message_bytes)");
  CHECK(with_body("[program.a]\nkind = \"sink\"\nrun = \"1us\"\nin = 1\nin_step = 1000\ncopies = 6\n") ==
        "t.toml:8: program a uses a pipe beyond 4096 (pipes 0 to 4096)");
  CHECK(with_body("program.p.kind = \"per\"\nprogram.p.run = \"10us\"\n") ==
        "t.toml:3: program p of kind per needs 'period' (add program.p.period)");
  CHECK(
      with_body("program.p.cpu = 1\n") ==
      "t.toml:3: program p has no kind (write kind = \"hog\", yield, per, duty, ping, src, sink, psrc, kthread, rcu or "
      "replay)");
}

}  // namespace wakepath::tests
