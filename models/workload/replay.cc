// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/workload/replay.h"

#include <utility>

namespace wakepath::workload {

using machine::Call;
using machine::ExecContext;
using machine::KTask;
using machine::Mode;
using sched::State;

namespace {
constexpr unsigned kRcuSoftirq = 9;  // RCU_SOFTIRQ: the last one, as most of these wakings are RCU's
}  // namespace

Replay::Replay(machine::Machine& m, ReplaySoftirq& softirq, machine::KTask& task, const std::vector<std::string>& turns)
    : machine_(m), softirq_(softirq), task_(task) {
  function_id = m.tp.name("replay");
  for (const auto& text : turns) {
    if (const auto turn = scenario::parse_turn(text)) turns_.push_back(*turn);  // the scenario has been checked
  }
}

Replay::~Replay() { machine_.engine.cancel(timer); }

void Replay::start() { arm_next(); }

void Replay::arm_next() {
  if (next_ < turns_.size()) machine_.local_timer(task_.cpu->id()).arm(*this, turns_[next_].at_ns);
}

Call<void> Replay::expired(ExecContext& irq) {
  const scenario::Turn& turn = turns_[next_++];
  ++due_;
  if (turn.in_softirq) {
    co_await softirq_.raise(irq, *this);
  } else {
    co_await machine_.wake(irq, task_);
  }
  arm_next();
}

machine::Body Replay::body(KTask& t) {
  for (;;) {
    t.set_state(State::idle);
    if (done_ == due_) co_await t.schedule();
    t.set_state(State::running);
    while (done_ < due_) co_await t.run_ns(turns_[done_++].run_ns, Mode::kernel_nopreempt);
  }
}

Call<void> ReplaySoftirq::raise(ExecContext& irq, Replay& who) {
  if (due_.empty()) machine_.register_softirq(kRcuSoftirq, this);
  due_.push_back(&who);
  co_await machine_.raise_softirq(irq, kRcuSoftirq);
}

Call<void> ReplaySoftirq::run(ExecContext& ctx) {
  for (Replay* r : std::exchange(due_, {})) co_await machine_.wake(ctx, r->task());
}

}  // namespace wakepath::workload
