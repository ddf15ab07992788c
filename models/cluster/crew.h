// SPDX-License-Identifier: GPL-2.0-or-later
// A few threads that do a number of jobs together, many times over: nobody goes on before all are done.
//
// Each takes those of its own part first, the same every time, there and back (whose turn it was last still has its
// data in the cache), then what the others have not come to. So none waits for one that the machine does not let run,
// unless in the middle of a job. Whoever waits spins for as long as a window of a fleet may last, then sleeps.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace wakepath::cluster {

class Crew {
 public:
  Crew(std::size_t members, std::size_t jobs);  // whoever calls run() is a member
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;
  [[nodiscard]] std::size_t members() const { return parts_.size(); }

  // work(job, member), once for each job. What is thrown is thrown here, of several the first job's.
  template <class Work>
  void run(Work&& work) {
    run([](void* w, std::size_t job, std::size_t member) { (*static_cast<Work*>(w))(job, member); }, &work);
  }

 private:
  using Function = void (*)(void* work, std::size_t job, std::size_t member);
  using Turn = std::uint32_t;
  struct alignas(64) Part {
    std::size_t begin = 0, end = 0;
    std::unique_ptr<std::atomic<Turn>[]> taken;  // in which turn each was taken last
  };
  void run(Function f, void* work);
  void run_alone();
  void take_part(Turn turn, std::size_t member);
  std::size_t take(Part& part, bool back, Turn turn, std::size_t member);
  void perform(std::size_t job, std::size_t member) noexcept;
  void serve(std::size_t member);

  Function function_ = nullptr;
  void* work_ = nullptr;
  std::size_t jobs_;
  Turn turns_alone_ = 0;
  std::vector<Part> parts_;  // by member
  std::mutex mutex_;         // of what was thrown
  std::exception_ptr thrown_;
  std::size_t thrown_by_ = 0;
  std::vector<std::thread> threads_;
  alignas(64) std::atomic<Turn> turn_{0};
  std::atomic<bool> over_{false};
  alignas(64) std::atomic<std::size_t> left_{0};  // jobs of this turn
};

}  // namespace wakepath::cluster
