// SPDX-License-Identifier: GPL-2.0-or-later
// The hold model (sim/engine/bench.h) on the engine's queue and on the heaps that C++ offers:
//   peers_hold QUEUE PENDING HOLDS [cancels]      QUEUE: wakepath, std, d_ary, fibonacci, pairing, binomial, skew
// std::priority_queue cannot cancel: a cancelled element stays, marked by its age, and is thrown away when it comes
// out, as programs do that use it. Increments are drawn beforehand in all of them. The check is the clock at the end,
// which is the same for all queues where nothing is due at the same time.
#include <boost/heap/binomial_heap.hpp>
#include <boost/heap/d_ary_heap.hpp>
#include <boost/heap/fibonacci_heap.hpp>
#include <boost/heap/pairing_heap.hpp>
#include <boost/heap/skew_heap.hpp>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <queue>
#include <string>
#include <vector>

#include "bench/peers/measure.h"
#include "sim/engine/bench.h"
#include "sim/engine/random.h"
#include "sim/engine/sample.h"

using namespace wakepath;  // NOLINT(google-build-using-namespace)

namespace {

using engine::Time;

// The draws of engine::HoldModel.
struct Draws {
  static constexpr std::size_t kDraws = std::size_t{1} << 14;
  struct Draw {
    Time increment;
    std::uint32_t choice;
  };
  explicit Draws(int pending) : draws(kDraws) {
    engine::RandomStream s(1, "peers.hold");
    for (Draw& d : draws)
      d = {engine::sample_exponential(s, 10'000) + 1,
           static_cast<std::uint32_t>(s.uniform(static_cast<std::uint64_t>(pending)))};
  }
  const Draw& next() { return draws[position++ % kDraws]; }
  std::vector<Draw> draws;
  std::size_t position = 0;
};

struct Element {
  Time at;
  std::uint32_t who, age;
  bool operator>(const Element& o) const { return at > o.at; }
};

class Std {
 public:
  explicit Std(int pending) : ages_(static_cast<std::size_t>(pending)) {}
  void push(Time at, std::uint32_t who) { queue_.push({at, who, ++ages_[who]}); }
  Element pop() {
    for (;;) {
      const Element e = queue_.top();
      queue_.pop();
      if (ages_[e.who] == e.age) return e;
    }
  }
  void move(Time at, std::uint32_t who) { push(at, who); }

 private:
  std::priority_queue<Element, std::vector<Element>, std::greater<>> queue_;
  std::vector<std::uint32_t> ages_;
};

template <class Heap>
class Boost {
 public:
  explicit Boost(int pending) : handles_(static_cast<std::size_t>(pending)) {}
  void push(Time at, std::uint32_t who) { handles_[who] = heap_.push({at, who, 0}); }
  Element pop() {
    const Element e = heap_.top();
    heap_.pop();
    return e;
  }
  void move(Time at, std::uint32_t who) {
    heap_.erase(handles_[who]);
    push(at, who);
  }

 private:
  Heap heap_;
  std::vector<typename Heap::handle_type> handles_;
};

class Ours {
 public:
  explicit Ours(int pending) : timers_(static_cast<std::size_t>(pending)) {}
  ~Ours() { queue_.clear(); }
  void push(Time at, std::uint32_t who) { queue_.arm(timers_[who], at); }
  Element pop() {
    engine::Timer* t = queue_.pop();
    return {t->at, static_cast<std::uint32_t>(t - timers_.data()), 0};
  }
  void move(Time at, std::uint32_t who) {
    queue_.cancel(timers_[who]);
    push(at, who);
  }

 private:
  engine::EventQueue queue_;
  std::vector<engine::Timer> timers_;
};

template <class Queue>
int run(int pending, int holds, bool cancels) {
  Queue queue(pending);
  Draws draws(pending);
  for (int i = 0; i < pending; ++i) queue.push(draws.next().increment, static_cast<std::uint32_t>(i));
  Time now = 0;
  const auto step = [&] {
    const Element e = queue.pop();
    now = e.at;
    queue.push(now + draws.next().increment, e.who);
    if (!cancels) return;
    const Draws::Draw& d = draws.next();
    queue.move(now + d.increment, d.choice);
  };
  for (int i = 0; i < holds / 10; ++i) step();
  const double begin = peers::cpu_ns();
  for (int i = 0; i < holds; ++i) step();
  peers::print(peers::cpu_ns() - begin, holds, static_cast<double>(now));
  return 0;
}

namespace bh = boost::heap;
using Compare = bh::compare<std::greater<Element>>;

}  // namespace

int main(int argc, char* argv[]) {
  if (argc < 4) return 2;
  const std::string name = argv[1];
  const int pending = std::atoi(argv[2]), holds = std::atoi(argv[3]);
  const bool cancels = argc > 4;
  if (name == "wakepath") return run<Ours>(pending, holds, cancels);
  if (name == "std") return run<Std>(pending, holds, cancels);
  if (name == "d_ary")
    return run<Boost<bh::d_ary_heap<Element, bh::arity<4>, bh::mutable_<true>, Compare>>>(pending, holds, cancels);
  if (name == "fibonacci") return run<Boost<bh::fibonacci_heap<Element, Compare>>>(pending, holds, cancels);
  if (name == "pairing") return run<Boost<bh::pairing_heap<Element, Compare>>>(pending, holds, cancels);
  if (name == "binomial") return run<Boost<bh::binomial_heap<Element, Compare>>>(pending, holds, cancels);
  if (name == "skew") return run<Boost<bh::skew_heap<Element, bh::mutable_<true>, Compare>>>(pending, holds, cancels);
  return 2;
}
