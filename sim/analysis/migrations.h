// SPDX-License-Identifier: GPL-2.0-or-later
// Which tasks move between CPUs, and which decision moves them: the placement rule of a wakeup, or a balance.
//
// Each sched_migrate_task is judged by the records around it, never by names: one between the sched_waking of that task
// and its sched_wakeup, on the same CPU, is the wakeup's placement (select_task_rq); one that is written while a task
// of the stop class runs (traces print its prio as 0) was pushed by the stopper: active balance, or a change of its
// CPUs; one in the scheduler's softirq was pulled by a periodic balance, or pushed on behalf of a CPU that sleeps where
// it goes to another; one that brings a task to the very CPU that writes it, outside of interrupts, is the balance of a
// CPU that runs out of work. Where the record has a call chain, that decides. Call chains of real traces and this rule
// say the same (tests/python/test_migrations.py). Who else was on the CPU it left is counted: the kworker that the
// balance takes for a task too many. Sources: kernel/sched/core.c:try_to_wake_up, set_task_cpu;
// kernel/sched/fair.c:load_balance (6.10: sched_balance_rq), active_load_balance_cpu_stop, newidle_balance,
// nohz_idle_balance; 6.1 and 6.12.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/analysis/told_time.h"
#include "sim/trace/event.h"
#include "sim/trace/string_pool.h"

namespace wakepath::analysis {

enum class Mover : std::uint8_t {
  to_waker,  // a wakeup: to the CPU of the waker
  to_idle,   // a wakeup: to a CPU that idled
  to_busy,   // a wakeup: to another that did not
  stopper,   // active balance, or another set of CPUs
  periodic,
  nohz,
  newidle,
  other,
  count_
};
inline constexpr std::size_t kMovers = static_cast<std::size_t>(Mover::count_);
[[nodiscard]] std::string_view name_of(Mover m);

struct MovedTask {
  std::string comm;                  // a label
  std::int64_t n = 0, returned = 0;  // moves; of them back to the CPU that it was moved away from by the one before
  std::array<std::int64_t, kMovers> by{};
  std::int32_t came_from = -1;
  std::map<std::string, std::int64_t> beside;  // who else ran or waited on the CPU it was moved from: labels
  // "" where no decision made most of at least kLeast moves.
  [[nodiscard]] std::string cause() const;
  [[nodiscard]] std::string company() const;
  static constexpr std::int64_t kLeast = 5;
};

class Migrations final : public trace::Sink {
 public:
  explicit Migrations(const trace::StringPool& pool) : pool_(&pool) {}
  void on_event(const trace::Event& e) override { on_event(e, {}); }
  // `chain`: the call chain of the record where there is one, innermost first.
  void on_event(const trace::Event& e, const std::vector<trace::StringId>& chain);
  [[nodiscard]] const std::map<std::int32_t, MovedTask>& tasks() const { return tasks_; }
  // {"n", "per_s", "by_cause", "by_chain": {…}, "tasks": [{comm, pid, n, per_s, returned, by_cause, cause}]}
  [[nodiscard]] nlohmann::json json() const;

 private:
  static constexpr std::size_t kTasksKept = 1 << 16, kWaitingKept = 64;
  struct Cpu {
    std::int32_t current = -1, prio = 120;  // -1: not known yet
    std::int32_t waking = -1;               // woken here, its sched_wakeup has not come
    int softirqs = 0;
    trace::StringId comm = 0;                                         // of the current one
    std::vector<std::pair<std::int32_t, trace::StringId>> waiting{};  // woken or switched out runnable, not run since
  };
  Cpu& cpu(std::int32_t id);
  void on_migrate(const trace::Event& e, const std::vector<trace::StringId>& chain);
  [[nodiscard]] Mover by_records(const trace::Event& e);
  [[nodiscard]] Mover placed(const trace::Event& e);
  void on_switch(const trace::Event& e);
  void waits(std::int32_t cpu_id, std::int32_t pid, trace::StringId comm);
  void no_longer_waits(std::int32_t cpu_id, std::int32_t pid);
  void note_beside(MovedTask& t, const trace::Event& e);

  const trace::StringPool* pool_;
  std::vector<Cpu> cpus_;
  std::map<std::int32_t, MovedTask> tasks_;
  std::array<std::int64_t, kMovers> by_{};
  std::int64_t n_ = 0, chains_ = 0, agreed_ = 0;  // migrations with a chain; of them the records say the same
  ToldTime told_;
};

}  // namespace wakepath::analysis
