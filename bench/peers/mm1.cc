// SPDX-License-Identifier: GPL-2.0-or-later
// M/M/1 by two processes, customers arriving at 0.9 of the rate of service: peers_mm1 CUSTOMERS [SEED]. The check is
// the mean time in the system in units of the mean service: 10 in theory. Twins: mm1_simgrid.cc, mm1_simpy.py; the same
// as Cimba's benchmark MM1_single.
#include <cstdlib>

#include "bench/peers/measure.h"
#include "sim/engine/engine.h"
#include "sim/engine/fifo.h"
#include "sim/engine/process.h"
#include "sim/engine/random.h"
#include "sim/engine/sample.h"

using namespace wakepath::engine;  // NOLINT(google-build-using-namespace)

namespace {

constexpr Time kService = 1'000'000, kArrival = kService * 10 / 9;

// A process: its frames, its one timer, where it goes on.
struct Process {
  explicit Process(Engine& e) : engine(e) {
    timer.context = this;
    timer.fire = [](Timer& t, Time) { static_cast<Process*>(t.context)->resume(); };
  }
  FrameStack& frames() { return stack; }
  void resume() { std::exchange(waits, {}).resume(); }

  Engine& engine;
  FrameStack stack{1024};
  Timer timer;
  std::coroutine_handle<> waits;
};

struct Hold {
  Process& p;
  Time ns;
  bool await_ready() { return p.engine.try_advance(p.engine.now() + ns); }
  void await_suspend(std::coroutine_handle<> h) {
    p.waits = h;
    p.engine.arm_in(p.timer, ns);
  }
  void await_resume() {}
};

struct Sleep {  // until somebody wakes it
  Process& p;
  bool await_ready() { return false; }
  void await_suspend(std::coroutine_handle<> h) { p.waits = h; }
  void await_resume() {}
};

struct Model {
  explicit Model(std::uint64_t seed) : arrivals(seed, "arrivals"), services(seed, "services") {}

  Body arrive(Process& p, std::int64_t n) {
    for (; n > 0; --n) {
      co_await Hold{p, sample_exponential(arrivals, kArrival)};
      queue.push_back(engine.now());
      if (server.waits && idle) engine.arm_in(server.timer, 0);
      idle = false;
    }
  }
  Body serve(Process& p, std::int64_t n) {
    for (; n > 0; --n) {
      while (queue.empty()) {
        idle = true;
        co_await Sleep{p};
      }
      const Time arrived = queue.front();
      queue.pop_front();
      co_await Hold{p, sample_exponential(services, kService)};
      in_system += engine.now() - arrived;
    }
  }

  Engine engine;
  Process source{engine}, server{engine};
  RandomStream arrivals, services;
  Fifo<Time> queue;
  bool idle = false;
  Time in_system = 0;
};

}  // namespace

int main(int argc, char* argv[]) {
  const std::int64_t n = argc > 1 ? std::atoll(argv[1]) : 1'000'000;
  Model m(argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1);
  const Body arrive = m.arrive(m.source, n), serve = m.serve(m.server, n);
  m.source.waits = arrive.handle();
  m.server.waits = serve.handle();
  m.engine.arm(m.source.timer, 0);
  m.engine.arm(m.server.timer, 0);
  const double begin = wakepath::peers::cpu_ns();
  m.engine.run(kNever - 2, {});
  const double spent = wakepath::peers::cpu_ns() - begin;
  wakepath::peers::print(spent, static_cast<double>(n),
                         static_cast<double>(m.in_system) / static_cast<double>(n) / static_cast<double>(kService));
  return 0;
}
