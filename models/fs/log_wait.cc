// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/fs/log_wait.h"

#include <deque>

namespace wakepath::fs {

using machine::Call;
using machine::KTask;

struct LogWaits::Wait {  // lies in the frame of the sleeper
  explicit Wait(machine::Machine& machine) : m(machine) {}
  ~Wait() { m.engine.cancel(written); }
  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;
  machine::Machine& m;
  Line* line = nullptr;
  KTask* task = nullptr;
  bool done = false;
  engine::Timer written;
};

struct LogWaits::Line final : machine::IrqLine {
  Line(machine::Machine& machine, int cpu_id) : m(machine) {
    cpu = &m.cpu(cpu_id);
    number = 35;
    name_id = m.tp.name(m.scenario.block.name + "-log");
  }
  Call<void> handle(machine::ExecContext& irq) override {
    m.tp.irq(*cpu, trace::EventType::irq_handler_entry, number, name_id);
    while (!due.empty()) {
      Wait& w = *due.front();
      due.pop_front();
      KTask& sleeper = *w.task;
      w.done = true;  // the wait may be gone from here on
      co_await m.wake(irq, sleeper);
    }
    m.tp.irq(*cpu, trace::EventType::irq_handler_exit, number, name_id);
  }
  machine::Machine& m;
  std::deque<Wait*> due;
};

LogWaits::LogWaits(machine::Machine& m) : machine_(m) {
  for (int c = 0; c < m.cpu_count(); ++c) lines_.push_back(std::make_unique<Line>(m, c));
}

LogWaits::~LogWaits() = default;

Call<void> LogWaits::wait(KTask& t, machine::Time ns) {
  Wait w(machine_);
  w.line = lines_[static_cast<std::size_t>(t.cpu->id())].get();
  w.task = &t;
  w.written.context = &w;
  w.written.fire = [](engine::Timer& timer, machine::Time) {
    Wait& done = *static_cast<Wait*>(timer.context);
    done.line->due.push_back(&done);
    done.line->cpu->raise(*done.line);
  };
  machine_.engine.arm_in(w.written, ns);
  for (;;) {
    t.set_state(sched::State::uninterruptible);
    if (w.done) break;
    co_await t.schedule();
  }
  t.set_state(sched::State::running);
}

}  // namespace wakepath::fs
