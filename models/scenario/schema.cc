// SPDX-License-Identifier: GPL-2.0-or-later
// The list itself. Adding a key here is all that reading, writing and explaining it needs.
#include "models/scenario/schema.h"

#include <algorithm>
#include <limits>

#include "models/kernel/features.h"
#include "models/kernel/versions.h"

namespace wakepath::scenario {
namespace {

constexpr std::int64_t kInt = std::numeric_limits<int>::max();
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

#define FIELD(Struct, member) [](void* object) -> Ref { return &static_cast<Struct*>(object)->member; }

using Keys = std::vector<Key>;
using Field = Ref (*)(void*);

Key key(std::string pattern, Type type, Part part, Field field, std::string doc) {
  Key k;
  k.pattern = std::move(pattern);
  k.type = type;
  k.part = part;
  k.field = field;
  k.doc = std::move(doc);
  return k;
}

// Adds the keys of one section; the prefix is the section's path.
struct Section {
  Keys& keys;
  Part part;
  std::string prefix;

  void add(const char* name, Type type, Field field, std::string doc) {
    keys.push_back(key(prefix + name, type, part, field, std::move(doc)));
  }
  void number(const char* name, Field field, std::int64_t low, std::int64_t high, std::string doc,
              std::string hint = {}) {
    add(name, Type::integer, field, std::move(doc));
    keys.back().low = low;
    keys.back().high = high;
    keys.back().hint = std::move(hint);
  }
  void one_of(const char* name, Field field, std::vector<std::string> choices, std::string doc) {
    add(name, Type::choice, field, std::move(doc));
    keys.back().choices = std::move(choices);
  }
};

using enum Type;

void add_top(Keys& k) {
  k.push_back(
      key("name", text, Part::scenario, FIELD(Scenario, name), "name of the scenario; default: its folder or file"));
  k.push_back(key("title", text, Part::scenario, FIELD(Scenario, title), "one line that says what the scenario shows"));
  k.push_back(key("extends", text, Part::none, nullptr,
                  "another scenario file, relative to this one, whose keys hold unless given here"));
  k.push_back(key("platform", text, Part::none, nullptr, "a machine with its device: platforms/NAME.toml, or a path"));
  k.push_back(key("costs", text, Part::none, nullptr,
                  "a table of CPU costs: costs/NAME.toml, or a path; single entries are costs.NAME"));
  k.push_back(key("costs_by_kernel.VERSION", text, Part::none, nullptr,
                  "in a platform: the cost table for a kernel version when the scenario names none"));
  k.push_back(key("notes", list, Part::scenario, FIELD(Scenario, notes),
                  "what was assumed when the scenario was made, one line each"));
}

void add_kernel(Keys& k) {
  Section s{k, Part::kernel, "kernel."};
  s.add("version", any, nullptr, "kernel version as a string: \"v6.12\", \"6.12\" or a whole uname -r");
  s.add("assume", any, nullptr, "version whose rules to use for one that has no table; marks the result");
  s.number("hz", FIELD(Kernel, hz), 24, 10000, "CONFIG_HZ: scheduler ticks per second",
           "Linux has 100, 250, 300 and 1000");
  s.one_of("preempt", FIELD(Kernel, preempt), {"none", "voluntary", "full", "lazy"},
           "preemption model (lazy from 6.13 on)");
  s.add("irq_time_accounting", boolean, FIELD(Kernel, irq_time_accounting),
        "CONFIG_IRQ_TIME_ACCOUNTING: interrupt time is not charged to the interrupted task");
  s.add(
      "sched_autogroup_enabled", boolean, FIELD(Kernel, sched_autogroup_enabled),
      "/proc/sys/kernel/sched_autogroup_enabled: what is in no cgroup competes as its session does, with the weight of "
      "one task; a fio job is a session of its own (setsid), programs and rings are of the shell's unless they say so");
  s.add("threadirqs", boolean, FIELD(Kernel, threadirqs),
        "threadirqs on the command line: interrupt handlers run in threads, softirqs in ksoftirqd");
  s.add("sched.latency_ns", time_ns, FIELD(Kernel, latency_ns),
        "CFS: target latency in force, as /sys/kernel/debug/sched/latency_ns shows it");
  s.add("sched.min_granularity_ns", time_ns, FIELD(Kernel, min_granularity_ns), "CFS: least slice in force");
  s.add("sched.wakeup_granularity_ns", time_ns, FIELD(Kernel, wakeup_granularity_ns),
        "CFS: vruntime lead a wakee needs to preempt, in force");
  s.add("sched.idle_min_granularity_ns", time_ns, FIELD(Kernel, idle_min_granularity_ns),
        "CFS: least slice of idle entities, in force");
  s.add("sched.base_slice_ns", time_ns, FIELD(Kernel, base_slice_ns), "EEVDF: base slice in force");
  s.number("sched.cfs_bandwidth_slice_us", FIELD(Kernel, cfs_bandwidth_slice_us), 1, 1'000'000,
           "/proc/sys/kernel/sched_cfs_bandwidth_slice_us: what a CPU takes from a group's cpu.max at once");
  for (const auto& one : kernel::features())
    s.add(("sched.features." + std::string(one.name)).c_str(), any, nullptr,
          "/sys/kernel/debug/sched/features: the switch " + std::string(one.switch_name));
  for (const auto& one : kernel::switch_list()) s.add(("switches." + one.name).c_str(), any, nullptr, one.doc);
}

void add_machine(Keys& k) {
  Section s{k, Part::machine, "machine."};
  s.add("platform", text, FIELD(Machine, platform), "name of the platform the figures came from");
  s.add("source", text, FIELD(Machine, source), "where the figures of the machine come from");
  s.number("cpus", FIELD(Machine, cpus), 1, 8192, "number of CPUs, 0 to cpus-1");
  s.number("tunables_cpus", FIELD(Machine, tunables_cpus), 1, 8192,
           "CPU count that scales the scheduler's tunables; default: machine.cpus");
  s.number("topology.threads_per_core", FIELD(Machine, topology.threads_per_core), 1, 8,
           "hardware threads of a core; default 1");
  s.number("topology.cores_per_llc", FIELD(Machine, topology.cores_per_llc), 1, 8192,
           "cores that share a last-level cache; default: all of a package, or of a node where that is smaller");
  s.number("topology.packages", FIELD(Machine, topology.packages), 1, 8192, "packages (sockets); default 1");
  s.number("topology.nodes", FIELD(Machine, topology.nodes), 1, 1024, "memory nodes; default 1");
  s.one_of("topology.numbering", FIELD(Machine, topology.numbering), {"threads_last", "threads_adjacent"},
           "threads_last: first all cores' first threads, then their second ones; threads_adjacent: core by core");
  s.add("topology.core", ids, FIELD(Machine, topology.core), "instead: core of each CPU, in order");
  s.add("topology.llc", ids, FIELD(Machine, topology.llc), "last-level cache of each CPU");
  s.add("topology.package", ids, FIELD(Machine, topology.package), "package of each CPU");
  s.add("topology.node", ids, FIELD(Machine, topology.node), "memory node of each CPU, from 0");
  s.add("topology.capacity", ids, FIELD(Machine, topology.capacity), "capacity of each CPU, 1024 the largest");
  s.add("topology.node_distance", ids, FIELD(Machine, topology.node_distance),
        "distances between nodes, row by row; default 10 on the diagonal, 20 elsewhere");
  s.add("topology.sysfs", text, FIELD(Machine, topology.sysfs),
        "instead: a folder like /sys/devices/system (with cpu and node) to read, here or copied from another machine");
  s.add("topology.lscpu", text, FIELD(Machine, topology.lscpu),
        "instead: the output of `lscpu -J` or `lscpu -J -e` to read");
  s.number("first_cpu", FIELD(Machine, first_cpu), 0, 8191,
           "where tasks that may run anywhere are forked when a run begins");
  s.one_of("idle_wakeup", FIELD(Machine, idle_wakeup), {"ipi", "poll"},
           "how an idle CPU learns of a wakeup: an interrupt (hlt, virtual machines; default), or it watches the flag");
  s.add("deep_idle_after_ns", time_ns, FIELD(Machine, deep_idle_after_ns),
        "an idle CPU is in a deep state (C3, C6) when it has been idle so long; 0: never. The target residency that "
        "cpuidle goes by, as if it foresaw each stay");
  s.add("deep_idle_wake_ns", dist, FIELD(Machine, deep_idle_wake_ns),
        "... and takes so long to wake from it, instead of costs.idle_wake_latency");
  s.add("cold_move_ns", dist, FIELD(Machine, cold_move_ns),
        "how much longer a task takes for what it does first on another CPU than its last: cold caches, a CPU whose "
        "clock is low; default 0");
  s.number("clock_min_percent", FIELD(Machine, clock_min_percent), 1, 100,
           "lowest clock of a CPU in percent of its highest, where intel_pstate's powersave governor sets it: what a "
           "program of steps runs takes longer on a CPU that was little used; 100: clocks do not change");
  s.add("idle_cold_half_ns", time_ns, FIELD(Machine, idle_cold_half_ns),
        "caches go cold while a CPU is idle: a task's next turn takes costs.idle_cold_* times t^2 / (t^2 + h^2) longer "
        "after t, h this; 0: all of it at once");
  s.add("tick_when_idle", boolean, FIELD(Machine, tick_when_idle), "the tick goes on while idle (nohz=off)");
  s.add("steal_every_ns", time_ns, FIELD(Machine, steal_every_ns),
        "a virtual machine's host runs something else on a CPU so often, in the mean of exponential times; 0: never");
  s.add("steal_ns", dist, FIELD(Machine, steal_ns),
        "... and so long: whoever is on the CPU takes that much longer; an idle CPU loses nothing");
  s.add("shared_clock", boolean, FIELD(Machine, shared_clock),
        "an emulator with one clock for all CPUs: they execute one at a time, until they halt or a timer is due");
  s.add("tick_offset_ns", time_ns, FIELD(Machine, tick_offset_ns),
        "when the first tick is due, at most one period; default: one period. The phase of a real tick, where it is "
        "known");
}

void add_block(Keys& k) {
  Section s{k, Part::block, "block."};
  s.add("name", text, FIELD(Block, name), "name of the block device");
  s.number("hw_queues", FIELD(Block, hw_queues), 1, 8192, "hardware queues");
  s.number("poll_queues", FIELD(Block, poll_queues), 0, 8192,
           "further queues without interrupts, for polled I/O (nvme.poll_queues, fio hipri); 0: polled I/O is "
           "completed by interrupt all the same");
  s.number("queue_depth", FIELD(Block, queue_depth), 1, 65535, "tags per hardware queue (nr_requests)");
  s.number("bio_bytes", FIELD(Block, bio_bytes), 64, 4096, "that a bio and its vectors take in their slab, aligned");
  s.number("ring_requests", FIELD(Block, ring_requests), 0, 65535,
           "requests the driver's ring holds at once, where fewer than tags (virtio without indirect descriptors: ring "
           "size / 3); a full ring stops the queue until an interrupt; 0: no limit but the tags");
  s.number("rq_affinity", FIELD(Block, rq_affinity), 0, 2, "queue/rq_affinity: where completions run",
           "0: where the interrupt is, 1: the submitting CPU's cache group, 2: the submitting CPU");
  s.one_of(
      "driver", FIELD(Block, driver), {"nvme", "null_blk", "virtio_blk", "loop"},
      "driver: who has queue_rqs, who ends requests in the interrupt; loop: a worker of an unbound workqueue takes "
      "device.service_ns of a CPU for each request, without an interrupt");
  s.add("irq_cpus", cpus, FIELD(Block, irq_cpus),
        "CPU of each queue's interrupt, in order; empty: the first CPU mapped to the queue");
  s.add("queue_map", ids, FIELD(Block, queue_map),
        "hardware queue of each CPU, in order; empty: the map of the driver and kernel version");
  s.add("virtual_timer_completion", boolean, FIELD(Block, virtual_timer_completion),
        "null_blk irqmode 2: one timer per request on the CPU that queued it");
  s.add("threaded_interrupts", boolean, FIELD(Block, threaded_interrupts),
        "nvme.use_threaded_interrupts=1: completions run in a SCHED_FIFO thread of the interrupt's CPU");
  s.one_of(
      "elevator", FIELD(Block, elevator), {"none", "mq-deadline"},
      "queue/scheduler; with one, requests pass a list that a run of the queue dispatches (it sorts nothing here)");
  s.number("irqmode", FIELD(Block, irqmode), 0, 2,
           "null_blk irqmode: 0 ends a request as it is issued, 1 the same by blk_mq_complete_request, 2 after the "
           "device's time");
  s.number("max_sectors_kb", FIELD(Block, max_sectors_kb), 4, 1 << 20,
           "queue/max_sectors_kb: what is larger goes to the device in several requests");
  s.number("max_sectors", FIELD(Block, max_sectors), 0, 1 << 21,
           "the same in sectors, where it is not a whole number of KiB (null_blk: 255); 0: max_sectors_kb");
  s.number("nomerges", FIELD(Block, nomerges), 0, 2,
           "queue/nomerges: at 2 neighbouring I/Os of a plug stay requests of their own");
}

void add_device(Keys& k) {
  Section s{k, Part::device, "device."};
  s.one_of("law", FIELD(Device, law), {"serial", "parallel", "delay", "notified"},
           "serial: max(now, free) + service + latency; parallel: `servers` of them; delay: now + latency; notified: "
           "one server that wakes `latency` after a doorbell and then serves until nothing is left");
  s.number("servers", FIELD(Device, servers), 1, 65536, "servers of the law parallel");
  s.add("service_ns", dist, FIELD(Device, service_ns), "time one server is taken by a request");
  s.add("latency_ns", dist, FIELD(Device, latency_ns), "time added after it, for any number of requests at once");
  s.add("grid_ns", time_ns, FIELD(Device, grid_ns),
        "completion times are rounded up to a multiple of this on the clock; 0: not");
  s.number("iops_cap", FIELD(Device, iops_cap), 0, 1'000'000'000, "rate limit, completions per second; 0: none");
  s.number("cap_burst", FIELD(Device, cap_burst), 1, kInt, "completions the rate limit lets through at once");
  s.number("coalesce_n", FIELD(Device, coalesce_n), 1, 65536,
           "an interrupt is raised when this many completions are pending");
  s.add("coalesce_ns", time_ns, FIELD(Device, coalesce_ns), "... or when the oldest is this old; 0: no timer");
  s.add("copies_data", boolean, FIELD(Device, copies_data), "completion copies the data on the CPU (cost data_copy)");
  s.add("read_service_ns", dist, FIELD(Device, read_service_ns), "the same for reads, where they take another time");
  s.add("doorbell_when_idle", boolean, FIELD(Device, doorbell_when_idle),
        "the driver rings (cost doorbell) only when the device has gone idle: virtio's event index");
  s.add("interrupt_on_drain", boolean, FIELD(Device, interrupt_on_drain),
        "an interrupt is raised only when no request is left in the device: a virtual disk whose host works off the "
        "ring");
  s.number("bytes_per_s", FIELD(Device, bytes_per_s), 0, kMax,
           "bandwidth: what a request has beyond 4 KiB takes its time; 0: size does not matter");
  s.add("write_cache", boolean, FIELD(Device, write_cache),
        "the device has a volatile write cache (queue/write_cache: write back): fsync has to flush it");
  s.add("fua", boolean, FIELD(Device, fua), "... and can write around it (queue/fua)");
  s.add("flush_ns", dist, FIELD(Device, flush_ns), "how long emptying the cache takes");
  s.add(
      "flush_alone", boolean, FIELD(Device, flush_alone),
      "... it begins when what is in the device has ended, and nothing runs beside it (FLUSH CACHE of ATA is no queued "
      "command); false: beside the writes");
  s.add("source", text, FIELD(Device, source), "where the figures of the device come from");
}

void add_fs(Keys& k) {
  Section s{k, Part::fs, "fs."};
  s.one_of("type", FIELD(Filesystem, type), {"xfs", "ext4", "btrfs", "none"},
           "filesystem; none: the block device itself; btrfs: direct io_uring reads only");
  s.add("written", boolean, FIELD(Filesystem, written),
        "the file was written before, so that writes are overwrites; false: unwritten extents are converted");
  s.number("unwritten_per_million", FIELD(Filesystem, unwritten_per_million), 0, 1'000'000,
           "of a million writes to a written file, those that meet an unwritten extent (a hole filled by fallocate)",
           "it is a number of writes: 1000 is one in a thousand");
  s.add("convert_sleep_ns", dist, FIELD(Filesystem, convert_sleep_ns),
        "how long the conversion of an unwritten extent sleeps, for log space or a metadata block; 0: it does not");
  s.add("write_wait", dist, FIELD(Filesystem, write_wait),
        "how long a buffered write that may block waits for the filesystem (its log, a page under writeback) while it "
        "holds the inode's lock");
  s.add("journal", boolean, FIELD(Filesystem, journal), "ext4 has a journal; false: fsync writes the inode itself");
}

void add_ublk(Keys& k) {
  Section s{k, Part::ublk, "ublk."};
  s.one_of("target", FIELD(Ublk, target), {"null", "loop"},
           "what the server does with a request: nothing, or I/O of a file on [block] through [fs]");
  s.number("queues", FIELD(Ublk, queues), 1, 4096, "hardware queues; at most one a CPU");
  s.number("depth", FIELD(Ublk, depth), 1, 4096, "tags per queue", "ublk has at most 4096 tags a queue");
  s.number("threads", FIELD(Ublk, threads), 0, 4096, "threads of the server; 0: one a queue");
  s.add("per_io_daemon", boolean, FIELD(Ublk, per_io_daemon),
        "UBLK_F_PER_IO_DAEMON: each slot belongs to the thread that fetched it (from 6.16)");
  s.one_of("owners", FIELD(Ublk, owners), {"queue", "kublk", "commit", "interleaved", "contiguous"},
           "which thread fetches which slots: all of a queue; slot i by thread i mod threads (kublk --per_io_tasks); "
           "(tag + queue) mod threads, as the commit's message has it; of the queue's threads in turn; runs of "
           "neighbouring tags. Default: queue, kublk with per_io_daemon");
  s.one_of("data", FIELD(Ublk, data), {"copy", "user_copy", "zero_copy", "auto_buf_reg"},
           "how the data reaches the server: the driver copies; USER_COPY; SUPPORT_ZERO_COPY; AUTO_BUF_REG");
  s.add("need_get_data", boolean, FIELD(Ublk, need_get_data),
        "UBLK_F_NEED_GET_DATA: the server asks for the data of a write by a command of its own");
  s.one_of("ring", FIELD(Ublk, ring), {"defer_taskrun", "coop_taskrun", "none"}, "setup flags of the server's rings");
  s.one_of("affinity", FIELD(Ublk, affinity), {"none", "queue"},
           "CPUs of the server's threads: any; or thread i on the first CPU of queue i, as kublk does");
  s.add("server_cpus", ids, FIELD(Ublk, server_cpus), "instead: the CPU of each thread, in order");
  s.number("server_nice", FIELD(Ublk, server_nice), -20, 19, "nice value of the server");
  s.add("server_cgroup", text, FIELD(Ublk, server_cgroup), "path of the server's cgroup; empty: the root");
  s.add("recovery", boolean, FIELD(Ublk, recovery),
        "UBLK_F_USER_RECOVERY and _REISSUE: requests of a server that exits wait for another; false: they fail");
  s.add("exit_at", duration, FIELD(Ublk, exit_at_ns),
        "when the server is killed, from the start of the run (warm-up included); 0: never");
  s.add("restart", duration, FIELD(Ublk, restart_ns), "... and how much later another is started; 0: none");
  s.add("faults", list, FIELD(Ublk, faults),
        "mistakes of the server: \"fetch_again QUEUE TAG\", \"commit_by QUEUE TAG THREAD\" (a thread that does not "
        "own it)");
}

void add_vm(Keys& k) {
  Section s{k, Part::vm, "vm."};
  s.number("dirtyable_memory", FIELD(Vm, dirtyable_memory), 1 << 20, kMax,
           "bytes of memory that may hold file pages; the ratios are of it", "write bytes: 17179869184 is 16 GiB");
  s.number("dirty_ratio", FIELD(Vm, dirty_ratio), 0, 100, "vm.dirty_ratio: percent that may be dirty");
  s.number("dirty_background_ratio", FIELD(Vm, dirty_background_ratio), 0, 100,
           "vm.dirty_background_ratio: percent from which the flusher writes back");
  s.number("dirty_bytes", FIELD(Vm, dirty_bytes), 0, kMax, "vm.dirty_bytes; 0: the ratio holds");
  s.number("dirty_background_bytes", FIELD(Vm, dirty_background_bytes), 0, kMax,
           "vm.dirty_background_bytes; 0: the ratio holds");
  s.add("dirty_writeback", duration, FIELD(Vm, dirty_writeback_ns),
        "vm.dirty_writeback_centisecs: how often the flusher looks for old pages; 0: never");
  s.add("dirty_expire", duration, FIELD(Vm, dirty_expire_ns),
        "vm.dirty_expire_centisecs: age from which a dirty file is written back");
}

void add_dio_wq(Keys& k) {
  Section s{k, Part::dio_wq, "dio_wq."};
  s.add("highpri", boolean, FIELD(Workqueue, highpri), "the direct-I/O workqueue has WQ_HIGHPRI (nice -20 pool)");
  s.add("unbound", boolean, FIELD(Workqueue, unbound), "... has WQ_UNBOUND");
  s.one_of("affinity_scope", FIELD(Workqueue, affinity_scope), {"cpu", "smt", "cache", "numa", "system"},
           "of an unbound one from 6.6 on: the CPUs whose workers take an item queued on one of them");
  s.add("affinity_strict", boolean, FIELD(Workqueue, affinity_strict),
        "... its workers may run nowhere else; false: they begin there and may be moved");
  s.add("cpu_intensive", boolean, FIELD(Workqueue, cpu_intensive), "... has WQ_CPU_INTENSIVE");
  s.number("max_active", FIELD(Workqueue, max_active), 1, 2048, "items in flight per CPU; the kernel's default is 256");
  s.add("idle_timeout", duration, FIELD(Workqueue, idle_timeout_ns), "how long surplus idle workers are kept");
}

void add_cgroup(Keys& k) {
  Section s{k, Part::cgroup, "cgroup.PATH."};
  s.add("parent", text, FIELD(Cgroup, parent), "parent group; default: what stands before the last / of its path");
  s.number("cpu.weight", FIELD(Cgroup, cpu_weight), 1, 10000, "cgroup v2 cpu.weight; the kernel's default is 100",
           "cpu.weight is 1 to 10000, 100 by default");
  s.number("cpu.shares", FIELD(Cgroup, cpu_shares), 2, 262144, "cgroup v1 cpu.shares; the kernel's default is 1024",
           "cpu.shares is 2 to 262144, 1024 by default");
  s.add("cpu.idle", boolean, FIELD(Cgroup, cpu_idle), "cgroup v2 cpu.idle: the group is SCHED_IDLE");
  s.add("cpu.max", text, FIELD(Cgroup, cpu_max),
        "cgroup v2 cpu.max, v1 cpu.cfs_quota_us and cpu.cfs_period_us: \"QUOTA PERIOD\" in us, or \"max\"");
  s.number("cpu.max_burst", FIELD(Cgroup, cpu_max_burst), 0, 1LL << 44, "cgroup v2 cpu.max.burst, us: saved quota");
  s.add("cpu.max_phase", duration, FIELD(Cgroup, cpu_max_phase),
        "when a period begins; default: a random phase, or 0 before 6.4 (switch bandwidth_random_phase)");
  s.add("cpuset.cpus", cpus, FIELD(Cgroup, cpuset_cpus), "cpuset: CPUs its tasks may use; empty: those of its parent");
}

void add_uring_options(Section& s) {
  s.add("hipri", boolean, FIELD(FioJob, hipri), "fio hipri (io_uring): an IOPOLL ring, completions are polled for");
  s.add("fixedbufs", boolean, FIELD(FioJob, fixedbufs), "fio fixedbufs (io_uring): registered buffers, no pinning");
  s.add("registerfiles", boolean, FIELD(FioJob, registerfiles),
        "fio registerfiles (io_uring): registered files, no descriptor lookup");
  s.add("sqthread_poll", boolean, FIELD(FioJob, sqthread_poll),
        "fio sqthread_poll (io_uring): an SQPOLL ring, a kernel thread submits");
  s.number("sqthread_poll_cpu", FIELD(FioJob, sqthread_poll_cpu), -1, 8191,
           "fio sqthread_poll_cpu: CPU of that thread; -1: any");
  s.number("force_async", FIELD(FioJob, force_async), 0, kInt,
           "fio force_async (io_uring): IOSQE_ASYNC on every Nth request; 0: on none");
  s.add("nowait", boolean, FIELD(FioJob, nowait), "fio nowait: RWF_NOWAIT, an I/O that would block fails");
  s.number("iowq_max_bounded", FIELD(FioJob, iowq_max_bounded), 1, 1 << 16,
           "IORING_REGISTER_IOWQ_MAX_WORKERS, bounded work (files); default: the smaller of ring size and 4 per CPU",
           "a pool without workers would run nothing: write 1 or more");
  s.number("iowq_max_unbounded", FIELD(FioJob, iowq_max_unbounded), 1, 1 << 16,
           "IORING_REGISTER_IOWQ_MAX_WORKERS, unbounded work; default: RLIMIT_NPROC",
           "a pool without workers would run nothing: write 1 or more");
}

void add_workload(Keys& k) {
  Section s{k, Part::workload, "workload.NAME."};
  s.one_of("disk", FIELD(FioJob, disk), {"ublk", "block"},
           "which block device it uses: ublk (the default where there is one) or [block] through [fs]");
  s.one_of("rw", FIELD(FioJob, rw), {"read", "write", "randread", "randwrite", "readwrite", "rw", "randrw"},
           "fio rw, readwrite: kind of I/O");
  s.one_of("ioengine", FIELD(FioJob, ioengine), {"libaio", "io_uring", "t/io_uring", "psync", "sync"},
           "fio ioengine: libaio, io_uring, or one pread or pwrite at a time; t/io_uring: the test program beside fio");
  s.add("bs", fio_size, FIELD(FioJob, bs), "fio bs, blocksize: bytes per I/O");
  k.back().low = 512;
  k.back().high = 1 << 30;
  s.add("size", fio_size, FIELD(FioJob, size), "fio size: bytes of all files together");
  s.add("filesize", fio_size, FIELD(FioJob, filesize), "fio filesize: bytes of each file, where not size / nrfiles");
  s.number("iodepth", FIELD(FioJob, iodepth), 1, 65536, "fio iodepth: I/Os in flight", "write 1 or more");
  s.number("iodepth_batch_submit", FIELD(FioJob, iodepth_batch_submit), 0, 65536,
           "fio iodepth_batch, iodepth_batch_submit: I/Os collected before io_submit; 0 or above iodepth: iodepth");
  s.number("iodepth_batch_complete_min", FIELD(FioJob, iodepth_batch_complete_min), 0, 65536,
           "fio iodepth_batch_complete(_min): events to wait for; 0 polls");
  s.number("iodepth_batch_complete_max", FIELD(FioJob, iodepth_batch_complete_max), 0, 65536,
           "fio iodepth_batch_complete_max: most events taken at once; at least the min");
  s.number("iodepth_low", FIELD(FioJob, iodepth_low), 0, 65536,
           "fio iodepth_low: refill when the depth has fallen to this; 0: iodepth");
  s.number("numjobs", FIELD(FioJob, numjobs), 1, 4096, "fio numjobs: clones of the job");
  s.add("direct", boolean, FIELD(FioJob, direct),
        "fio direct: O_DIRECT; 0 goes through the page cache (fio's default is 0)");
  s.add("thinktime", fio_us, FIELD(FioJob, thinktime_ns), "fio thinktime: pause after thinktime_blocks I/Os");
  s.number("thinktime_blocks", FIELD(FioJob, thinktime_blocks), 1, kInt, "fio thinktime_blocks");
  s.number("rate_iops", FIELD(FioJob, rate_iops), 0, kMax, "fio rate_iops: cap on the job's rate; 0: none");
  s.add("cpus_allowed", cpus, FIELD(FioJob, cpus_allowed),
        "fio cpus_allowed (also cpumask, taskset -c): CPUs the job may use; empty: all");
  s.one_of("cpus_allowed_policy", FIELD(FioJob, cpus_allowed_policy), {"shared", "split"},
           "fio cpus_allowed_policy: each clone may use all of cpus_allowed, or one of them in turn");
  s.number("fsync", FIELD(FioJob, fsync), 0, kInt, "fio fsync: an fsync after so many writes; 0: none");
  s.number("fdatasync", FIELD(FioJob, fdatasync), 0, kInt, "fio fdatasync: an fdatasync after so many writes; 0: none");
  s.one_of("sync", FIELD(FioJob, sync), {"none", "sync", "dsync", "0", "1"},
           "fio sync: O_SYNC (sync, 1) or O_DSYNC (dsync) writes");
  s.add("userspace_reap", boolean, FIELD(FioJob, userspace_reap),
        "fio userspace_reap: with iodepth_batch_complete_min=0, looks at libaio's ring without a system call");
  s.add("reap_thread", boolean, FIELD(FioJob, reap_thread),
        "not fio's (libaio): a second thread of the job waits in io_getevents and takes what completes, "
        "iodepth_batch_complete_min to _max events a call; the first only submits, and spins while iodepth are in "
        "flight");
  s.add("invalidate", boolean, FIELD(FioJob, invalidate),
        "fio invalidate: a buffered sequential job that is at the end of its files drops them from the page cache");
  s.one_of("verify", FIELD(FioJob, verify),
           {"0", "null", "crc16", "crc32", "crc32c", "crc32c-intel", "crc64", "md5", "sha1", "sha256", "sha512",
            "sha3-224", "sha3-256", "sha3-384", "sha3-512", "xxhash"},
           "fio verify: checksum of each block, made before it is written and after it is read; reading all back after "
           "the writes is not modelled");
  s.number("nice", FIELD(FioJob, nice), -20, 19, "fio nice");
  s.add("cgroup", text, FIELD(FioJob, cgroup), "path of the job's cgroup; empty: the root");
  s.one_of("policy", FIELD(FioJob, policy), {"other", "batch", "idle"}, "scheduling policy of the job");
  s.number("rwmixread", FIELD(FioJob, rwmixread), 0, 100, "fio rwmixread: percent of reads of rw = randrw");
  s.add("startdelay", fio_s, FIELD(FioJob, startdelay_ns), "fio startdelay");
  s.number("nrfiles", FIELD(FioJob, nrfiles), 1, 65536, "fio nrfiles: files written in turn, one I/O each");
  add_uring_options(s);
}

void add_program(Keys& k) {
  Section s{k, Part::program, "program.NAME."};
  s.one_of(
      "kind", FIELD(Program, kind),
      {"hog", "yield", "per", "duty", "ping", "src", "sink", "psrc", "kthread", "rcu", "replay", "steps"},
      "hog spins; yield spins `run` and yields; per spins `run` every `period`; duty spins `run`, sleeps `sleep`; "
      "ping reads pipe `in`, spins, writes pipe `out`; src spins and writes; sink reads and spins; psrc writes every "
      "`period`; kthread is per without system calls; rcu is RCU's grace-period thread, which on several CPUs works on "
      "what programs with `call_rcu` free, and on one is woken by ticks; replay and steps do the `turns`");
  s.add("run", duration, FIELD(Program, run_ns), "CPU time of one turn");
  s.add("period", duration, FIELD(Program, period_ns), "period of per, psrc, kthread and rcu");
  s.add("sleep", duration, FIELD(Program, sleep_ns), "sleep of duty");
  s.add("startdelay", duration, FIELD(Program, startdelay_ns), "when it begins; 0: with the run");
  s.number("in", FIELD(Program, in), -1, 4096, "pipe it reads");
  s.number("out", FIELD(Program, out), -1, 4096, "pipe it writes");
  s.number("pipes", FIELD(Program, pipes), 1, 1024,
           "how many pipes a turn writes, one after the other: out, out + 1, ...");
  s.number("message_bytes", FIELD(Program, message_bytes), 1, 4096, "length of what it reads and of what it writes");
  s.number("copies", FIELD(Program, copies), 1, 4096, "so many tasks of this program: NAME1, NAME2, ...");
  s.number("in_step", FIELD(Program, in_step), 0, 1024, "the next copy reads the pipe so many further; 0: the same");
  s.number("cpu", FIELD(Program, cpu), -1, 8191, "CPU it is pinned to; -1: none");
  s.number("nice", FIELD(Program, nice), -20, 19, "nice value");
  s.add("cgroup", text, FIELD(Program, cgroup), "path of its cgroup; empty: the root");
  s.add("session", text, FIELD(Program, session),
        "its session, for kernel.sched_autogroup_enabled; empty: the shell's");
  s.one_of("policy", FIELD(Program, policy), {"other", "batch", "idle", "fifo"}, "scheduling policy");
  s.number("rt_priority", FIELD(Program, rt_priority), 0, 99, "priority of policy fifo");
  s.add("call_rcu", boolean, FIELD(Program, call_rcu), "each turn frees something by RCU (several CPUs)");
  s.number("min_cpus", FIELD(Program, min_cpus), 1, 8192, "on a machine with fewer CPUs it is left out");
  s.add("start_vruntime_ns", time_ns, FIELD(Program, start_vruntime_ns),
        "it existed before the run and is woken at its start, with this vruntime beside the others' (CFS; EEVDF has no "
        "use for it); default: it is new");
  s.add(
      "turns", list, FIELD(Program, turns),
      "of replay: \"AT_NS RUN_NS softirq\" or \"AT_NS RUN_NS hardirq\" each; of steps, again and again: \"run 10us\", "
      "\"spin 10us\", \"sleep 1ms\", \"timer NAME 10ms\", \"lock M\", \"unlock M\", \"wait C M\", \"signal C\", "
      "\"broadcast C\", \"suspend\", \"resume PROGRAM\", \"cpus 0-3\", \"exec\", \"create F\", \"touch F\", "
      "\"write F OFFSET BYTES\", \"fsync F\", \"loop 3\" ... \"end\", \"yield\", \"stop\"");
  s.number("run_percent", FIELD(Program, run_percent), 1, 100'000,
           "of steps: a `run` takes so many percent of what it says, on a CPU that is faster or slower");
}

void add_ring(Keys& k) {
  Section s{k, Part::ring, "ring.NAME."};
  s.add(
      "ops", list, FIELD(RingProgram, ops),
      "operations of a task with a ring, in order: \"nop\", \"read FILE\", \"write FILE\", \"fsync FILE\" with xN, "
      "async, "
      "link, hardlink, drain, fixed_file, fixed_buffer, nowait, buffered, uncached; \"submit\", \"submit_and_wait N\", "
      "\"wait N\" (\"wait N timeout 1ms\"), \"run 10us\", \"sleep 1ms\"");
  s.add("flags", list, FIELD(RingProgram, flags),
        "IORING_SETUP_ flags: IOPOLL, SQPOLL, COOP_TASKRUN, SINGLE_ISSUER, DEFER_TASKRUN");
  s.number("entries", FIELD(RingProgram, entries), 1, 32768,
           "entries of the submission ring, rounded up to a power of 2", "an io_uring has at most 32768 entries");
  s.number("cq_entries", FIELD(RingProgram, cq_entries), 0, 65536,
           "entries of the completion ring (IORING_SETUP_CQSIZE); 0: twice the submission ring");
  s.add("bs", fio_size, FIELD(RingProgram, bs), "bytes per read or write");
  k.back().low = 512;
  k.back().high = 1 << 30;
  s.number("loops", FIELD(RingProgram, loops), 0, kMax, "how often the list is run; 0: for ever");
  s.add("registered_ring", boolean, FIELD(RingProgram, registered_ring), "the ring's descriptor is registered");
  s.number("cpu", FIELD(RingProgram, cpu), 0, 8191, "CPU it is pinned to");
  s.number("nice", FIELD(RingProgram, nice), -20, 19, "nice value");
  s.add("cgroup", text, FIELD(RingProgram, cgroup), "path of its cgroup; empty: the root");
  s.add("session", text, FIELD(RingProgram, session),
        "its session, for kernel.sched_autogroup_enabled; empty: the shell's");
  s.number("sq_thread_cpu", FIELD(RingProgram, sq_thread_cpu), -1, 8191, "SQPOLL: CPU of the thread; -1: any");
  s.add("sq_thread_idle", duration, FIELD(RingProgram, sq_thread_idle_ns), "SQPOLL: how long the thread spins idly");
  s.number("iowq_max_bounded", FIELD(RingProgram, iowq_max_bounded), 1, 1 << 16,
           "IORING_REGISTER_IOWQ_MAX_WORKERS, bounded work (files)",
           "a pool without workers would run nothing: write 1 or more");
  s.number("iowq_max_unbounded", FIELD(RingProgram, iowq_max_unbounded), 1, 1 << 16,
           "IORING_REGISTER_IOWQ_MAX_WORKERS, unbounded work",
           "a pool without workers would run nothing: write 1 or more");
}

void add_task(Keys& k) {
  Section s{k, Part::task, "task.GLOB."};
  s.number("nice", FIELD(TaskRule, nice), -20, 19,
           "renice the tasks whose comm matches; task.kworker is the bound normal-priority workers of the "
           "workload's CPUs",
           "nice is -20 to 19");
  s.add("slice", duration, FIELD(TaskRule, slice_ns), "EEVDF, 6.12: own slice, sched_attr.sched_runtime; 0: default");
  s.one_of("policy", FIELD(TaskRule, policy), {"other", "batch", "idle"}, "scheduling policy");
  s.add("at", duration, FIELD(TaskRule, at_ns), "when, from the start of the run (warm-up included)");
}

void add_event(Keys& k) {
  Section s{k, Part::event, "event.NAME."};
  s.add("at", duration, FIELD(Event, at_ns), "when it happens, from the start of the run (warm-up included)");
  s.add("set", text, FIELD(Event, set),
        "what is changed then, as --set writes it: cgroup.PATH.cpu.{weight,shares,idle,max,max_burst}, "
        "task.GLOB.{nice,slice,policy}; or recorder=on: from then on records cost what costs.trace_record says");
}

void add_run(Keys& k) {
  Section s{k, Part::run, "run."};
  s.add("duration", duration, FIELD(Run, duration_ns), "measured window");
  k.back().low = 1;
  k.back().high = kMax;
  s.add("warmup", duration, FIELD(Run, warmup_ns), "time before the window");
  s.number("seed", FIELD(Run, seed), 0, kMax, "seed of all random streams");
  s.number("samples", FIELD(Run, samples), 0, 1'000'000, "points of the time series over the window; 0: none");
  s.number("max_events", FIELD(Run, max_events), 0, kMax, "stop after so many events; 0: no limit");
  s.number("max_wall_ms", FIELD(Run, max_wall_ms), 0, kMax,
           "stop after so many milliseconds of real time; 0: no limit");
  s.add("trace_events", list, FIELD(Run, trace_events),
        "tracepoints that are recorded, and cost what costs.trace_record says; default: all that the model has");
}

void add_costs(Keys& k) {
  k.push_back(key("costs.name", text, Part::costs, FIELD(machine::CostTable, name), "name of the cost table"));
  k.push_back(
      key("costs.source", text, Part::costs, FIELD(machine::CostTable, source), "what was measured, on which machine"));
  for (std::size_t i = 0; i < machine::kCostCount; ++i) {
    const auto id = static_cast<machine::CostId>(i);
    k.push_back(
        key(std::string("costs.") + machine::cost_name(id), dist, Part::costs, nullptr, machine::cost_text(id)));
  }
}

#undef FIELD

Keys make_schema() {
  Keys k;
  add_top(k);
  add_kernel(k);
  add_machine(k);
  add_block(k);
  add_device(k);
  add_fs(k);
  add_ublk(k);
  add_vm(k);
  add_dio_wq(k);
  add_cgroup(k);
  add_workload(k);
  add_program(k);
  add_ring(k);
  add_task(k);
  add_event(k);
  add_run(k);
  add_costs(k);
  for (Key& one : k) {
    std::string_view rest = one.pattern;
    while (true) {
      const auto dot = rest.find('.');
      const std::string_view part = rest.substr(0, dot);
      const bool user_name = part == "NAME" || part == "PATH" || part == "GLOB" || part == "VERSION";
      one.parts.emplace_back(user_name ? std::string_view("*") : part);
      if (dot == std::string_view::npos) break;
      rest.remove_prefix(dot + 1);
    }
  }
  return k;
}

}  // namespace

const std::vector<Key>& schema() {
  static const Keys keys = make_schema();
  return keys;
}

void* part_of(Scenario& s, Part part) {
  switch (part) {
    case Part::scenario:
      return &s;
    case Part::kernel:
      return &s.kernel;
    case Part::machine:
      return &s.machine;
    case Part::block:
      return &s.block;
    case Part::device:
      return &s.device;
    case Part::fs:
      return &s.fs;
    case Part::ublk:
      return &s.ublk;
    case Part::vm:
      return &s.vm;
    case Part::dio_wq:
      return &s.dio_wq;
    case Part::run:
      return &s.run;
    case Part::costs:
      return &s.costs;
    default:
      return nullptr;
  }
}

}  // namespace wakepath::scenario
