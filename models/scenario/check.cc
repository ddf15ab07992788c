// SPDX-License-Identifier: GPL-2.0-or-later
// What must fit together in a scenario whose keys are all right by themselves.
#include <algorithm>
#include <map>

#include "models/kernel/switches.h"
#include "models/scenario/document.h"
#include "models/scenario/ring_ops.h"
#include "models/scenario/steps.h"
#include "models/scenario/suggest.h"
#include "models/scenario/turn.h"
#include "models/scenario/units.h"
#include "sim/trace/event_names.h"

namespace wakepath::scenario {
namespace {

using MaybeError = std::optional<Error>;

// The place of a key, or of its section, or of the file.
Error at(const Scenario& s, const Document& doc, const Path& path, std::string message, std::string suggestion) {
  if (const Entry* e = doc.find(path)) return e->error(std::move(message), std::move(suggestion));
  if (const Entry* e = doc.find(
          {path.begin(), path.begin() + std::min<std::ptrdiff_t>(2, static_cast<std::ptrdiff_t>(path.size()))})) {
    return e->error(std::move(message), std::move(suggestion));
  }
  for (const Entry& e : doc.entries()) {
    if (e.path.front() == path.front() && path.size() > 1 && e.path.size() > 1 && e.path[1] == path[1]) {
      return e.error(std::move(message), std::move(suggestion));
    }
  }
  return {s.file, 0, std::move(message), std::move(suggestion)};
}

std::string cpus_of(const Scenario& s) {
  const std::string name = s.machine.platform.empty() ? "the machine" : "machine " + s.machine.platform;
  return name + " has CPU" + (s.machine.cpus > 1 ? "s 0-" + std::to_string(s.machine.cpus - 1) : " 0 only");
}

MaybeError check_cpus(const Scenario& s, const Document& doc, const Path& path, const std::vector<int>& cpus) {
  for (const int c : cpus) {
    if (c >= s.machine.cpus)
      return at(s, doc, path, join_path(path) + ": there is no CPU " + std::to_string(c), cpus_of(s));
  }
  return std::nullopt;
}

MaybeError check_group(const Scenario& s, const Document& doc, const Path& path, const std::string& group) {
  if (group.empty()) return std::nullopt;
  std::vector<std::string> names;
  for (const Cgroup& g : s.cgroups) names.push_back(g.path);
  if (std::find(names.begin(), names.end(), group) != names.end()) return std::nullopt;
  const std::string near = did_you_mean(group, names);
  return at(s, doc, path, join_path(path) + ": unknown cgroup '" + group + "'",
            near.empty() ? "declare it with " + join_path({"cgroup", group}) + ".cpu.weight = 100" : near);
}

// What only the other engine has: fio refuses it too.
MaybeError check_no_uring(const Scenario& s, const Document& doc, const FioJob& job) {
  const std::pair<const char*, bool> options[] = {{"hipri", job.hipri},
                                                  {"fixedbufs", job.fixedbufs},
                                                  {"registerfiles", job.registerfiles},
                                                  {"sqthread_poll", job.sqthread_poll},
                                                  {"force_async", job.force_async > 0},
                                                  {"nowait", job.nowait},
                                                  {"iowq_max_bounded", job.iowq_max_bounded.has_value()},
                                                  {"iowq_max_unbounded", job.iowq_max_unbounded.has_value()}};
  for (const auto& [name, given] : options)
    if (given)
      return at(s, doc, {"workload", job.name, name},
                "workload " + job.name + ": " + name + " is modelled with ioengine=io_uring only",
                "add ioengine=io_uring, or remove it");
  return std::nullopt;
}

MaybeError check_uring(const Scenario& s, const Document& doc, const FioJob& job) {
  const auto path = [&](const char* key) { return Path{"workload", job.name, key}; };
  constexpr int kMaxEntries = 32768;  // IORING_MAX_ENTRIES
  if (job.iodepth > kMaxEntries) {
    return at(s, doc, path("iodepth"),
              "workload " + job.name + ": an io_uring has at most " + std::to_string(kMaxEntries) + " entries, not " +
                  std::to_string(job.iodepth),
              "lower iodepth");
  }
  if (s.kernel.version == "5.4") {
    return at(s, doc, path("ioengine"), "kernel 5.4: its io_uring is not modelled", "take 6.1 or later");
  }
  if (job.hipri && !job.direct) {
    return at(s, doc, path("hipri"), "workload " + job.name + ": hipri needs direct=1", "add direct=1");
  }
  const auto idle_turn = job.hipri ? machine::CostId::uring_poll : machine::CostId::uring_sqpoll_turn;
  if ((job.hipri || job.sqthread_poll) && s.costs[idle_turn].mean_ns() <= 0) {
    return at(s, doc, {"costs", machine::cost_name(idle_turn)},
              std::string("costs.") + machine::cost_name(idle_turn) + " must not be 0 where something spins",
              "give what one turn costs");
  }
  if (job.sqthread_poll && job.sqthread_poll_cpu >= 0)
    return check_cpus(s, doc, path("sqthread_poll_cpu"), {job.sqthread_poll_cpu});
  return std::nullopt;
}

// The thread that submits waits until no more than so many are in flight, the other one for a number of events: where
// that is more than what may be left, neither would go on.
MaybeError check_reap_thread(const Scenario& s, const Document& doc, const FioJob& job) {
  if (!job.reap_thread) return std::nullopt;
  const auto path = [&](const char* key) { return Path{"workload", job.name, key}; };
  const std::string where = "workload " + job.name + ": reap_thread ";
  if (job.ioengine != "libaio") {
    return at(s, doc, path("reap_thread"), where + "is modelled with ioengine=libaio only, not " + job.ioengine,
              "add ioengine=libaio, or remove it");
  }
  if (job.userspace_reap) {
    return at(s, doc, path("userspace_reap"), where + "sleeps in io_getevents, userspace_reap never calls it",
              "remove one of the two");
  }
  if (job.iodepth_batch_complete_min == 0) {
    return at(s, doc, path("iodepth_batch_complete_min"),
              where + "waits for events, iodepth_batch_complete_min=0 polls", "write 1 or more, or remove reap_thread");
  }
  const int low = job.iodepth_low > 0 ? std::min(job.iodepth_low, job.iodepth - 1) : job.iodepth - 1;
  const int left = job.nrfiles > 1 ? 0 : low;  // at the end of its files a sequential job waits for all
  if (std::min(job.iodepth_batch_complete_min, job.iodepth) > left + 1) {
    return at(s, doc, path("iodepth_batch_complete_min"),
              where + "would wait for " + std::to_string(job.iodepth_batch_complete_min) +
                  " events while the job waits until " + std::to_string(left) + " are in flight",
              "iodepth_batch_complete_min is at most " + std::to_string(left + 1) + " here");
  }
  if (s.costs[machine::CostId::aio_user_reap].mean_ns() <= 0) {
    return at(s, doc, {"costs", "aio_user_reap"}, "costs.aio_user_reap must not be 0 where something spins",
              "give what one turn costs");
  }
  return std::nullopt;
}

MaybeError check_workload(const Scenario& s, const Document& doc, const FioJob& job) {
  const Path base{"workload", job.name};
  const auto path = [&](const char* key) { return Path{base[0], base[1], key}; };
  const bool uring = job.ioengine == "io_uring" || job.ioengine == "t/io_uring";
  if (!job.direct && !uring && s.fs.type == "none") {
    return at(s, doc, path("direct"),
              "workload " + job.name + ": buffered I/O (fio's default, direct=0) on a block device is not modelled",
              "add direct=1, or a filesystem: fs.type = \"xfs\"");
  }
  if (job.sync != "none" && job.direct && job.ioengine == "libaio") {
    return at(s, doc, path("sync"),
              "workload " + job.name + ": sync=" + job.sync + " with libaio and direct=1 is not modelled",
              "use ioengine=psync, or fsync=1");
  }
  if (job.userspace_reap && job.iodepth_batch_complete_min > 0) {
    return at(s, doc, path("userspace_reap"),
              "workload " + job.name + ": userspace_reap has an effect only with iodepth_batch_complete_min=0",
              "add iodepth_batch_complete_min=0, or remove it");
  }
  if (auto bad = check_reap_thread(s, doc, job)) return bad;
  if (s.fs.type == "btrfs" && job.disk != "ublk" &&
      (!uring || !job.direct || (job.rw != "read" && job.rw != "randread"))) {
    return at(s, doc, path("rw"),
              "workload " + job.name + ": btrfs is modelled for direct reads of ioengine=io_uring only",
              "fs.type = \"xfs\" or \"ext4\", or rw=randread, direct=1 and ioengine=io_uring");
  }
  if (auto bad = uring ? check_uring(s, doc, job) : check_no_uring(s, doc, job)) return bad;
  if (auto bad = check_cpus(s, doc, path("cpus_allowed"), job.cpus_allowed)) return bad;
  return check_group(s, doc, path("cgroup"), job.cgroup);
}

MaybeError check_turns(const Scenario& s, const Document& doc, const Program& p) {
  const Path path{"program", p.name, "turns"};
  if (p.kind == "steps") {
    const auto steps = parse_steps(p.turns);
    if (!steps) return at(s, doc, path, "program " + p.name + ": " + steps.error().message, steps.error().suggestion);
    for (const Step& step : *steps) {
      if (is_of_file(step) && (s.fs.type == "btrfs" || !doc.has_section({"device"})))
        return at(s, doc, path, "program " + p.name + " uses files, which need a [device], and xfs, ext4 or none on it",
                  "name a platform, or give [device] law and times");
      if (step.kind == Step::Kind::cpus && p.policy == "fifo")
        return at(s, doc, path, "program " + p.name + " of policy fifo changes its CPUs, which the model leaves out",
                  "name its CPU with cpu, or take another policy");
      if (s.machine.cpus >= p.min_cpus)
        if (auto bad = check_cpus(s, doc, path, step.cpus)) return bad;
      const auto is_it = [&](const Program& other) { return other.name == step.name && other.kind == "steps"; };
      if (step.kind != Step::Kind::resume || std::any_of(s.programs.begin(), s.programs.end(), is_it)) continue;
      return at(s, doc, path, "program " + p.name + " resumes '" + step.name + "', which is no program of steps",
                "[program." + step.name + "] kind = \"steps\"");
    }
    return std::nullopt;
  }
  if (!p.turns.empty() && p.kind != "replay") {
    return at(s, doc, path, "program " + p.name + " of kind " + p.kind + " has turns", "write kind = \"replay\"");
  }
  Time before = 0;
  for (const std::string& text : p.turns) {
    const auto turn = parse_turn(text);
    if (!turn || turn->at_ns < before) {
      return at(s, doc, path, "program " + p.name + ": '" + text + "' is no turn in the order of time",
                "write \"AT_NS RUN_NS softirq\" or \"AT_NS RUN_NS hardirq\", earliest first");
    }
    before = turn->at_ns;
  }
  return std::nullopt;
}

MaybeError check_trace_events(const Scenario& s, const Document& doc) {
  for (const std::string& name : s.run.trace_events) {
    if (trace::type_of(name) != trace::EventType::unknown) continue;
    return at(s, doc, {"run", "trace_events"}, "run.trace_events: '" + name + "' is no tracepoint that is known",
              "a name as perf list has it, without its system: sched_switch");
  }
  return std::nullopt;
}

MaybeError check_machine(const Scenario& s, const Document& doc) {
  const Time tick_ns = 1'000'000'000 / s.kernel.hz;
  if (s.machine.tick_offset_ns && *s.machine.tick_offset_ns > tick_ns) {
    return at(s, doc, {"machine", "tick_offset_ns"}, "machine.tick_offset_ns is more than a tick's period",
              "at kernel.hz = " + std::to_string(s.kernel.hz) + " it is at most " + std::to_string(tick_ns));
  }
  if (auto e = check_cpus(s, doc, {"machine", "first_cpu"}, {s.machine.first_cpu})) return e;
  if (s.machine.deep_idle_after_ns > 0 && s.machine.deep_idle_wake_ns.mean_ns() <= 0) {
    return at(s, doc, {"machine", "deep_idle_after_ns"},
              "machine.deep_idle_after_ns without machine.deep_idle_wake_ns is no deeper",
              "say how long waking takes: deep_idle_wake_ns = \"60us\"");
  }
  if (s.machine.steal_every_ns > 0 && s.machine.steal_ns.mean_ns() <= 0) {
    return at(s, doc, {"machine", "steal_every_ns"}, "machine.steal_every_ns without machine.steal_ns takes nothing",
              "say how long each is: steal_ns = \"20us\"");
  }
  if (s.machine.steal_every_ns > 0 && s.machine.steal_every_ns <= s.machine.steal_ns.mean_ns()) {
    return at(s, doc, {"machine", "steal_every_ns"}, "the host would take more than there is",
              "machine.steal_every_ns is to be more than the mean of machine.steal_ns");
  }
  if (s.machine.steal_every_ns > 0 && s.machine.shared_clock) {
    return at(s, doc, {"machine", "steal_every_ns"}, "CPUs that take turns have a host of their own",
              "leave machine.steal_every_ns or machine.shared_clock out");
  }
  return std::nullopt;
}

// A pipe holds messages of one length: what is written is read whole.
MaybeError check_messages(const Scenario& s, const Document& doc) {
  constexpr int kLastPipe = 4096;
  std::map<int, int> lengths;
  for (const Program& p : s.programs) {
    const int last_in = p.in + (p.copies - 1) * p.in_step, last_out = p.out + p.pipes - 1;
    if (last_in > kLastPipe || last_out > kLastPipe) {
      return at(s, doc, {"program", p.name, last_in > kLastPipe ? "copies" : "pipes"},
                "program " + p.name + " uses a pipe beyond " + std::to_string(kLastPipe), "pipes 0 to 4096");
    }
    const auto meets = [&](int pipe) {
      return lengths.emplace(pipe, p.message_bytes).first->second == p.message_bytes;
    };
    bool same = true;
    for (int i = 0; p.in >= 0 && i < p.copies; ++i) same = meets(p.in + i * p.in_step) && same;
    for (int i = 0; p.out >= 0 && i < p.pipes; ++i) same = meets(p.out + i) && same;
    if (same) continue;
    return at(s, doc, {"program", p.name, "message_bytes"},
              "program " + p.name + ": another program uses the same pipe with messages of another length",
              "give all programs of a pipe the same message_bytes");
  }
  return std::nullopt;
}

MaybeError check_program(const Scenario& s, const Document& doc, const Program& p) {
  const auto path = [&](const char* key) { return Path{"program", p.name, key}; };
  if (p.kind.empty()) {
    return at(s, doc, path("kind"), "program " + p.name + " has no kind",
              "write kind = \"hog\", yield, per, duty, ping, src, sink, psrc, kthread, rcu or replay");
  }
  struct Need {
    const char* kinds;
    const char* key;
    bool given;
  };
  const Need needs[] = {{"yield per duty ping src sink psrc kthread rcu", "run", p.run_ns > 0},
                        {"per psrc kthread rcu", "period", p.period_ns > 0},
                        {"duty", "sleep", p.sleep_ns > 0},
                        {"ping sink", "in", p.in >= 0},
                        {"ping src psrc", "out", p.out >= 0}};
  for (const Need& n : needs) {
    const std::string kinds = " " + std::string(n.kinds) + " ";
    if (kinds.find(" " + p.kind + " ") != std::string::npos && !n.given) {
      return at(s, doc, path("kind"), "program " + p.name + " of kind " + p.kind + " needs '" + n.key + "'",
                "add " + join_path(path(n.key)));
    }
  }
  if (auto bad = check_turns(s, doc, p)) return bad;
  if ((p.policy == "fifo") != (p.rt_priority > 0)) {
    return at(s, doc, path("policy"), "program " + p.name + ": policy fifo and rt_priority 1..99 come together",
              "give both or neither");
  }
  if (auto bad = check_cpus(s, doc, path("cpu"), {p.cpu})) return bad;
  return check_group(s, doc, path("cgroup"), p.cgroup);
}

MaybeError check_ring(const Scenario& s, const Document& doc, const RingProgram& r) {
  const auto path = [&](const char* key) { return Path{"ring", r.name, key}; };
  if (r.ops.empty()) {
    return at(s, doc, path("ops"), "ring " + r.name + " has no operations",
              "write ops = [\"read f\", \"submit_and_wait 1\"]");
  }
  static const std::vector<std::string> known{"IOPOLL", "SQPOLL", "COOP_TASKRUN", "SINGLE_ISSUER", "DEFER_TASKRUN"};
  const auto has = [&](const char* flag) { return std::find(r.flags.begin(), r.flags.end(), flag) != r.flags.end(); };
  for (const std::string& f : r.flags) {
    if (std::find(known.begin(), known.end(), f) != known.end()) continue;
    const std::string near = did_you_mean(f, known);
    return at(s, doc, path("flags"), "ring " + r.name + ": unknown flag '" + f + "'",
              near.empty() ? "flags are IOPOLL, SQPOLL, COOP_TASKRUN, SINGLE_ISSUER, DEFER_TASKRUN" : near);
  }
  // As io_uring_setup answers with EINVAL.
  if (has("DEFER_TASKRUN") && !has("SINGLE_ISSUER"))
    return at(s, doc, path("flags"), "ring " + r.name + ": DEFER_TASKRUN needs SINGLE_ISSUER", "add it");
  if (has("SQPOLL") && (has("COOP_TASKRUN") || has("DEFER_TASKRUN")))
    return at(s, doc, path("flags"), "ring " + r.name + ": SQPOLL excludes COOP_TASKRUN and DEFER_TASKRUN",
              "remove them");
  if (r.cq_entries > 0 && r.cq_entries < r.entries)
    return at(s, doc, path("cq_entries"),
              "ring " + r.name + ": the completion ring is smaller than the submission ring",
              "make it at least " + std::to_string(r.entries));
  std::vector<RingOp> ops;
  for (const std::string& text : r.ops) {
    auto op = parse_ring_op(text);
    if (!op) {
      return at(s, doc, path("ops"), "ring " + r.name + ": \"" + text + "\": " + op.error().message,
                op.error().suggestion);
    }
    ops.push_back(std::move(*op));
  }
  for (const RingFault& f : ring_faults(ops, r.entries, r.loops != 1)) {
    return at(s, doc, path("ops"),
              "ring " + r.name + ": operation " + std::to_string(f.op + 1) + " (\"" +
                  r.ops[static_cast<std::size_t>(f.op)] + "\"): " + f.message,
              f.suggestion);
  }
  if (auto bad = check_cpus(s, doc, path("cpu"), {r.cpu})) return bad;
  return check_group(s, doc, path("cgroup"), r.cgroup);
}

MaybeError check_device(const Scenario& s, const Document& doc) {
  const bool needs_device =
      !s.rings.empty() || (s.ublk.present && s.ublk.target == "loop") ||
      std::any_of(s.workloads.begin(), s.workloads.end(), [](const FioJob& job) { return job.disk != "ublk"; });
  if (needs_device && !doc.has_section({"device"})) {
    return Error{s.file, 0, "there is a workload but no device", "name a platform, or give [device] law and times"};
  }
  if (s.device.law == "delay" && s.device.service_ns.set && s.device.service_ns.mean_ns() > 0) {
    return at(s, doc, {"device", "service_ns"}, "device.law = \"delay\" has no service time",
              "set device.service_ns = 0 and use latency_ns, or law = \"serial\"");
  }
  if (s.device.flush_alone && (s.device.law == "delay" || !s.device.write_cache)) {
    return at(s, doc, {"device", "flush_alone"},
              "device.flush_alone needs a write cache, and a law by which requests wait",
              "set write_cache = true and law = \"parallel\", or remove flush_alone");
  }
  if (s.device.servers > 1 && s.device.law != "parallel") {
    return at(s, doc, {"device", "servers"}, "device.servers needs law = \"parallel\"",
              "set law = \"parallel\" or remove servers");
  }
  const auto queues = static_cast<std::size_t>(s.block.hw_queues);
  if (!s.block.irq_cpus.empty() && s.block.irq_cpus.size() != queues) {
    return at(s, doc, {"block", "irq_cpus"},
              "block.irq_cpus names " + std::to_string(s.block.irq_cpus.size()) + " CPUs for " +
                  std::to_string(queues) + " hardware queues",
              "give one CPU per queue, or leave it out");
  }
  if (!s.fs.journal && s.fs.type != "ext4") {
    return at(s, doc, {"fs", "journal"}, "a filesystem of type " + s.fs.type + " cannot be without its journal",
              "set fs.type = \"ext4\"");
  }
  // A resolved text names the default whatever the version, and may be run again with another one.
  const Entry* scope = doc.find({"dio_wq", "affinity_scope"});
  const bool harmless =
      s.dio_wq.affinity_scope == scenario::Workqueue{}.affinity_scope || s.dio_wq.affinity_scope == "numa";
  if (scope != nullptr && !harmless && !s.kernel.switches->wq_unbound_affinity_scopes) {
    return scope->error("kernel " + s.kernel.version + " has no affinity scopes of workqueues",
                        "they came with 6.6; before, unbound workers are those of a NUMA node");
  }
  if (s.block.driver == "loop" && (s.block.hw_queues > 1 || s.block.poll_queues > 0)) {
    return at(s, doc, {"block", s.block.hw_queues > 1 ? "hw_queues" : "poll_queues"},
              "a loop device has one hardware queue and none to poll", "leave it out");
  }
  if (s.block.driver == "loop" && s.block.ring_requests > 0) {
    return at(s, doc, {"block", "ring_requests"}, "a loop device has no ring", "leave it out");
  }
  if (s.block.driver == "loop" && s.device.iops_cap > 0) {
    return at(s, doc, {"device", "iops_cap"}, "a loop device has no law but what its worker takes of a CPU",
              "use device.service_ns");
  }
  if (s.block.irqmode < 2 && s.block.driver != "null_blk") {
    return at(s, doc, {"block", "irqmode"}, "block.irqmode is an option of null_blk",
              "set block.driver = \"null_blk\"");
  }
  return check_cpus(s, doc, {"block", "irq_cpus"}, s.block.irq_cpus);
}

}  // namespace

MaybeError check(Scenario& s, const Document& doc) {
  if (auto bad = check_device(s, doc)) return bad;
  if (auto bad = check_machine(s, doc)) return bad;
  if (auto bad = check_ublk(s, doc)) return bad;
  if (auto bad = check_trace_events(s, doc)) return bad;
  for (const FioJob& job : s.workloads) {
    if (auto bad = check_workload(s, doc, job)) return bad;
  }
  for (const Cgroup& g : s.cgroups) {
    if (auto bad = check_cpus(s, doc, {"cgroup", g.path, "cpuset", "cpus"}, g.cpuset_cpus)) return bad;
  }
  for (const RingProgram& r : s.rings) {
    if (auto bad = check_ring(s, doc, r)) return bad;
  }
  for (const Program& p : s.programs) {
    if (auto bad = check_program(s, doc, p)) return bad;
  }
  if (auto bad = check_messages(s, doc)) return bad;
  for (const TaskRule& t : s.task_rules) {
    if (t.slice_ns && !s.kernel.switches->custom_slice) {
      return at(s, doc, {"task", t.glob, "slice"}, "kernel " + s.kernel.version + " has no slice of a task's own",
                "it came with 6.12");
    }
    if (t.nice || t.slice_ns || !t.policy.empty()) continue;
    return at(s, doc, {"task", t.glob, "nice"}, "task rule '" + t.glob + "' changes nothing",
              "add " + join_path({"task", t.glob, "nice"}) + ", slice or policy");
  }
  if (s.workloads.empty() && s.programs.empty() && s.rings.empty()) {
    return Error{s.file, 0, "the scenario has neither a workload nor a program",
                 "add [workload.fio] or [program.NAME]"};
  }
  return std::nullopt;
}

}  // namespace wakepath::scenario
