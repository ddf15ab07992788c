// SPDX-License-Identifier: GPL-2.0-or-later
// A submitter with one io-wq on a small machine: the test says as a coroutine what the submitter does; items block on
// gates or for a time. Task work is the plain kind: notify, wake a sleeper, run at the next look.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/io_uring/io_wq.h"
#include "models/machine/sleep.h"
#include "tests/unit/path_fixture.h"

namespace io_wq_test {

using namespace wakepath;
using io_uring::IoWork;
using io_uring::IoWq;
using machine::Call;
using machine::ExecContext;
using machine::KTask;
using machine::Mode;
using machine::Time;
using sched::State;

constexpr Time kUs = 1'000, kMs = 1'000'000, kSecond = 1'000'000'000;

struct Gate {  // what an open() of a FIFO without a reader waits for
  bool open = false;
  std::vector<KTask*> waiting;
};

struct Bench;

struct Item final : IoWork {
  Item(Bench& bench, std::string item_name) : b(bench), name(std::move(item_name)) {}
  Call<void> run(KTask& worker) override;
  IoWork* put() override { return linked; }
  Call<void> free(KTask&) override;
  // What it does, in this order: compute, sleep, wait for the gate, compute again.
  Item& spin(Time ns) { return spin_ns = ns, *this; }
  Item& sleep(Time ns) { return sleep_ns = ns, *this; }
  Item& wait(Gate& g) { return gate = &g, *this; }
  Item& then_spin(Time ns) { return spin_after_ns = ns, *this; }
  Item& hash(int bucket_number) { return bucket = bucket_number, *this; }
  Item& on_unbound() { return unbound = true, *this; }
  Item& async() { return concurrent = true, *this; }
  Item& link(Item& next_item) { return linked = &next_item, *this; }

  Bench& b;
  std::string name;
  Time spin_ns = 100, sleep_ns = 0, spin_after_ns = 0;
  Gate* gate = nullptr;
  Item* linked = nullptr;
};

struct Options {
  std::string version = "6.12";
  int max_bound = 8, max_unbound = 64, cpus = 1;
  bool submitter_first = true;  // it preempts workers wherever they are
  std::function<void(scenario::Scenario&)> change = {};
};

struct Bench {
  using Body = std::function<Call<void>(KTask&, Bench&)>;
  using Setup = Options;

  explicit Bench(const Setup& o = {}) : scenario(make(o)), m(scenario, &record, &record.pool), pause_timer(m) {
    hash = std::make_shared<io_uring::Hash>();
    s = &m.add_task("submitter", "fio", "", 0, 0, false, false);
    wq = std::make_unique<IoWq>(*s, hash, IoWq::Config{o.max_bound, o.max_unbound, {}, {}});
    if (o.submitter_first) m.sched.set_policy(s->st, sched::Policy::fifo, 0, 20, 0);
    m.tp.enable(true);
  }
  static scenario::Scenario make(const Setup& o) {
    scenario::Scenario sc = path_test::small_machine(o.version, 1);
    sc.machine.cpus = o.cpus;
    if (o.submitter_first) sc.kernel.preempt = scenario::Preempt::full;
    if (o.change) o.change(sc);
    return sc;
  }

  // Runs the body as the submitter's program, then the submitter waits for ever, doing its task work.
  void run(Body program, Time until) {
    body = std::move(program);
    s->body = main(*s);
    s->resume_at = s->body.handle();
    m.start();
    m.first_wake(*s);
    go(until);
  }
  void go(Time until) {
    m.engine.run(until, {});
    m.check_accounting();
    wq->check();
  }
  machine::Body main(KTask& t) {
    co_await body(t, *this);
    for (;;) co_await wait_for(t, [] { return false; });
  }
  // io_uring_enter waiting for something, or any other interruptible sleep.
  Call<void> wait_for(KTask& t, std::function<bool()> until) {
    for (;;) {
      if (t.work_at_user_exit()) co_await machine::exit_to_user_mode_loop(t);
      if (until()) break;
      t.set_state(State::interruptible);
      if (!t.notify_signal && !until()) co_await t.schedule();
      t.set_state(State::running);
    }
  }
  Call<void> pause(KTask& t, Time ns, State state = State::interruptible) {
    pause_timer.task = &t;
    pause_timer.done = false;
    m.local_timer(t.cpu->id()).arm(pause_timer, m.now() + ns);
    if (state == State::interruptible) {
      co_await wait_for(t, [this] { return pause_timer.done; });
      co_return;
    }
    while (!pause_timer.done) {
      t.set_state(state);
      if (!pause_timer.done) co_await t.schedule();
      t.set_state(State::running);
    }
    if (t.work_at_user_exit()) co_await machine::exit_to_user_mode_loop(t);
  }
  Call<void> release(KTask& t, Gate& g) {
    g.open = true;
    auto waiting = std::exchange(g.waiting, {});
    for (KTask* w : waiting) co_await m.wake(t, *w);
  }

  Item& item(const std::string& name) { return items.emplace_back(*this, name); }
  std::vector<KTask*> workers() {
    std::vector<KTask*> all;
    for (KTask& t : m.tasks())
      if (t.group_name == "iou_wrk") all.push_back(&t);
    return all;
  }
  [[nodiscard]] std::string order() const {
    std::string text;
    for (const auto& d : done) text += (text.empty() ? "" : " ") + d;
    return text;
  }

  scenario::Scenario scenario;
  path_test::Record record;
  machine::Machine m;
  machine::SleepTimer pause_timer;
  std::shared_ptr<io_uring::Hash> hash;
  std::unique_ptr<IoWq> wq;
  KTask* s = nullptr;
  Body body;
  std::deque<Item> items;
  bool wakes_on_completion = false;  // the submitter waits for completions
  std::vector<std::string> done;     // names, in order of their ends
  std::vector<std::pair<std::string, KTask*>> by;
};

inline Call<void> Item::run(KTask& t) {
  b.by.emplace_back(name, &t);
  co_await t.run_ns(spin_ns);
  if (sleep_ns > 0) {
    machine::SleepTimer timer(b.m);
    timer.task = &t;
    b.m.local_timer(t.cpu->id()).arm(timer, b.m.now() + sleep_ns);
    while (!timer.done) {
      t.set_state(State::uninterruptible);
      if (!timer.done) co_await t.schedule();
    }
    t.set_state(State::running);
  }
  while (gate != nullptr && !gate->open) {
    gate->waiting.push_back(&t);
    t.set_state(State::interruptible);
    co_await t.schedule();
    t.set_state(State::running);
  }
  if (spin_after_ns > 0) co_await t.run_ns(spin_after_ns);
}

inline Call<void> Item::free(KTask& t) {
  b.done.push_back(name);
  if (b.wakes_on_completion && b.s->sleeping) co_await b.m.wake(t, *b.s);
}

}  // namespace io_wq_test
