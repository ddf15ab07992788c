// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/machine/tracepoints.h"

#include <algorithm>

#include "models/machine/machine.h"
#include "sim/trace/record_class.h"

namespace wakepath::machine {

using trace::Event;
using trace::EventType;

namespace {

constexpr CostId cost_of(EventType type) {
  return trace::is_sched_record(type) ? CostId::trace_record_sched : CostId::trace_record;
}

}  // namespace

trace::Event* Tracepoints::begin(Cpu& cpu, EventType type) {
  if (!active() || !recorded_.test(static_cast<std::size_t>(type))) return nullptr;
  cpu.add_trace_debt(cpu.machine().cost(cost_of(type)));
  if (!on_) return nullptr;
  event_ = Event{};
  cpu_ = &cpu;
  event_.ts_ns = cpu.machine().now();
  event_.type = type;
  event_.cpu = static_cast<std::int16_t>(cpu.id());
  event_.has_flags = true;
  event_.flags = cpu.trace_flags();
  if (const KTask* t = cpu.current_task()) {
    event_.pid = t->st.pid;
    event_.comm = t->comm_id;
  } else {
    event_.comm = name("<idle>");
  }
  return &event_;
}

void Tracepoints::commit() {
  if (!cpu_->owes()) return send(event_);
  ExecContext& ctx = cpu_->active();
  ctx.owed.add_record();
  deferred_[&ctx].push_back(event_);
  ++deferred_count_;
}

void Tracepoints::write_deferred(Cpu& cpu, ExecContext& ctx, int count, Time at) {
  auto& waiting = deferred_.at(&ctx);
  for (; count > 0; --count) {
    Event e = waiting.front();
    waiting.pop_front();
    e.ts_ns = at;
    e.cpu = static_cast<std::int16_t>(cpu.id());
    e.flags = cpu.trace_flags();
    if (on_) send(e);
    --deferred_count_;
  }
}

void Tracepoints::send(const Event& e) {
  if (deferred_count_ == 0 && held_.empty()) return sink_->on_event(e);
  held_.push_back(e);
  if (held_.size() < next_look_) return;
  Machine& m = cpu_->machine();
  Time since = m.now();
  for (int c = 0; c < m.cpu_count(); ++c) since = std::min(since, m.cpu(c).records_since());
  send_held(since);
  constexpr std::size_t kOften = 1024;
  next_look_ = 2 * held_.size() + kOften;
}

void Tracepoints::send_held(Time before) {
  std::stable_sort(held_.begin(), held_.end(), [](const Event& a, const Event& b) { return a.ts_ns < b.ts_ns; });
  const auto end = std::find_if(held_.begin(), held_.end(), [&](const Event& e) { return e.ts_ns >= before; });
  std::for_each(held_.begin(), end, [&](const Event& e) { sink_->on_event(e); });
  held_.erase(held_.begin(), end);
}

void Tracepoints::flush() {
  if (!held_.empty()) send_held(engine::kNever);
}

void Tracepoints::write_sched_switch(Cpu& cpu, const KTask& prev, std::uint16_t prev_state, const KTask& next) {
  Event* e = begin(cpu, EventType::sched_switch);
  if (e == nullptr) return;
  const auto comm = [&](const KTask& t) {
    return t.st.pid == 0 ? name("swapper/" + std::to_string(cpu.id())) : t.comm_id;
  };
  const auto prio = [](const KTask& t) { return t.st.pid == 0 ? 120 : t.st.prio(); };
  e->u.sw = {comm(prev), prev.st.pid, prio(prev), prev_state, comm(next), next.st.pid, prio(next)};
  commit();
}

void Tracepoints::write_sched_task(Cpu& cpu, EventType type, const KTask& t, int target_cpu) {
  Event* e = begin(cpu, type);
  if (e == nullptr) return;
  e->u.task = {t.comm_id, t.st.pid, t.st.prio(), target_cpu, 0, 0};
  commit();
}

void Tracepoints::write_migrate_task(Cpu& cpu, const KTask& t, int orig_cpu, int dest_cpu) {
  Event* e = begin(cpu, EventType::sched_migrate_task);
  if (e == nullptr) return;
  e->u.task = {t.comm_id, t.st.pid, t.st.prio(), dest_cpu, orig_cpu, dest_cpu};
  commit();
}

void Tracepoints::stat_runtime(Cpu& cpu, const KTask& t, Time delta_ns, std::uint64_t vruntime, bool has_vruntime) {
  Event* e = begin(cpu, EventType::sched_stat_runtime);
  if (e == nullptr) return;
  e->u.runtime = {t.comm_id, t.st.pid, delta_ns, vruntime, has_vruntime};
  commit();
}

void Tracepoints::write_irq(Cpu& cpu, EventType type, int number, trace::StringId what) {
  Event* e = begin(cpu, type);
  if (e == nullptr) return;
  // The end of a handler tells what it returned, not who it was (kernel/irq/handle.c:__handle_irq_event_percpu).
  e->u.irq = {number, type == EventType::irq_handler_exit ? name("handled") : what};
  commit();
}

void Tracepoints::write_timer(Cpu& cpu, EventType type, trace::StringId function) {
  Event* e = begin(cpu, type);
  if (e == nullptr) return;
  e->u.timer = {};
  e->u.timer.function = function;
  e->u.timer.now = cpu.machine().now();
  commit();
}

void Tracepoints::write_work(Cpu& cpu, EventType type, std::uint64_t id, trace::StringId function,
                             trace::StringId workqueue) {
  Event* e = begin(cpu, type);
  if (e == nullptr) return;
  e->u.work = {id, function, workqueue, cpu.id(), cpu.id()};
  commit();
}

void Tracepoints::write_request(Cpu& cpu, EventType type, std::uint64_t sector, bool write, std::uint32_t bytes) {
  Event* e = begin(cpu, type);
  if (e == nullptr) return;
  e->u.rq = {};
  e->u.rq.major = 254;
  e->u.rq.rwbs = name(bytes == 0 ? "FF" : write ? "WS" : "RS");  // no data: a cache flush
  e->u.rq.bytes = bytes;
  e->u.rq.sector = sector;
  e->u.rq.nr_sector = bytes / 512;
  e->u.rq.comm = e->comm;
  commit();
}

void Tracepoints::write_syscall(Cpu& cpu, EventType type, std::uint64_t ctx_id, std::int64_t nr, std::int64_t min_nr,
                                std::int64_t ret) {
  Event* e = begin(cpu, type);
  if (e == nullptr) return;
  e->u.sys = {};
  e->u.sys.ctx_id = ctx_id;
  e->u.sys.nr = nr;
  e->u.sys.min_nr = min_nr;
  e->u.sys.ret = ret;
  commit();
}

void Tracepoints::write_uring(Cpu& cpu, EventType type, const Event::Uring& u) {
  Event* e = begin(cpu, type);
  if (e == nullptr) return;
  e->u.uring = u;
  commit();
}

void Tracepoints::write_uring_enter(Cpu& cpu, unsigned to_submit, unsigned min_complete, unsigned flags) {
  constexpr int kRingFd = 7;
  Event* e = begin(cpu, EventType::sys_enter_io_uring_enter);
  if (e == nullptr) return;
  e->u.sys = {};
  e->u.sys.ctx_id = kRingFd;
  e->u.sys.nr = to_submit;
  e->u.sys.min_nr = min_complete;
  e->u.sys.extra = flags;
  commit();
}

}  // namespace wakepath::machine
