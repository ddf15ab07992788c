// SPDX-License-Identifier: GPL-2.0-or-later
// The first mystery (scenarios/starved_completions) as a user of SimGrid would write it: fio, the device and the
// kworker are actors on a host of one core, what each spends is an execution there, weights are priorities:
//   peers_mystery1_simgrid SIMULATED_SECONDS        the check is IOPS
// Costs are those of scenarios/costs/i3en-3xlarge.toml, added up to one figure for each thing an actor does. It has no
// wakeups, switches, ticks, vruntimes or preemption points: SimGrid shares the core in fixed proportions among those
// that want it. So it gives IOPS and shares and cannot show the mystery itself; what it costs is the lower end of what
// a twin with a scheduler in it would.
#include <cstdlib>
#include <deque>
#include <random>

#include "bench/peers/measure.h"
#include "bench/peers/simgrid.h"

using namespace wakepath::peers;  // NOLINT(google-build-using-namespace)

namespace {

constexpr int kDepth = 128, kCoalesce = 6;
constexpr double kNs = 1e-9;
constexpr double kPerSubmit = 386 + 132 + 695 + 400;  // fio_prep_io, io_submit_iocb, fs_dio_submit, block layer
constexpr double kSubmitCall = 44 + 132 + 200, kReapCall = 66 + 200, kPerReap = 88 + 60;
constexpr double kInterrupt = 200 + 150, kPerCompletion = 45 + 150, kPerItem = 60 + 350 + 600, kSwitch = 500;
constexpr double kFioWeight = 10, kKworkerWeight = 1, kInterruptWeight = 1e4;

struct Model {
  explicit Model(sg::Host* h) : host(h) {}
  void run(double ns, double weight) const { sg::this_actor::execute(ns, weight); }  // 1e9 flop/s

  void fio() {
    int free = kDepth;
    for (;;) {
      run(kSubmitCall + free * kPerSubmit, kFioWeight);
      for (; free > 0; --free) {
        const double served = std::max(sg::Engine::get_clock() + latency(bits) * kNs, last + 1 / 200570.0);
        in_flight.push_back(last = served);
        submitted->release();
      }
      finished->acquire();
      free = 1;
      while (!finished->would_block()) finished->acquire(), ++free;
      run(kReapCall + kSwitch + free * kPerReap, kFioWeight);
      done += free;
    }
  }
  void device() {
    for (;;) {
      submitted->acquire();
      sg::this_actor::sleep_until(in_flight.front());
      in_flight.pop_front();
      int n = 1;
      while (n < kCoalesce && !submitted->would_block() && in_flight.front() < sg::Engine::get_clock() + 30e-6) {
        submitted->acquire();
        sg::this_actor::sleep_until(in_flight.front());
        in_flight.pop_front();
        ++n;
      }
      run(kInterrupt + n * kPerCompletion, kInterruptWeight);
      for (; n > 0; --n) queued->release();
    }
  }
  void kworker() {
    for (;;) {
      const bool slept = queued->would_block();
      queued->acquire();
      run(kPerItem + (slept ? kSwitch : 0), kKworkerWeight);
      finished->release();
    }
  }

  sg::Host* host;
  sg::SemaphorePtr submitted = sg::Semaphore::create(0), queued = sg::Semaphore::create(0),
                   finished = sg::Semaphore::create(0);
  std::deque<double> in_flight;
  std::mt19937_64 bits{1};
  std::uniform_real_distribution<double> latency{40000, 120000};
  double last = 0;
  long done = 0;
};

}  // namespace

int main(int argc, char* argv[]) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 1;
  OneHost one;
  Model m(one.host);
  const auto start = [&](const char* name, void (Model::*body)()) {
    sg::Actor::create(name, one.host, [&m, body] { (m.*body)(); })->daemonize();
  };
  start("fio", &Model::fio);
  start("device", &Model::device);
  start("kworker", &Model::kworker);
  sg::Actor::create("clock", one.host, [seconds] { sg::this_actor::sleep_for(seconds); });
  const double begin = cpu_ns();
  one.engine->run();
  print(cpu_ns() - begin, static_cast<double>(m.done), static_cast<double>(m.done) / seconds);
  return 0;
}
