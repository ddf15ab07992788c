// SPDX-License-Identifier: GPL-2.0-or-later
// What each kernel version does, cell by cell, with the source and how good the evidence is.
//
// Columns: 5.4, 6.1, 6.6, 6.8, 6.12, 6.18, 6.19. 6.1 and 6.12 were read in late stable trees (6.1.17x and 6.12.11x of
// Debian 12 and 13); 6.18 is a late 6.18.y; the others are near their .0. A switch of the class a version does not
// have (EEVDF features under CFS and the reverse) is false there and has no effect.
// Sources: "S n" section n of the project's scheduler specification, "C n" of its completion-path one, or a commit.
#include "models/kernel/switches_table.h"

#include <iterator>

namespace wakepath::kernel {
namespace {

constexpr Grade R = Grade::read, L = Grade::looked_up, K = Grade::knowledge, I = Grade::inferred;

constexpr TableRow kTable[] = {
    {"eevdf", "S 3.5, C 0 V17", {{{0, K}, {0, R}, {1, L}, {1, K}, {1, R}, {1, L}, {1, I}}}},
    {"gentle_fair_sleepers", "S 5.2", {{{1, K}, {1, R}, {0, L}, {0, K}, {0, R}, {0, I}, {0, I}}}},
    {"start_debit", "S 5.2", {{{1, K}, {1, R}, {0, L}, {0, K}, {0, R}, {0, I}, {0, I}}}},
    {"last_buddy", "S 5.2", {{{1, K}, {1, R}, {0, L}, {0, K}, {0, R}, {0, I}, {0, I}}}},
    {"next_buddy",
     "S 3.10, 5.2",
     {{{0, K},
       {0, R},
       {0, L},
       {0, K},
       {0, R},
       {0, L},
       {0, L, "on with aceccac58ad7, e837456fdca8 in the 6.19 window, off again before the release"}}}},
    {"wakeup_preemption", "S 5.2", {{{1, K}, {1, R}, {1, L}, {1, K}, {1, R}, {1, I}, {1, I}}}},
    {"alt_period", "S 5.2; features of 2021 (5.13)", {{{0, K}, {1, R}, {0, L}, {0, K}, {0, R}, {0, I}, {0, I}}}},
    {"base_slice_floor", "S 5.2; features of 2021 (5.13)", {{{0, K}, {1, R}, {0, L}, {0, K}, {0, R}, {0, I}, {0, I}}}},
    {"place_lag", "S 3.10, 5.2", {{{0, K}, {0, R}, {1, L}, {1, K}, {1, R}, {1, L}, {1, I}}}},
    {"place_deadline_initial", "S 3.10, 5.2", {{{0, K}, {0, R}, {1, L}, {1, K}, {1, R}, {1, L}, {1, I}}}},
    {"place_rel_deadline", "S 3.6, 3.10", {{{0, K}, {0, R}, {0, L}, {0, K}, {1, R}, {1, L}, {1, I}}}},
    {"run_to_parity", "S 3.5, 3.10", {{{0, K}, {0, R}, {1, L}, {1, K}, {1, R}, {1, L}, {1, I}}}},
    {"preempt_short", "S 4.4, 3.10", {{{0, K}, {0, R}, {0, L}, {0, K}, {1, R}, {1, L}, {1, I}}}},
    {"delay_dequeue", "S 3.8, 3.10", {{{0, K}, {0, R}, {0, L}, {0, K}, {1, R}, {1, L}, {1, I}}}},
    {"delay_zero", "S 3.8, 3.10", {{{0, K}, {0, R}, {0, L}, {0, K}, {1, R}, {1, L}, {1, I}}}},
    {"pick_buddy", "S 3.9, 3.10", {{{0, K}, {0, R}, {0, L}, {0, K}, {1, R}, {1, L}, {1, I}}}},
    {"custom_slice", "S 3.6, 3.10", {{{0, K}, {0, R}, {0, L}, {0, K}, {1, R}, {1, L}, {1, I}}}},
    {"protect_by_vruntime", "S 3.10 (6.17)", {{{0, K}, {0, R}, {0, L}, {0, K}, {0, R}, {1, L}, {1, I}}}},
    {"tick_unprotected",
     "S 3.10 (resched_next_slice, 6.17)",
     {{{0, K}, {0, R}, {0, L}, {0, K}, {0, R}, {1, L}, {1, I}}}},
    {"yield_if_eligible",
     "S 0.2, 3.9",
     {{{0, K},
       {0, R},
       {0, L},
       {0, K},
       {1, R},
       {1, I, "stable backport present in the 6.12 tree, so later trees have it"},
       {1, I}}}},
    {"idle_loses_protection", "S 0.2 (mainline 6.15)", {{{0, K}, {0, R}, {0, I}, {0, I}, {1, R}, {1, L}, {1, I}}}},
    {"reweight_scales_lag", "S 3.7, 3.10 (6.7)", {{{0, K}, {0, R}, {0, K}, {1, K}, {1, R}, {0, K}, {0, K}}}},
    {"reweight_by_place", "S 3.10 (6.13)", {{{0, K}, {0, R}, {0, K}, {0, K}, {0, R}, {1, K}, {1, K}}}},
    {"empty_group_keeps_weight",
     "S 1.4",
     {{{0, K},
       {0, R},
       {0, I, "comes with delayed dequeue (6.12)"},
       {0, I, "comes with delayed dequeue (6.12)"},
       {1, R},
       {1, I},
       {1, I}}}},
    {"tg_load_avg_ratelimit", "S 0.2 (6.7)", {{{0, K}, {0, R}, {0, K}, {1, K}, {1, R}, {1, I}, {1, I}}}},
    {"batch_test_after_idle", "S 3.10, 4.3, 4.4", {{{0, K}, {0, R}, {0, L}, {0, K}, {1, R}, {1, L}, {1, I}}}},
    {"stat_runtime_vruntime",
     "S 2.2, 11",
     {{{1, K},
       {1, R},
       {1, K},
       {0, K, "taken out with the 6.8 rework that shares run-time accounting between classes"},
       {0, R},
       {0, I},
       {0, I}}}},
    {"base_slice_ns",
     "S 0.2, 5.1",
     {{{0, K}, {0, R}, {750000, L}, {750000, L}, {700000, R}, {700000, L}, {700000, I}}}},
    {"clock_skip_after_preempting_wakeup", "S 2.1b", {{{1, K}, {1, R}, {1, I}, {1, I}, {1, R}, {1, I}, {1, I}}}},
    {"preempt_lazy", "C 0 V18 (6.13)", {{{0, K}, {0, R}, {0, K}, {0, K}, {0, R}, {1, K}, {1, K}}}},
    {"stack_wakee_on_kthread",
     "C 0 V19, 52262ee567ad (5.6)",
     {{{0, K}, {1, R}, {1, I}, {1, I}, {1, R}, {1, I}, {1, I}}}},
    {"newidle_random",
     "S 0.2, 7.6",
     {{{0, K},
       {1, R},
       {1, L},
       {0, K},
       {1, R},
       {1, I, "stable backport present in 6.1, 6.6 and 6.12 trees, so taken for late 6.18.y"},
       {1, L, "mainline 6.19"}}}},
    {"dio_write_complete_inline",
     "C 0 V1, eca9dc20891d a4ae47e5d2bc",
     {{{0, L}, {0, R}, {0, L}, {0, L}, {0, R}, {0, L}, {1, L}}}},
    {"dio_caller_completes",
     "C 0 V3, 8c052fb3002e (6.6)",
     {{{0, I}, {0, R}, {1, L}, {1, L}, {1, R}, {1, L}, {0, L, "flag removed in 6.19"}}}},
    {"dio_error_in_process",
     "C 0 V21, ddb4873286e0",
     {{{0, I}, {0, R}, {0, I}, {0, I}, {1, R}, {1, I, "6.19 and stable"}, {1, L}}}},
    {"aio_obey_min_nr", "C 0 V4, 71eb6b6b0ba9 (6.8)", {{{0, I}, {0, R}, {0, L}, {1, L}, {1, R}, {1, I}, {1, I}}}},
    {"ipi_completes_in_hardirq", "C 0 V5", {{{1, L}, {0, R}, {0, I}, {0, I}, {0, R}, {0, I}, {0, I}}}},
    {"direct_complete_needs_submitting_cpu",
     "C 0 V6, 30654614f3d2 (6.5)",
     {{{0, K}, {0, R}, {1, L}, {1, L}, {1, R}, {1, I}, {1, I}}}},
    {"cache_share_needs_equal_capacity",
     "C 0 V7, af550e4c9682 (6.9)",
     {{{0, I}, {0, R}, {0, L}, {0, L}, {1, R}, {1, I}, {1, I}}}},
    {"completion_batch", "C 0 V9 (5.16)", {{{0, K}, {1, R}, {1, I}, {1, I}, {1, R}, {1, I}, {1, I}}}},
    {"completion_batch_reversed",
     "C 0 V9, 00e8d290b55f (6.13)",
     {{{0, K}, {1, R}, {1, L}, {1, L}, {1, R}, {0, L}, {0, I}}}},
    {"plug_lifo",
     "C 0 V10, e70c301faece (6.13 and stable)",
     {{{0, K}, {1, R}, {1, K}, {1, K}, {0, R}, {0, L}, {0, I}}}},
    {"null_blk_queue_rqs",
     "C 1.4, d78bfa1346ab (posted Sep 2023, 6.7)",
     {{{0, K}, {0, R}, {0, L}, {1, L}, {1, R}, {1, I}, {1, I}}}},
    {"softirq_waits_for_ksoftirqd",
     "C 0 V11, d15121be7485 (6.5)",
     {{{1, I}, {1, R}, {0, L}, {0, L}, {0, R}, {0, I}, {0, I}}}},
    {"group_cpus_evenly", "C 0 V12, 6a6dcae8f486 (6.3)", {{{0, I}, {0, R}, {1, L}, {1, L}, {1, R}, {1, K}, {1, K}}}},
    {"ext4_iomap_dio", "C 0 V20 (5.5)", {{{0, K}, {1, R}, {1, I}, {1, I}, {1, R}, {1, I}, {1, I}}}},
    {"wq_kick_needs_idle_worker", "C 4.2 (6.6)", {{{0, I}, {0, R}, {1, K}, {1, K}, {1, R}, {1, I}, {1, I}}}},
    {"wq_auto_cpu_intensive",
     "C 0 V13, 616db8779b1e (6.5)",
     {{{0, I}, {0, R}, {1, L}, {1, L}, {1, R}, {1, I}, {1, I}}}},
    {"wq_unbound_affinity_scopes", "C 0 V14 (6.6)", {{{0, I}, {0, R}, {1, K}, {1, K}, {1, R}, {1, I}, {1, I}}}},
    {"wq_bh", "C 0 V15, 4cb1ef64609f (6.9)", {{{0, I}, {0, R}, {0, L}, {0, L}, {1, R}, {1, I}, {1, I}}}},
    {"wq_cull_by_work", "C 4.1 (6.3)", {{{0, I}, {0, R}, {1, K}, {1, K}, {1, R}, {1, I}, {1, I}}}},
};

// Every switch has its row, in the order of switches.h: the table cannot drift from the struct.
constexpr std::string_view kNames[] = {
#define X(type, name, text) #name,
    WAKEPATH_KERNEL_SWITCHES(X)
#undef X
};
constexpr bool rows_match() {
  if (std::size(kTable) != std::size(kNames)) return false;
  for (std::size_t i = 0; i < std::size(kNames); ++i)
    if (kTable[i].name != kNames[i]) return false;
  return true;
}
static_assert(rows_match(), "switches_table.cc must list the switches of switches.h in their order");

}  // namespace

std::span<const TableRow> switches_table() { return kTable; }

}  // namespace wakepath::kernel
