// SPDX-License-Identifier: GPL-2.0-or-later
// The simulated kernel's tracepoints: counters that every result needs, and, when somebody listens, the records.
// A record costs CPU time on the CPU that writes it, as on a real machine: `trace_record_sched` for sched_* and sys_*,
// `trace_record` for the others (both zero by default).
#pragma once

#include <bitset>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

#include "models/machine/task.h"
#include "sim/trace/event.h"
#include "sim/trace/string_pool.h"

namespace wakepath::machine {

class Cpu;

class Tracepoints {
 public:
  void listen(trace::Sink* sink, trace::StringPool* pool) { sink_ = sink, pool_ = pool; }
  void enable(bool on) {
    if (!on) flush();
    on_ = on && sink_ != nullptr;
    active_ = on_ || charge_;
  }
  void charge(bool on) {  // records cost CPU time also while nobody listens
    charge_ = on;
    active_ = on_ || charge_;
  }
  // From the first call on, only the types named are recorded and charged.
  void record_only(trace::EventType type) {
    if (!chosen_) recorded_.reset();
    chosen_ = true;
    recorded_.set(static_cast<std::size_t>(type));
  }
  [[nodiscard]] bool active() const { return active_; }
  trace::StringId name(std::string_view s) { return pool_ ? pool_->intern(s) : 0; }

  // Starts a record with the common fields; null when no record is built (its cost is charged all the same).
  trace::Event* begin(Cpu& cpu, trace::EventType type);
  void commit();
  // Of code that is ahead of its clock (Cpu::owe): `count` records of this context's, whose time has come.
  [[gnu::cold]] void write_deferred(Cpu& cpu, ExecContext& ctx, int count, Time at);
  void flush();  // no more will come for the time up to now

  void sched_switch(Cpu& cpu, const KTask& prev, std::uint16_t prev_state, const KTask& next) {
    if (active()) [[unlikely]]
      write_sched_switch(cpu, prev, prev_state, next);
  }
  void sched_task(Cpu& cpu, trace::EventType type, const KTask& t, int target_cpu) {
    if (active()) [[unlikely]]
      write_sched_task(cpu, type, t, target_cpu);
  }
  void migrate_task(Cpu& cpu, const KTask& t, int orig_cpu, int dest_cpu) {
    if (active()) [[unlikely]]
      write_migrate_task(cpu, t, orig_cpu, dest_cpu);
  }
  void stat_runtime(Cpu& cpu, const KTask& t, Time delta_ns, std::uint64_t vruntime, bool has_vruntime);
  void irq(Cpu& cpu, trace::EventType type, int number, trace::StringId what) {
    if (active()) [[unlikely]]
      write_irq(cpu, type, number, what);
  }
  void timer(Cpu& cpu, trace::EventType type, trace::StringId function) {
    if (active()) [[unlikely]]
      write_timer(cpu, type, function);
  }
  void work(Cpu& cpu, trace::EventType type, std::uint64_t id, trace::StringId function, trace::StringId workqueue) {
    if (active()) [[unlikely]]
      write_work(cpu, type, id, function, workqueue);
  }
  void request(Cpu& cpu, trace::EventType type, std::uint64_t sector, bool write, std::uint32_t bytes) {
    if (active()) [[unlikely]]
      write_request(cpu, type, sector, write, bytes);
  }
  void syscall(Cpu& cpu, trace::EventType type, std::uint64_t ctx_id, std::int64_t nr, std::int64_t min_nr,
               std::int64_t ret) {
    if (active()) [[unlikely]]
      write_syscall(cpu, type, ctx_id, nr, min_nr, ret);
  }
  // io_uring's: a request's record, and those with one number.
  void uring_request(Cpu& cpu, trace::EventType type, std::uint64_t ring, std::uint64_t user_data, int opcode,
                     bool flag) {
    if (active()) [[unlikely]]
      write_uring(
          cpu, type,
          {.ctx = ring, .req = 0, .user_data = user_data, .flags = 0, .opcode = opcode, .value = 0, .flag = flag});
  }
  void uring_complete(Cpu& cpu, std::uint64_t ring, std::uint64_t user_data, int res) {
    if (active()) [[unlikely]]
      write_uring(
          cpu, trace::EventType::io_uring_complete,
          {.ctx = ring, .req = 0, .user_data = user_data, .flags = 0, .opcode = 0, .value = res, .flag = false});
  }
  void uring_pass(Cpu& cpu, trace::EventType type, std::uint64_t ring, int count) {
    if (active()) [[unlikely]]
      write_uring(cpu, type,
                  {.ctx = ring, .req = 0, .user_data = 0, .flags = 0, .opcode = 0, .value = count, .flag = false});
  }
  void uring_enter(Cpu& cpu, unsigned to_submit, unsigned min_complete, unsigned flags) {
    if (active()) [[unlikely]]
      write_uring_enter(cpu, to_submit, min_complete, flags);
  }
  void uring_enter_exit(Cpu& cpu, int ret) {
    if (active()) [[unlikely]]
      write_syscall(cpu, trace::EventType::sys_exit_io_uring_enter, 0, 0, 0, ret);
  }

 private:
  // Cold: where nobody listens, which is where time counts, they are out of the way of what is run.
  [[gnu::cold]] void write_uring(Cpu& cpu, trace::EventType type, const trace::Event::Uring& u);
  [[gnu::cold]] void write_uring_enter(Cpu& cpu, unsigned to_submit, unsigned min_complete, unsigned flags);
  [[gnu::cold]] void write_syscall(Cpu& cpu, trace::EventType type, std::uint64_t ctx_id, std::int64_t nr,
                                   std::int64_t min_nr, std::int64_t ret);
  [[gnu::cold]] void write_request(Cpu& cpu, trace::EventType type, std::uint64_t sector, bool write,
                                   std::uint32_t bytes);
  [[gnu::cold]] void write_work(Cpu& cpu, trace::EventType type, std::uint64_t id, trace::StringId function,
                                trace::StringId workqueue);
  [[gnu::cold]] void write_timer(Cpu& cpu, trace::EventType type, trace::StringId function);
  [[gnu::cold]] void write_irq(Cpu& cpu, trace::EventType type, int number, trace::StringId what);
  [[gnu::cold]] void write_sched_task(Cpu& cpu, trace::EventType type, const KTask& t, int target_cpu);
  [[gnu::cold]] void write_migrate_task(Cpu& cpu, const KTask& t, int orig_cpu, int dest_cpu);
  [[gnu::cold]] void write_sched_switch(Cpu& cpu, const KTask& prev, std::uint16_t prev_state, const KTask& next);
  void send(const trace::Event& e);
  void send_held(Time before);
  trace::Event event_;
  Cpu* cpu_ = nullptr;  // that wrote it
  // Records of code that is ahead of its clock wait until their time has come, and then, as all others do meanwhile,
  // until no older one can come from another CPU.
  std::unordered_map<const ExecContext*, std::deque<trace::Event>> deferred_;
  std::size_t deferred_count_ = 0, next_look_ = 0;
  std::vector<trace::Event> held_;
  trace::Sink* sink_ = nullptr;
  trace::StringPool* pool_ = nullptr;
  std::bitset<static_cast<std::size_t>(trace::EventType::count_)> recorded_{~0ULL};
  bool on_ = false, charge_ = false, active_ = false, chosen_ = false;
};

}  // namespace wakepath::machine
