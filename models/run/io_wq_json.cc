// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/run/io_wq_json.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace wakepath::run {
namespace {

using json = nlohmann::ordered_json;
using io_uring::IoWqCounters;

constexpr std::string_view kEnqueue = "io_wq_enqueue (enqueue path)";
constexpr std::string_view kHook = "io_wq_worker_sleeping (sched-out hook)";
constexpr std::string_view kTake = "io_get_next_work (a worker takes work)";

struct Cause {
  std::string_view name;
  std::int64_t created;  // workers made that it explains
  std::array<std::string_view, 2> paths;
  std::string_view text;
};

// Named from the decision records alone: for each worker made by request, what was so when it was asked for.
json churn(const IoWqCounters& c) {
  const Cause causes[] = {
      {"idle_worker_asked",
       c.created_by_idle,
       {kEnqueue, kHook},
       "A free worker went to sleep between an item's insertion and its own activation: the hook saw the item and "
       "asked "
       "for another worker"},
      {"bucket_busy",
       c.created_bucket_busy,
       {kTake, kHook},
       "The worker that blocked, or another, held the hash bucket of the item it left listed: the hook asked for a "
       "worker, which could not take the item"},
      {"free_worker_on_its_way",
       c.created_worker_woken,
       {kEnqueue, kHook},
       "Enqueue had woken a free worker for the item; before that one ran another blocked, and the hook, which looks "
       "at "
       "the list of work and not at the free list, asked for one more"},
      {"free_worker_asleep",
       c.created_worker_free,
       {kEnqueue, kHook},
       "A free worker slept: enqueue uses the free list, the hook and its callback make a new worker without looking "
       "at it"},
  };
  const Cause* first = nullptr;
  std::int64_t unneeded = 0;
  for (const Cause& one : causes) {
    unneeded += one.created;
    if (one.created > 0 && (first == nullptr || one.created > first->created)) first = &one;
  }
  if (first == nullptr || unneeded * 2 < c.created()) return nullptr;
  return {{"cause", first->name},
          {"paths", first->paths},
          {"unneeded", unneeded},
          {"share_of_created", static_cast<double>(first->created) / static_cast<double>(c.created())},
          {"text", fmt::format("{} of {} workers were made without need, {} gone again. {}.", unneeded, c.created(),
                               c.exited, first->text)}};
}

}  // namespace

json io_wq_json(const IoWqCounters& c, double seconds) {
  const auto rate = [&](std::int64_t n) { return static_cast<double>(n) / seconds; };
  const auto average = [&](std::int64_t ns) { return static_cast<double>(ns) / (seconds * 1e9); };
  json counts = json::object();
#define X(name, text) counts[#name] = c.name;
  WAKEPATH_IO_WQ_COUNTERS(X)
#undef X
  counts.erase("live_ns");
  counts.erase("idle_ns");
  return {{"workers_created_per_s", rate(c.created())},
          {"workers_exited_per_s", rate(c.exited)},
          {"wakeups_without_work_per_s", rate(c.wakeups_without_work)},
          {"workers_peak", c.peak},
          {"workers_beyond_limit", c.peak_over_limit},
          {"workers_live_mean", average(c.live_ns)},
          {"workers_idle_mean", average(c.idle_ns)},
          {"queued_per_s", rate(c.queued)},
          {"workers_created", c.created()},
          {"counts", counts},
          {"churn", churn(c)}};
}

}  // namespace wakepath::run
