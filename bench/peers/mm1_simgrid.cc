// SPDX-License-Identifier: GPL-2.0-or-later
// M/M/1 by two actors of SimGrid, the twin of mm1.cc: peers_mm1_simgrid CUSTOMERS [SEED]. A semaphore counts the
// waiting customers, which is the cheapest way the library offers.
#include <cstdlib>
#include <deque>
#include <random>

#include "bench/peers/measure.h"
#include "bench/peers/simgrid.h"

using namespace wakepath::peers;  // NOLINT(google-build-using-namespace)

int main(int argc, char* argv[]) {
  const long n = argc > 1 ? std::atol(argv[1]) : 200'000;
  const auto seed = static_cast<unsigned>(argc > 2 ? std::atol(argv[2]) : 1);
  OneHost one;
  std::deque<double> queue;
  auto waiting = sg::Semaphore::create(0);
  double in_system = 0;
  sg::Actor::create("source", one.host, [&] {
    std::mt19937_64 bits(seed);
    std::exponential_distribution<double> draw(0.9);
    for (long i = 0; i < n; ++i) {
      sg::this_actor::sleep_for(draw(bits));
      queue.push_back(sg::Engine::get_clock());
      waiting->release();
    }
  });
  sg::Actor::create("server", one.host, [&] {
    std::mt19937_64 bits(seed + 1);
    std::exponential_distribution<double> draw(1.0);
    for (long i = 0; i < n; ++i) {
      waiting->acquire();
      const double arrived = queue.front();
      queue.pop_front();
      sg::this_actor::sleep_for(draw(bits));
      in_system += sg::Engine::get_clock() - arrived;
    }
  });
  const double begin = cpu_ns();
  one.engine->run();
  print(cpu_ns() - begin, static_cast<double>(n), in_system / static_cast<double>(n));
  return 0;
}
