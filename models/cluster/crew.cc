// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/cluster/crew.h"

#include <utility>

namespace wakepath::cluster {

namespace {

constexpr int kSpins = 4000;  // some 50 us

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Until it is another value than `old`, which is returned.
template <class T>
T await_other(const std::atomic<T>& value, T old) {
  for (int i = 0; i < kSpins; ++i) {
    if (const T now = value.load(std::memory_order_acquire); now != old) return now;
    pause();
  }
  value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

}  // namespace

Crew::Crew(std::size_t members, std::size_t jobs) : jobs_(jobs), parts_(members) {
  for (std::size_t m = 0; m < members; ++m) {
    Part& p = parts_[m];
    p.begin = jobs * m / members, p.end = jobs * (m + 1) / members;
    p.taken = std::make_unique<std::atomic<Turn>[]>(p.end - p.begin);
  }
  for (std::size_t m = 1; m < members; ++m) threads_.emplace_back([this, m] { serve(m); });
}

Crew::~Crew() {
  over_ = true;
  turn_.fetch_add(1, std::memory_order_release);
  turn_.notify_all();
  for (auto& t : threads_) t.join();
}

void Crew::run(Function f, void* work) {
  function_ = f, work_ = work;
  if (threads_.empty()) return run_alone();
  left_.store(jobs_, std::memory_order_relaxed);
  const Turn turn = turn_.fetch_add(1, std::memory_order_release) + 1;
  turn_.notify_all();
  take_part(turn, 0);
  for (std::size_t left = left_.load(std::memory_order_acquire); left != 0;) left = await_other(left_, left);
  if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
}

// In the same order as a member of several takes its part.
void Crew::run_alone() {
  const bool back = ++turns_alone_ % 2 == 0;
  for (std::size_t k = 0; k < jobs_; ++k) perform(back ? jobs_ - 1 - k : k, 0);
  if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
}

// There is nothing for who comes late: all has been taken, in this turn or a later one.
void Crew::take_part(Turn turn, std::size_t member) {
  const bool back = turn % 2 == 0;
  std::size_t done = take(parts_[member], back, turn, member);
  for (std::size_t i = 1; i < parts_.size(); ++i)
    done += take(parts_[(member + i) % parts_.size()], !back, turn, member);  // what its owner comes to last
  if (done > 0 && left_.fetch_sub(done, std::memory_order_acq_rel) == done) left_.notify_one();
}

std::size_t Crew::take(Part& part, bool back, Turn turn, std::size_t member) {
  std::size_t done = 0;
  const std::size_t number = part.end - part.begin;
  for (std::size_t k = 0; k < number; ++k) {
    const std::size_t i = back ? number - 1 - k : k;
    Turn last = turn - 1;
    if (!part.taken[i].compare_exchange_strong(last, turn, std::memory_order_acq_rel, std::memory_order_relaxed))
      continue;
    perform(part.begin + i, member);
    ++done;
  }
  return done;
}

void Crew::perform(std::size_t job, std::size_t member) noexcept {
  try {
    function_(work_, job, member);
  } catch (...) {
    const std::lock_guard lock(mutex_);
    if (thrown_ && thrown_by_ < job) return;
    thrown_ = std::current_exception();
    thrown_by_ = job;
  }
}

void Crew::serve(std::size_t member) {
  for (Turn seen = 0;;) {
    seen = await_other(turn_, seen);
    if (over_) return;
    take_part(seen, member);
  }
}

}  // namespace wakepath::cluster
