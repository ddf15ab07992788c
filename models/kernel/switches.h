// SPDX-License-Identifier: GPL-2.0-or-later
// What a kernel version does: one table of switches, each settable from a scenario as kernel.switches.NAME, so that
// "6.1 plus this one patch" is an experiment. The values by version, their sources and grades of evidence are in
// switches_table.cc; this header names the switches and says what each decides.
#pragma once

#include <cstdint>

namespace wakepath::kernel {

// X(type, name, what it decides). Types: bool or int64 (int64 values are ns unless the text says otherwise).
#define WAKEPATH_KERNEL_SWITCHES(X)                                                                                 \
  /* fair class */                                                                                                  \
  X(bool, eevdf, "fair class is EEVDF; false: CFS")                                                                 \
  X(bool, gentle_fair_sleepers, "CFS: a waker's placement credit is halved")                                        \
  X(bool, start_debit, "CFS: a forked task starts one virtual slice late")                                          \
  X(bool, last_buddy, "CFS: the preempted task is remembered as last buddy (nr_running >= 8)")                      \
  X(bool, next_buddy, "the woken task is remembered as next buddy even when it does not preempt")                   \
  X(bool, wakeup_preemption, "a wakeup may preempt")                                                                \
  X(bool, alt_period, "CFS: the slice period counts all fair tasks of the CPU")                                     \
  X(bool, base_slice_floor, "CFS: a slice is at least min_granularity")                                             \
  X(bool, place_lag, "EEVDF: lag is kept through sleep")                                                            \
  X(bool, place_deadline_initial, "EEVDF: a forked task gets half a virtual slice")                                 \
  X(bool, place_rel_deadline, "EEVDF: a migrated task keeps its relative deadline")                                 \
  X(bool, run_to_parity, "EEVDF: the running task is protected until its deadline stamp changes")                   \
  X(bool, preempt_short, "EEVDF: a wakee with a shorter slice cancels protection")                                  \
  X(bool, delay_dequeue, "EEVDF: an ineligible sleeper stays queued until eligible")                                \
  X(bool, delay_zero, "EEVDF: positive lag of a delayed sleeper is clipped to zero")                                \
  X(bool, pick_buddy, "EEVDF: an eligible next buddy is picked")                                                    \
  X(bool, custom_slice, "EEVDF: groups inherit the least slice of their children")                                  \
  X(bool, protect_by_vruntime, "EEVDF: protection ends at a vruntime (vprot, 6.17) instead of the deadline stamp")  \
  X(bool, tick_unprotected, "EEVDF: the tick also reschedules an unprotected ineligible task (6.17)")               \
  X(bool, yield_if_eligible, "EEVDF: sched_yield forfeits to the deadline only if eligible")                        \
  X(bool, idle_loses_protection, "EEVDF: an idle entity loses protection when a non-idle one wakes")                \
  X(bool, reweight_scales_lag, "EEVDF: reweight rescales lag and deadline (reweight_eevdf)")                        \
  X(bool, reweight_by_place, "EEVDF: reweight is dequeue + place_entity (6.13-6.19)")                               \
  X(bool, empty_group_keeps_weight, "an emptied group's entity keeps its last weight")                              \
  X(bool, tg_load_avg_ratelimit, "a group's load_avg is updated at most once per ms")                               \
  X(bool, batch_test_after_idle, "the BATCH wakee test comes after the idle entity test")                           \
  X(bool, stat_runtime_vruntime, "sched_stat_runtime prints vruntime")                                              \
  X(std::int64_t, base_slice_ns, "EEVDF: base slice before scaling by CPU count")                                   \
  X(bool, clock_skip_after_preempting_wakeup, "the switch after a preempting wakeup keeps the wakeup's clock")      \
  X(bool, preempt_lazy, "the lazy preemption model exists")                                                         \
  X(bool, stack_wakee_on_kthread, "a per-CPU kthread may stack its wakee on its own CPU")                           \
  X(bool, newidle_random, "newidle balance is gated by a random dice")                                              \
  /* completion path */                                                                                             \
  X(bool, dio_write_complete_inline, "pure overwrites complete in the interrupt, without the dio workqueue (6.19)") \
  X(bool, dio_caller_completes, "io_uring's issuer completes overwrites itself (6.6)")                              \
  X(bool, dio_error_in_process, "failed direct I/O is finished in process context")                                 \
  X(bool, aio_obey_min_nr, "io_getevents waiters are woken only when min_nr events are there (6.8)")                \
  X(bool, ipi_completes_in_hardirq, "a remote completion runs in the IPI handler itself (5.4)")                     \
  X(bool, direct_complete_needs_submitting_cpu, "one-CPU hctx completes directly only on the submitting CPU (6.5)") \
  X(bool, cache_share_needs_equal_capacity, "sharing a cache counts only between equal capacities (6.9)")           \
  X(bool, completion_batch, "one CQ sweep ends its requests as a batch")                                            \
  X(bool, completion_batch_reversed, "the batch is ended newest first")                                             \
  X(bool, plug_lifo, "a plug without queue_rqs is issued newest first")                                             \
  X(bool, null_blk_queue_rqs, "null_blk has queue_rqs")                                                             \
  X(bool, softirq_waits_for_ksoftirqd, "softirqs at irq exit are skipped while ksoftirqd is runnable")              \
  X(bool, group_cpus_evenly, "generic CPU-to-queue map spreads by group_cpus_evenly")                               \
  X(bool, ext4_iomap_dio, "ext4 direct I/O goes through iomap")                                                     \
  /* workqueues */                                                                                                  \
  X(bool, wq_kick_needs_idle_worker, "enqueue kicks the pool only when an idle worker exists (6.6)")                \
  X(bool, wq_auto_cpu_intensive, "an item over the threshold leaves concurrency management by itself (6.5)")        \
  X(bool, wq_unbound_affinity_scopes, "unbound workqueues have affinity scopes (6.6)")                              \
  X(bool, wq_bh, "WQ_BH exists (6.9)")                                                                              \
  X(bool, wq_cull_by_work, "surplus idle workers are destroyed by a work item, not in the timer")

struct Switches {
#define X(type, name, text) type name{};
  WAKEPATH_KERNEL_SWITCHES(X)
#undef X
};

}  // namespace wakepath::kernel
