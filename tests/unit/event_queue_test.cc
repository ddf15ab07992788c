// SPDX-License-Identifier: GPL-2.0-or-later
// The event queue against an oracle: a vector of (time, arming number, timer) searched for its least entry.
#include "sim/engine/event_queue.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <vector>

#include "tests/unit/catch.h"

namespace {

using wakepath::engine::EventQueue;
using wakepath::engine::kNever;
using wakepath::engine::Time;
using wakepath::engine::Timer;

// xorshift64*: the test's own numbers, so that a defect of engine::RandomStream cannot hide one here.
class Numbers {
 public:
  explicit Numbers(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15ULL | 1) {}
  std::uint64_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1DULL;
  }
  std::uint64_t below(std::uint64_t n) { return (next() >> 11) % n; }

 private:
  std::uint64_t state_;
};

class Oracle {
 public:
  void arm(const Timer* t, Time at) {
    cancel(t);
    entries_.push_back({at, next_number_++, t});
  }
  void cancel(const Timer* t) {
    std::erase_if(entries_, [t](const Entry& e) { return e.timer == t; });
  }
  const Timer* pop() {
    if (entries_.empty()) return nullptr;
    const auto first = least();
    const Timer* t = first->timer;
    entries_.erase(first);
    return t;
  }
  Time next_time() { return entries_.empty() ? kNever : least()->at; }
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    Time at;
    std::uint64_t number;
    const Timer* timer;
  };
  std::vector<Entry>::iterator least() {
    return std::min_element(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
      return a.at != b.at ? a.at < b.at : a.number < b.number;
    });
  }
  std::vector<Entry> entries_;
  std::uint64_t next_number_ = 0;
};

// Distances of every level of the lists, ties (0 and small ones), slot and level borders, the far end of time.
Time random_time(Numbers& n, Time now) {
  const Time room = kNever - 1 - now;
  Time distance = 0;
  switch (n.below(6)) {
    case 0:
      distance = static_cast<Time>(n.below(3));
      break;
    case 1:
      distance = static_cast<Time>(n.below(200));
      break;
    case 2:
      distance = static_cast<Time>(n.below(std::uint64_t{1} << n.below(40)));
      break;
    case 3: {  // onto, one before or one behind the next multiple of a power of 16
      const Time width = Time{1} << (4 * n.below(12));
      distance = (now / width + 1) * width - now + static_cast<Time>(n.below(3)) - 1;
      break;
    }
    case 4:
      distance = static_cast<Time>(n.below(16)) * 1000;
      break;
    default:
      distance = static_cast<Time>(n.below(std::uint64_t{1} << n.below(63)));
      break;
  }
  return now + std::clamp<Time>(distance, 0, room);
}

struct Mix {
  std::uint64_t arm, cancel, pop, advance, clear;  // relative frequencies
};

// Every answer of the queue is compared; next_time() is asked at random, for it must not change what follows.
void compare_with_oracle(std::uint64_t seed, std::size_t timers, const Mix& mix, int steps, Time start) {
  CAPTURE(seed, timers);
  Numbers n(seed);
  auto queue = std::make_unique<EventQueue>();
  std::vector<Timer> pool(timers);
  Oracle oracle;
  queue->advance_to(start);
  int differences = 0;
  for (int i = 0; i < steps && differences == 0; ++i) {
    Timer& t = pool[n.below(timers)];
    std::uint64_t dice = n.below(mix.arm + mix.cancel + mix.pop + mix.advance + mix.clear);
    if (dice < mix.arm) {
      const Time at = random_time(n, queue->now());
      queue->arm(t, at);
      oracle.arm(&t, at);
      differences += t.at != at || !t.armed();
    } else if ((dice -= mix.arm) < mix.cancel) {
      queue->cancel(t);
      oracle.cancel(&t);
      differences += t.armed();
    } else if ((dice -= mix.cancel) < mix.pop) {
      const Time at = oracle.next_time();
      const Timer* popped = queue->pop();
      differences += popped != oracle.pop();
      if (popped != nullptr) differences += popped->armed() || popped->at != at || queue->now() != at;
    } else if ((dice -= mix.pop) < mix.advance) {
      const Time last = std::min(queue->next_time(), kNever - 1);
      queue->advance_to(std::min(random_time(n, queue->now()), last));
    } else {
      queue->clear();
      oracle = Oracle();
    }
    if (n.below(2) == 0) differences += queue->next_time() != oracle.next_time();
    differences += queue->size() != oracle.size();
  }
  CHECK(differences == 0);
  while (const Timer* t = queue->pop()) differences += t != oracle.pop();
  CHECK(differences == 0);
  CHECK(oracle.pop() == nullptr);
}

}  // namespace

TEST_CASE("event queue equals a sorted vector", "[engine]") {
  const Mix even{4, 2, 3, 1, 0};
  const Mix full{20, 4, 5, 1, 0};
  const Mix cancels{10, 10, 2, 2, 0};
  const Mix emptied{60, 20, 20, 4, 1};
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    compare_with_oracle(seed, 3, even, 400, 0);
    compare_with_oracle(seed, 16, even, 600, 0);  // the near ones alone, up to full
    compare_with_oracle(seed, 30, even, 600, 0);
    compare_with_oracle(seed, 40, cancels, 800, 0);  // to and fro between near and far
    compare_with_oracle(seed, 100, emptied, 800, 0);
    compare_with_oracle(seed, 300, full, 1500, static_cast<Time>(seed * 0x123456789ABCULL));
  }
  for (std::uint64_t seed = 101; seed <= 104; ++seed) compare_with_oracle(seed, 4096, full, 12000, 0);
}

TEST_CASE("event queue pops equal times in arming order", "[engine]") {
  const int count = GENERATE(2, 16, 17, 500);
  EventQueue queue;
  std::vector<Timer> timers(static_cast<std::size_t>(count));
  for (Timer& t : timers) queue.arm(t, 1'000'000);
  queue.arm(timers[0], 1'000'000);  // re-arming for the same time goes to the back
  for (std::size_t i = 1; i < timers.size(); ++i) REQUIRE(queue.pop() == &timers[i]);
  CHECK(queue.pop() == &timers[0]);
  CHECK(queue.pop() == nullptr);
}

TEST_CASE("event queue keeps arming order across the levels of the lists", "[engine]") {
  EventQueue queue;
  std::vector<Timer> fillers(64);
  for (std::size_t i = 0; i < fillers.size(); ++i) queue.arm(fillers[i], static_cast<Time>(i));
  Timer early, late;
  queue.arm(early, 4'097);  // a level above
  for (int i = 0; i < 60; ++i) queue.pop();
  queue.arm(late, 4'097);  // same place, or one that the first moves to later
  for (int i = 0; i < 4; ++i) queue.pop();
  CHECK(queue.pop() == &early);
  CHECK(queue.pop() == &late);
}

// When the few first ones are gone, the dense part behind them is put into order; then come many that are due before
// it.
TEST_CASE("event queue takes timers that are armed late and due before all others", "[engine]") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    Numbers n(seed);
    EventQueue queue;
    Oracle oracle;
    std::vector<Timer> timers(400);
    std::size_t next = 0;
    const auto arm = [&](std::uint64_t count, Time from, std::uint64_t width) {
      for (; count > 0; --count) {
        Timer& t = timers[next++ % timers.size()];  // moves one that is armed still
        const Time at = from + static_cast<Time>(n.below(width));
        queue.arm(t, at);
        oracle.arm(&t, at);
      }
    };
    const auto pop = [&](std::uint64_t count) {
      for (; count > 0; --count) REQUIRE(queue.pop() == oracle.pop());
    };
    for (int round = 0; round < 20; ++round) {
      arm(1 + n.below(20), queue.now(), 20);
      const std::size_t first_ones = queue.size();
      arm(n.below(100), queue.now() + 1'000'000, 1 + n.below(500));
      pop(round == 0 ? first_ones : n.below(30));
      arm(n.below(60), queue.now(), 1 + n.below(5'000));
      pop(n.below(100));
    }
    pop(timers.size());
  }
}

TEST_CASE("event queue moves a re-armed timer", "[engine]") {
  EventQueue queue;
  Timer a, b;
  queue.arm(a, 10);
  queue.arm(b, 20);
  queue.arm(a, 30);
  CHECK(queue.size() == 2);
  CHECK(queue.next_time() == 20);
  CHECK(queue.pop() == &b);
  CHECK(queue.pop() == &a);
  CHECK(a.at == 30);
}

TEST_CASE("event queue cancels what is not armed without effect", "[engine]") {
  EventQueue queue;
  Timer a, b;
  queue.cancel(a);
  queue.arm(b, 5);
  queue.cancel(a);
  CHECK(queue.size() == 1);
  CHECK(queue.pop() == &b);
  queue.cancel(b);
  CHECK(queue.empty());
  CHECK(queue.next_time() == kNever);
}

TEST_CASE("event queue clock follows pops and advances", "[engine]") {
  EventQueue queue;
  Timer a, b;
  queue.advance_to(100);
  queue.arm(a, 100);  // now is not the past
  queue.arm(b, 300);
  CHECK(queue.pop() == &a);
  queue.advance_to(300);  // up to the next timer, which stays
  CHECK(queue.next_time() == 300);
  queue.arm(a, 300);
  CHECK(queue.pop() == &b);
  CHECK(queue.pop() == &a);
  CHECK(queue.now() == 300);
}

TEST_CASE("event queue refuses what breaks its order", "[engine]") {
  EventQueue queue, other;
  Timer a;
  queue.advance_to(100);
  CHECK_THROWS_AS(queue.arm(a, 99), std::logic_error);
  CHECK_THROWS_AS(queue.arm(a, kNever), std::logic_error);
  CHECK_FALSE(a.armed());
  CHECK_THROWS_AS(queue.advance_to(99), std::logic_error);
  queue.arm(a, 150);
  CHECK_THROWS_AS(queue.advance_to(151), std::logic_error);
  CHECK_THROWS_AS(other.cancel(a), std::logic_error);
  CHECK_THROWS_AS(other.arm(a, 200), std::logic_error);
  CHECK(queue.pop() == &a);
}

TEST_CASE("timers may outlive the queue", "[engine]") {
  std::vector<Timer> timers(100);
  {
    EventQueue queue;
    for (std::size_t i = 0; i < timers.size(); ++i) queue.arm(timers[i], static_cast<Time>(i * i));
  }
  CHECK(std::none_of(timers.begin(), timers.end(), [](const Timer& t) { return t.armed(); }));
}

TEST_CASE("an exception may destroy armed timers", "[engine]") {
  EventQueue queue;
  std::vector<Timer> others(40);
  for (std::size_t i = 0; i < others.size(); ++i) queue.arm(others[i], static_cast<Time>(i));
  try {
    Timer dies;
    queue.arm(dies, 7);
    throw std::runtime_error("a run that fails");
  } catch (const std::runtime_error&) {
  }
  CHECK(queue.size() == others.size());
  queue.clear();
}

TEST_CASE("destroying an armed timer aborts", "[engine]") {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL);  // the test framework's handler would report in the parent's name
    if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(1);
    EventQueue queue;
    auto t = std::make_unique<Timer>();
    queue.arm(*t, 1);
    t.reset();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT));
}

// A hundred timers within some hundred ns, as a hundred busy CPUs have, come as a block; then some are armed that are
// due before it, few and more than are kept in order.
TEST_CASE("event queue of many timers close together equals a sorted vector", "[engine]") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    Numbers n(seed);
    EventQueue queue;
    Oracle oracle;
    std::vector<Timer> timers(160);
    const auto arm = [&](Timer& t, Time at) {
      queue.arm(t, at);
      oracle.arm(&t, at);
    };
    queue.advance_to(static_cast<Time>(seed * 0x123456789ABULL));
    const std::uint64_t width = seed % 3 == 0 ? 40 : 700;
    for (int i = 0; i < 4000; ++i) {
      Timer& t = timers[n.below(timers.size())];
      switch (n.below(16)) {
        case 0:
          queue.cancel(t);
          oracle.cancel(&t);
          break;
        case 1:  // now, or soon: often before the block
          arm(t, queue.now() + static_cast<Time>(n.below(3)));
          break;
        case 2:
          arm(t, queue.now() + static_cast<Time>(n.below(100'000)));
          break;
        case 3:  // a gap, and then a crowd in front of what is there
          if (n.below(20) != 0) break;
          for (Timer& other : timers) arm(other, queue.now() + 5'000 + static_cast<Time>(n.below(300)));
          REQUIRE(queue.pop() == oracle.pop());
          for (std::size_t k = n.below(60); k > 0; --k)
            arm(timers[n.below(timers.size())], queue.now() + static_cast<Time>(n.below(400)));
          break;
        default:
          if (const Timer* popped = queue.pop()) REQUIRE(popped == oracle.pop());
          arm(t, queue.now() + static_cast<Time>(n.below(width)));
          break;
      }
      REQUIRE(queue.next_time() == oracle.next_time());
    }
    while (const Timer* t = queue.pop()) REQUIRE(t == oracle.pop());
    CHECK(oracle.pop() == nullptr);
  }
}

TEST_CASE("event queue hands out a crowd at the end of time", "[engine]") {
  EventQueue queue;
  std::vector<Timer> timers(40);
  for (std::size_t i = 0; i < timers.size(); ++i) queue.arm(timers[i], kNever - 1 - static_cast<Time>(i % 3));
  for (std::size_t rest = 3; rest-- > 0;)
    for (std::size_t i = rest; i < timers.size(); i += 3) REQUIRE(queue.pop() == &timers[i]);
  CHECK(queue.next_time() == kNever);
}
