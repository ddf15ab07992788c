// SPDX-License-Identifier: GPL-2.0-or-later
// The options of fio 3.33 by what they are to the model. Those of the schema (workload.NAME.*) are not repeated here.
#include "models/scenario/fio_options.h"

#include <algorithm>

#include "models/scenario/schema.h"

namespace wakepath::scenario {
namespace {

struct Row {
  std::string_view name;
  FioOption kind;
  std::string_view allowed, advice;
};

constexpr auto D = FioOption::descriptive, O = FioOption::only, R = FioOption::rewritten, U = FioOption::unmodelled;

constexpr Row kRows[] = {
    // Where the data is, and how fio reports: nothing a scheduler would notice.
    {"name", D, "", ""}, {"description", D, "", ""}, {"directory", D, "", ""}, {"filename", R, "", ""},
    {"filename_format", D, "", ""}, {"unique_filename", D, "", ""}, {"filesize", D, "", ""},
    {"fill_device", D, "", ""}, {"file_append", D, "", ""}, {"nrfiles", D, "", ""}, {"openfiles", D, "", ""},
    {"file_service_type", D, "", ""}, {"create_serialize", D, "", ""}, {"create_on_open", D, "", ""},
    {"create_only", O, "0", "remove it: nothing would be run"}, {"create_fsync", D, "", ""}, {"fallocate", D, "", ""},
    {"fadvise_hint", D, "", ""}, {"invalidate", D, "", ""}, {"overwrite", R, "", ""}, {"end_fsync", D, "", ""},
    {"fsync_on_close", D, "", ""}, {"unlink", D, "", ""}, {"pre_read", D, "", ""}, {"allow_file_create", D, "", ""},
    {"allow_mounted_write", D, "", ""}, {"offset", D, "", ""}, {"offset_increment", D, "", ""},
    {"offset_align", D, "", ""}, {"io_size", D, "", ""}, {"io_limit", D, "", ""}, {"number_ios", D, "", ""},
    {"loops", D, "", ""}, {"group_reporting", D, "", ""}, {"new_group", D, "", ""}, {"stats", D, "", ""},
    {"thread", D, "", ""}, {"time_based", D, "", ""}, {"runtime", R, "", ""}, {"timeout", R, "", ""},
    {"ramp_time", R, "", ""}, {"ss", D, "", ""}, {"ss_dur", D, "", ""}, {"ss_ramp", D, "", ""},
    {"kb_base", O, "1024", ""}, {"unit_base", D, "", ""}, {"eta", D, "", ""}, {"eta-newline", D, "", ""},
    {"eta-interval", D, "", ""}, {"output", D, "", ""}, {"output-format", D, "", ""}, {"minimal", D, "", ""},
    {"append-terse", D, "", ""}, {"terse-version", D, "", ""}, {"bandwidth-log", D, "", ""},
    {"status-interval", D, "", ""}, {"section", R, "", ""}, {"max-jobs", D, "", ""}, {"alloc-size", D, "", ""},
    {"warnings-fatal", D, "", ""}, {"debug", D, "", ""}, {"aux-path", D, "", ""}, {"write_bw_log", D, "", ""},
    {"write_lat_log", D, "", ""}, {"write_iops_log", D, "", ""}, {"write_hist_log", D, "", ""},
    {"log_avg_msec", D, "", ""}, {"log_hist_msec", D, "", ""}, {"log_max_value", D, "", ""},
    {"log_offset", D, "", ""}, {"log_compression", D, "", ""}, {"log_unix_epoch", D, "", ""},
    {"per_job_logs", D, "", ""}, {"bwavgtime", D, "", ""}, {"iopsavgtime", D, "", ""}, {"lat_percentiles", D, "", ""},
    {"slat_percentiles", D, "", ""}, {"clat_percentiles", D, "", ""}, {"percentile_list", D, "", ""},
    {"significant_figures", D, "", ""}, {"disk_util", D, "", ""}, {"continue_on_error", D, "", ""},
    {"error_dump", D, "", ""}, {"exitall", D, "", ""}, {"exitall_on_error", D, "", ""}, {"uid", D, "", ""},
    {"gid", D, "", ""}, {"opendir", D, "", ""}, {"exec_prerun", D, "", ""}, {"exec_postrun", D, "", ""},
    {"write_job_log", D, "", ""},
    // Which offsets and which bytes: the path costs the same.
    {"randrepeat", D, "", ""}, {"allrandrepeat", D, "", ""}, {"randseed", D, "", ""}, {"norandommap", D, "", ""},
    {"softrandommap", D, "", ""}, {"random_generator", D, "", ""}, {"random_distribution", D, "", ""},
    {"use_os_rand", D, "", ""}, {"percentage_random", O, "100", "write rw=read or rw=write for sequential I/O"},
    {"refill_buffers", D, "", ""}, {"scramble_buffers", D, "", ""}, {"zero_buffers", D, "", ""},
    {"buffer_compress_percentage", D, "", ""}, {"buffer_compress_chunk", D, "", ""}, {"buffer_pattern", D, "", ""},
    {"dedupe_percentage", D, "", ""}, {"mem", D, "", ""}, {"iomem", D, "", ""}, {"iomem_align", D, "", ""},
    {"mem_align", D, "", ""}, {"hugepage-size", D, "", ""}, {"blockalign", D, "", ""}, {"ba", D, "", ""},
    {"unified_rw_reporting", D, "", ""}, {"gtod_reduce", D, "", ""}, {"disable_lat", D, "", ""},
    {"disable_slat", D, "", ""}, {"disable_clat", D, "", ""}, {"disable_bw_measurement", D, "", ""},
    {"clocksource", D, "", ""}, {"prio", D, "", ""}, {"prioclass", D, "", ""}, {"group", D, "", ""},
    {"ioscheduler", O, "none", ""},
    {"cpus_allowed_policy", O, "shared", "give each job its own section with cpus_allowed"},
    {"numa_cpu_nodes", D, "", ""}, {"numa_mem_policy", D, "", ""}, {"latency_log", D, "", ""},
    {"max_latency", D, "", ""},
    // Modelled under another name.
    {"cpumask", R, "", ""}, {"buffered", R, "", ""}, {"rwmixwrite", R, "", ""},
    // Fine as long as they are off.
    {"verify", O, "0 null", "verification is not modelled; use verify=0"}, {"do_verify", D, "", ""},
    {"verify_async", O, "0", ""}, {"fsync", O, "0", "fsync is not modelled"},
    {"fdatasync", O, "0", "fdatasync is not modelled"}, {"sync", O, "0 none", "synchronous writes are not modelled"},
    {"sync_file_range", O, "0", ""}, {"atomic", O, "0", ""},
    {"userspace_reap", O, "0", "the ring is reaped by io_getevents"}, {"hipri", O, "0", ""}, {"nowait", O, "0", ""},
    {"thinktime_spin", O, "0", "only sleeping thinktime is modelled"}, {"thinktime_blocks_type", O, "complete", ""},
    {"rate_process", O, "linear", ""}, {"io_submit_mode", O, "inline", ""}, {"bs_is_seq_rand", O, "0", ""},
    {"bs_unaligned", O, "0", ""}, {"cmdprio_percentage", O, "0", ""}, {"serialize_overlap", O, "0", ""},
    {"clat_percentile", D, "", ""}, {"zonemode", O, "none", ""}, {"experimental_verify", O, "0", ""},
    {"verify_only", O, "0", ""},
    // Would change the result, and the model lacks them.
    {"bsrange", U, "", "use one bs"}, {"blocksize_range", U, "", "use one bs"}, {"bssplit", U, "", "use one bs"},
    {"blocksize_unaligned", U, "", ""}, {"rate", U, "", "use rate_iops"}, {"rate_min", U, "", ""},
    {"rate_iops_min", U, "", ""}, {"rate_cycle", U, "", ""}, {"rate_ignore_thinktime", U, "", ""},
    {"rwmixcycle", U, "", ""}, {"latency_target", U, "", ""}, {"latency_window", U, "", ""},
    {"latency_percentile", U, "", ""}, {"latency_run", U, "", ""}, {"stonewall", U, "", ""},
    {"wait_for_previous", U, "", "put one section into each file"},
    {"wait_for", U, "", "put one section into each file"}, {"flow", U, "", ""}, {"flow_id", U, "", ""},
    {"flow_sleep", U, "", ""}, {"flow_watermark", U, "", ""}, {"trim_percentage", U, "", ""},
    {"trim_verify_zero", U, "", ""}, {"trim_backlog", U, "", ""}, {"trim_backlog_batch", U, "", ""},
    {"zonesize", U, "", ""}, {"zonerange", U, "", ""}, {"zonecapacity", U, "", ""}, {"zoneskip", U, "", ""},
    {"read_beyond_wp", U, "", ""}, {"max_open_zones", U, "", ""}, {"replay_no_stall", U, "", "use wakepath replay"},
    {"read_iolog", U, "", "use wakepath replay on a trace"}, {"write_iolog", D, "", ""},
    {"replay_redirect", U, "", ""}, {"replay_time_scale", U, "", ""},
    {"cpuload", U, "", "use program.NAME.kind = \"duty\""}, {"cpuchunks", U, "", ""},
    {"cgroup_weight", U, "", "it is the weight of block I/O; CPU weights are cgroup.PATH.cpu.weight"},
    {"cgroup_nodelete", D, "", ""}, {"profile", U, "", ""}, {"client", U, "", ""}, {"server", U, "", ""},
    {"steadystate", D, "", ""}, {"thinktime_iotime", U, "", ""}, {"sqthread_poll", U, "", ""},
    {"sqthread_poll_cpu", U, "", ""}, {"fixedbufs", U, "", ""}, {"registerfiles", U, "", ""}, {"uncached", U, "", ""},
    {"force_async", U, "", ""}, {"nonvectored", U, "", ""}, {"verify_interval", D, "", ""},
    {"verify_pattern", D, "", ""}, {"verify_fatal", D, "", ""}, {"verify_dump", D, "", ""},
    {"verify_backlog", U, "", ""}, {"verify_backlog_batch", U, "", ""}, {"dedupe_mode", D, "", ""},
    {"startdelay_range", U, "", ""},
};

// Options fio takes without a value, for command lines and bare lines of job files.
constexpr std::string_view kFlags[] = {
    "time_based", "group_reporting", "norandommap", "thread", "direct", "buffered", "randrepeat", "invalidate",
    "overwrite", "stonewall", "wait_for_previous", "new_group", "refill_buffers", "zero_buffers", "exitall",
    "create_only", "minimal", "gtod_reduce", "disable_lat", "disable_clat", "disable_slat",
    "disable_bw_measurement", "unlink", "fsync_on_close", "end_fsync", "hipri", "sync", "softrandommap",
    "userspace_reap", "fill_device", "do_verify", "unified_rw_reporting", "clat_percentiles", "lat_percentiles",
    "slat_percentiles", "per_job_logs", "allow_mounted_write", "bandwidth-log", "eta", "warnings-fatal", "nowait",
    "allrandrepeat", "scramble_buffers", "disk_util", "uncached", "fixedbufs", "registerfiles", "sqthread_poll",
    "nonvectored", "force_async", "atomic", "pre_read", "create_on_open", "log_offset"};

}  // namespace

FioOptionInfo fio_option(std::string_view name) {
  for (const Row& r : kRows) {
    if (r.name == name) return {r.kind, r.allowed, r.advice};
  }
  if (find_key({"workload", "*", std::string(name)}).key != nullptr) return {FioOption::modelled, {}, {}};
  return {};
}

std::vector<std::string> fio_option_names() {
  std::vector<std::string> out;
  for (const Row& r : kRows) out.emplace_back(r.name);
  for (const Key& k : schema()) {
    if (k.part == Part::workload) out.push_back(k.parts.back());
  }
  return out;
}

bool fio_option_is_flag(std::string_view name) {
  return std::find(std::begin(kFlags), std::end(kFlags), name) != std::end(kFlags);
}

}  // namespace wakepath::scenario
