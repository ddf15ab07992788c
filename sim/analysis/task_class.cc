// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/analysis/task_class.h"

#include <array>

#include "sim/trace/scan.h"

namespace wakepath::analysis {
namespace {

constexpr std::string_view kWorker = "kworker/";

bool digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::string_view name_of(TaskClass c) {
  constexpr std::array<std::string_view, kTaskClasses> kNames{"fio",  "kworker", "kworker_high", "kworker_unbound",
                                                              "idle", "other"};
  return kNames[static_cast<std::size_t>(c)];
}

TaskClass class_of_comm(std::string_view comm) {
  if (comm == "fio") return TaskClass::fio;
  if (comm == "<idle>" || comm.starts_with("swapper/") || comm == "swapper") return TaskClass::idle;
  if (!comm.starts_with(kWorker)) return TaskClass::other;
  comm.remove_prefix(kWorker.size());
  if (comm.starts_with('u')) return TaskClass::kworker_unbound;
  // CPU:ID, then H for a high-priority pool; perf appends "+workqueue" or "-workqueue".
  std::size_t n = 0;
  while (n < comm.size() && (digit(comm[n]) || comm[n] == ':')) ++n;
  return n < comm.size() && comm[n] == 'H' ? TaskClass::kworker_high : TaskClass::kworker;
}

std::string family_of_comm(std::string_view comm) {
  const TaskClass c = class_of_comm(comm);
  if (c != TaskClass::other) return std::string(name_of(c));
  if (const auto slash = comm.find('/'); slash != std::string_view::npos && slash > 0) {
    return trace::scan::printable(comm.substr(0, slash));  // ksoftirqd/3, migration/0, xfsaild/nvme0n1
  }
  std::string_view stem = comm;
  while (!stem.empty() && (digit(stem.back()) || stem.back() == '-' || stem.back() == ':')) stem.remove_suffix(1);
  return trace::scan::printable(stem.empty() ? comm : stem);
}

}  // namespace wakepath::analysis
