// SPDX-License-Identifier: GPL-2.0-or-later
// The hold model on SimGrid, the twin of hold.cc: peers_hold_simgrid timers|actors PENDING HOLDS [cancels].
// timers: its kernel's own timers; each sets itself anew, a cancel removes one and sets it. actors: each sleeps again
// and again; with cancels it waits for a condition with a time limit, and whoever wakes up ends another one's wait.
#include <simgrid/kernel/Timer.hpp>

#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "bench/peers/measure.h"
#include "bench/peers/simgrid.h"

using namespace wakepath::peers;  // NOLINT(google-build-using-namespace)
using simgrid::kernel::timer::Timer;

namespace {

struct Draws {
  static constexpr std::size_t kDraws = std::size_t{1} << 14;
  explicit Draws(int pending) : increments(kDraws), choices(kDraws) {
    std::mt19937_64 bits(1);
    std::exponential_distribution<double> draw(1e5);  // mean 10 us
    for (double& d : increments) d = draw(bits) + 1e-9;
    for (auto& c : choices) c = bits() % static_cast<std::uint64_t>(pending);
  }
  double increment() { return increments[position++ % kDraws]; }
  std::size_t choice() { return choices[position++ % kDraws]; }
  std::vector<double> increments;
  std::vector<std::size_t> choices;
  std::size_t position = 0;
};

struct Timers {
  Timers(int pending, long n, bool with_cancels)
      : draws(pending), timers(static_cast<std::size_t>(pending)), left(n), cancels(with_cancels) {}
  void set(std::size_t who) {
    timers[who] = Timer::set(sg::Engine::get_clock() + draws.increment(), [this, who] { fire(who); });
  }
  void fire(std::size_t who) {
    timers[who] = nullptr;
    if (--left <= 0) return;
    set(who);
    if (!cancels) return;
    const std::size_t other = draws.choice();
    if (timers[other] != nullptr) timers[other]->remove();
    set(other);
  }
  Draws draws;
  std::vector<Timer*> timers;
  long left;
  bool cancels;
};

void run_timers(OneHost& one, int pending, long holds, bool cancels) {
  Timers timers(pending, holds, cancels);
  for (std::size_t i = 0; i < timers.timers.size(); ++i) timers.set(i);
  // Somebody has to be there for the simulation to go on.
  sg::Actor::create("watch", one.host, [&] {
    while (timers.left > 0) sg::this_actor::sleep_for(0.01);
    sg::this_actor::exit();
  });
  const double begin = cpu_ns();
  one.engine->run();
  print(cpu_ns() - begin, static_cast<double>(holds), sg::Engine::get_clock());
  std::fflush(stdout);
  std::_Exit(0);  // timers that are still set are nobody's
}

void run_actors(OneHost& one, int pending, long holds, bool cancels) {
  Draws draws(pending);
  long left = holds;
  auto mutex = sg::Mutex::create();
  std::vector<sg::ConditionVariablePtr> conditions;
  for (int i = 0; i < pending; ++i) conditions.push_back(sg::ConditionVariable::create());
  for (int i = 0; i < pending; ++i)
    sg::Actor::create("hold", one.host, [&, i] {
      while (left > 0) {
        if (!cancels) {
          sg::this_actor::sleep_for(draws.increment());
          --left;
          continue;
        }
        std::unique_lock lock(*mutex);
        if (conditions[static_cast<std::size_t>(i)]->wait_for(lock, draws.increment()) == std::cv_status::timeout) {
          --left;
          conditions[draws.choice()]->notify_one();
        }
      }
    });
  const double begin = cpu_ns();
  one.engine->run();
  print(cpu_ns() - begin, static_cast<double>(holds), sg::Engine::get_clock());
}

}  // namespace

int main(int argc, char* argv[]) {
  if (argc < 4) return 2;
  const int pending = std::atoi(argv[2]);
  const long holds = std::atol(argv[3]);
  OneHost one;
  if (std::string(argv[1]) == "timers") {
    run_timers(one, pending, holds, argc > 4);
  } else {
    run_actors(one, pending, holds, argc > 4);
  }
  return 0;
}
