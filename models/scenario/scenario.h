// SPDX-License-Identifier: GPL-2.0-or-later
// A scenario as plain data, resolved: nothing left to look up. scenario_io.h reads and writes it; models/run runs it.
// Times are int64 ns. Keys of the file are the field names unless said otherwise; schema.cc lists them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "models/kernel/switch_set.h"
#include "models/machine/costs.h"
#include "models/machine/topology.h"

namespace wakepath::scenario {

using Time = std::int64_t;

enum class Preempt : std::uint8_t { none, voluntary, full, lazy };

// A random quantity in ns: the cost kinds, for device laws.
using Dist = machine::Cost;

struct Kernel {
  std::string version;               // table used, e.g. "6.12"
  std::string requested;             // as the user wrote it
  std::string assumed;               // kernel.assume, "" when not used
  kernel::SwitchSet switches;        // resolved
  std::vector<std::string> changed;  // switches that differ from the version's defaults, "name=value"
  int hz = 250;
  Preempt preempt = Preempt::voluntary;
  bool irq_time_accounting = false;
  bool threadirqs = false;  // on the command line: interrupt handlers are threads
  bool sched_autogroup_enabled = false;
  // Scheduler tunables in force, debugfs names under kernel.sched; absent: the version's default for
  // machine.tunables_cpus.
  std::optional<Time> latency_ns, min_granularity_ns, wakeup_granularity_ns, idle_min_granularity_ns, base_slice_ns;
  std::optional<int> cfs_bandwidth_slice_us;  // default 5000
};

// machine.topology: a regular machine in a few numbers, or a list with one entry a CPU, or a real machine's own files.
// What is given is kept apart from what follows from it.
struct TopologyKeys {
  std::optional<int> threads_per_core, cores_per_llc, packages, nodes;
  std::string numbering;  // threads_last, threads_adjacent; "": threads_last
  std::vector<int> core, llc, package, node, capacity, node_distance;
  std::string sysfs, lscpu;  // files of a real machine; read once, then the lists hold
};

struct Machine {
  std::string platform;  // name of the platform file or section
  std::string source;    // where its figures come from
  int cpus = 1;
  TopologyKeys topology;
  machine::Topology resolved;          // always complete
  std::optional<int> tunables_cpus;    // CPU count that scales the scheduler's tunables; default: cpus
  int first_cpu = 0;                   // where tasks that may run anywhere are forked when a run begins
  bool tick_when_idle = false;         // nohz off
  bool shared_clock = false;           // of an emulator: its CPUs execute one at a time
  std::optional<Time> tick_offset_ns;  // when the first tick is due, 0 to 1/HZ; absent: 1/HZ
  Time steal_every_ns = 0;             // mean time between two stretches that the host takes of a CPU; 0: none
  Dist steal_ns;                       // how long each is
  Time deep_idle_after_ns = 0;         // an idle CPU is in a deep state after so long; 0: never
  Dist deep_idle_wake_ns;              // what waking it takes then, instead of costs.idle_wake_latency
  Dist cold_move_ns;                   // how much longer a task takes for what it does first on another CPU
  int clock_min_percent = 100;         // of the highest clock of a CPU, its lowest; 100: clocks do not change
  Time idle_cold_half_ns = 0;          // idle time in which half of costs.idle_cold_* falls due; 0: all of it at once
  std::string idle_wakeup;  // "ipi": an idle CPU is woken by an interrupt; "poll": it watches need_resched; "": ipi
};

struct Block {  // one block device
  std::string name = "nvme0n1";
  int hw_queues = 1;       // total hardware queues (steering rule R3 counts them)
  int poll_queues = 0;     // further queues without interrupts, for polled requests
  int queue_depth = 1023;  // driver tags per hardware queue
  int bio_bytes = 256;     // that a bio takes in its slab, with its vectors
  int ring_requests = 0;   // requests the driver's ring holds, where that is fewer than the tags; 0: all
  int rq_affinity = 1;
  int irqmode = 2;                        // null_blk: 0 ends at issue, 1 at issue by blk_mq_complete_request, 2 later
  bool virtual_timer_completion = false;  // null_blk irqmode 2: one timer per request on the CPU that queued it
  std::string driver = "nvme";            // nvme, null_blk, virtio_blk, loop: who has queue_rqs, who ends in softirq
  std::vector<int> irq_cpus;              // CPU of each queue's interrupt; empty: the first CPU mapped to it
  std::vector<int> queue_map;             // queue of each CPU; empty: the driver's own map
  std::uint64_t max_sectors_kb = 1280;
  int nomerges = 0;
  std::uint64_t max_sectors = 0;     // instead, in sectors, when not 0
  bool threaded_interrupts = false;  // nvme.use_threaded_interrupts
  std::string elevator = "none";     // none, mq-deadline: requests are ended one by one, and pass a list
};

// How long the device takes. Requests pass: servers -> iops cap -> latency -> grid -> coalescing -> interrupt.
struct Device {
  std::string law =
      "serial";  // "serial": max(now, free) + service + latency; "parallel": `servers` of them; "delay": now + latency;
                 // "notified": one server that wakes `latency` after a doorbell and works until nothing is left
  int servers = 1;
  Time grid_ns = 0;           // completion time is rounded up to a multiple (0: not)
  std::int64_t iops_cap = 0;  // 0: none. One completion each 1e9/cap ns
  int cap_burst = 1;          // completions the cap lets through at once
  int coalesce_n = 1;         // an interrupt when this many completions are pending ...
  Time coalesce_ns = 0;       // ... or the oldest is this old (0: no timer: every completion raises unless n > 1)
  bool copies_data = false;
  bool doorbell_when_idle = false;  // the driver rings only a device that has gone idle (virtio event index)
  bool interrupt_on_drain = false;  // an interrupt when nothing is left in the device (a host that works off its ring)
  std::int64_t bytes_per_s = 0;     // 0: size does not matter. Data beyond 4 KiB of a request takes its time
  bool write_cache = false;         // a volatile cache: PREFLUSH and FUA mean something
  bool fua = true;                  // ... and writes may go around it
  bool flush_alone = false;         // nothing else runs while it is emptied
  Dist service_ns;                  // time a server is taken
  Dist latency_ns;                  // added after it, unlimited parallelism
  Dist read_service_ns;             // service time of reads where it differs (absent: service_ns)
  Dist flush_ns;                    // how long emptying it takes
  std::string source;
};

struct Ublk {                          // a user-space block device and its server: models/ublk
  bool present = false;                // the scenario has one
  std::string target = "null";         // null, loop: on [block] through [fs]
  int queues = 2, depth = 128;         // kublk's defaults
  int threads = 0;                     // of the server; 0: one a queue
  bool per_io_daemon = false;          // UBLK_F_PER_IO_DAEMON: each slot belongs to who fetched it
  std::string owners = "";             // which thread fetches what: queue, kublk, commit, interleaved, contiguous
  std::string data = "copy";           // copy, user_copy, zero_copy, auto_buf_reg
  bool need_get_data = false;          // UBLK_F_NEED_GET_DATA
  std::string ring = "defer_taskrun";  // defer_taskrun, coop_taskrun, none
  std::string affinity = "none";       // none; queue: each thread on a CPU of its queue, as kublk does
  std::vector<int> server_cpus;        // instead: CPU of each thread
  int server_nice = 0;
  std::string server_cgroup;
  bool recovery = false;                // UBLK_F_USER_RECOVERY with REISSUE: requests wait for a new server
  Time exit_at_ns = 0, restart_ns = 0;  // the server is killed then, and started again so much later; 0: not
  std::vector<std::string> faults;      // "fetch_again Q T", "commit_by Q T THREAD": mistakes of the server
};

struct Filesystem {
  std::string type = "xfs";       // xfs, ext4, btrfs, none (the block device itself)
  bool written = true;            // extents written before (overwrite); false: unwritten extents are converted
  int unwritten_per_million = 0;  // writes of a written file that meet an unwritten extent all the same
  Dist write_wait;                // what a buffered write that may block waits for, with the inode's lock held
  Dist convert_sleep_ns;          // how long a conversion sleeps, for log space or a metadata block; 0: not
  bool journal = true;            // ext4 has one
};

struct Vm {                                    // vm.dirty_*: limits of the page cache
  std::int64_t dirtyable_memory = 16LL << 30;  // bytes: free and file pages
  int dirty_ratio = 20, dirty_background_ratio = 10;
  std::int64_t dirty_bytes = 0, dirty_background_bytes = 0;  // instead of the ratios, when not 0
  Time dirty_writeback_ns = 5'000'000'000, dirty_expire_ns = 30'000'000'000;
};

struct CpuMax {                          // cpu.max and what belongs to it, us as in the files
  std::optional<std::int64_t> quota_us;  // absent: no limit
  std::int64_t period_us = 100'000;
  std::int64_t burst_us = 0;
  std::optional<Time> phase_ns;
};

struct Cgroup {
  std::string path;                        // "kubepods", "kubepods/pod1"
  std::string parent;                      // "" is the root
  std::optional<std::int64_t> cpu_weight;  // v2, 1..10000
  std::optional<std::int64_t> cpu_shares;  // v1
  bool cpu_idle = false;
  std::string cpu_max;                        // "QUOTA PERIOD" in us, "max"; "": no limit
  std::optional<std::int64_t> cpu_max_burst;  // us
  std::optional<Time> cpu_max_phase;          // when periods begin; absent: as the kernel has it
  CpuMax max;                                 // the three resolved
  std::vector<int> cpuset_cpus;               // empty: those of its parent
};

struct FioJob {  // fio's options under fio's names; defaults are fio's
  std::string name = "fio";
  std::string disk;  // "ublk", "block"; "": the ublk device where there is one
  std::string rw = "randwrite", ioengine = "libaio";
  std::int64_t bs = 4096, size = 0;
  std::int64_t filesize = 0;  // of each file; 0: size / nrfiles
  int iodepth = 1, iodepth_batch_submit = 1, iodepth_batch_complete_min = 1, iodepth_batch_complete_max = 1,
      iodepth_low = 0;
  int numjobs = 1;
  bool direct = true;
  Time thinktime_ns = 0;
  int thinktime_blocks = 1;
  std::int64_t rate_iops = 0;
  std::vector<int> cpus_allowed;  // empty: all
  std::string cpus_allowed_policy = "shared";
  int fdatasync = 0;          // after so many writes, as fsync
  std::string sync = "none";  // none, sync (O_SYNC), dsync (O_DSYNC)
  bool userspace_reap = false;
  bool reap_thread = false;  // not fio's
  bool invalidate = true;    // at the end of its files a sequential job drops them from the page cache
  std::string verify = "0";
  int nice = 0;
  std::string cgroup;  // path of the group, "" root
  std::string policy = "other";
  int rwmixread = 50;  // for rw = randrw
  Time startdelay_ns = 0;
  int nrfiles = 1, fsync = 0;
  // ioengine io_uring
  bool hipri = false, fixedbufs = false, registerfiles = false, sqthread_poll = false, nowait = false;
  int sqthread_poll_cpu = -1, force_async = 0;
  std::optional<int> iowq_max_bounded, iowq_max_unbounded;  // IORING_REGISTER_IOWQ_MAX_WORKERS
};

struct Program {  // a free CPU program (scheduler experiments, background threads): models/workload/program.h
  std::string name, kind;
  Time run_ns = 0, period_ns = 0, sleep_ns = 0;
  Time startdelay_ns = 0;
  int in = -1, out = -1;             // pipes
  int pipes = 1, message_bytes = 1;  // a turn writes `pipes` of them, from `out` on
  int run_percent = 100;             // of what steps say to run
  int copies = 1, in_step = 0;       // so many of it, NAME1, NAME2, ...; each reads the pipe `in_step` further
  int cpu = 0, nice = 0;
  std::string cgroup, session, policy = "other";
  int rt_priority = 0;
  bool call_rcu = false;  // each turn frees something by RCU
  int min_cpus = 1;       // it is not there on a machine with fewer
  // Present: it existed before the run, slept, and is woken at its start with this vruntime (CFS; relative to the
  // others'). Absent: it is new.
  std::optional<Time> start_vruntime_ns;
  std::vector<std::string> turns;  // of kind replay: "AT_NS RUN_NS softirq|hardirq"
};

struct RingProgram {  // a task that runs a list of io_uring operations; ring_ops.h reads them
  std::string name;
  std::vector<std::string> ops, flags;  // flags: IORING_SETUP_* without the prefix
  int entries = 128, cq_entries = 0;
  std::int64_t bs = 4096, loops = 0;  // loops 0: for ever
  bool registered_ring = false;
  int cpu = 0, nice = 0, sq_thread_cpu = -1;
  Time sq_thread_idle_ns = 1'000'000'000;
  std::string cgroup, session;
  std::optional<int> iowq_max_bounded, iowq_max_unbounded;
};

struct TaskRule {
  std::string glob;
  std::optional<int> nice;
  std::optional<Time> slice_ns;  // sched_attr's runtime; 0: the default slice
  std::string policy;            // "": as it is
  Time at_ns = 0;
};  // task.GLOB; "kworker": bound pools

// Something written into a cgroup file or done to a task at a time of the run. `set` says what, resolved below it.
struct Event {
  enum class What : std::uint8_t { cpu_weight, cpu_shares, cpu_idle, cpu_max, cpu_max_burst, task };
  std::string name, set;
  Time at_ns = 0;
  What what = What::task;
  Cgroup group;   // its path, and the one field that is set
  TaskRule task;  // its glob, and the one field that is set
};

struct Workqueue {  // flags of the dio workqueue, for cures
  bool highpri = false, unbound = false, cpu_intensive = false;
  std::string affinity_scope = "cache";  // of an unbound one: cpu, smt, cache, numa, system
  bool affinity_strict = false;
  int max_active = 256;
  Time idle_timeout_ns = 300'000'000'000;
};

struct Run {
  Time duration_ns = 1'000'000'000, warmup_ns = 200'000'000;
  std::uint64_t seed = 1;
  int samples = 0;              // time series points over the window (0: none)
  std::int64_t max_events = 0;  // 0: no limit
  std::int64_t max_wall_ms = 0;
  std::vector<std::string> trace_events;  // tracepoints that are recorded and cost time; empty: all
};

struct Scenario {
  std::string name, title, file;  // file: where it was read, for messages
  Kernel kernel;
  Machine machine;
  Block block;
  Device device;
  Filesystem fs;
  Ublk ublk;
  Vm vm;
  Workqueue dio_wq;
  std::vector<Cgroup> cgroups;  // parents before children
  std::vector<FioJob> workloads;
  std::vector<Program> programs;
  std::vector<RingProgram> rings;
  std::vector<TaskRule> task_rules;
  std::vector<Event> events;
  machine::CostTable costs;
  Run run;
  std::vector<std::string> notes;  // what was assumed while reading, one line each, printed by `show` and in made_by
};

}  // namespace wakepath::scenario
