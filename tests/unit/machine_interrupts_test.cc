// SPDX-License-Identifier: GPL-2.0-or-later
// Interrupts and softirqs of one CPU: what is raised is run, wherever the CPU is when it is raised.
#include "models/machine/machine.h"
#include "tests/unit/catch.h"
#include "tests/unit/path_fixture.h"

using namespace wakepath::machine;

namespace {

constexpr unsigned kNetRx = 3;

struct Handler final : Machine::SoftirqHandler {
  Call<void> run(ExecContext& ctx) override {
    due = false;
    co_await ctx.run_ns(300);
  }
  bool due = false;
};

struct Raiser final : HrTimer {
  Raiser(Machine& machine, Handler& handler) : m(machine), h(handler) {}
  Call<void> expired(ExecContext& irq) override {
    h.due = true;
    co_await m.raise_softirq(irq, kNetRx);
  }
  Machine& m;
  Handler& h;
};

}  // namespace

TEST_CASE("a softirq raised while another is on its way out runs before the next interrupt") {
  const auto s = path_test::small_machine("6.1", 1);
  for (Time gap = 0; gap < 4000; gap += 10) {
    Machine m(s);
    Handler handler;
    m.register_softirq(kNetRx, &handler);
    m.start();
    Raiser first(m, handler), second(m, handler);
    const Time at = m.next_tick() + 1'000'000;  // far from ticks
    m.local_timer(0).arm(first, at);
    m.local_timer(0).arm(second, at + gap);
    m.engine.run(at + 500'000, {});
    CAPTURE(gap);
    CHECK_FALSE(handler.due);
    CHECK_FALSE(m.cpu(0).softirq_pending());
  }
}
