// SPDX-License-Identifier: GPL-2.0-or-later
// Task work: when it runs, by how the task is told and where it is (specification of io_uring 1.6, example 6).
#include "models/machine/task_work.h"

#include "models/machine/machine.h"
#include "models/machine/sleep.h"
#include "tests/unit/catch.h"
#include "tests/unit/path_fixture.h"

using namespace wakepath::machine;
using wakepath::engine::Stop;
using wakepath::sched::State;

namespace {

struct Stamp final : TaskWork {
  explicit Stamp(Machine& machine) : m(machine) {}
  Call<void> run(KTask& t) override {
    at = m.now(), cpu = t.cpu->id(), ++runs;
    co_return;
  }
  Machine& m;
  Time at = -1;
  int cpu = -1, runs = 0;
};

// An interrupt on a CPU at a given time queues the work.
struct Queuer final : HrTimer {
  Queuer(Machine& m, KTask& t, TaskWork& w, Notify n) : task(t), work(w), how(n) { (void)m; }
  Call<void> expired(ExecContext& irq) override { co_await task_work_add(irq, task, work, how); }
  KTask& task;
  TaskWork& work;
  Notify how;
};

Body spin(KTask& t, Time ns) {
  for (;;) co_await t.run_ns(ns, Mode::user);
}

Body block(KTask& t, State state, int& wakes) {
  for (;;) {
    t.set_state(state);
    co_await t.schedule();
    t.set_state(State::running);
    ++wakes;
    if (t.work_at_user_exit()) co_await exit_to_user_mode_loop(t);
  }
}

Body nap(KTask& t, SleepTimer& timer, Time until, Time& woke_at) {
  co_await sleep_until(t, timer, until);
  woke_at = t.machine->now();
  t.set_state(State::uninterruptible);
  co_await t.schedule();
}

wakepath::scenario::Scenario two_cpus() {
  auto s = path_test::small_machine("6.12", 1);
  s.machine.cpus = 2;
  return s;
}

constexpr Time kAt = 1'000'000, kTick = 4'000'000;

// Where and when the work of a task that spins in user mode on CPU 0 runs.
Stamp spinning(const wakepath::scenario::Scenario& s, int irq_cpu, Notify how) {
  Machine m(s);
  KTask& t = m.add_task("spin", "spin", "", 0, 0, true, false);
  t.body = spin(t, 1'000'000'000);
  t.resume_at = t.body.handle();
  Stamp work(m);
  Queuer q(m, t, work, how);
  m.start();
  m.first_wake(t);
  m.local_timer(irq_cpu).arm(q, kAt);
  REQUIRE(m.engine.run(3 * kTick, {}) == Stop::time);
  m.check_accounting();
  REQUIRE(t.user_return.handle() == nullptr);
  return work;
}

}  // namespace

TEST_CASE("work for a task in user mode on another CPU comes with an interrupt, or at its next one", "[task_work]") {
  const auto s = two_cpus();
  for (const Notify how : {Notify::signal, Notify::resume}) {
    const Stamp w = spinning(s, 1, how);
    CHECK(w.runs == 1);
    CHECK(w.cpu == 0);
    CHECK(w.at > kAt);
    CHECK(w.at < kAt + 5'000);  // the reschedule interrupt
  }
  const Stamp coop = spinning(s, 1, Notify::signal_no_ipi);
  CHECK(coop.runs == 1);
  CHECK(coop.at > kTick);  // any interrupt of CPU 0: here the tick
  CHECK(coop.at < kTick + 5'000);
}

TEST_CASE("an interrupt of the task's own CPU runs its work on the way out", "[task_work]") {
  const auto s = two_cpus();
  for (const Notify how : {Notify::signal, Notify::resume, Notify::signal_no_ipi}) {
    const Stamp w = spinning(s, 0, how);
    CHECK(w.runs == 1);
    CHECK(w.at > kAt);
    CHECK(w.at < kAt + 2'000);
  }
}

TEST_CASE("signal wakes an interruptible sleeper; resume and an uninterruptible one do not", "[task_work]") {
  const auto s = two_cpus();
  struct Row {
    State state;
    Notify how;
    int wakes;
  };
  for (const Row r : {Row{State::interruptible, Notify::signal, 1}, Row{State::interruptible, Notify::signal_no_ipi, 1},
                      Row{State::interruptible, Notify::resume, 0}, Row{State::uninterruptible, Notify::signal, 0}}) {
    Machine m(s);
    int wakes = 0;
    KTask& t = m.add_task("sleeper", "sleeper", "", 0, 0, true, false);
    t.body = block(t, r.state, wakes);
    t.resume_at = t.body.handle();
    Stamp work(m), second(m);
    Queuer q(m, t, work, r.how), again(m, t, second, r.how);
    m.start();
    m.first_wake(t);
    m.local_timer(1).arm(q, kAt);
    m.local_timer(1).arm(again, kAt + 100);
    REQUIRE(m.engine.run(2 * kAt, {}) == Stop::time);
    CHECK(wakes == r.wakes);
    CHECK(work.runs == r.wakes);
    if (r.wakes == 0) CHECK(t.sleeping);
  }
}

TEST_CASE("a nap that is interrupted by task work lasts as long as asked", "[task_work]") {
  const auto s = two_cpus();
  Machine m(s);
  KTask& t = m.add_task("napper", "napper", "", 0, 0, true, false);
  SleepTimer timer(m);
  Time woke_at = 0;
  t.body = nap(t, timer, 3 * kAt, woke_at);
  t.resume_at = t.body.handle();
  Stamp work(m);
  Queuer q(m, t, work, Notify::signal);
  m.start();
  m.first_wake(t);
  m.local_timer(1).arm(q, kAt);
  REQUIRE(m.engine.run(4 * kAt, {}) == Stop::time);
  CHECK(work.runs == 1);
  CHECK(work.at < kAt + 10'000);
  CHECK(woke_at > 3 * kAt);
  CHECK(woke_at < 3 * kAt + 10'000);
}
