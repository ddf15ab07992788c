// SPDX-License-Identifier: GPL-2.0-or-later
// What kind of task a comm names: the six classes of the transition table, and the finer family ("iou-wrk", "ublkq",
// "ksoftirqd") that labels a ping-pong cycle. Names only label; no cause is derived from them (design 3.9).
// Source of the worker names: kernel/workqueue.c:create_worker, wq_worker_comm.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "sim/trace/event.h"
#include "sim/trace/string_pool.h"

namespace wakepath::analysis {

enum class TaskClass : std::uint8_t { fio, kworker, kworker_high, kworker_unbound, idle, other, count_ };
inline constexpr std::size_t kTaskClasses = static_cast<std::size_t>(TaskClass::count_);

[[nodiscard]] std::string_view name_of(TaskClass c);
[[nodiscard]] inline bool is_kworker(TaskClass c) {
  return c == TaskClass::kworker || c == TaskClass::kworker_high || c == TaskClass::kworker_unbound;
}

// "kworker/0:1H-kblockd" -> kworker_high, "kworker/u8:2" -> kworker_unbound, "fio" -> fio.
[[nodiscard]] TaskClass class_of_comm(std::string_view comm);
// The comm without what numbers its instances: "iou-wrk-378" -> "iou-wrk", "ublkq0" -> "ublkq", a kworker's class.
[[nodiscard]] std::string family_of_comm(std::string_view comm);

// Classes of the tasks of one trace. A task that was seen calling io_submit or io_getevents is of class fio whatever
// its name, so that a renamed or another program gives the same table.
class TaskClasses {
 public:
  explicit TaskClasses(const trace::StringPool& pool) : pool_(&pool) {}
  void see_syscall(std::int32_t pid) {
    if (submitters_.size() < kSubmittersKept) submitters_.insert(pid);
  }
  [[nodiscard]] TaskClass of(std::int32_t pid, trace::StringId comm) {
    if (pid == 0) return TaskClass::idle;
    const TaskClass c = of_comm(comm);
    return c == TaskClass::other && !submitters_.empty() && submitters_.contains(pid) ? TaskClass::fio : c;
  }

 private:
  static constexpr std::size_t kSubmittersKept = 1 << 16;
  [[nodiscard]] TaskClass of_comm(trace::StringId comm) {
    if (comm >= by_comm_.size()) by_comm_.resize(comm + 1, TaskClass::count_);
    if (by_comm_[comm] == TaskClass::count_) by_comm_[comm] = class_of_comm(pool_->str(comm));
    return by_comm_[comm];
  }

  const trace::StringPool* pool_;
  std::vector<TaskClass> by_comm_;
  std::unordered_set<std::int32_t> submitters_;
};

}  // namespace wakepath::analysis
